//! What happens by itself, and what the explanation says about it.

use super::fixture::{Site, addr, key};
use super::*;
use crate::lb::explain::{Check, Verdict};
use crate::time::Timestamp;

fn verdict(site: &Site, name: &str, check: Check) -> Vec<Verdict> {
    let explanation = explain(&site.cluster, &key(name), Timestamp(0)).unwrap();
    explanation.steps.into_iter().filter(|step| step.check == check).map(|step| step.verdict).collect()
}

#[test]
fn a_full_pool_makes_services_wait_in_line() {
    let mut site = Site::usual();
    for number in 0..8 {
        site.create(&format!("n/s{number}"), |_| {}).unwrap();
    }
    let late = site.create("n/z-first", |_| {}).unwrap();
    site.create("n/a-second", |_| {}).unwrap();
    let condition = late.condition(ConditionKind::ExternalAddresses).unwrap();
    assert_eq!((late.cluster.len(), late.external.len(), condition.reason), (1, 0, Reason::PoolExhausted));
    assert!(condition.message.contains("8 of 8"), "{}", condition.message);
    assert_eq!(verdict(&site, "n/z-first", Check::Pools), [Verdict::Well; 2]);
    assert_eq!(verdict(&site, "n/z-first", Check::Address), [Verdict::Well, Verdict::Bad(Reason::PoolExhausted)]);
    site.delete("n/s3", "").unwrap();
    assert_eq!(verdict(&site, "n/z-first", Check::Address), [Verdict::Well; 2]);
    assert_eq!(site.heal(), ["n/z-first"]);
    assert_eq!(site.get("n/z-first").external[0].address, addr("10.0.0.16"));
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.21"], |_| {});
    assert_eq!(site.heal(), ["n/a-second"]);
    site.check();
}

#[test]
fn without_any_pool_both_sides_wait_and_say_so() {
    let mut site = Site::default();
    site.create("n/a", |_| {}).unwrap();
    assert_eq!(verdict(&site, "n/a", Check::Pools), [Verdict::Bad(Reason::NoEligiblePool); 2]);
    assert_eq!(verdict(&site, "n/a", Check::Address), [Verdict::Unknown; 2]);
    assert_eq!(verdict(&site, "n/a", Check::Endpoints), [Verdict::Bad(Reason::NoReadyEndpoints)]);
    site.pool("external", Purpose::ExternalService, &["10.0.0.13"], |_| {});
    site.pool("service", Purpose::ClusterService, &["172.28.0.0/24"], |_| {});
    assert_eq!(site.heal(), ["n/a"]);
    assert!(site.get("n/a").conditions.is_empty());
    site.check();
}

#[test]
fn the_reason_of_a_condition_follows_the_state() {
    let mut site = Site::usual();
    site.pool("external", Purpose::ExternalService, &["10.0.0.13"], |_| {});
    site.create("n/holder", |_| {}).unwrap();
    site.create("n/a", |_| {}).unwrap();
    site.pool("external", Purpose::ExternalService, &["10.0.0.13"], |pool| pool.auto_assign = false);
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!(site.get("n/a").conditions[0].reason, Reason::NoEligiblePool);
}

#[test]
fn an_address_that_left_its_pools_is_given_up() {
    let mut site = Site::usual();
    site.create("n/a", |_| {}).unwrap();
    site.pool("external", Purpose::ExternalService, &["192.0.2.1-192.0.2.3"], |_| {});
    assert_eq!(audit(&site.cluster).len(), 1);
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!(site.get("n/a").external[0].address, addr("192.0.2.1"));
    site.drop_pool("external");
    assert_eq!(site.heal(), ["n/a"]);
    let lost = site.get("n/a");
    assert_eq!((lost.external.len(), lost.conditions[0].reason), (0, Reason::NoEligiblePool));
    site.check();
}

#[test]
fn the_audit_sees_an_address_held_twice() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    let mut second = site.create("n/b", |_| {}).unwrap();
    second.external = first.external;
    second.cluster.clear();
    site.cluster.lb.apply(&Change::Service(second.key.clone(), Some(second.into())));
    let reasons: Vec<_> = audit(&site.cluster).into_iter().map(|finding| finding.reason).collect();
    assert_eq!(reasons, [Reason::Internal, Reason::AddressInUse]);
}

#[test]
fn a_crowd_that_waits_for_one_pool_costs_one_look_at_it() {
    let mut site = Site::default();
    // Every other address is held, the rest is kept free: 2048 runs to walk for whoever looks.
    site.pool("external", Purpose::ExternalService, &["10.0.0.0-10.0.15.255"], |_| {});
    let first = site.create("n/s0", |_| {}).unwrap();
    for number in 0u16..2048 {
        let [high, low] = (number * 2).to_be_bytes();
        let mut service = first.clone();
        service.key.name = format!("s{number}").parse().unwrap();
        service.conditions.clear();
        service.external[0].address = [10, 0, high, low].into();
        site.cluster.lb.apply(&Change::Service(service.key.clone(), Some(service.into())));
        let [high, low] = (number * 2 + 1).to_be_bytes();
        site.reserve(&format!("r{number}"), &format!("10.0.{high}.{low}"), "somebody");
    }
    let waiting = site.create("n/w", |_| {}).unwrap();
    assert_eq!(waiting.condition(ConditionKind::ExternalAddresses).unwrap().reason, Reason::PoolExhausted);
    for number in 0..3000 {
        let mut service = waiting.clone();
        service.key.name = format!("w{number}").parse().unwrap();
        site.cluster.lb.apply(&Change::Service(service.key.clone(), Some(service.into())));
    }
    // Without what the first has found out this takes minutes in a debug build.
    let ctx = site.ctx();
    assert!(reassign(&site.cluster, Scope::Waiting, 100, ctx).is_empty());
    site.delete("n/s77", "").unwrap();
    let ctx = site.ctx();
    let served = reassign(&site.cluster, Scope::Waiting, 100, ctx);
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].after.as_ref().unwrap().external[0].address, addr("10.0.0.154"));
}
