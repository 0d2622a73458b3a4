//! Which nodes live, and what becomes of orphans.

use std::sync::Arc;

use super::*;
use crate::id::Uid;
use crate::ipam::liveness::{free_orphans, lost, orphans, seen};
use crate::ipam::record::{Liveness, Node};

fn node_of(world: &World, name: &str) -> Arc<Node> {
    Arc::clone(world.cluster.ipam.node(&name.parse().unwrap()).unwrap())
}

fn lease(world: &World, name: &str) -> (Name, Uid) {
    let node = node_of(world, name);
    (node.name.clone(), node.meta.uid)
}

impl World {
    fn renew(&mut self, name: &str) -> Result<(), Reason> {
        let (name, uid) = lease(self, name);
        let context = self.context();
        let decision = seen(&self.cluster, &name, uid, context).map_err(|refusal| refusal.reason)?;
        self.commit(decision);
        Ok(())
    }

    fn lose(&mut self, leases: &[(Name, Uid)]) -> Vec<String> {
        let context = self.context();
        let decision = lost(&self.cluster, leases, context);
        self.commit(decision).iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_node_is_seen_lost_and_seen_again() {
    let mut world = World::usual();
    assert_eq!(node_of(&world, "node-a").liveness, Liveness::NotSeen);
    let both = [lease(&world, "node-a"), lease(&world, "node-b")];
    assert!(world.lose(&both).is_empty(), "a node that was never seen cannot be lost");

    world.renew("node-a").unwrap();
    let alive = node_of(&world, "node-a");
    assert!(matches!(alive.liveness, Liveness::Alive(_)));
    world.wait(Duration::from_secs(60));
    world.renew("node-a").unwrap();
    assert_eq!(node_of(&world, "node-a"), alive, "further renewals change nothing");

    assert_eq!(world.lose(&both), ["node-a"]);
    assert!(world.lose(&both).is_empty(), "once is enough");
    assert!(matches!(node_of(&world, "node-a").liveness, Liveness::Lost(_)));
    assert_eq!(node_of(&world, "node-a").meta, alive.meta, "an operator's etag is still good");
    world.create_registration_again("node-a");
    assert!(matches!(node_of(&world, "node-a").liveness, Liveness::Lost(_)), "a registration is no renewal");
    world.renew("node-a").unwrap();
    assert!(matches!(node_of(&world, "node-a").liveness, Liveness::Alive(_)));
}

impl World {
    fn create_registration_again(&mut self, name: &str) {
        let context = self.context();
        let decision = node::register(&self.cluster, &registration(name), context).unwrap();
        self.commit(decision);
    }
}

#[test]
fn the_lease_of_a_node_that_was_made_anew_is_nobodys() {
    let mut world = World::usual();
    world.renew("node-a").unwrap();
    let (name, old) = lease(&world, "node-a");
    let context = world.context();
    let decision = node::delete(&world.cluster, &removal(&name, true), node::Extent::Step, context).unwrap();
    world.commit(decision);
    let context = world.context();
    assert_eq!(seen(&world.cluster, &name, old, context).unwrap_err().reason, Reason::NodeNotFound);
    world.wait(Duration::from_secs(1));
    world.node("node-a");
    world.renew("node-a").unwrap();
    let context = world.context();
    assert_eq!(seen(&world.cluster, &name, old, context).unwrap_err().reason, Reason::NodeUidMismatch);
    assert!(world.lose(&[(name, old)]).is_empty(), "the new node is not lost with the old one's lease");
}

#[test]
fn only_orphans_are_freed_and_their_addresses_rest() {
    let mut world = World::usual();
    let (kept, left) = (world.pod("kept", "node-b").unwrap(), world.pod("left", "node-a").unwrap());
    let uid = |world: &World, handle: &str| world.cluster.ipam.by_handle(handle).unwrap().meta.uid;
    let all = [uid(&world, "kept"), uid(&world, "left")];
    assert_eq!(orphans(&world.cluster.ipam).count(), 0);
    // As a restored backup may leave it: the node is gone, its pods are not.
    apply(&mut world.cluster, &[Change::Node("node-a".parse().unwrap(), None)]);
    let found: Vec<Uid> = orphans(&world.cluster.ipam).map(|orphan| orphan.meta.uid).collect();
    assert_eq!(found, [all[1]], "the node's own addresses are not orphans");

    let context = world.context();
    let decision = free_orphans(&world.cluster, &all, context);
    assert_eq!(decision.answer, [all[1]]);
    apply(&mut world.cluster, &decision.changes);
    let view = &world.cluster.ipam;
    assert!(view.held(kept).is_some() && view.held(left).is_none() && view.resting_since(left).is_some());
    let context = world.context();
    assert!(free_orphans(&world.cluster, &all, context).changes.is_empty(), "freed once");
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let mut world = World::usual();
    let held = world.pod("left", "node-a").unwrap();
    let uid = world.cluster.ipam.by_handle("left").unwrap().meta.uid;
    let node = node_of(&world, "node-a");
    apply(&mut world.cluster, &[Change::Node(node.name.clone(), None)]);
    apply(&mut world.cluster, &[Change::Node(node.name.clone(), Some(node))]);
    let context = world.context();
    assert!(free_orphans(&world.cluster, &[uid], context).changes.is_empty());
    assert!(world.cluster.ipam.held(held).is_some());
}
