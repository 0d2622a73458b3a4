//! Nodes that live, are lost, come back, and are gone.

use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::Change;
use polder_core::ipam;
use polder_core::reason::Reason;
use polder_core::schema::Schema as _;
use polder_ipam::IpamConfig;
use polder_proto::ipam::v1::*;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_runtime::config::Period;
use polder_store::{Commit, KeyRange, Outcome, Store, Write};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::bench::{Replica, only, reason, store, until};

/// The shortest lease that there is.
fn brisk() -> IpamConfig {
    IpamConfig {
        node_lease: Period(Duration::from_secs(2)),
        node_check_every: Period(Duration::from_millis(50)),
        ..IpamConfig::default()
    }
}

/// An agent that renews when it is told to.
struct Agent {
    renewals: mpsc::Sender<KeepAliveRequest>,
    answers: Streaming<KeepAliveResponse>,
    request: KeepAliveRequest,
}

impl Agent {
    async fn of(replica: &Replica, name: &str) -> Self {
        let node = replica.node(name).await;
        Self::with(replica, KeepAliveRequest { name: node.name, uid: node.uid, sequence: 0 }).await.unwrap()
    }

    /// Opens a stream; its first message is sent with it.
    async fn with(replica: &Replica, request: KeepAliveRequest) -> Result<Self, Status> {
        let (renewals, waiting) = mpsc::channel(1);
        renewals.send(request.clone()).await.unwrap();
        let mut answers = replica.nodes().keep_alive(ReceiverStream::new(waiting)).await?.into_inner();
        answers.message().await?.unwrap();
        Ok(Self { renewals, answers, request })
    }

    async fn renew(&mut self) -> Result<KeepAliveResponse, Status> {
        self.request.sequence += 1;
        self.renewals.send(self.request.clone()).await.unwrap();
        Ok(self.answers.message().await?.unwrap())
    }
}

#[tokio::test]
async fn a_node_is_ready_while_its_agent_renews_and_lost_when_it_ends() {
    let (_folder, store) = store();
    let replica = Replica::with(&store, brisk()).await;
    replica.usual().await;
    let made = replica.node("node-a").await;
    assert_eq!((made.state(), made.conditions[0].reason.as_str()), (NodeState::Pending, "NODE_NOT_SEEN"));
    assert!(made.last_heartbeat_time.is_none());

    let mut agent = Agent::of(&replica, "node-a").await;
    let answer = agent.renew().await.unwrap();
    assert_eq!((answer.sequence, answer.lease_ttl.unwrap().seconds, answer.draining), (1, 2, false));
    let alive = replica.node("node-a").await;
    assert_eq!((alive.state(), alive.conditions[0].reason.as_str()), (NodeState::Ready, ""));
    assert!(alive.last_heartbeat_time.is_some());
    let request = DrainNodeRequest { name: "node-a".to_owned(), ..Default::default() };
    replica.nodes().drain_node(request).await.unwrap();
    assert!(agent.renew().await.unwrap().draining, "the agent is told that its node is draining");

    let held = replica.pod("web-1", "node-b").await.unwrap();
    drop(agent);
    until(|| async { replica.node("node-a").await.state() == NodeState::Lost }).await;
    let lost = replica.node("node-a").await;
    assert_eq!(lost.conditions[0].reason, "NODE_LOST");
    assert_eq!(lost.addresses, made.addresses, "it keeps what it has");
    assert_eq!(replica.node("node-b").await.state(), NodeState::Pending, "nobody was ever heard of there");

    let _again = Agent::of(&replica, "node-a").await;
    assert_eq!(replica.node("node-a").await.state(), NodeState::Ready);
    assert_eq!(only(&held), only(&replica.all(100).await.into_iter().find(|one| one.handle == "web-1").unwrap()));
    replica.is_sound().await;
    replica.stop().await;
}

/// The lease belongs to the node, not to the replica that takes its renewals.
#[tokio::test]
async fn an_agent_that_changes_replicas_is_never_lost() {
    let (_folder, store) = store();
    let (one, other) = (Replica::with(&store, brisk()).await, Replica::with(&store, brisk()).await);
    one.usual().await;
    until(|| async { other.knows("node-a").await }).await;
    let mut agent = Agent::of(&one, "node-a").await;
    until(|| async { other.node("node-a").await.state() == NodeState::Ready }).await;
    let mut watch = other.nodes().watch_nodes(WatchNodesRequest::default()).await.unwrap().into_inner();
    let mut renewed = 0;
    // Longer than two leases, in turn at both. On a machine that stands still for a lease, being lost would be right.
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for turn in 0..30 {
        if turn % 5 == 4 {
            let next = if turn % 2 == 0 { &other } else { &one };
            agent = Agent::of(next, "node-a").await;
        }
        renewed += usize::from(agent.renew().await.is_ok());
        longest = longest.max(last.elapsed());
        last = Instant::now();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(renewed, 30);
    // A last change marks the end of what the watch has to say.
    let request = DrainNodeRequest { name: "node-a".to_owned(), ..Default::default() };
    one.nodes().drain_node(request).await.unwrap();
    while let Some(message) = watch.message().await.unwrap() {
        let node = message.node.unwrap_or_default();
        assert!(node.state() != NodeState::Lost || longest > Duration::from_secs(1), "renewed every {longest:?}: {node:?}");
        if node.draining {
            break;
        }
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn renewals_of_nobody_are_refused() {
    let (_folder, store) = store();
    let replica = Replica::with(&store, brisk()).await;
    replica.usual().await;
    let node = replica.node("node-a").await;
    let renewal = |name: &str, uid: &str| KeepAliveRequest { name: name.to_owned(), uid: uid.to_owned(), sequence: 0 };
    let refused = async |name: &str, uid: &str| reason(Agent::with(&replica, renewal(name, uid)).await.map(drop));
    assert_eq!(refused("nobody", &node.uid).await, Reason::NodeNotFound);
    assert_eq!(refused("node-b", &node.uid).await, Reason::NodeUidMismatch);
    let both = Agent::with(&replica, renewal("Bad Name", "x")).await.map(drop).unwrap_err();
    let fields: Vec<String> = polder_runtime::status::decode(&both).violations.iter().map(|bad| bad.field.clone()).collect();
    assert_eq!(fields, ["name", "uid"]);

    let mut agent = Agent::of(&replica, "node-a").await;
    let other = replica.node("node-b").await;
    agent.request = renewal("node-b", &other.uid);
    assert_eq!(reason(agent.renew().await), Reason::ConflictingFields);
    replica.stop().await;
}

/// Takes a node out of the store behind the service's back, as a restored backup may lack it.
async fn remove_behind_its_back(store: &Store, name: &str) {
    let writes = vec![Write::delete(format!("/polder/ipam/nodes/{name}")), Write::put("/polder/ipam/head/nodes", "restored 0")];
    let _ = store.commit(Commit { guards: Vec::new(), writes }).await.unwrap();
}

#[tokio::test]
async fn orphans_are_shown_kept_for_the_grace_and_then_freed() {
    let (_folder, store) = store();
    let patient = Replica::with(&store, brisk()).await;
    patient.usual().await;
    let held = patient.pod("web-1", "node-a").await.unwrap();
    let kept = patient.pod("web-2", "node-b").await.unwrap();
    remove_behind_its_back(&store, "node-a").await;
    let state = async |replica: &Replica, handle: &str| {
        replica.all(100).await.into_iter().find(|one| one.handle == handle).map(|one| one.state())
    };
    until(|| async { state(&patient, "web-1").await == Some(AllocationState::Orphaned) }).await;
    let found = patient.allocations().check_consistency(CheckConsistencyRequest::default()).await.unwrap().into_inner();
    assert!(found.findings.iter().any(|finding| finding.reason == "NODE_NOT_FOUND"), "{found:?}");
    assert_eq!(state(&patient, "web-2").await, Some(AllocationState::Active));

    // Whoever does not want to wait has it repaired; first to see what would be done.
    let repair = CheckConsistencyRequest { repair: true, validate_only: true, ..Default::default() };
    let planned = patient.allocations().check_consistency(repair).await.unwrap().into_inner();
    assert_eq!((planned.repaired, planned.impact.len()), (2, 2), "the pod and the block of its node: {planned:?}");
    assert_eq!(state(&patient, "web-1").await, Some(AllocationState::Orphaned), "nothing has changed");

    // Another replica whose grace is short.
    let hasty = Replica::with(&store, IpamConfig { orphan_grace: Period(Duration::from_millis(100)), ..brisk() }).await;
    until(|| async { state(&patient, "web-1").await.is_none() }).await;
    assert_eq!(state(&patient, "web-2").await, Some(AllocationState::Active));
    let lookup = |address: &str| LookupAddressRequest { address: address.to_owned(), ..Default::default() };
    let gone = patient.allocations().lookup_address(lookup(only(&held))).await.unwrap().into_inner();
    assert_eq!(gone.standing(), AddressStanding::Cooling);
    let there = patient.allocations().lookup_address(lookup(only(&kept))).await.unwrap().into_inner();
    assert_eq!(there.standing(), AddressStanding::Allocated);
    let repair = CheckConsistencyRequest { repair: true, reasons: vec!["NODE_NOT_FOUND".to_owned()], ..Default::default() };
    let repaired = patient.allocations().check_consistency(repair.clone()).await.unwrap().into_inner();
    assert_eq!(repaired.repaired, 1, "the block is left: {repaired:?}");
    assert_eq!(patient.allocations().check_consistency(repair).await.unwrap().into_inner().repaired, 0);
    hasty.stop().await;
    patient.stop().await;
}

#[tokio::test]
async fn a_removal_whose_caller_is_gone_is_finished() {
    let (_folder, store) = store();
    let ipam =
        Replica::with(&store, IpamConfig { node_check_every: Period(Duration::from_secs(3600)), ..IpamConfig::default() }).await;
    ipam.usual().await;
    for n in 0..120 {
        ipam.pod(&format!("web-{n}"), "node-a").await.unwrap();
    }
    // As a process leaves it that dies after the first step.
    let name: polder_core::net::Name = "node-a".parse().unwrap();
    let key = "/polder/ipam/nodes/node-a";
    let entry = store.range(KeyRange::key(key), 1, None).await.unwrap().entries.remove(0);
    let Ok(Some(Change::Ipam(ipam::Change::Node(_, Some(node))))) = Stored::decode(key.as_bytes(), Some(&entry.value)) else {
        unreachable!("the node was registered")
    };
    let going = ipam::Node { draining: true, removing: Some(clock::now()), ..ipam::Node::clone(&node) };
    let write = Stored::encode(&Change::Ipam(ipam::Change::Node(name, Some(Arc::new(going)))));
    let write = Write::Put { key: write.key.into(), value: write.value.unwrap().into(), lease: None };
    assert!(matches!(store.commit(Commit { guards: Vec::new(), writes: vec![write] }).await.unwrap(), Outcome::Committed { .. }));

    until(|| async { ipam.node("node-a").await.draining }).await;
    let conditions = ipam.node("node-a").await.conditions;
    assert_eq!((conditions[2].r#type.as_str(), conditions[2].reason.as_str()), ("Removing", "NODE_DRAINING"));
    assert_eq!(conditions[2].message, "it is being removed; 120 pods of it are still to be freed");
    let again = RegisterNodeRequest { name: "node-a".to_owned(), ..Default::default() };
    assert_eq!(reason(ipam.nodes().register_node(again.clone()).await), Reason::NodeDraining);
    let end = DrainNodeRequest { name: "node-a".to_owned(), end: true, ..Default::default() };
    assert_eq!(reason(ipam.nodes().drain_node(end).await), Reason::NodeDraining);
    ipam.stop().await;

    let ipam = Replica::on(&store).await;
    until(|| async { !ipam.knows("node-a").await }).await;
    assert_eq!(ipam.all(0).await.len(), 1, "only the other node's own is held");
    ipam.nodes().register_node(again).await.unwrap();
    ipam.is_sound().await;
    ipam.stop().await;
}

/// The undertaker goes on with removals too; whoever of the two takes the last step, the caller is told that the node is gone.
#[tokio::test]
async fn a_removal_that_another_finishes_is_done_for_its_caller() {
    let (_folder, store) = store();
    let hurried = || IpamConfig { node_check_every: Period(Duration::from_millis(1)), ..IpamConfig::default() };
    let ipam = Replica::with(&store, hurried()).await;
    let others = [Replica::with(&store, hurried()).await, Replica::with(&store, hurried()).await];
    ipam.usual().await;
    for round in 0..8 {
        ipam.nodes().register_node(RegisterNodeRequest { name: "node-a".to_owned(), ..Default::default() }).await.unwrap();
        for n in 0..120 {
            ipam.pod(&format!("web-{round}-{n}"), "node-a").await.unwrap();
        }
        let request_id = format!("gone-{round}");
        let force = DeleteNodeRequest { name: "node-a".to_owned(), force: true, request_id, ..Default::default() };
        let first = ipam.nodes().delete_node(force.clone()).await.unwrap().into_inner();
        assert_eq!(ipam.nodes().delete_node(force).await.unwrap().into_inner(), first);
        until(|| async { !ipam.knows("node-a").await }).await;
    }
    ipam.is_sound().await;
    for replica in others.into_iter().chain([ipam]) {
        replica.stop().await;
    }
}
