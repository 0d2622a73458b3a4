//! What an audit finds is mended where there is no doubt, and left to people where there is.

use super::*;
use crate::ipam::record::Holding;
use crate::ipam::repair::repair;

fn found(world: &World) -> Vec<Reason> {
    audit::audit(&world.cluster).findings.iter().map(|finding| finding.reason).collect()
}

/// Mends until nothing more can be mended; how many records in all.
fn mend(world: &mut World, reasons: &[Reason]) -> usize {
    let mut all = 0;
    loop {
        let context = world.context();
        let decision = repair(&world.cluster, reasons, 2, context);
        assert!(decision.changes.len() <= 2 && decision.answer == decision.changes.len());
        if decision.answer == 0 {
            return all;
        }
        all += decision.answer;
        apply(&mut world.cluster, &decision.changes);
    }
}

#[test]
fn what_a_node_that_is_gone_has_left_is_cleared_away() {
    let mut world = World::usual();
    for n in 0..5 {
        world.pod(&format!("p{n}"), "node-a").unwrap();
    }
    let kept = world.pod("kept", "node-b").unwrap();
    apply(&mut world.cluster, &[Change::Node("node-a".parse().unwrap(), None)]);
    assert!(found(&world).contains(&Reason::NodeNotFound));
    assert_eq!(mend(&mut world, &[Reason::DataCorrupt]), 0, "only what was named is mended");
    assert_eq!(mend(&mut world, &[]), 6, "five pods and a block");
    assert!(world.cluster.ipam.held(kept).is_some() && world.cluster.ipam.blocks().count() == 1);
    // The node's own address has no node either: deleting and registering it anew decides about that.
    assert!(found(&world).iter().all(|reason| *reason == Reason::NodeNotFound));
}

#[test]
fn a_holding_in_the_wrong_block_is_put_right() {
    let mut world = World::usual();
    let address = world.pod("p", "node-a").unwrap();
    let right = world.cluster.ipam.by_handle("p").unwrap().clone();
    let wrong = Holding { address, block: Some("172.27.200.0/26".parse().unwrap()) };
    let damaged = Allocation { holdings: vec![wrong], ..Allocation::clone(&right) };
    apply(&mut world.cluster, &[Change::Allocation(right.meta.uid, Some(Arc::new(damaged)))]);
    assert_eq!(found(&world), [Reason::DataCorrupt]);
    assert_eq!(mend(&mut world, &[]), 1);
    assert!(found(&world).is_empty());
    assert_eq!(world.cluster.ipam.by_handle("p").unwrap().holdings, right.holdings);
}

#[test]
fn an_address_held_twice_is_left_to_people() {
    let mut world = World::usual();
    world.pod("p", "node-a").unwrap();
    let first = world.cluster.ipam.by_handle("p").unwrap().clone();
    let meta = crate::meta::Meta { uid: crate::id::Uid(7), ..first.meta };
    let second = Allocation { handle: "q".into(), meta, ..Allocation::clone(&first) };
    apply(&mut world.cluster, &[Change::Allocation(meta.uid, Some(Arc::new(second)))]);
    assert!(found(&world).contains(&Reason::AddressInUse));
    assert_eq!(mend(&mut world, &[]), 0);
}
