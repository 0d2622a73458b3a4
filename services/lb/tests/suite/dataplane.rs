//! What nodes are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_core::id::Uid;
use polder_core::ipam::{self, Allocation, Block, Node, Purpose};
use polder_core::net::Labels;
use polder_core::reason::Reason;
use polder_core::time::Timestamp;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_client::DataplaneServiceClient;
use polder_proto::lb::v1::watch_dataplane_response::Object;
use polder_proto::types::v1::{LabelSelector, WatchEventType};
use polder_store::Store;
use polder_store::testing::Etcd;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tonic::{Status, Streaming};

use super::bgp::{advertisement, bgp, peer};
use super::site::{Addresses, Replica, SOON, creation, embedded, node, pod, refused, split, wait_for, web};

/// Nodes; every round of random changes ends with the last one.
const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];

fn uid(number: u8) -> String {
    Uid(number.into()).to_string()
}

async fn put_node(addresses: &Addresses, name: &str, number: u8, zone: &str) {
    addresses.put(ipam::Change::Node(name.parse().unwrap(), Some(Arc::new(node(name, number, zone))))).await;
}

async fn put_pod(addresses: &Addresses, pod: Allocation) {
    addresses.put(ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod)))).await;
}

/// What a node has, folded from what it was told.
#[derive(Default)]
struct Agent {
    objects: BTreeMap<String, Object>,
    revision: u64,
    stream: Option<Streaming<pb::WatchDataplaneResponse>>,
}

fn key(object: &Object) -> String {
    match object {
        Object::Front(front) => format!("front {}/{}", front.namespace, front.name),
        Object::Endpoints(behind) => format!("endpoints {}/{}", behind.namespace, behind.name),
        Object::Node(node) => format!("node {}", node.name),
        Object::Settings(_) => "settings".to_owned(),
        Object::BgpSession(session) => format!("session {}", session.peer.as_ref().unwrap().name),
        Object::BgpRoutes(routes) => format!("routes {}", routes.address),
        Object::Announcement(_) => panic!("{object:?}"),
    }
}

impl Agent {
    /// Goes on from where it is; from a snapshot at first.
    async fn follow(&mut self, lb: &Replica, name: &str, number: u8) -> Result<(), Status> {
        let request = pb::WatchDataplaneRequest { node: name.to_owned(), node_uid: uid(number), start_revision: self.revision };
        self.stream = Some(DataplaneServiceClient::new(lb.link.clone()).watch_dataplane(request).await?.into_inner());
        Ok(())
    }

    async fn started(lb: &Replica, name: &str, number: u8) -> Self {
        let mut agent = Self::default();
        agent.follow(lb, name, number).await.unwrap();
        assert_eq!(agent.revision().await.unwrap(), WatchEventType::Synced);
        agent
    }

    /// Takes everything up to the next mark; that mark.
    async fn revision(&mut self) -> Result<WatchEventType, Status> {
        let stream = self.stream.as_mut().unwrap();
        loop {
            let message = tokio::time::timeout(SOON, stream.message()).await.unwrap()?.unwrap();
            assert!(message.revision >= self.revision, "{} after {}", message.revision, self.revision);
            match (message.r#type(), message.object) {
                (WatchEventType::Snapshot | WatchEventType::Put, Some(object)) => _ = self.objects.insert(key(&object), object),
                (WatchEventType::Delete, Some(object)) => _ = self.objects.remove(&key(&object)),
                (mark @ (WatchEventType::Synced | WatchEventType::Heartbeat), None) => {
                    self.revision = message.revision;
                    return Ok(mark);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits until it has been told of something.
    async fn told(&mut self, what: impl Fn(&BTreeMap<String, Object>) -> bool) {
        while !what(&self.objects) {
            self.revision().await.unwrap();
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.objects.keys().map(String::as_str).collect()
    }

    fn endpoints(&self, service: &str) -> Vec<&str> {
        match self.objects.get(&format!("endpoints {service}")) {
            Some(Object::Endpoints(behind)) => behind.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect(),
            other => panic!("{other:?}"),
        }
    }
}

async fn delete(lb: &Replica, name: &str) {
    let (namespace, name) = split(name);
    lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await.unwrap();
}

#[tokio::test]
async fn a_node_gets_a_snapshot_and_then_every_change() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    put_node(&addresses, "node-0", 1, "rack-1").await;
    let lb = Replica::start(&store).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner().service.unwrap();
    let mut agent = Agent::default();
    agent.follow(&lb, "node-0", 1).await.unwrap();
    agent.revision().await.unwrap();
    agent.told(|objects| objects.contains_key("front shop/web")).await;
    assert_eq!(agent.keys(), ["endpoints shop/web", "front shop/web", "node node-0", "settings"]);
    let Some(Object::Front(front)) = agent.objects.get("front shop/web") else { panic!("a front") };
    let (cluster, external) = super::site::vips(&made);
    assert_eq!((&front.cluster_vips, &front.external_vips, front.ports[0].port), (&cluster, &external, 80));
    let Some(Object::Settings(settings)) = agent.objects.get("settings") else { panic!("settings") };
    assert_eq!((settings.cluster_domain.as_str(), &settings.service_subnets), ("cluster.local", &vec!["172.28.0.0/16".to_owned()]));
    let Some(Object::Node(told)) = agent.objects.get("node node-0") else { panic!("a node") };
    assert_eq!((told.number, told.live, told.zone.as_str()), (1, true, "rack-1"));

    addresses.pod(5, "WS").await;
    agent.revision().await.unwrap();
    assert_eq!(agent.endpoints("shop/web"), ["172.27.0.5"]);
    put_pod(&addresses, Allocation { ready: false, ..pod(5, "WS") }).await;
    agent.revision().await.unwrap();
    assert!(agent.endpoints("shop/web").is_empty());
    delete(&lb, "shop/web").await;
    agent.revision().await.unwrap();
    assert_eq!(agent.keys(), ["node node-0", "settings"]);
}

#[tokio::test]
async fn a_node_that_is_unknown_or_another_is_refused_and_one_that_goes_is_told() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    let lb = Replica::start(&store).await;
    let mut agent = Agent::default();
    assert_eq!(refused(agent.follow(&lb, "node-0", 1).await).0, Reason::NodeNotFound);
    // Registered through another replica a moment ago.
    put_node(&addresses, "node-0", 1, "").await;
    assert_eq!(refused(agent.follow(&lb, "node-0", 2).await).0, Reason::NodeUidMismatch);
    let mut agent = Agent::started(&lb, "node-0", 1).await;
    let bad = pb::WatchDataplaneRequest { node: "Node".to_owned(), ..Default::default() };
    let (_, refusal) = refused(DataplaneServiceClient::new(lb.link.clone()).watch_dataplane(bad).await.map(drop));
    assert_eq!(refusal.violations.len(), 2);

    put_node(&addresses, "node-0", 3, "").await;
    assert_eq!(refused(agent.revision().await).0, Reason::NodeUidMismatch);
    let mut agent = Agent::started(&lb, "node-0", 3).await;
    addresses.put(ipam::Change::Node("node-0".parse().unwrap(), None)).await;
    assert_eq!(refused(agent.revision().await).0, Reason::NodeNotFound);
}

#[tokio::test]
async fn a_node_goes_on_where_it_was_and_is_told_when_that_is_too_long_ago() {
    let (folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    put_node(&addresses, "node-0", 1, "").await;
    let lb = Replica::start(&store).await;
    let mut agent = Agent::started(&lb, "node-0", 1).await;
    let mut witness = Agent::started(&lb, "node-0", 1).await;
    agent.stream = None;
    for name in ["shop/a", "shop/b"] {
        lb.client().create_service(creation(web(name))).await.unwrap();
    }
    delete(&lb, "shop/a").await;
    witness.told(|objects| objects.contains_key("front shop/b") && !objects.contains_key("front shop/a")).await;
    agent.follow(&lb, "node-0", 1).await.unwrap();
    agent.told(|objects| objects.contains_key("front shop/b") && !objects.contains_key("front shop/a")).await;
    assert_eq!(agent.objects, witness.objects);

    let before = agent.revision;
    lb.client().create_service(creation(web("shop/c"))).await.unwrap();
    lb.stop().await;
    drop((addresses, store, agent, witness));
    let store = super::site::reopen(&folder).await;
    let lb = Replica::start(&store).await;
    let mut late = Agent { revision: before, ..Agent::default() };
    assert_eq!(refused(late.follow(&lb, "node-0", 1).await).0, Reason::ResumeTokenCompacted);
}

/// What the node tells for its addresses: `peer prefix preference`.
fn routes(agent: &Agent) -> Vec<String> {
    let routes = agent.objects.values().filter_map(|object| if let Object::BgpRoutes(told) = object { Some(told) } else { None });
    let text = |route: &pb::BgpRoute| format!("{} {} {}", route.peer, route.prefix, route.local_pref);
    routes.flat_map(|told| told.routes.iter().map(text)).collect()
}

#[tokio::test]
async fn a_node_is_told_of_its_bgp_sessions_and_of_what_it_advertises() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let rack = |rack: &str, edit: fn(&mut Node)| {
        let mut node = node("node-0", 1, "");
        node.labels = Labels::new([("rack".to_owned(), rack.to_owned())]).unwrap();
        edit(&mut node);
        ipam::Change::Node(node.name.clone(), Some(Arc::new(node)))
    };
    addresses.put(rack("1", |_| {})).await;
    put_node(&addresses, "node-1", 2, "").await;
    let lb = Replica::start(&store).await;
    let only = LabelSelector { match_labels: [("rack".to_owned(), "1".to_owned())].into(), ..Default::default() };
    let tor = pb::BgpPeer { password: "secret".to_owned(), node_selectors: vec![only], ..peer("tor", "192.0.2.1") };
    bgp(&lb).create_bgp_peer(pb::CreateBgpPeerRequest { bgp_peer: Some(tor), ..Default::default() }).await.unwrap();
    let all = pb::BgpAdvertisement { local_pref: 300, ..advertisement("all") };
    let all = pb::CreateBgpAdvertisementRequest { bgp_advertisement: Some(all), ..Default::default() };
    bgp(&lb).create_bgp_advertisement(all).await.unwrap();
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner().service.unwrap();
    let (_, external) = super::site::vips(&made);

    let (mut agent, mut other) = (Agent::started(&lb, "node-0", 1).await, Agent::started(&lb, "node-1", 2).await);
    agent.told(|objects| objects.contains_key("session tor") && objects.contains_key("front shop/web")).await;
    let Some(Object::BgpSession(session)) = agent.objects.get("session tor") else { panic!("a session") };
    assert_eq!((session.password.as_str(), session.peer.as_ref().unwrap().password.as_str()), ("secret", ""));
    assert!(routes(&agent).is_empty(), "nothing stands behind the address");
    addresses.pod(5, "WS").await;
    agent.told(|objects| objects.contains_key(&format!("routes {}", external[0]))).await;
    assert_eq!(routes(&agent), [format!("tor {}/32 300", external[0])]);
    other
        .told(
            |objects| matches!(objects.get("endpoints shop/web"), Some(Object::Endpoints(behind)) if !behind.endpoints.is_empty()),
        )
        .await;
    assert!(other.keys().iter().all(|key| !key.starts_with("session") && !key.starts_with("routes")), "{:?}", other.keys());

    addresses.put(rack("1", |node| node.draining = true)).await;
    agent.told(|objects| !objects.contains_key(&format!("routes {}", external[0]))).await;
    assert!(agent.objects.contains_key("session tor"), "it takes its routes back on an open session");
    addresses.put(rack("2", |_| {})).await;
    agent.told(|objects| !objects.contains_key("session tor")).await;
    addresses.put(rack("1", |_| {})).await;
    agent.told(|objects| objects.contains_key(&format!("routes {}", external[0]))).await;
    let of_all = LabelSelector { match_labels: [("rack".to_owned(), "7".to_owned())].into(), ..Default::default() };
    let moved = pb::BgpPeer { node_selectors: vec![of_all], ..peer("tor", "192.0.2.1") };
    bgp(&lb).update_bgp_peer(pb::UpdateBgpPeerRequest { bgp_peer: Some(moved), ..Default::default() }).await.unwrap();
    agent.told(|objects| !objects.contains_key("session tor")).await;
    assert!(routes(&agent).is_empty(), "nobody is told any more");
}

/// One random change of nodes' labels, peers or advertisements. Some are refused: they would contradict others.
async fn change_bgp(addresses: &Addresses, lb: &Replica, rng: &mut StdRng) {
    let racks = |rack: u8| {
        let rack = LabelSelector { match_labels: [("rack".to_owned(), rack.to_string())].into(), ..Default::default() };
        if rack.match_labels["rack"] == "0" { Vec::new() } else { vec![rack] }
    };
    let (number, rack) = (rng.random_range(0..2), rng.random_range(0..3));
    match rng.random_range(0..6) {
        0..2 => {
            let mut node = node(NODES[number], u8::try_from(number + 1).unwrap(), "");
            node.labels = Labels::new([("rack".to_owned(), rack.to_string())]).unwrap();
            node.draining = rng.random_bool(0.3);
            addresses.put(ipam::Change::Node(node.name.clone(), Some(Arc::new(node)))).await;
        }
        2 => {
            let peer = pb::BgpPeer { node_selectors: racks(rack), ..peer(&format!("p{number}"), &format!("192.0.2.{number}")) };
            let request = pb::UpdateBgpPeerRequest { bgp_peer: Some(peer), allow_missing: true, ..Default::default() };
            _ = bgp(lb).update_bgp_peer(request).await;
        }
        3 => {
            let name = format!("p{number}");
            _ = bgp(lb).delete_bgp_peer(pb::DeleteBgpPeerRequest { name, ..Default::default() }).await;
        }
        4 => {
            let length = rng.random_range(29..33);
            let all = advertisement(&format!("a{number}"));
            let made = pb::BgpAdvertisement { node_selectors: racks(rack), aggregation_length_v4: length, ..all };
            let request =
                pb::UpdateBgpAdvertisementRequest { bgp_advertisement: Some(made), allow_missing: true, ..Default::default() };
            _ = bgp(lb).update_bgp_advertisement(request).await;
        }
        _ => {
            let name = format!("a{number}");
            _ = bgp(lb).delete_bgp_advertisement(pb::DeleteBgpAdvertisementRequest { name, ..Default::default() }).await;
        }
    }
}

/// One random change of services, pods, nodes, blocks, pools or BGP.
async fn change(addresses: &Addresses, lb: &Replica, rng: &mut StdRng) {
    let on = NODES[rng.random_range(0..2)];
    match rng.random_range(0..14) {
        9..13 => change_bgp(addresses, lb, rng).await,
        0..4 => {
            let number = rng.random_range(1..12);
            let mut pod = pod(number, ["WS", "DB"][rng.random_range(0..2)]);
            pod.owner.node = Some(on.parse().unwrap());
            pod.ready = rng.random();
            pod.released = rng.random_bool(0.2).then_some(Timestamp(1));
            put_pod(addresses, pod).await;
        }
        4 => {
            let pod = Uid(rng.random_range(1..12));
            addresses.put(ipam::Change::Allocation(pod, None)).await;
        }
        5 => put_node(addresses, "node-1", 2, &rng.random_range(0..3).to_string()).await,
        6 => {
            let cidr = format!("172.27.0.{}/30", rng.random_range(0..3) * 4).parse().unwrap();
            let block = Block { cidr, pool: "pod".parse().unwrap(), node: on.parse().unwrap(), claimed: Timestamp(1) };
            addresses.put(ipam::Change::Block(cidr, rng.random::<bool>().then(|| Arc::new(block)))).await;
        }
        7 => addresses.pool("pod", Purpose::Pod, &format!("172.27.0.0/{}", rng.random_range(16..19))).await,
        8 => {
            let (namespace, name) = split(&format!("shop/s{}", rng.random_range(0..4)));
            // It may not be there.
            _ = lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await;
        }
        _ => {
            let mut service = web(&format!("shop/s{}", rng.random_range(0..4)));
            let spec = service.spec.as_mut().unwrap();
            spec.r#type = [pb::ServiceType::ClusterIp, pb::ServiceType::LoadBalancer][rng.random_range(0..2)].into();
            let mut policy = || [pb::TrafficPolicy::Cluster, pb::TrafficPolicy::Local][rng.random_range(0..2)].into();
            spec.internal_traffic_policy = policy();
            spec.external_traffic_policy = if spec.r#type() == pb::ServiceType::LoadBalancer { policy() } else { 0 };
            spec.selector = [("app".to_owned(), ["WS", "DB"][rng.random_range(0..2)].to_owned())].into();
            let request = pb::UpdateServiceRequest { service: Some(service), allow_missing: true, ..Default::default() };
            lb.client().update_service(request).await.unwrap();
        }
    }
}

/// After every round of random changes, what nodes were told piece by piece on either replica is what a new snapshot says, also for
/// one that goes from replica to replica and resumes there.
async fn fold(store: &Store) {
    let seed = std::env::var("POLDER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("seed {seed}; repeat with POLDER_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let addresses = Addresses::open(store).await;
    addresses.usual().await;
    for (number, name) in (1..).zip(NODES) {
        put_node(&addresses, name, number, "").await;
    }
    let replicas = [Replica::start(store).await, Replica::start(store).await];
    let mut agents = Vec::new();
    for (at, name) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        agents.push((name, Agent::started(&replicas[at], NODES[name], u8::try_from(name + 1).unwrap()).await));
    }
    let mut wanderer = Agent::started(&replicas[0], NODES[1], 2).await;
    for round in 0..12 {
        for _ in 0..25 {
            change(&addresses, &replicas[rng.random_range(0..2)], &mut rng).await;
        }
        if round % 2 == 0 {
            wanderer.follow(&replicas[(round / 2 + 1) % 2], NODES[1], 2).await.unwrap();
        }
        // Everybody is told of the last node, after all that came before.
        let zone = format!("round {round}");
        put_node(&addresses, NODES[2], 3, &zone).await;
        let last = |objects: &BTreeMap<String, Object>| matches!(objects.get("node node-2"), Some(Object::Node(node)) if node.zone == zone);
        for (name, agent) in &mut agents {
            agent.told(last).await;
            let fresh = wait_for("a snapshot with all of it", async || {
                let fresh = Agent::started(&replicas[round % 2], NODES[*name], u8::try_from(*name + 1).unwrap()).await;
                last(&fresh.objects).then_some(fresh)
            })
            .await;
            assert_eq!(agent.objects, fresh.objects, "round {round}, {}, seed {seed}", NODES[*name]);
        }
        wanderer.told(last).await;
        assert_eq!(wanderer.objects, agents[1].1.objects, "round {round}, resumed, seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_add_up_to_the_snapshot_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    fold(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_add_up_to_the_snapshot_on_etcd() {
    let etcd = Etcd::start().await;
    fold(&etcd.store().await).await;
}
