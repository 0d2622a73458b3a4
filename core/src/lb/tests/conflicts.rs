//! Strangers on the network that answer for what services hold.

use super::fixture::{META, Site, addr, key};
use super::world::report;
use super::*;
use crate::ipam::{self, Answer, Neighbors};
use crate::lb::explain::{Check, Verdict};
use crate::time::Timestamp;

fn dispute(site: &Site, name: &str) -> Option<Condition> {
    site.get(name).condition(ConditionKind::AddressConflict).cloned()
}

#[test]
fn a_service_keeps_the_address_that_a_stranger_answers_for_and_says_so_until_it_is_over() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    site.create("n/b", |_| {}).unwrap();
    site.put(report("10.0.0.13", true));
    assert_eq!(site.heal(), ["n/a"]);
    let disputed = site.get("n/a");
    let said = dispute(&site, "n/a").unwrap();
    assert_eq!((&disputed.external, said.reason), (&first.external, Reason::AddressQuarantined));
    assert!(said.message.contains("00:15:5d:01:02:03") && said.message.contains("10.0.0.13"), "{}", said.message);
    assert!(said.message.contains("node `node-a`"), "{}", said.message);
    assert_eq!(disputed.waiting_since(), None, "it lacks nothing");
    let told = explain(&site.cluster, &key("n/a"), site.again().now).unwrap();
    let bad: Vec<_> = told.steps.iter().filter(|step| step.verdict == Verdict::Bad(Reason::AddressQuarantined)).collect();
    assert_eq!((bad.len(), bad[0].check, &bad[0].message), (1, Check::Address, &said.message));
    site.check();

    // What else changes leaves it, with the time since when; another stranger is named.
    site.update("n/a", |spec| spec.publish_not_ready = true).unwrap();
    assert_eq!(dispute(&site, "n/a"), Some(said.clone()));
    let node: crate::net::Name = "node-a".parse().unwrap();
    let answers = vec![Answer { address: addr("10.0.0.13"), mac: "00:15:5d:01:02:99".parse().unwrap() }];
    let other = Neighbors { node: node.clone(), uid: META.uid, reported: Timestamp(0), answers };
    site.put(ipam::Change::Neighbors(node, Some(other.into())));
    assert_eq!(site.heal(), ["n/a"]);
    let renamed = dispute(&site, "n/a").unwrap();
    assert!(renamed.message.contains("00:15:5d:01:02:99"), "{}", renamed.message);
    assert_eq!(renamed.since, said.since);

    site.put(report("10.0.0.13", false));
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!((dispute(&site, "n/a"), site.get("n/a").external), (None, first.external));
    site.check();
}

#[test]
fn a_report_that_counts_no_more_and_a_pool_that_ignores_neighbors_end_it() {
    let mut site = Site::usual();
    site.create("n/a", |_| {}).unwrap();
    site.put(report("172.28.0.2", true));
    assert_eq!(site.heal(), ["n/a"]);
    assert!(dispute(&site, "n/a").unwrap().message.contains("172.28.0.2"), "cluster IPs are disputed too");
    let much_later = Timestamp(ipam::neighbors::VALID.as_micros() as u64 + 1);
    let later = crate::schema::PlanContext { now: much_later, ..site.again() };
    let healed = reassign(&site.cluster, Scope::All, 9, later);
    assert!(healed[0].after.as_ref().unwrap().conditions.is_empty());
    site.pool("service", Purpose::ClusterService, &["172.28.0.2-172.28.0.100"], |pool| pool.ignore_neighbors = true);
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!(dispute(&site, "n/a"), None);
}

#[test]
fn a_reservation_gives_no_address_that_a_stranger_answers_for() {
    let mut site = Site::usual();
    site.put(report("10.0.0.13", true));
    site.reserve("kept", "10.0.0.13-10.0.0.14", "");
    let named = |spec: &mut ServiceSpec| spec.external.reservation = Some("kept".parse().unwrap());
    assert_eq!(site.create("n/a", named).unwrap().external[0].address, addr("10.0.0.14"));
    let refusal = site.create("n/b", named).unwrap_err();
    assert_eq!((refusal.reason, refusal.metadata["address"].as_str()), (Reason::AddressQuarantined, "10.0.0.13"));
    site.check();
}
