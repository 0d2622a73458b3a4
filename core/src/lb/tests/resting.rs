//! Addresses that services gave up: who gets them again, when, and what is remembered.

use std::net::IpAddr;
use std::time::Duration;

use super::fixture::{Site, addr, key, port};
use super::*;
use crate::ipam::lookup::{Standing, lookup};
use crate::ipam::usage::of_pool;
use crate::ipam::{Order, PoolState};
use crate::net::Family;
use crate::time::Timestamp;

/// One pool of external addresses with this order and cool-down in seconds. Every request takes a second.
fn site(order: Order, cooldown: u64, range: &str) -> Site {
    let mut site = Site::usual();
    external(&mut site, order, cooldown, range);
    site
}

fn external(site: &mut Site, order: Order, cooldown: u64, range: &str) {
    let with = |pool: &mut crate::ipam::Pool| (pool.order, pool.cooldown) = (order, Duration::from_secs(cooldown));
    site.pool("external", Purpose::ExternalService, &[range], with);
}

fn given(site: &mut Site, name: &str) -> IpAddr {
    site.create(name, |_| {}).unwrap().external[0].address
}

fn wait(site: &mut Site, seconds: u64) {
    for _ in 0..seconds {
        site.ctx();
    }
}

fn rests(site: &Site) -> Vec<String> {
    site.cluster.lb.rests().map(|(_, address)| address.to_string()).collect()
}

fn sweep(site: &mut Site) {
    let now = site.ctx().now;
    rest::sweep(&site.cluster, 100, now).into_iter().for_each(|change| site.cluster.lb.apply(&change));
}

#[test]
fn an_address_rests_for_its_cool_down_and_the_lowest_comes_first_again_after_it() {
    let mut site = site(Order::Lowest, 30, "10.0.0.13-10.0.0.20");
    let first = given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    assert_eq!(rests(&site), [first.to_string()]);
    assert_eq!(given(&mut site, "n/b"), addr("10.0.0.14"));
    wait(&mut site, 30);
    assert_eq!(given(&mut site, "n/c"), first);
    assert!(rests(&site).is_empty(), "the record goes when the address is given");
    site.check();
}

#[test]
fn what_is_asked_for_by_name_does_not_rest() {
    let mut site = site(Order::Lowest, 30, "10.0.0.13-10.0.0.20");
    let first = given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    let named = site.create("n/b", |spec| spec.external.addresses = vec![first]).unwrap();
    assert_eq!((named.external[0].address, rests(&site).len()), (first, 0));
    site.delete("n/b", "").unwrap();
    site.reserve("kept", "10.0.0.13-10.0.0.14", "");
    let reserved = |spec: &mut ServiceSpec| spec.external.reservation = Some("kept".parse().unwrap());
    assert_eq!(site.create("n/c", reserved).unwrap().external[0].address, addr("10.0.0.14"), "those that do not rest come first");
    assert_eq!(site.create("n/d", reserved).unwrap().external[0].address, first);
    site.check();
}

#[test]
fn the_longest_free_comes_first_where_the_pool_says_so() {
    let mut site = site(Order::LongestFree, 0, "10.0.0.13-10.0.0.16");
    for name in ["n/a", "n/b", "n/c"] {
        given(&mut site, name);
    }
    for name in ["n/b", "n/a"] {
        site.delete(name, "").unwrap();
    }
    assert_eq!(given(&mut site, "n/d"), addr("10.0.0.16"), "what nobody gave up has been free longest");
    assert_eq!(given(&mut site, "n/e"), addr("10.0.0.14"));
    assert_eq!(given(&mut site, "n/f"), addr("10.0.0.13"));
    site.check();
}

#[test]
fn a_pool_in_which_all_rest_is_full_and_says_until_when() {
    let mut site = site(Order::LongestFree, 30, "10.0.0.13-10.0.0.14");
    given(&mut site, "n/a");
    given(&mut site, "n/b");
    site.delete("n/a", "").unwrap();
    let full = site.create("n/c", |spec| spec.external.pools = vec!["external".parse().unwrap()]).unwrap_err();
    assert_eq!((full.reason, full.metadata["resting"].as_str()), (Reason::PoolExhausted, "1"));
    assert_eq!(full.retry_after, Some(Duration::from_secs(29)));
    assert!(full.message.contains("1 of 2 IPv4 addresses are held, 1 resting"), "{full}");
    let waiting = site.create("n/d", |_| {}).unwrap();
    assert_eq!(waiting.conditions[0].reason, Reason::PoolExhausted);
    assert!(site.heal().is_empty());
    let now = site.ctx().now;
    let end = rest::next_end(&site.cluster, now).unwrap();
    assert_eq!(end, site.cluster.lb.rest(addr("10.0.0.13")).unwrap().since.after(Duration::from_secs(30)));
    wait(&mut site, 30);
    assert_eq!(site.heal(), ["n/d"]);
    let now = site.ctx().now;
    assert_eq!(rest::next_end(&site.cluster, now), None);
    site.check();
}

#[test]
fn records_last_as_long_as_they_are_of_use() {
    let mut site = site(Order::Lowest, 30, "10.0.0.13-10.0.0.20");
    given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    sweep(&mut site);
    assert_eq!(rests(&site).len(), 1);
    wait(&mut site, 30);
    sweep(&mut site);
    assert!(rests(&site).is_empty());
    external(&mut site, Order::LongestFree, 30, "10.0.0.13-10.0.0.20");
    given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    wait(&mut site, 60);
    sweep(&mut site);
    assert_eq!(rests(&site).len(), 1, "the pool wants to know who was free since when");
    wait(&mut site, 600);
    sweep(&mut site);
    assert!(rests(&site).is_empty());
    given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    external(&mut site, Order::Lowest, 0, "10.0.0.13-10.0.0.20");
    sweep(&mut site);
    assert!(rests(&site).is_empty(), "no pool asks any more");
    given(&mut site, "n/a");
    site.delete("n/a", "").unwrap();
    assert!(rests(&site).is_empty(), "the usual pools cost no record");
}

#[test]
fn an_address_rests_when_its_last_holder_gives_it_up() {
    let mut site = site(Order::Lowest, 30, "10.0.0.13-10.0.0.20");
    let shared = |number| {
        move |spec: &mut ServiceSpec| {
            spec.external.sharing_key = "k".to_owned();
            spec.ports = vec![port(Protocol::Tcp, number)];
        }
    };
    site.create("n/a", shared(1)).unwrap();
    site.create("n/b", shared(2)).unwrap();
    site.delete("n/a", "").unwrap();
    assert!(rests(&site).is_empty());
    site.update("n/b", |spec| (spec.service_type, spec.external) = (ServiceType::ClusterIp, External::default())).unwrap();
    assert_eq!(rests(&site), ["10.0.0.13"]);
    site.check();
}

#[test]
fn what_leaves_its_pool_rests_as_that_pool_says() {
    let mut site = site(Order::Lowest, 30, "10.0.0.13-10.0.0.14");
    given(&mut site, "n/a");
    external(&mut site, Order::Lowest, 30, "10.0.0.14-10.0.0.15");
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!(rests(&site), ["10.0.0.13"]);
    external(&mut site, Order::Lowest, 30, "10.0.0.13-10.0.0.14");
    let other = site.create("n/b", |_| {}).unwrap();
    assert_eq!(other.conditions[0].reason, Reason::PoolExhausted);
    site.check();
}

#[test]
fn usage_and_the_standing_of_an_address_tell_of_its_rest() {
    let mut site = site(Order::Lowest, 30, "10.0.0.254-10.0.1.3");
    let held = given(&mut site, "n/a");
    let gone = given(&mut site, "n/b");
    site.delete("n/b", "").unwrap();
    let now = site.ctx().now;
    let found = lookup(&site.cluster, gone, now);
    assert_eq!((found.standing, found.given_up.clone()), (Standing::Cooling, Some(key("n/b"))));
    assert_eq!(found.sentence(), "10.0.0.255 of pool external was released by service n/b and rests.");
    assert_eq!(lookup(&site.cluster, gone, Timestamp(now.0 + 60_000_000)).standing, Standing::Free);
    assert_eq!(lookup(&site.cluster, held, now).standing, Standing::Service);
    let count = |site: &Site| {
        let pool = site.cluster.ipam.pool(&"external".parse().unwrap()).unwrap();
        let usage = of_pool(&site.cluster, pool, Family::V4, now);
        [usage.total, usage.used, usage.reserved, usage.cooling, usage.avoided, usage.free]
    };
    assert_eq!(count(&site), [6, 1, 0, 1, 0, 4]);
    // The pool comes to avoid the address that rests and one that is free; a reservation keeps the one that is held.
    site.reserve("kept", "10.0.0.254", "");
    let with = |pool: &mut crate::ipam::Pool| {
        (pool.cooldown, pool.avoid_buggy_ips, pool.state) = (Duration::from_secs(30), true, PoolState::Draining)
    };
    site.pool("external", Purpose::ExternalService, &["10.0.0.254-10.0.1.3"], with);
    assert_eq!(count(&site), [6, 1, 0, 1, 1, 3]);
}

#[test]
fn an_address_that_is_held_and_avoided_counts_once() {
    let mut site = site(Order::Lowest, 0, "10.0.0.255-10.0.1.1");
    given(&mut site, "n/a");
    site.pool("external", Purpose::ExternalService, &["10.0.0.255-10.0.1.1"], |pool| pool.avoid_buggy_ips = true);
    assert!(site.heal().is_empty(), "who holds an address keeps it");
    let pool = site.cluster.ipam.pool(&"external".parse().unwrap()).unwrap();
    let usage = of_pool(&site.cluster, pool, Family::V4, Timestamp(0));
    assert_eq!((usage.used, usage.avoided, usage.free), (1, 1, 1));
}
