//! A pod pool to its last address, by many nodes in turn: every address once, one more refused with the numbers, everything free
//! after the last release, blocks given back, and all of it again.

use std::collections::BTreeSet;

use super::*;
use crate::ipam::sweep;

const NODES: usize = 20;
/// A /16 takes a release build seconds and a debug build minutes, so the latter fills a /20.
const PREFIX: u8 = if cfg!(debug_assertions) { 20 } else { 16 };
const SIZE: usize = 1 << (32 - PREFIX);

fn node_of(number: usize) -> String {
    format!("node-{}", number % NODES)
}

impl World {
    /// As [`World::commit`], without an audit: these are too many steps for one after each.
    fn take<A>(&mut self, decision: Decision<A>) -> A {
        apply(&mut self.cluster, &decision.changes);
        decision.answer
    }

    fn audited(&self) {
        let findings = audit::audit(&self.cluster).findings;
        assert!(findings.is_empty(), "{findings:#?}");
    }

    fn fill(&mut self, round: usize) {
        let mut given = BTreeSet::new();
        for number in 0..SIZE {
            let context = self.context();
            let request = pod(&format!("{round}-{number}"), &node_of(number));
            let planned = allocate::plan(&self.cluster, &request, context);
            let decision = planned.unwrap_or_else(|refusal| panic!("{number} of {SIZE} are given: {refusal}"));
            let allocation = self.take(decision).allocation;
            assert!(given.insert(only(&allocation)), "{} twice", only(&allocation));
        }
        assert_eq!(given.len(), SIZE);
        assert!(given.iter().all(|address| self.cluster.ipam.pool_of(*address).is_some_and(|pool| pool.name.as_str() == "pod")));
        let context = self.context();
        for number in 0..NODES {
            let refusal = allocate::plan(&self.cluster, &pod("one-more", &node_of(number)), context).unwrap_err();
            assert_eq!(refusal.reason, Reason::PoolExhausted);
            let numbers = format!("{SIZE}");
            let told = refusal.obstacles.iter().any(|obstacle| obstacle.description.matches(&numbers).count() == 2);
            assert!(told, "{SIZE} addresses, all of them held: {refusal:?}");
        }
        self.audited();
    }

    fn empty(&mut self, round: usize) {
        for number in 0..SIZE {
            let context = self.context();
            let wish = release::Release::Handle(format!("{round}-{number}").into());
            let decision = release::release(&self.cluster, &wish, context).unwrap();
            assert_eq!(self.take(decision).released.len(), 1);
        }
        let range = AddrRange::of_net(format!("10.64.0.0/{PREFIX}").parse().unwrap());
        assert_eq!(self.cluster.ipam.count_held(range), 0);
        assert_eq!(self.cluster.ipam.allocations(None).count(), NODES, "the nodes' own are left");
        self.audited();
    }

    /// What the sweep takes back, piece by piece.
    fn sweep(&mut self) {
        loop {
            let context = self.context();
            let decision = sweep::plan(&self.cluster.ipam, 100, context);
            if decision.changes.is_empty() {
                return self.audited();
            }
            self.take(decision);
        }
    }
}

#[test]
fn a_pool_is_filled_emptied_and_filled_again() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.99"]);
    let pool = pool::Draft {
        max_blocks_per_node: Some(1024),
        cooldown: Some(Duration::ZERO),
        ..draft("pod", Purpose::Pod, &[&format!("10.64.0.0/{PREFIX}")])
    };
    world.create(&pool);
    (0..NODES).for_each(|number| world.node(&format!("node-{number}")));
    world.fill(1);
    assert_eq!(world.cluster.ipam.blocks().count(), SIZE / 64, "every address lies in a block");
    world.empty(1);
    world.wait(Duration::from_secs(61));
    world.sweep();
    assert_eq!(world.cluster.ipam.blocks().count(), NODES, "every node keeps one block, the others are given back");
    world.fill(2);
    world.empty(2);
}
