//! Choosing and releasing addresses.

use super::*;
use crate::ipam::record::{Order, Quotas};
use crate::ipam::{Fields, lookup, namespace, reservation, sweep, usage};
use crate::net::{Family, Selector};

#[test]
fn each_node_fills_its_own_block() {
    let mut world = World::usual();
    assert_eq!(world.pod("a1", "node-a"), Ok(ip("172.27.0.0")));
    assert_eq!(world.pod("b1", "node-b"), Ok(ip("172.27.0.64")));
    assert_eq!(world.pod("a2", "node-a"), Ok(ip("172.27.0.1")));
    for n in 3..=64 {
        world.pod(&format!("a{n}"), "node-a").unwrap();
    }
    assert_eq!(world.pod("a65", "node-a"), Ok(ip("172.27.0.128")), "a full block is followed by a new one");
    let blocks = world.cluster.ipam.blocks_of(&"node-a".parse().unwrap()).count();
    assert_eq!(blocks, 2);
}

#[test]
fn the_same_handle_gets_the_same_answer_and_nothing_changes() {
    let mut world = World::usual();
    let first = world.allocate(&pod("h", "node-a")).unwrap();
    let context = world.context();
    let again = allocate::plan(&world.cluster, &pod("h", "node-a"), context).unwrap();
    assert!(again.changes.is_empty() && again.answer.existing);
    assert_eq!(again.answer.allocation, first);

    let other = allocate::Request::new("h", owner("somebody-else", Some("node-a")));
    let refusal = allocate::plan(&world.cluster, &other, context).unwrap_err();
    assert_eq!(refusal.reason, Reason::HandleInUse);
    assert!(refusal.message.contains("shop/h") && refusal.message.contains("172.27.0.0"), "{refusal}");
}

#[test]
fn a_whole_pool_of_65536_is_given_to_the_last_address() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.99"]);
    world.pool("pod", Purpose::Pod, &["10.1.0.0/16"]);
    (0..52).for_each(|n| world.node(&format!("node-{n}")));
    for n in 0..65_536 {
        let context = world.context();
        let decision = allocate::plan(&world.cluster, &pod(&format!("p{n}"), &format!("node-{}", n % 52)), context).unwrap();
        apply(&mut world.cluster, &decision.changes);
    }
    let refusal = world.allocate(&pod("one-more", "node-1")).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolExhausted);
    assert!(refusal.obstacles[1].description.contains("65536 of 65536"), "{refusal:?}");
    let freed = world.release("p40000").released[0];
    assert_eq!(world.pod("one-more", "node-1"), Err(Reason::PoolExhausted), "it rests");
    world.wait(Duration::from_secs(30));
    assert_eq!(world.pod("one-more", "node-1"), Ok(freed));
}

#[test]
fn a_released_address_rests_and_the_longest_free_comes_first() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let tiny = pool::Draft { block_len_v4: Some(30), ..draft("pod", Purpose::Pod, &["10.1.0.0/30"]) };
    world.create(&tiny);
    world.node("node-a");
    for handle in ["p0", "p1", "p2", "p3"] {
        world.pod(handle, "node-a").unwrap();
    }
    world.release("p2");
    world.wait(Duration::from_secs(5));
    world.release("p0");
    assert_eq!(world.pod("q", "node-a"), Err(Reason::PoolExhausted));
    world.wait(Duration::from_secs(26));
    assert_eq!(world.pod("q", "node-a"), Ok(ip("10.1.0.2")), "released first");
    assert_eq!(world.pod("r", "node-a"), Err(Reason::PoolExhausted), "the other still rests");
    let named = allocate::Request { addresses: vec![ip("10.1.0.0")], ..pod("r", "node-a") };
    assert_eq!(only(&world.allocate(&named).unwrap()), ip("10.1.0.0"), "asked for by name it need not have rested");
}

#[test]
fn lowest_pools_reuse_at_once() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let lowest = pool::Draft { order: Some(Order::Lowest), ..draft("pod", Purpose::Pod, &["10.1.0.0/24"]) };
    world.create(&lowest);
    world.node("node-a");
    world.pod("p0", "node-a").unwrap();
    world.pod("p1", "node-a").unwrap();
    world.release("p0");
    assert_eq!(world.cluster.ipam.released(Timestamp(0)).count(), 0, "nothing asks when it became free");
    assert_eq!(world.pod("p2", "node-a"), Ok(ip("10.1.0.0")));
}

#[test]
fn a_node_out_of_blocks_borrows_unless_affinity_is_strict() {
    for strict in [false, true] {
        let mut world = World::default();
        world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
        let small = pool::Draft {
            block_len_v4: Some(30),
            max_blocks_per_node: Some(1),
            strict_affinity: strict,
            ..draft("pod", Purpose::Pod, &["10.1.0.0/29"])
        };
        world.create(&small);
        world.node("node-a");
        world.node("node-b");
        world.pod("b0", "node-b").unwrap();
        for n in 0..4 {
            world.pod(&format!("a{n}"), "node-a").unwrap();
        }
        let fifth = world.allocate(&pod("a4", "node-a"));
        if strict {
            assert_eq!(fifth.unwrap_err().reason, Reason::BlockLimit);
        } else {
            let holding = fifth.unwrap().holdings[0];
            assert_eq!((holding.address, holding.block), (ip("10.1.0.1"), Some("10.1.0.0/30".parse().unwrap())));
        }
    }
}

#[test]
fn with_strict_affinity_an_empty_block_changes_hands() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let small = pool::Draft { block_len_v4: Some(30), strict_affinity: true, ..draft("pod", Purpose::Pod, &["10.1.0.0/30"]) };
    world.create(&small);
    world.node("node-a");
    world.node("node-b");
    world.pod("a", "node-a").unwrap();
    assert_eq!(world.pod("b", "node-b"), Err(Reason::PoolExhausted));
    world.release("a");
    assert_eq!(world.pod("b", "node-b"), Ok(ip("10.1.0.1")), "the released one rests");
    assert_eq!(world.cluster.ipam.blocks_of(&"node-b".parse().unwrap()).count(), 1);
}

#[test]
fn ranges_too_small_for_a_block_are_used_to_the_last_address() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    world.pool("pod", Purpose::Pod, &["10.1.0.5-10.1.0.6", "10.2.0.60-10.2.0.130"]);
    world.node("node-a");
    let mut given: Vec<IpAddr> = (0..73).map(|n| world.pod(&format!("p{n}"), "node-a").unwrap()).collect();
    assert_eq!(given[0], ip("10.2.0.64"), "the block first");
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 73);
    assert_eq!(world.pod("one-more", "node-a"), Err(Reason::PoolExhausted));
}

#[test]
fn owners_without_a_node_stay_out_of_the_nodes_blocks() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    world.pool("pod", Purpose::Pod, &["10.1.0.0/25"]);
    world.node("node-a");
    world.pod("a", "node-a").unwrap();
    assert_eq!(world.pod("loose", ""), Ok(ip("10.1.0.64")));
    for n in 1..127 {
        world.pod(&format!("l{n}"), "").unwrap();
    }
    assert_eq!(world.pod("l", ""), Err(Reason::PoolExhausted), "all 128 are held");
}

#[test]
fn dual_stack_is_all_or_nothing() {
    let mut world = World::usual();
    world.pool("pod6", Purpose::Pod, &["fd00::/127"]);
    let both = world.allocate(&pod("p0", "node-a")).unwrap();
    assert_eq!(both.holdings.iter().map(|holding| holding.address).collect::<Vec<_>>(), [ip("172.27.0.0"), ip("fd00::")]);
    world.allocate(&pod("p1", "node-a")).unwrap();
    let before = world.cluster.ipam.clone();
    let refusal = world.allocate(&pod("p2", "node-a")).unwrap_err();
    assert_eq!((refusal.reason, refusal.metadata["family"].as_str()), (Reason::PoolExhausted, "IPv6"));
    assert_eq!(world.cluster.ipam, before);
    let part = world.allocate(&allocate::Request { allow_partial: true, ..pod("p2", "node-a") }).unwrap();
    assert_eq!(part.holdings.len(), 1);
    let v4 = world.allocate(&allocate::Request { families: vec![Family::V4], count: 3, ..pod("p3", "node-a") }).unwrap();
    assert_eq!(v4.holdings.len(), 3);
}

#[test]
fn pools_are_asked_by_selector_and_priority() {
    let mut world = World::usual();
    let selector = |text: &str| super::super::AnyOf(vec![text.parse::<Selector>().unwrap()]);
    let mut red = pool::Draft { priority: 7, ..draft("red", Purpose::Pod, &["10.7.0.0/24"]) };
    red.selectors.objects = selector("tier=front");
    world.create(&red);
    let mut blue = pool::Draft { priority: 3, ..draft("blue", Purpose::Pod, &["10.3.0.0/24"]) };
    blue.selectors.namespace_labels = selector("team=blue");
    world.create(&blue);
    let by_name = pool::Draft { explicit_only: true, priority: 1, ..draft("by-name", Purpose::Pod, &["10.1.0.0/24"]) };
    world.create(&by_name);

    assert_eq!(world.pod("plain", "node-a"), Ok(ip("172.27.0.0")), "priority 0 comes last, yet only it serves");
    let front = allocate::Request { labels: labels(&[("tier", "front")]), ..pod("front", "node-a") };
    assert_eq!(only(&world.allocate(&front).unwrap()), ip("10.7.0.0"));
    let named = allocate::Request { pools: vec!["by-name".parse().unwrap()], ..pod("named", "node-a") };
    assert_eq!(only(&world.allocate(&named).unwrap()), ip("10.1.0.0"));

    let shop = namespace::Draft { name: "shop".parse().unwrap(), labels: labels(&[("team", "blue")]), quotas: Quotas::default() };
    let context = world.context();
    let decision = namespace::create(&world.cluster, &shop, context).unwrap();
    world.commit(decision);
    assert_eq!(world.pod("blue", "node-a"), Ok(ip("10.3.0.0")), "the lower number first");
}

#[test]
fn nothing_eligible_says_why_for_every_pool() {
    let mut world = World::usual();
    let context = world.context();
    let drained = pool::Update {
        draft: pool::Draft { state: super::super::PoolState::Draining, ..draft("pod", Purpose::Pod, &[]) },
        fields: Fields::new(["state".to_owned()]),
        etag: String::new(),
        allow_missing: false,
        eviction: Eviction::Refused,
    };
    let decision = pool::update(&world.cluster, &drained, context).unwrap();
    world.commit(decision);
    let refusal = world.allocate(&pod("p", "node-a")).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoEligiblePool);
    let reasons: Vec<Reason> = refusal.obstacles.iter().map(|obstacle| obstacle.reason).collect();
    assert_eq!(reasons, [Reason::NoEligiblePool, Reason::PoolDraining], "{refusal:?}");

    let named = allocate::Request { pools: vec!["nowhere".parse().unwrap()], ..pod("p", "node-a") };
    assert_eq!(world.allocate(&named).unwrap_err().reason, Reason::PoolNotFound);
    assert_eq!(world.pod("p", "node-z"), Err(Reason::NodeNotFound));
}

#[test]
fn an_address_by_name_brings_its_block_along() {
    let mut world = World::usual();
    let named = |handle: &str, node: &str, addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| ip(address)).collect();
        allocate::Request { addresses, ..pod(handle, node) }
    };
    world.allocate(&named("a", "node-a", &["172.27.9.7", "172.27.9.8"])).unwrap();
    let block = world.cluster.ipam.block_of(ip("172.27.9.9")).unwrap().clone();
    assert_eq!((block.cidr.to_string().as_str(), block.node.as_str()), ("172.27.9.0/26", "node-a"));
    assert_eq!(world.cluster.ipam.blocks().count(), 1, "one block for both");
    assert_eq!(world.pod("b", "node-a").unwrap(), ip("172.27.9.0"), "the block is used on");
    world.allocate(&named("c", "node-b", &["172.27.9.10"])).unwrap();
    assert_eq!(world.cluster.ipam.block_of(ip("172.27.9.10")).unwrap().node.as_str(), "node-a", "it is borrowed");
    assert_eq!(world.cluster.ipam.blocks().count(), 1);

    let mut few = draft("few", Purpose::Pod, &["10.9.0.0/24"]);
    few.max_blocks_per_node = Some(1);
    world.create(&few);
    for (handle, address) in [("d", "10.9.0.1"), ("e", "10.9.0.65")] {
        world.allocate(&named(handle, "node-a", &[address])).unwrap();
    }
    assert!(world.cluster.ipam.block_of(ip("10.9.0.1")).is_some());
    assert!(world.cluster.ipam.block_of(ip("10.9.0.65")).is_none(), "the node has all the blocks of that pool it may have");
}

#[test]
fn addresses_by_name_obey_holders_reservations_and_pools() {
    let mut world = World::usual();
    let named = |handle: &str, address: &str| allocate::Request { addresses: vec![ip(address)], ..pod(handle, "node-a") };
    world.allocate(&named("p", "172.27.9.9")).unwrap();
    let taken = world.allocate(&named("q", "172.27.9.9")).unwrap_err();
    assert_eq!((taken.reason, taken.metadata["holder"].as_str()), (Reason::AddressInUse, "shop/p"));
    assert_eq!(world.allocate(&named("q", "192.0.2.1")).unwrap_err().reason, Reason::AddressNotInPool);
    assert_eq!(world.allocate(&named("q", "10.0.0.15")).unwrap_err().reason, Reason::AddressNotInPool, "a node's");

    let kept = reservation::Draft {
        name: "kept".parse().unwrap(),
        ranges: vec!["172.27.0.0/26".parse().unwrap()],
        owner: String::new(),
        ttl: None,
        labels: Labels::default(),
    };
    let context = world.context();
    let decision = reservation::create(&world.cluster, &kept, context).unwrap();
    world.commit(decision);
    assert_eq!(world.pod("r", "node-b"), Ok(ip("172.27.0.64")), "the whole first block is reserved");
    let by_reservation = allocate::Request { reservation: Some("kept".parse().unwrap()), ..pod("s", "node-a") };
    assert_eq!(only(&world.allocate(&by_reservation).unwrap()), ip("172.27.0.0"));
    let held = reservation::delete(&world.cluster, &"kept".parse().unwrap(), "").unwrap_err();
    assert_eq!(held.reason, Reason::ReservationInUse);
}

#[test]
fn a_quota_counts_pod_addresses() {
    let mut world = World::usual();
    let quotas = Quotas { pod_addresses: Some(2), ..Quotas::default() };
    let shop = namespace::Draft { name: "shop".parse().unwrap(), labels: Labels::default(), quotas };
    let context = world.context();
    let decision = namespace::create(&world.cluster, &shop, context).unwrap();
    world.commit(decision);
    world.pod("p0", "node-a").unwrap();
    world.pod("p1", "node-a").unwrap();
    assert_eq!(world.pod("p2", "node-a"), Err(Reason::QuotaExceeded));
    world.release("p0");
    world.pod("p2", "node-a").unwrap();
}

#[test]
fn a_stale_release_frees_nobody_else() {
    let mut world = World::usual();
    let first = world.allocate(&pod("p", "node-a")).unwrap();
    let address = only(&first);
    assert_eq!(world.release("p").released, [address]);
    assert_eq!(world.release("p").not_held, ["p"], "a repeated release is harmless");
    let second = world.allocate(&allocate::Request { addresses: vec![address], ..pod("q", "node-a") }).unwrap();

    let context = world.context();
    let stale = release::Release::Addresses(vec![(address, first.meta.uid)]);
    let decision = release::release(&world.cluster, &stale, context).unwrap();
    assert!(decision.changes.is_empty());
    assert_eq!(world.commit(decision).not_held, [address.to_string()]);
    assert_eq!(world.cluster.ipam.held(address), Some(&second));
}

#[test]
fn one_address_of_several_can_be_released() {
    let mut world = World::usual();
    let three = world.allocate(&allocate::Request { count: 3, ..pod("p", "node-a") }).unwrap();
    let middle = three.holdings[1].address;
    let context = world.context();
    let claim = release::Release::Addresses(vec![(middle, three.meta.uid)]);
    let decision = release::release(&world.cluster, &claim, context).unwrap();
    assert_eq!(world.commit(decision).released, [middle]);
    assert_eq!(world.cluster.ipam.by_handle("p").unwrap().holdings.len(), 2);
    assert_eq!(lookup::lookup(&world.cluster, middle, context.now).standing, lookup::Standing::Cooling);
}

#[test]
fn the_sweep_clears_what_time_made_useless() {
    let mut world = World::usual();
    for n in 0..70 {
        world.pod(&format!("p{n}"), "node-a").unwrap();
    }
    for n in 0..70 {
        world.release(&format!("p{n}"));
    }
    world.wait(Duration::from_secs(599));
    let context = world.context();
    let early = sweep::plan(&world.cluster.ipam, 100, context);
    assert_eq!(early.answer, sweep::Swept { blocks: 1, ..sweep::Swept::default() });
    world.commit(early);
    world.wait(Duration::from_secs(2));
    let context = world.context();
    let some = sweep::plan(&world.cluster.ipam, 50, context);
    assert_eq!(some.answer.releases, 50);
    world.commit(some);
    let rest = sweep::plan(&world.cluster.ipam, 50, context);
    assert_eq!(rest.answer.releases, 20);
    world.commit(rest);
    assert_eq!(world.cluster.ipam.allocations(None).count(), 2, "the nodes' own are left");
    assert_eq!(world.cluster.ipam.blocks().count(), 1, "a node keeps one block");
}

#[test]
fn usage_counts_every_address_once() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let odd = pool::Draft { avoid_buggy_ips: true, avoid_first_last: true, ..draft("pod", Purpose::Pod, &["10.1.0.0/24"]) };
    world.create(&odd);
    world.node("node-a");
    assert_eq!(world.pod("p0", "node-a"), Ok(ip("10.1.0.1")));
    world.pod("p1", "node-a").unwrap();
    world.release("p0");
    let context = world.context();
    let pool = world.cluster.ipam.pool(&"pod".parse().unwrap()).unwrap();
    let usage = usage::of_pool(&world.cluster, pool, Family::V4, context.now);
    let wanted = usage::Usage { total: 256, used: 1, cooling: 1, avoided: 2, free: 252, in_blocks: 64, ..usage::Usage::default() };
    assert_eq!(usage, wanted);
}

#[test]
fn an_empty_block_changes_hands_before_an_address_is_borrowed() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let small = pool::Draft { block_len_v4: Some(30), ..draft("pod", Purpose::Pod, &["10.1.0.0/29"]) };
    world.create(&small);
    for node in ["node-a", "node-b", "node-c"] {
        world.node(node);
    }
    world.pod("a", "node-a").unwrap();
    world.pod("b", "node-b").unwrap();
    world.release("a");
    let young = world.allocate(&pod("c0", "node-c")).unwrap();
    assert_eq!(world.cluster.ipam.block_of(only(&young)).unwrap().node, "node-a".parse().unwrap(), "lent only now: borrowed from");
    world.release("c0");
    world.wait(Duration::from_secs(60));
    let moved = world.allocate(&pod("c1", "node-c")).unwrap();
    assert_eq!(moved.holdings[0].block, Some("10.1.0.0/30".parse().unwrap()));
    assert_eq!(world.cluster.ipam.block_of(only(&moved)).unwrap().node, "node-c".parse().unwrap(), "its route moves along");
}

#[test]
fn every_pool_is_explained_with_its_numbers() {
    let mut world = World::usual();
    world.pool("spare", Purpose::Pod, &["10.3.0.0/24"]);
    let context = world.context();
    let judged = |world: &World, request: &allocate::Request| -> Vec<String> {
        let explained = allocate::explain(&world.cluster, request, context);
        explained.pools.iter().map(|trace| format!("{}: {}", trace.pool, trace.describe())).collect()
    };
    let free = judged(&world, &pod("p", "node-a"));
    assert_eq!(
        free,
        [
            "node: it is for nodes; 2 of 10 addresses are held",
            "pod: 172.27.0.0 from a new block for the node; 0 of 65536 addresses are held",
            "spare: not asked: the pools before it gave everything; 0 of 256 addresses are held",
        ]
    );
    let named = allocate::Request { addresses: vec![ip("10.3.0.7")], ..pod("p", "node-a") };
    let elsewhere = "pod: the address asked for does not lie in it; 0 of 65536 addresses are held";
    assert_eq!(judged(&world, &named)[1..], [elsewhere, "spare: 10.3.0.7 asked for by name; 0 of 256 addresses are held"]);
    world.allocate(&named).unwrap();
    let held = judged(&world, &pod("p", "node-a"));
    assert_eq!(held[2], "spare: 10.3.0.7 held under this handle already; 1 of 256 addresses are held");
    let other = allocate::Request { addresses: vec![ip("10.3.0.7")], ..pod("q", "node-a") };
    assert_eq!(judged(&world, &other)[2], "spare: 10.3.0.7 lies in it and cannot be had; 1 of 256 addresses are held");
}

#[test]
fn the_longest_free_comes_first_also_where_another_pool_has_a_part_of_the_block() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    world.node("node-a");
    let small = |ranges: &[&str]| pool::Draft { block_len_v4: Some(28), ..draft("pod", Purpose::Pod, ranges) };
    world.create(&small(&["10.1.0.0/28"]));
    for n in 0..16 {
        world.pod(&format!("p{n}"), "node-a").unwrap();
    }
    world.release("p9");
    world.wait(Duration::from_secs(1));
    world.release("p1");
    for n in 4..8 {
        world.release(&format!("p{n}"));
    }
    let context = world.context();
    let hole = pool::PoolChange::Put { draft: Box::new(small(&["10.1.0.0-10.1.0.3", "10.1.0.8-10.1.0.15"])), etag: String::new() };
    let decision = pool::apply(&world.cluster, &[hole], Eviction::Refused, context).unwrap();
    world.commit(decision);
    world.wait(Duration::from_secs(60));
    assert_eq!(world.pod("q0", "node-a"), Ok(ip("10.1.0.9")));
    assert_eq!(world.pod("q1", "node-a"), Ok(ip("10.1.0.1")));
}
