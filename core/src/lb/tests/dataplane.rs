//! What nodes are told: the right things, and of changes all that matters and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::{META, Site, key, port};
use super::*;
use crate::cluster::{Change as Any, Cluster};
use crate::ipam::{self, Allocation, AnyOf, Block, Node, OwnerKind, PoolState};
use crate::lb::announce::Announcement;
use crate::lb::bgp::{BgpAdvertisement, BgpPeer};
use crate::lb::dataplane::{Key, Object, Receiver, keys, object, shown, touched};
use crate::net::{Label, Labels, Name};
use crate::testing::{self, node};
use crate::time::Timestamp;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn put_node(node: Node) -> Any {
    ipam::Change::Node(node.name.clone(), Some(Arc::new(node))).into()
}

fn pod(number: u8, on: &str) -> Allocation {
    testing::on(on, testing::pod(number.into()))
}

fn put_pod(pod: Allocation) -> Any {
    ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod))).into()
}

fn block(cidr: &str, on: Option<&str>) -> Any {
    let cidr = cidr.parse().unwrap();
    let block = on.map(|on| Block { cidr, pool: name("pod"), node: name(on), claimed: Timestamp(1) });
    ipam::Change::Block(cidr, block.map(Arc::new)).into()
}

fn keys_of(cluster: &Cluster) -> BTreeSet<Key> {
    keys(cluster, None).collect()
}

/// Everything that a node holds.
fn snapshot(cluster: &Cluster, node: &Name) -> BTreeMap<Key, Object> {
    keys(cluster, None).filter_map(|key| Some((key.clone(), object(cluster, node, &key)?))).collect()
}

fn targets(cluster: &Cluster, on: &str, service: &str) -> Vec<String> {
    match object(cluster, &name(on), &Key::Endpoints(key(service))) {
        Some(Object::Endpoints(behind)) => behind.targets.iter().map(|target| target.address.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn has(cluster: &Cluster, service: &str) -> bool {
    let (front, behind) = (Key::Front(key(service)), Key::Endpoints(key(service)));
    let both = [shown(cluster, &front).is_some(), shown(cluster, &behind).is_some()];
    assert_eq!(both[0], both[1]);
    both[0]
}

#[test]
fn nodes_are_told_of_what_they_need() {
    let mut site = Site::usual();
    for change in [put_node(node("node-a")), put_node(node("node-b")), put_pod(pod(1, "node-a")), put_pod(pod(2, "node-b"))] {
        site.cluster.apply(&change);
    }
    site.cluster.apply(&put_pod(Allocation { ready: false, ..pod(3, "node-a") }));
    site.create("shop/web", |spec| spec.health_check_port = 0).unwrap();
    site.create("shop/headless", |spec| spec.service_type = ServiceType::Headless).unwrap();
    let alias = |spec: &mut ServiceSpec| {
        *spec =
            ServiceSpec { service_type: ServiceType::ExternalName, external_name: "x.example".to_owned(), ..Default::default() };
    };
    site.create("shop/alias", alias).unwrap();
    site.create("shop/foreign", |spec| spec.external.class = "other.example/lb".to_owned()).unwrap();
    site.create("shop/early", |spec| spec.publish_not_ready = true).unwrap();
    let cluster = &site.cluster;
    assert_eq!(
        ["web", "headless", "alias", "foreign"].map(|name| has(cluster, &format!("shop/{name}"))),
        [true, false, false, true]
    );
    let front = |service: &str| match object(cluster, &name("node-a"), &Key::Front(key(service))) {
        Some(Object::Front(front)) => (front.cluster.len(), front.external.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!((front("shop/web"), front("shop/foreign")), ((1, 1), (1, 0)));
    assert_eq!(targets(cluster, "node-a", "shop/web"), ["172.27.0.1", "172.27.0.2"]);
    assert_eq!(targets(cluster, "node-a", "shop/early").len(), 3);
}

#[test]
fn where_only_endpoints_on_the_spot_count_a_node_hears_of_its_own() {
    let mut site = Site::usual();
    let pods = [put_pod(pod(1, "node-a")), put_pod(pod(2, "node-b"))];
    pods.iter().for_each(|change| site.cluster.apply(change));
    let local = |policy: TrafficPolicy| {
        move |spec: &mut ServiceSpec| (spec.internal_policy, spec.external_policy) = (TrafficPolicy::Local, policy)
    };
    let inside = |spec: &mut ServiceSpec| {
        (spec.service_type, spec.internal_policy) = (ServiceType::ClusterIp, TrafficPolicy::Local);
    };
    site.create("shop/inside", inside).unwrap();
    site.create("shop/both", local(TrafficPolicy::Local)).unwrap();
    site.create("shop/outside", local(TrafficPolicy::Cluster)).unwrap();
    for (service, count) in [("shop/inside", 1), ("shop/both", 1), ("shop/outside", 2)] {
        assert_eq!(targets(&site.cluster, "node-b", service).len(), count, "{service}");
        assert!(targets(&site.cluster, "node-b", service).contains(&"172.27.0.2".to_owned()), "{service}");
    }
}

#[test]
fn pods_outside_the_blocks_of_their_node_are_named() {
    let mut cluster = Cluster::default();
    let mut changes =
        vec![put_node(node("node-a")), block("172.27.0.0/30", Some("node-a")), block("172.27.0.4/30", Some("node-b"))];
    changes.extend([put_pod(pod(1, "node-a")), put_pod(pod(5, "node-a")), put_pod(pod(9, "node-a"))]);
    changes.iter().for_each(|change| cluster.apply(change));
    let borrowed = |cluster: &Cluster| match object(cluster, &name("node-b"), &Key::Node(name("node-a"))) {
        Some(Object::Node(peer)) => peer.borrowed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(borrowed(&cluster), ["172.27.0.5", "172.27.0.9"]);
    let given = block("172.27.0.8/30", Some("node-a"));
    assert!(touched(&cluster, &given).contains(&Key::Node(name("node-a"))));
    cluster.apply(&given);
    assert_eq!(borrowed(&cluster), ["172.27.0.5"]);
}

#[test]
fn the_settings_follow_the_pools_and_the_reservation_of_dns() {
    let mut site = Site::usual();
    site.pool("pod", Purpose::Pod, &["172.27.0.0/16"], |_| {});
    site.reserve("cluster-dns", "172.28.0.10", "cluster DNS");
    let settings = |cluster: &Cluster| match object(cluster, &name("x"), &Key::Settings) {
        Some(Object::Settings(settings)) => settings,
        other => panic!("{other:?}"),
    };
    let before = settings(&site.cluster);
    assert_eq!(before.pod_subnets, ["172.27.0.0/16".parse().unwrap()]);
    assert!(before.dns_addresses.is_empty(), "somebody else's reservation of that name");
    let kept = site.cluster.ipam.reservation(&name("cluster-dns")).unwrap();
    let ours = ipam::Reservation { system: true, ..ipam::Reservation::clone(kept) };
    site.put(ipam::Change::Reservation(ours.name.clone(), Some(Arc::new(ours))));
    assert_eq!(settings(&site.cluster).dns_addresses, [IpAddr::from([172, 28, 0, 10])]);
}

/// One random change.
fn change() -> impl Strategy<Value = Any> {
    let on = || (0u8..3).prop_map(|number| format!("node-{number}"));
    let nodes = (on(), any::<bool>(), any::<bool>(), 0u16..3).prop_map(|(text, there, draining, number)| {
        let labels = Labels::new([("rack".to_owned(), number.to_string())]).unwrap();
        let node = Node { draining, number, labels, ..node(&text) };
        Any::Ipam(ipam::Change::Node(name(&text), there.then(|| Arc::new(node))))
    });
    let pods = (0u8..16, on(), 0u8..4, any::<bool>(), 0u8..3).prop_map(|(number, on, state, ready, app)| {
        let kind = if number == 0 { OwnerKind::Node } else { OwnerKind::Pod };
        let labels = Labels::new([("app".to_owned(), app.to_string())]).unwrap();
        let mut pod = Allocation { ready, labels, released: (state == 1).then_some(Timestamp(1)), ..pod(number, &on) };
        if kind == OwnerKind::Node {
            (pod.handle, pod.owner.name) = (ipam::node::handle(&name(&on)).into(), name(&on));
        }
        pod.owner.kind = kind;
        Any::Ipam(ipam::Change::Allocation(pod.meta.uid, (state > 0).then(|| Arc::new(pod))))
    });
    let blocks = (0u8..4, prop::option::of(on())).prop_map(|(at, on)| block(&format!("172.27.0.{}/30", at * 4), on.as_deref()));
    let policies = || prop_oneof![Just(TrafficPolicy::Cluster), Just(TrafficPolicy::Local)];
    let types = prop_oneof![
        Just(ServiceType::ClusterIp),
        Just(ServiceType::LoadBalancer),
        Just(ServiceType::Headless),
        Just(ServiceType::ExternalName)
    ];
    let services = (0u8..4, types, 0u8..4, policies(), policies(), prop::bool::weighted(0.8), 0u8..6).prop_map(
        |(number, service_type, app, internal_policy, external_policy, there, external)| {
            let vip = Vip { address: [10, 0, 0, external].into(), pool: name("external") };
            let key = key(&format!("shop/s{number}"));
            let selector = if app == 3 { "app in (0,2)".parse() } else { format!("app={app}").parse() }.unwrap();
            let ports = vec![port(Protocol::Tcp, 80)];
            let spec = ServiceSpec { service_type, selector, ports, internal_policy, external_policy, ..Default::default() };
            let service = Service {
                key: key.clone(),
                meta: META,
                labels: Labels::default(),
                annotations: [].into(),
                spec,
                cluster: Vec::new(),
                external: if external < 4 && service_type == ServiceType::LoadBalancer { vec![vip] } else { Vec::new() },
                conditions: Vec::new(),
            };
            Any::Lb(Change::Service(key, there.then(|| Arc::new(service))))
        },
    );
    let announcements = (0u8..3, on(), prop::option::of(on()), any::<bool>()).prop_map(|(last, on, previous, there)| {
        let address = IpAddr::from([10, 0, 0, last]);
        let (node, previous) = (name(&on), previous.map(|previous| name(&previous)));
        let record = Announcement { address, meta: META, node, epoch: 1, previous, pinned: false, since: Timestamp(1) };
        Any::Lb(Change::Announcement(address, there.then(|| Arc::new(record))))
    });
    let pools = (any::<bool>(), any::<bool>(), 0u8..4).prop_map(|(interfaces, there, state)| {
        let mut site = Site::default();
        let range = if state == 1 { "10.0.0.1-10.0.0.2" } else { "10.0.0.0/30" };
        site.pool("external", Purpose::ExternalService, &[range], |pool| {
            pool.announce_interfaces = interfaces.then(|| "lan1".to_owned()).into_iter().collect();
            pool.state = if state == 2 { PoolState::Disabled } else { PoolState::Enabled };
        });
        let pool = site.cluster.ipam.pool(&name("external")).filter(|_| there).cloned();
        Any::Ipam(ipam::Change::Pool(name("external"), pool))
    });
    prop_oneof![2 => nodes, 6 => pods, 2 => blocks, 5 => services, 3 => announcements, 2 => pools, 2 => bgp()]
}

/// One random change of a peer or an advertisement.
fn bgp() -> impl Strategy<Value = Any> {
    let racks = || prop_oneof![Just(String::new()), (0u8..3).prop_map(|rack| format!("rack={rack}"))];
    let either = |text: &str| AnyOf(if text.is_empty() { Vec::new() } else { vec![text.parse().unwrap()] });
    let peers = (0u8..2, prop::bool::weighted(0.8), racks()).prop_map(move |(number, there, racks)| {
        let mut spec = bgp::peer_spec("192.0.2.1", 64_512);
        spec.nodes = either(&racks);
        let name: Label = format!("p{number}").parse().unwrap();
        let peer = BgpPeer { name: name.clone(), meta: META, labels: Labels::default(), spec, password: None };
        Any::Lb(Change::BgpPeer(name, there.then(|| Arc::new(peer))))
    });
    let to = prop_oneof![Just(Vec::new()), (0u8..2).prop_map(|peer| vec![format!("p{peer}").parse().unwrap()])];
    let made = (0u8..2, prop::bool::weighted(0.8), racks(), to, 30u8..33).prop_map(move |(number, there, racks, to, length)| {
        let mut spec = bgp::spec();
        (spec.nodes, spec.peers, spec.length_v4) = (either(&racks), to, length);
        let name: Label = format!("a{number}").parse().unwrap();
        let made = BgpAdvertisement { name: name.clone(), meta: META, labels: Labels::default(), spec };
        Any::Lb(Change::BgpAdvertisement(name, there.then(|| Arc::new(made))))
    });
    prop_oneof![peers, made]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is touched is at least what differs, for every node, after any run of changes in one batch: of the objects that all nodes
    /// share, of the bases of the others, and of a node's own objects as long as the node itself is the same.
    #[test]
    fn what_no_change_touches_stays_as_it_was(batches in prop::collection::vec(prop::collection::vec(change(), 1..5), 1..20)) {
        let mut cluster = Cluster::default();
        for batch in &batches {
            let before = cluster.clone();
            let mut keys = BTreeSet::new();
            for change in batch {
                keys.extend(touched(&cluster, change));
                cluster.apply(change);
            }
            for key in keys_of(&before).union(&keys_of(&cluster)).filter(|key| !keys.contains(key)) {
                prop_assert_eq!(shown(&before, key), shown(&cluster, key));
            }
            for node in ["node-0", "node-1", "elsewhere"].map(name) {
                if Receiver::of(&before, &node).differs(&Receiver::of(&cluster, &node)) {
                    continue;
                }
                let mut folded = snapshot(&before, &node);
                for key in &keys {
                    match object(&cluster, &node, key) {
                        Some(object) => _ = folded.insert(key.clone(), object),
                        None => _ = folded.remove(key),
                    }
                }
                prop_assert_eq!(&folded, &snapshot(&cluster, &node));
            }
        }
    }

    #[test]
    fn keys_come_in_order_and_from_any_key_on(changes in prop::collection::vec(change(), 1..40)) {
        let mut cluster = Cluster::default();
        changes.iter().for_each(|change| cluster.apply(change));
        let all: Vec<Key> = keys(&cluster, None).collect();
        prop_assert!(all.is_sorted());
        for (at, key) in all.iter().enumerate() {
            prop_assert_eq!(keys(&cluster, Some(key)).collect::<Vec<_>>(), &all[at + 1..]);
            prop_assert!(shown(&cluster, key).is_some());
        }
    }
}
