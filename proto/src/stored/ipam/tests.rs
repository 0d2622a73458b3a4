use std::time::Duration;

use polder_core::ipam::*;
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::time::Timestamp;

use super::*;

fn meta(uid: u128) -> Meta {
    Meta { uid: Uid(uid), version: 3, created: Timestamp(1_700_000_000_000_000), updated: Timestamp(1_700_000_000_000_001) }
}

fn labels() -> Labels {
    Labels::new([("app".to_owned(), "WS".to_owned()), ("example.com/zone".to_owned(), "a".to_owned())]).unwrap()
}

fn any_of(text: &str) -> AnyOf {
    AnyOf(vec![text.parse().unwrap()])
}

fn pool() -> Pool {
    Pool {
        name: "pod".parse().unwrap(),
        meta: meta(1),
        purpose: Purpose::Pod,
        ranges: vec!["10.0.0.5-10.0.0.9".parse().unwrap(), "10.1.0.1".parse().unwrap(), "fd00::/64".parse().unwrap()],
        state: PoolState::Draining,
        priority: 7,
        selectors: PoolSelectors {
            nodes: any_of("rack in (1,2)"),
            namespaces: vec!["shop".parse().unwrap()],
            namespace_labels: any_of("team=blue"),
            objects: any_of("!batch"),
        },
        auto_assign: false,
        avoid_first_last: true,
        avoid_buggy_ips: true,
        block_len_v4: 28,
        block_len_v6: 120,
        max_blocks_per_node: 9,
        strict_affinity: true,
        order: Order::LongestFree,
        cooldown: Duration::from_secs(30),
        share_across_namespaces: true,
        announce_interfaces: Vec::new(),
        bgp_only: false,
        ignore_neighbors: false,
        labels: labels(),
        description: "ä".to_owned(),
    }
}

fn node() -> Node {
    Node {
        name: "node-a".parse().unwrap(),
        meta: meta(2),
        labels: labels(),
        zone: "z1".to_owned(),
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            addresses: vec!["10.0.0.2/24".parse().unwrap(), "fe80::1/64".parse().unwrap()],
            mac: "02:00:00:00:00:01".to_owned(),
            mtu: 1500,
            gateways: vec!["10.0.0.1".parse().unwrap()],
            up: true,
        }],
        agent_version: "0.1.0".to_owned(),
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: Some("10.0.0.1".parse().unwrap()),
            interface: "eth0".to_owned(),
        }],
        tunnel_mac: "02:00:00:00:00:02".to_owned(),
        unschedulable: true,
        draining: true,
        excluded_from_external: true,
        operator_labels: vec!["app".to_owned()],
        liveness: Liveness::NotSeen,
        removing: None,
        number: 0,
    }
}

fn allocation(kind: OwnerKind) -> Allocation {
    Allocation {
        handle: "c1/eth0".into(),
        meta: meta(3),
        holdings: vec![
            Holding { address: "10.0.0.70".parse().unwrap(), block: Some("10.0.0.64/26".parse().unwrap()) },
            Holding { address: "fd00::1".parse().unwrap(), block: None },
        ],
        owner: Owner {
            kind,
            namespace: Some("shop".parse().unwrap()),
            name: "web-1".parse().unwrap(),
            node: Some("node-a".parse().unwrap()),
            interface: "eth0".to_owned(),
            container: "c1".to_owned(),
            uid: "u-1".to_owned(),
        },
        labels: labels(),
        ready: true,
        hostname: Some("web-1".parse().unwrap()),
        subdomain: Some("web".parse().unwrap()),
        named_ports: vec![("http".parse().unwrap(), 8080)],
        released: Some(Timestamp(1_700_000_000_000_002)),
    }
}

/// One change of every kind, with every field set.
fn all() -> Vec<Change> {
    let namespace = Namespace {
        name: "shop".parse().unwrap(),
        meta: meta(4),
        labels: labels(),
        quotas: Quotas { pod_addresses: Some(5), external_addresses: Some(0), services: None },
    };
    let reservation = Reservation {
        name: "kept".parse().unwrap(),
        meta: meta(5),
        ranges: vec!["10.0.0.13".parse().unwrap()],
        owner: "cluster DNS".to_owned(),
        expires: Some(Timestamp(1_700_000_000_000_003)),
        ttl: Some(Duration::from_secs(60)),
        labels: labels(),
        system: true,
    };
    let network = ComputeNetwork {
        meta: meta(6),
        interface: "port3".to_owned(),
        subnet: Some("10.0.0.0/24".parse().unwrap()),
        gateway: Some("10.0.0.1".parse().unwrap()),
        node_ranges: vec!["10.0.0.10-10.0.0.12".parse().unwrap()],
        external_ranges: vec!["10.0.0.20-10.0.0.29".parse().unwrap()],
        pod_subnets: vec!["172.27.0.0/16".parse().unwrap()],
        service_subnets: vec!["172.28.0.0/16".parse().unwrap(), "fd01::/112".parse().unwrap()],
    };
    let block = Block {
        cidr: "fd00::40/122".parse().unwrap(),
        pool: "pod".parse().unwrap(),
        node: "node-a".parse().unwrap(),
        claimed: Timestamp(1_700_000_000_000_004),
    };
    let (pool, node, allocation) = (pool(), node(), allocation(OwnerKind::Pod));
    let seen = |name: &str, liveness| Node { name: name.parse().unwrap(), liveness, ..node.clone() };
    let alive = seen("node-b", Liveness::Alive(Timestamp(1_700_000_000_000_005)));
    let lost = seen("node-c", Liveness::Lost(Timestamp(1_700_000_000_000_006)));
    let going = Node { name: "node-d".parse().unwrap(), removing: Some(Timestamp(1_700_000_000_000_008)), ..node.clone() };
    let numbered = Node { name: "node-e".parse().unwrap(), number: 4095, ..node.clone() };
    let announced = Pool {
        name: "announced".parse().unwrap(),
        announce_interfaces: vec!["eth0".to_owned(), "eth1".to_owned()],
        bgp_only: true,
        ..pool.clone()
    };
    let ignoring = Pool { name: "ignoring".parse().unwrap(), ignore_neighbors: true, ..pool.clone() };
    let answer = |address: &str, mac: &str| Answer { address: address.parse().unwrap(), mac: mac.parse().unwrap() };
    let neighbors = Neighbors {
        node: "node-a".parse().unwrap(),
        uid: Uid(2),
        reported: Timestamp(1_700_000_000_000_007),
        answers: vec![answer("10.0.0.7", "00:15:5d:01:02:03"), answer("fd00::7", "00:15:5d:01:02:04")],
    };
    vec![
        Change::Namespace(namespace.name.clone(), Some(Arc::new(namespace))),
        Change::Pool(pool.name.clone(), Some(Arc::new(pool))),
        Change::Reservation(reservation.name.clone(), Some(Arc::new(reservation))),
        Change::Network(Some(Arc::new(network))),
        Change::Node(node.name.clone(), Some(Arc::new(node))),
        Change::Block(block.cidr, Some(Arc::new(block))),
        Change::Allocation(allocation.meta.uid, Some(Arc::new(allocation))),
        Change::Node(alive.name.clone(), Some(Arc::new(alive))),
        Change::Node(lost.name.clone(), Some(Arc::new(lost))),
        Change::Pool(announced.name.clone(), Some(Arc::new(announced))),
        Change::Pool(ignoring.name.clone(), Some(Arc::new(ignoring))),
        Change::Neighbors(neighbors.node.clone(), Some(Arc::new(neighbors))),
        Change::Node(going.name.clone(), Some(Arc::new(going))),
        Change::Node(numbered.name.clone(), Some(Arc::new(numbered))),
    ]
}

fn again(change: &Change) -> Result<Option<Change>, Corrupt> {
    let write = encode(change);
    let key = String::from_utf8(write.key).unwrap();
    decode(key.strip_prefix(PREFIX).unwrap(), write.value.as_deref())
}

#[test]
fn every_field_comes_back() {
    for change in all() {
        assert_eq!(again(&change).unwrap(), Some(change));
    }
    for kind in [OwnerKind::Node, OwnerKind::Other] {
        let held = Allocation { released: None, ..allocation(kind) };
        let change = Change::Allocation(held.meta.uid, Some(Arc::new(held)));
        assert_eq!(again(&change).unwrap(), Some(change));
    }
    for (purpose, state) in [
        (Purpose::Node, PoolState::Enabled),
        (Purpose::ClusterService, PoolState::Disabled),
        (Purpose::ExternalService, PoolState::Enabled),
    ] {
        let pool = Pool { purpose, state, order: Order::Lowest, ..pool() };
        let change = Change::Pool(pool.name.clone(), Some(Arc::new(pool)));
        assert_eq!(again(&change).unwrap(), Some(change));
    }
    let gone = Change::Network(None);
    assert_eq!(again(&gone).unwrap(), Some(gone));
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = |write: StoredWrite| format!("{} {}\n", String::from_utf8(write.key).unwrap(), hex(write.value.unwrap()));
    let written: String = all().iter().map(|change| line(encode(change))).collect();
    assert_eq!(written, include_str!("golden_v1.txt"));
}

#[test]
fn before_is_what_the_view_holds() {
    let mut view = View::default();
    for change in all() {
        assert_eq!(before(&view, &change), None);
        view.apply(&change);
        assert_eq!(before(&view, &change), encode(&change).value);
    }
}

#[test]
fn what_cannot_be_read_is_named_and_what_is_no_record_is_passed_over() {
    for other in ["head/pools", "journal/0001", "elsewhere"] {
        assert_eq!(decode(other, Some(b"x")), Ok(None));
    }
    let newer = pb::Pool { version: 2, ..config::write_pool(&pool(), VERSION) }.encode_to_vec();
    let nothing = pb::Pool { version: 1, ..pb::Pool::default() }.encode_to_vec();
    let number_out_of_bounds = pb::Node { number: 4096, ..super::usage::write_node(&node(), VERSION) }.encode_to_vec();
    let bad = [
        ("pools/Pod", &[][..]),
        ("pools/pod", &newer),
        ("pools/pod", &nothing),
        ("blocks/x", &[]),
        ("allocations/1", &[]),
        ("allocations/0000000000000000000000000000000A", &encode(&all()[6]).value.unwrap()),
        ("blocks/fd00::-111", &encode(&all()[5]).value.unwrap()),
        ("blocks/10.0.0.1-24", &encode(&all()[5]).value.unwrap()),
        ("blocks/10.0.0.0/24", &encode(&all()[5]).value.unwrap()),
        ("neighbors/n", b"\x08\x01"),
        ("nodes/n", &number_out_of_bounds),
    ];
    for (key, value) in bad {
        assert_eq!(decode(key, Some(value)).unwrap_err().key, format!("{PREFIX}{key}"));
    }
}
