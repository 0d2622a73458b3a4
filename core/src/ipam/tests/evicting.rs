//! A change of pools that takes addresses from their holders: only when it may, and then every holder is accounted for.

use super::*;
use crate::ipam::pool::PoolChange;
use crate::ipam::record::Quotas;
use crate::ipam::{Action, Impact, impact, namespace};

impl World {
    /// Shrinks a pool of pods, commits, and says what it did.
    fn shrink(&mut self, name: &str, purpose: Purpose, ranges: &[&str]) -> Result<Vec<Impact>, Refusal> {
        let context = self.context();
        let draft = Box::new(draft(name, purpose, ranges));
        let changes = [PoolChange::Put { draft, etag: String::new() }];
        assert_eq!(pool::apply(&self.cluster, &changes, Eviction::Refused, context).unwrap_err().reason, Reason::PoolInUse);
        let decision = pool::apply(&self.cluster, &changes, Eviction::Allowed, context)?;
        let impact = impact(&self.cluster, &decision.changes, context);
        self.commit(decision);
        Ok(impact)
    }

    fn addresses(&self, handle: &str) -> Vec<IpAddr> {
        let held = self.cluster.ipam.by_handle(handle);
        held.into_iter().flat_map(|held| &held.holdings).map(|holding| holding.address).collect()
    }
}

fn evicted(impact: &[Impact]) -> Vec<(&str, &str)> {
    let evicted = impact.iter().filter(|one| one.action == Action::Evict);
    evicted.map(|one| (one.name.as_str(), one.description.as_str())).collect()
}

#[test]
fn a_holder_gets_another_address_and_stays_who_it_is() {
    let mut world = World::usual();
    let low = world.pod("low", "node-a").unwrap();
    let named = allocate::Request { addresses: vec![ip("172.27.200.1")], ..pod("high", "node-b") };
    let before = world.allocate(&named).unwrap();

    let impact = world.shrink("pod", Purpose::Pod, &["172.27.0.0/17"]).unwrap();
    let after = Arc::clone(world.cluster.ipam.by_handle("high").unwrap());
    assert_eq!(world.addresses("low"), [low], "who holds nothing of it is left alone");
    assert_eq!((after.meta.uid, after.meta.version), (before.meta.uid, 2), "it is the same allocation");
    assert_eq!(world.addresses("high"), [ip("172.27.0.64")], "from a block of its own node in what the pool has left");
    assert_eq!(after.holdings[0].block, Some("172.27.0.64/26".parse().unwrap()));
    let told = [("high", "pod shop/high loses 172.27.200.1 and gets 172.27.0.64")];
    assert_eq!(evicted(&impact), told);

    let grown = [PoolChange::Put { draft: Box::new(draft("pod", Purpose::Pod, &["172.27.0.0/16"])), etag: String::new() }];
    let context = world.context();
    let decision = pool::apply(&world.cluster, &grown, Eviction::Refused, context).unwrap();
    world.commit(decision);
    assert_eq!(world.cluster.ipam.resting_since(ip("172.27.200.1")), Some(context.now), "it rests, should the pool have it again");
}

#[test]
fn a_holder_for_whom_there_is_no_other_address_loses_all_it_holds() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.10-10.0.0.19"]);
    world.node("node-a");
    world.pool("pod", Purpose::Pod, &["172.27.0.0/31", "172.27.9.0/31", "fd00::/120"]);
    let dual = allocate::Request { addresses: vec![ip("172.27.9.0"), ip("fd00::7")], ..pod("dual", "node-a") };
    world.allocate(&dual).unwrap();
    for filler in ["one", "two"] {
        world.allocate(&allocate::Request { families: vec![crate::net::Family::V4], ..pod(filler, "node-a") }).unwrap();
    }

    let impact = world.shrink("pod", Purpose::Pod, &["172.27.0.0/31", "fd00::/120"]).unwrap();
    assert_eq!(world.addresses("dual"), [] as [IpAddr; 0], "dual stack is all or nothing");
    let told = "pod shop/dual loses 172.27.9.0, fd00::7; no other can be had, so its allocation ends";
    assert_eq!(evicted(&impact), [("dual", told)]);
}

#[test]
fn addresses_that_are_kept_are_not_given_twice() {
    let mut world = World::usual();
    let three = vec![ip("172.27.0.1"), ip("172.27.200.1"), ip("172.27.0.2")];
    world.allocate(&allocate::Request { addresses: three, ..pod("three", "node-a") }).unwrap();
    world.shrink("pod", Purpose::Pod, &["172.27.0.0/17"]).unwrap();
    assert_eq!(world.addresses("three"), [ip("172.27.0.1"), ip("172.27.0.0"), ip("172.27.0.2")], "each keeps its place");
}

#[test]
fn a_holder_is_nobody_new_on_a_node_being_drained_or_in_a_namespace_at_its_quota() {
    let mut world = World::usual();
    let named = allocate::Request { addresses: vec![ip("172.27.200.1")], ..pod("high", "node-b") };
    let before = world.allocate(&named).unwrap();
    let context = world.context();
    let drained = node::update(&world.cluster, &node::Update::drain("node-b".parse().unwrap(), String::new(), true), context);
    world.commit(drained.unwrap());
    let shop = namespace::Draft {
        name: "shop".parse().unwrap(),
        labels: Labels::default(),
        quotas: Quotas { pod_addresses: Some(0), ..Quotas::default() },
    };
    let limited = namespace::create(&world.cluster, &shop, context);
    world.commit(limited.unwrap());
    assert_eq!(world.pod("new", "node-b"), Err(Reason::NodeDraining));
    assert_eq!(world.pod("new", "node-a"), Err(Reason::QuotaExceeded));

    world.shrink("pod", Purpose::Pod, &["172.27.0.0/17"]).unwrap();
    let after = world.cluster.ipam.by_handle("high").unwrap();
    assert_eq!((after.meta.uid, after.holdings.len()), (before.meta.uid, 1), "it moves all the same");
    assert!(world.cluster.ipam.node(&"node-b".parse().unwrap()).unwrap().draining, "and the node stays as it was");
}

#[test]
fn a_node_never_goes_without_an_address() {
    let mut world = World::usual();
    let own = world.addresses("polder.dev/node/node-b");
    assert_eq!(own, [ip("10.0.0.11")]);
    let refusal = world.shrink("node", Purpose::Node, &["10.0.0.10"]).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolInUse);
    assert!(refusal.message.contains("Node `node-b` cannot lose its address"), "{refusal:?}");

    let impact = world.shrink("node", Purpose::Node, &["10.0.0.10", "10.0.0.15-10.0.0.16"]).unwrap();
    assert_eq!(world.addresses("polder.dev/node/node-b"), [ip("10.0.0.15")]);
    assert_eq!(evicted(&impact).len(), 1, "{impact:?}");
}

#[test]
fn more_than_one_transaction_holds_is_refused_with_the_way_out() {
    let mut world = World::usual();
    for n in 0..41 {
        let address = format!("172.27.200.{n}");
        let wish = allocate::Request { addresses: vec![ip(&address)], ..pod(&format!("p{n}"), "node-a") };
        world.allocate(&wish).unwrap();
    }
    let refusal = world.shrink("pod", Purpose::Pod, &["172.27.0.0/17"]).unwrap_err();
    assert!(refusal.message.contains("More than 40 allocations hold addresses of 172.27.128.0/17"), "{refusal:?}");
    world.release("p40");
    assert_eq!(evicted(&world.shrink("pod", Purpose::Pod, &["172.27.0.0/17"]).unwrap()).len(), 40);
}
