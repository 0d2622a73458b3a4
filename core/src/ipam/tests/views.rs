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
    assert_eq!(*view, View::default());
}

/// Blocks may overlap inside a transaction, when a pool gets another block size: what is held then counts in the end for the
/// block that stays, in whatever order it came.
#[test]
fn a_block_is_empty_or_not_whatever_was_there_before_it() {
    let block = |cidr: &str, there: bool| {
        let cidr = cidr.parse().unwrap();
        let block = Block { cidr, pool: "pod".parse().unwrap(), node: "node-a".parse().unwrap(), claimed: Timestamp(0) };
        Change::Block(cidr, there.then(|| Arc::new(block)))
    };
    let mut world = World::usual();
    let IpAddr::V4(address) = world.pod("h", "node-a").unwrap() else { panic!("pods have IPv4 here") };
    let held = Arc::clone(world.cluster.ipam.held(address.into()).unwrap());
    let [wide, narrow] = [26, 28].map(|length| ipnet::Ipv4Net::new(address, length).unwrap().trunc().to_string());
    let hold = Change::Allocation(held.meta.uid, Some(Arc::clone(&held)));
    let free = Change::Allocation(held.meta.uid, None);
    for order in [[0, 1, 2, 3], [0, 2, 1, 3], [0, 2, 3, 1], [1, 0, 2, 3], [2, 0, 3, 1], [2, 0, 1, 3], [0, 1, 3, 2], [0, 3, 1, 2]] {
        let changes = [block(&wide, true), hold.clone(), block(&narrow, true), block(&wide, false)];
        let mut view = View::default();
        order.iter().for_each(|at| view.apply(&changes[*at]));
        let range: AddrRange = wide.parse().unwrap();
        assert_eq!(view.empty_blocks(range).count(), 0, "{order:?}");
        view.apply(&free);
        assert_eq!(view.empty_blocks(range).count(), 1, "{order:?}");
    }
}
