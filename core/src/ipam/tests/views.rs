//! The view does not depend on the order of records.

use proptest::prelude::*;

use super::*;

/// Histories of three records that contend for the same address and handle.
fn histories() -> Vec<Vec<Change>> {
    let mut world = World::usual();
    let request = allocate::Request { addresses: vec![ip("172.27.0.7")], ..pod("h", "node-a") };
    let mut histories = Vec::new();
    for _ in 0..3 {
        let context = world.context();
        let made = allocate::plan(&world.cluster, &request, context).unwrap();
        let own = Change::Allocation(made.answer.allocation.meta.uid, Some(Arc::clone(&made.answer.allocation)));
        apply(&mut world.cluster, std::slice::from_ref(&own));
        let context = world.context();
        let gone = release::release(&world.cluster, &release::Release::Handle("h".into()), context).unwrap();
        apply(&mut world.cluster, &gone.changes);
        world.wait(Duration::from_secs(1));
        histories.push([vec![own], gone.changes].concat());
    }
    histories[2].pop();
    histories
}

proptest! {
    #[test]
    fn any_order_that_keeps_the_order_per_record_gives_the_same_view(picks in prop::collection::vec(0usize..3, 40)) {
        let histories = histories();
        let mut straight = Cluster::default();
        histories.iter().for_each(|history| apply(&mut straight, history));
        let mut at = [0; 3];
        let mut mixed = Cluster::default();
        for pick in picks.into_iter().chain([0, 0, 1, 1, 2, 2]) {
            if let Some(change) = histories[pick].get(at[pick]) {
                mixed.ipam.apply(change);
                at[pick] += 1;
            }
        }
        prop_assert_eq!(&mixed.ipam, &straight.ipam);
        prop_assert_eq!(mixed.ipam.by_handle("h").map(|held| held.meta.uid), mixed.ipam.held(ip("172.27.0.7")).map(|held| held.meta.uid));
        prop_assert!(mixed.ipam.by_handle("h").is_some());
    }
}

#[test]
fn records_taken_back_leave_nothing_behind() {
    let mut world = World::usual();
    for n in 0..200 {
        world.pod(&format!("p{n}"), if n % 2 == 0 { "node-a" } else { "node-b" }).unwrap();
        if n % 3 == 0 {
            world.release(&format!("p{n}"));
        }
    }
    let view = &mut world.cluster.ipam;
    let all: Vec<Change> = view.changes().collect();
    for change in all {
        view.apply(&match change {
            Change::Namespace(name, _) => Change::Namespace(name, None),
            Change::Pool(name, _) => Change::Pool(name, None),
            Change::Reservation(name, _) => Change::Reservation(name, None),
            Change::Network(_) => Change::Network(None),
            Change::Node(name, _) => Change::Node(name, None),
            Change::Block(cidr, _) => Change::Block(cidr, None),
            Change::Allocation(uid, _) => Change::Allocation(uid, None),
            Change::Neighbors(node, _) => Change::Neighbors(node, None),
        });
    }
    assert_eq!(*view, super::super::View::default());
}
