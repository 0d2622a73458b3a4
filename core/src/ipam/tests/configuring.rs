//! Pools, nodes, the compute network.

use super::*;
use crate::ipam::record::{Interface, Route};
use crate::ipam::usage;
use crate::ipam::{Fields, Severity, lookup};
use crate::ipam::{network, reservation};

#[test]
fn pools_never_overlap_whatever_their_purpose() {
    let mut world = World::usual();
    let context = world.context();
    let clash = draft("external", Purpose::ExternalService, &["10.0.0.19-10.0.0.30"]);
    let refusal = pool::create(&world.cluster, &clash, context).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolOverlap);
    assert!(refusal.message.contains("10.0.0.19-10.0.0.30") && refusal.message.contains("10.0.0.10-10.0.0.19"), "{refusal}");
    assert_eq!(refusal.metadata["common"], "10.0.0.19");
    let reverse = draft("inner", Purpose::Pod, &["172.27.5.0/24", "172.27.5.128/25"]);
    assert_eq!(pool::create(&world.cluster, &reverse, context).unwrap_err().reason, Reason::DuplicateValue);
    let odd = draft("odd", Purpose::Pod, &["224.0.0.0/24"]);
    assert_eq!(pool::create(&world.cluster, &odd, context).unwrap_err().reason, Reason::RangeMalformed);
}

fn resized(name: &str, purpose: Purpose, ranges: &[&str]) -> pool::Update {
    let fields = Fields::new(["ranges".to_owned()]);
    pool::Update {
        draft: draft(name, purpose, ranges),
        fields,
        etag: String::new(),
        allow_missing: false,
        eviction: Eviction::Refused,
    }
}

#[test]
fn growing_is_live_and_shrinking_lists_the_holders() {
    let mut world = World::usual();
    let context = world.context();
    let grown = pool::update(&world.cluster, &resized("node", Purpose::Node, &["10.0.0.5-10.0.0.19"]), context).unwrap();
    world.commit(grown);
    let shrunk = pool::update(&world.cluster, &resized("node", Purpose::Node, &["10.0.0.11-10.0.0.19"]), context).unwrap_err();
    assert_eq!(shrunk.reason, Reason::PoolInUse);
    assert_eq!(shrunk.obstacles.len(), 1);
    assert!(shrunk.obstacles[0].description.contains("10.0.0.10 is held by node node-a"), "{shrunk:?}");
    assert_eq!(pool::delete(&world.cluster, &"node".parse().unwrap(), "", context).unwrap_err().reason, Reason::PoolInUse);
    let kept = pool::update(&world.cluster, &resized("node", Purpose::Node, &["10.0.0.10-10.0.0.11"]), context).unwrap();
    world.commit(kept);

    let mut purpose = resized("node", Purpose::Pod, &["10.0.0.10-10.0.0.11"]);
    purpose.fields = Fields::default();
    assert_eq!(pool::update(&world.cluster, &purpose, context).unwrap_err().reason, Reason::FieldImmutable);
    let stale = pool::Update { etag: "old".to_owned(), ..resized("node", Purpose::Node, &[]) };
    assert_eq!(pool::update(&world.cluster, &stale, context).unwrap_err().reason, Reason::EtagMismatch);
}

#[test]
fn registering_twice_is_once() {
    let mut world = World::usual();
    let address = |world: &World| world.cluster.ipam.node_addresses(&"node-a".parse().unwrap()).collect::<Vec<_>>();
    assert_eq!(address(&world), [ip("10.0.0.10")]);
    let context = world.context();
    let again = node::register(&world.cluster, &registration("node-a"), context).unwrap();
    assert!(again.changes.is_empty());

    let wish = node::Registration { addresses: vec![ip("10.0.0.15")], ..registration("node-a") };
    let moved = node::register(&world.cluster, &wish, context).unwrap();
    world.commit(moved);
    assert_eq!(address(&world), [ip("10.0.0.15")]);
    let theirs = node::Registration { addresses: vec![ip("10.0.0.11")], ..registration("node-a") };
    assert_eq!(node::register(&world.cluster, &theirs, context).unwrap_err().reason, Reason::AddressInUse);
}

#[test]
fn an_address_that_a_node_gives_up_rests() {
    let mut world = World::default();
    let cooldown = Some(Duration::from_secs(30));
    world.create(&pool::Draft { cooldown, ..draft("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]) });
    world.node("node-a");
    let wish = node::Registration { addresses: vec![ip("10.0.0.5")], ..registration("node-a") };
    let context = world.context();
    let moved = node::register(&world.cluster, &wish, context).unwrap();
    world.commit(moved);
    world.node("node-b");
    let of = |world: &World, name: &str| world.cluster.ipam.node_addresses(&name.parse().unwrap()).collect::<Vec<_>>();
    assert_eq!((of(&world, "node-a"), of(&world, "node-b")), (vec![ip("10.0.0.5")], vec![ip("10.0.0.2")]));
    world.wait(Duration::from_secs(31));
    world.node("node-c");
    assert_eq!(of(&world, "node-c"), [ip("10.0.0.1")]);
    assert!(audit::audit(&world.cluster).findings.is_empty());
}

#[test]
fn a_node_with_pods_goes_only_by_force() {
    let mut world = World::usual();
    for n in 0..120 {
        world.pod(&format!("p{n}"), "node-a").unwrap();
    }
    let name: Name = "node-a".parse().unwrap();
    let context = world.context();
    let refusal = node::delete(&world.cluster, &removal(&name, false), node::Extent::Step, context).unwrap_err();
    assert_eq!((refusal.reason, refusal.metadata["pods"].as_str()), (Reason::NodeInUse, "120"));
    let mut steps = 0;
    loop {
        let context = world.context();
        let decision = node::delete(&world.cluster, &removal(&name, true), node::Extent::Step, context).unwrap();
        assert!(decision.changes.len() <= 120);
        steps += 1;
        for change in &decision.changes {
            world.cluster.ipam.apply(change);
        }
        if decision.answer == node::Removal::Done {
            break;
        }
        assert_eq!(world.pod("new", "node-a"), Err(Reason::NodeDraining));
    }
    assert_eq!(steps, 3);
    assert!(audit::audit(&world.cluster).findings.is_empty());
    assert_eq!((world.cluster.ipam.blocks().count(), world.cluster.ipam.allocations_on(&name).count()), (0, 0));
}

fn typed(node: &str, external: &str) -> network::Draft {
    let ranges = |text: &str| text.split_whitespace().map(|range| range.parse().unwrap()).collect();
    network::Draft { node_ranges: ranges(node), external_ranges: ranges(external), ..network::Draft::default() }
}

#[test]
fn two_ranges_make_a_whole_network() {
    let mut world = World::default();
    let context = world.context();
    let decision = network::apply(&world.cluster, &typed("10.0.0.10-10.0.0.12", "10.0.0.20-10.0.0.29"), context).unwrap();
    assert_eq!(decision.changes.len(), 7, "the network, four pools, two reservations");
    let checked = world.commit(decision);
    assert!(checked.acceptable() && checked.findings.is_empty(), "{:?}", checked.findings);
    let pools: Vec<String> = world.cluster.ipam.pools().map(|pool| format!("{}={}", pool.name, pool.ranges[0])).collect();
    assert_eq!(pools, ["external=10.0.0.20-10.0.0.29", "node=10.0.0.10-10.0.0.12", "pod=172.27.0.0/16", "service=172.28.0.0/16"]);
    let dns = lookup::lookup(&world.cluster, ip("172.28.0.10"), context.now);
    assert_eq!(dns.sentence(), "172.28.0.10 of pool service is reserved for cluster DNS.");
    let again = network::apply(&world.cluster, &typed("10.0.0.10-10.0.0.12", "10.0.0.20-10.0.0.29"), context).unwrap();
    assert!(again.changes.is_empty());
}

/// The reasons found, worst first, with the fields they are about.
fn found(world: &mut World, draft: &network::Draft) -> Vec<(Severity, Reason, String)> {
    let context = world.context();
    let checked = network::check(&world.cluster, draft, context).unwrap().answer;
    let errors = checked.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(network::apply(&world.cluster, draft, context).is_err(), errors, "check and apply agree");
    checked.findings.into_iter().map(|finding| (finding.severity, finding.reason, finding.field)).collect()
}

#[test]
fn every_finding_of_the_catalogue_is_made() {
    let mut world = World::default();
    let context = world.context();
    let applied = network::apply(&world.cluster, &typed("10.0.0.10-10.0.0.14", ""), context).unwrap();
    assert_eq!(applied.answer.findings[0].reason, Reason::NoExternalAddresses);
    world.commit(applied);
    world.pool("other", Purpose::ExternalService, &["10.0.0.200-10.0.0.210"]);
    let nic = Interface {
        name: "port3".to_owned(),
        addresses: vec!["10.0.0.2/24".parse().unwrap()],
        mac: String::new(),
        mtu: 1500,
        gateways: vec![ip("10.0.0.1")],
        up: true,
    };
    let route = Route { destination: "192.168.0.0/16".parse().unwrap(), gateway: None, interface: "eth1".to_owned() };
    for name in ["node-a", "node-b"] {
        let said = node::Registration { interfaces: vec![nic.clone()], routes: vec![route.clone()], ..registration(name) };
        let context = world.context();
        let decision = node::register(&world.cluster, &said, context).unwrap();
        world.commit(decision);
    }
    world.pod("p", "node-a").unwrap();

    let one = |reason, field: &str| vec![(Severity::Error, reason, format!("network.{field}"))];
    let fine = "10.0.0.20-10.0.0.29";
    let range = "10.0.0.10-10.0.0.14";
    assert_eq!(found(&mut world, &typed(range, fine)), []);
    assert_eq!(found(&mut world, &typed("10.0.0.10-10.0.0.11", fine)), one(Reason::RangeTooSmall, "node_range"));
    assert_eq!(found(&mut world, &typed("10.0.0.11-10.0.0.14", fine)), one(Reason::RangeInUseShrink, "node_range"));
    assert_eq!(found(&mut world, &typed(range, "10.0.1.5-10.0.1.9")), one(Reason::RangeOutsideSubnet, "external_range[0]"));
    assert_eq!(found(&mut world, &typed(range, "10.0.0.14-10.0.0.20")), one(Reason::RangeOverlap, "external_range[0]"));
    assert_eq!(found(&mut world, &typed(range, "10.0.0.205-10.0.0.220")), one(Reason::RangeOverlap, "external_range[0]"));
    assert_eq!(
        found(&mut world, &typed(range, "10.0.0.250-10.0.0.255")),
        one(Reason::RangeHasNetworkOrBroadcast, "external_range[0]")
    );
    let own = found(&mut world, &typed(range, "10.0.0.1-10.0.0.3"));
    assert_eq!(
        own.iter().map(|finding| finding.1).collect::<Vec<_>>(),
        [Reason::RangeHasGateway, Reason::RangeHasInterfaceAddress, Reason::RangeHasInterfaceAddress]
    );
    let subnets = |pod: &str, service: &str| network::Draft {
        pod_subnets: vec![pod.parse().unwrap()],
        service_subnets: vec![service.parse().unwrap()],
        ..typed(range, fine)
    };
    assert_eq!(found(&mut world, &subnets("172.30.0.0/16", "172.28.0.0/16")), one(Reason::FieldLocked, "pod_subnet"));
    assert_eq!(found(&mut world, &subnets("172.27.0.0/16", "192.168.9.0/24")).len(), 2, "on both nodes");
    assert_eq!(found(&mut world, &subnets("172.27.0.0/16", "172.27.4.0/24")), one(Reason::RangeOverlap, "service_subnet[0]"));
    assert_eq!(found(&mut world, &subnets("172.27.0.0/16", "172.29.0.0/29")), one(Reason::RangeTooSmall, "service_subnet[0]"));
    let host_bits = network::Draft {
        normalised: vec![("network.pod_subnet[0]".to_owned(), "172.27.0.1/16".to_owned(), "172.27.0.0/16".parse().unwrap())],
        ..typed(range, fine)
    };
    assert_eq!(found(&mut world, &host_bits), [(Severity::Info, Reason::SubnetHostBits, "network.pod_subnet[0]".to_owned())]);
}

#[test]
fn a_reservation_in_the_way_of_polders_own_is_found() {
    let mut world = World::default();
    let (ranges, owner) = (vec!["172.28.0.8-172.28.0.12".parse().unwrap()], String::new());
    let kept = reservation::Draft { name: "mine".parse().unwrap(), ranges, owner, ttl: None, labels: Labels::default() };
    let context = world.context();
    let decision = reservation::create(&world.cluster, &kept, context).unwrap();
    world.commit(decision);
    let findings = found(&mut world, &typed("10.0.0.10-10.0.0.14", "10.0.0.20"));
    assert_eq!(findings, [(Severity::Error, Reason::RangeOverlap, "network.service_subnet[0]".to_owned())]);
}

#[test]
fn reserved_addresses_are_refused_by_name() {
    let mut world = World::default();
    let context = world.context();
    let decision = network::apply(&world.cluster, &typed("10.0.0.10-10.0.0.12", "10.0.0.20"), context).unwrap();
    world.commit(decision);
    let own = reservation::delete(&world.cluster, &"cluster-dns".parse().unwrap(), "").unwrap_err();
    assert_eq!(own.reason, Reason::FieldLocked);
}

#[test]
fn the_usage_of_a_pool_is_told_by_node() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let small =
        pool::Draft { block_len_v4: Some(30), max_blocks_per_node: Some(1), ..draft("pod", Purpose::Pod, &["10.1.0.0/29"]) };
    world.create(&small);
    world.node("node-a");
    world.node("node-b");
    world.pod("b0", "node-b").unwrap();
    for n in 0..5 {
        world.pod(&format!("a{n}"), "node-a").unwrap();
    }
    world.release("a0");
    let now = world.context().now;
    let pool = world.cluster.ipam.pool(&"pod".parse().unwrap()).unwrap();
    let told: Vec<String> = usage::by_node(&world.cluster, pool, now)
        .into_iter()
        .map(|of| {
            format!(
                "{}: {} blocks, {} of {} used here, {} borrowed, {} lent, {} free",
                of.node, of.blocks, of.used, of.total, of.borrowed, of.lent, of.free
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "node-a: 1 blocks, 4 of 4 used here, 1 borrowed, 0 lent, 0 free",
            "node-b: 1 blocks, 1 of 4 used here, 0 borrowed, 1 lent, 2 free",
        ],
        "the released one rests, which is not free yet"
    );
    let whole = usage::of_pool(&world.cluster, pool, crate::net::Family::V4, now);
    assert_eq!((whole.used, whole.cooling, whole.free), (5, 1, 2));
}

#[test]
fn a_finding_says_what_would_do() {
    let mut world = World::default();
    let advice = |world: &mut World, node: &str, external: &str| -> Vec<String> {
        let context = world.context();
        let checked = network::check(&world.cluster, &typed(node, external), context).unwrap().answer;
        let errors = checked.findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.suggestion).collect()
    };
    assert_eq!(advice(&mut world, "10.0.0.10-10.0.0.12", "10.0.0.12-10.0.0.20"), ["Start at 10.0.0.13."]);
    assert_eq!(advice(&mut world, "10.0.0.10-10.0.0.12", "10.0.0.5-10.0.0.11"), ["End at 10.0.0.9."]);
    assert_eq!(advice(&mut world, "10.0.0.5-10.0.0.20", "10.0.0.10-10.0.0.12"), [""], "no end of it would do");
    world.pool("node", Purpose::Node, &["10.0.0.10-10.0.0.11"]);
    world.node("node-a");
    world.node("node-b");
    assert_eq!(advice(&mut world, "10.0.0.10-10.0.0.11", "10.0.0.20"), ["Extend the range to 10.0.0.12."]);
}
