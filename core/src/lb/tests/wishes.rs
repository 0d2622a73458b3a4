//! Addresses, reservations and pools asked for by name, and pools that choose for whom they are.

use std::sync::Arc;

use super::fixture::{META, Site, addr, any_of, port};
use super::*;
use crate::ipam::{self, Answer, Neighbors, PoolState, Quotas};
use crate::net::Name;
use crate::time::Timestamp;

fn want(address: &str) -> impl FnOnce(&mut ServiceSpec) {
    let address = addr(address);
    move |spec| spec.external.addresses = vec![address]
}

fn from(pools: &[&str]) -> impl FnOnce(&mut ServiceSpec) {
    let pools = pools.iter().map(|pool| pool.parse().unwrap()).collect();
    move |spec| spec.external.pools = pools
}

#[test]
fn a_wish_is_met_or_refused_and_nothing_changes() {
    let mut site = Site::usual();
    assert_eq!(site.create("n/a", want("10.0.0.17")).unwrap().external[0].address, addr("10.0.0.17"));
    let before = site.cluster.lb.clone();
    for (name, reason, with) in [
        ("n/b", Reason::AddressInUse, Box::new(want("10.0.0.17")) as Box<dyn FnOnce(&mut ServiceSpec)>),
        ("n/b", Reason::AddressNotInPool, Box::new(want("10.0.0.200"))),
        ("n/b", Reason::AddressNotInPool, Box::new(want("172.28.0.50"))),
        ("n/b", Reason::PoolNotFound, Box::new(from(&["nowhere"]))),
        ("n/b", Reason::NoEligiblePool, Box::new(from(&["service"]))),
        ("n/b", Reason::ReservationNotFound, Box::new(|spec| spec.external.reservation = Some("none".parse().unwrap()))),
    ] {
        assert_eq!(site.create(name, with).unwrap_err().reason, reason);
    }
    assert_eq!(site.cluster.lb, before);
}

#[test]
fn a_wish_that_may_wait_is_stored_and_met_as_soon_as_it_can_be() {
    let mut site = Site::usual();
    site.create("n/holder", want("10.0.0.17")).unwrap();
    let first = site.create("n/waiter", |_| {}).unwrap();
    assert_eq!(site.update("n/waiter", want("10.0.0.17")).unwrap_err().reason, Reason::AddressInUse);
    site.wishes = Some(Wishes::MayWait);
    let waiting = site.update("n/waiter", want("10.0.0.17")).unwrap();
    assert_eq!((&waiting.external, waiting.conditions[0].reason), (&first.external, Reason::AddressInUse));
    assert!(site.heal().is_empty());
    site.delete("n/holder", "").unwrap();
    assert_eq!(site.heal(), ["n/waiter"]);
    let met = site.get("n/waiter");
    assert_eq!((met.external[0].address, met.conditions.len()), (addr("10.0.0.17"), 0));
    site.check();
}

#[test]
fn named_pools_are_asked_in_their_order() {
    let mut site = Site::usual();
    site.pool("gold", Purpose::ExternalService, &["192.0.2.1"], |pool| pool.auto_assign = false);
    let names = ["gold", "external"];
    assert_eq!(site.create("n/a", from(&names)).unwrap().external[0].address, addr("192.0.2.1"));
    assert_eq!(site.create("n/b", from(&names)).unwrap().external[0].address, addr("10.0.0.13"));
    let refusal = site.create("n/c", from(&["gold"])).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolExhausted);
    assert_eq!((refusal.metadata["held"].as_str(), refusal.metadata["total"].as_str()), ("1", "1"));
    let moved = site.update("n/b", from(&["external"])).unwrap();
    assert_eq!(moved.external[0].address, addr("10.0.0.13"));
    site.delete("n/a", "").unwrap();
    assert_eq!(site.update("n/b", from(&["gold"])).unwrap().external[0].address, addr("192.0.2.1"));
    site.check();
}

#[test]
fn a_reservation_gives_its_addresses_to_who_names_it() {
    let mut site = Site::usual();
    site.reserve("vip", "10.0.0.13", "");
    let named = |spec: &mut ServiceSpec| spec.external.reservation = Some("vip".parse().unwrap());
    assert_eq!(site.create("n/other", |_| {}).unwrap().external[0].address, addr("10.0.0.14"));
    assert_eq!(site.create("n/other2", want("10.0.0.13")).unwrap_err().reason, Reason::AddressReserved);
    assert_eq!(site.create("n/a", named).unwrap().external[0].address, addr("10.0.0.13"));
    assert_eq!(site.create("n/b", named).unwrap_err().reason, Reason::ReservationInUse);
    site.check();
}

#[test]
fn pools_that_select_come_first_then_priority_then_name() {
    let mut site = Site::usual();
    site.namespace("gold", &[("tier", "gold")], Quotas::default());
    site.pool("a-general", Purpose::ExternalService, &["192.0.2.1"], |pool| pool.priority = 7);
    site.pool("ns", Purpose::ExternalService, &["192.0.2.2"], |pool| pool.selectors.namespaces = vec!["gold".parse().unwrap()]);
    site.pool("labels", Purpose::ExternalService, &["192.0.2.3"], |pool| {
        pool.selectors.namespace_labels = any_of("tier=gold");
        pool.priority = 3;
    });
    site.pool("objects", Purpose::ExternalService, &["192.0.2.4"], |pool| {
        pool.selectors.objects = any_of("app=web");
        pool.priority = 2;
    });
    let mut got = Vec::new();
    for number in 0..5 {
        let service = site.create_labelled(&format!("gold/s{number}"), &[("app", "web")], |_| {}).unwrap();
        got.push(service.external[0].pool.to_string());
    }
    assert_eq!(got, ["objects", "labels", "ns", "a-general", "external"]);
    let stranger = site.create("other/x", from(&["ns"])).unwrap_err();
    assert_eq!(stranger.reason, Reason::NamespaceNotAllowed);
    site.check();
}

#[test]
fn pools_that_give_nothing_new_keep_what_they_gave() {
    let mut site = Site::usual();
    let kept = site.create("n/a", |_| {}).unwrap();
    for (state, reason) in [(PoolState::Draining, Reason::PoolDraining), (PoolState::Disabled, Reason::PoolDisabled)] {
        site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |pool| pool.state = state);
        assert!(site.heal().is_empty());
        assert_eq!(site.create("n/b", want("10.0.0.15")).unwrap_err().reason, reason);
        let updated = site.update("n/a", |spec| spec.publish_not_ready = !spec.publish_not_ready).unwrap();
        assert_eq!((updated.external, updated.conditions.len()), (kept.external.clone(), 0));
    }
}

#[test]
fn addresses_that_a_pool_avoids_are_not_given() {
    let mut site = Site::default();
    site.pool("service", Purpose::ClusterService, &["172.28.0.0/24"], |_| {});
    site.pool("external", Purpose::ExternalService, &["10.0.0.254-10.0.1.1"], |pool| pool.avoid_buggy_ips = true);
    assert_eq!(site.create("n/a", |_| {}).unwrap().external[0].address, addr("10.0.0.254"));
    assert_eq!(site.create("n/b", |_| {}).unwrap().external[0].address, addr("10.0.1.1"));
    assert_eq!(site.create("n/c", want("10.0.0.255")).unwrap_err().reason, Reason::AddressReserved);
    let full = site.create("n/c", |_| {}).unwrap();
    assert!(full.conditions[0].message.contains("2 of 4"), "{:?}", full.conditions);
    site.pool("external", Purpose::ExternalService, &["10.0.0.254-10.0.1.1"], |pool| pool.avoid_first_last = true);
    assert_eq!(site.heal(), ["n/c"]);
    assert_eq!(site.get("n/c").external[0].address, addr("10.0.0.255"));
}

#[test]
fn quotas_bound_services_and_external_addresses() {
    let mut site = Site::usual();
    let quotas = Quotas { services: Some(3), external_addresses: Some(1), ..Quotas::default() };
    site.namespace("shop", &[], quotas);
    let shared = |number: u16| {
        move |spec: &mut ServiceSpec| {
            spec.external.sharing_key = "k".to_owned();
            spec.ports = vec![port(Protocol::Tcp, number)];
        }
    };
    let first = site.create("shop/a", shared(1)).unwrap();
    assert_eq!(site.create("shop/b", shared(2)).unwrap().external, first.external);
    let refusal = site.create("shop/c", |_| {}).unwrap_err();
    assert_eq!((refusal.reason, refusal.metadata["limit"].as_str()), (Reason::QuotaExceeded, "1"));
    site.wishes = Some(Wishes::MayWait);
    let waiting = site.create("shop/c", |_| {}).unwrap();
    assert_eq!((waiting.conditions[0].reason, waiting.cluster.len()), (Reason::QuotaExceeded, 1));
    let fourth = site.create("shop/d", |spec| spec.service_type = ServiceType::Headless).unwrap_err();
    assert_eq!((fourth.reason, fourth.metadata["limit"].as_str()), (Reason::QuotaExceeded, "3"));
    site.delete("shop/a", "").unwrap();
    assert!(site.heal().is_empty());
    site.delete("shop/b", "").unwrap();
    assert_eq!(site.heal(), ["shop/c"]);
}

#[test]
fn an_address_that_a_stranger_answers_for_is_given_to_no_service() {
    let mut site = Site::usual();
    let seen = |address: &str| {
        let answer = Answer { address: addr(address), mac: "00:15:5d:01:02:03".parse().unwrap() };
        let (node, uid): (Name, _) = ("node-a".parse().unwrap(), META.uid);
        let report = Neighbors { node: node.clone(), uid, reported: Timestamp(0), answers: vec![answer] };
        ipam::Change::Neighbors(node, Some(Arc::new(report)))
    };
    let first = site.create("n/a", |_| {}).unwrap().external[0].address;
    site.put(seen(&first.to_string()));
    let second = site.create("n/b", |_| {}).unwrap().external[0].address;
    site.put(seen(&addr("10.0.0.17").to_string()));
    assert_eq!(site.create("n/c", want("10.0.0.17")).unwrap_err().reason, Reason::AddressQuarantined);
    site.heal();
    assert_eq!(site.get("n/a").external[0].address, first, "who holds an address keeps it");
    site.delete("n/b", "").unwrap();
    site.put(seen(&second.to_string()));
    assert_ne!(site.create("n/d", |_| {}).unwrap().external[0].address, second);
    site.check();
}
