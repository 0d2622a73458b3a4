//! Whoever changes something can wait until nodes have programmed it and name servers answer with it.

use std::time::Duration;

use polder_core::id::Revision;
use polder_core::ipam::Liveness;
use polder_core::reason::Reason;
use polder_core::time::Timestamp;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_client::DataplaneServiceClient;
use polder_proto::stored::dns::serving::{self, Serving};
use polder_proto::types::v1::{ConditionStatus, WatchEventType};
use polder_runtime::link::Link;
use polder_store::{Commit, Store, Write};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::agent::{register, uid_of};
use super::bgp::{bgp, peer};
use super::site::{Addresses, Replica, creation, embedded, refused, split, wait_for, web};

fn dataplane(replica: &Replica) -> DataplaneServiceClient<Link> {
    DataplaneServiceClient::new(replica.link.clone())
}

async fn convergence(replica: &Replica, revision: u64, wait: Option<u64>) -> Result<pb::Convergence, tonic::Status> {
    let wait = wait.map(|millis| Duration::from_millis(millis).try_into().unwrap());
    let answer = dataplane(replica).get_convergence(pb::GetConvergenceRequest { revision, wait }).await?;
    Ok(answer.into_inner().convergence.unwrap())
}

fn report(node: &str, revision: u64) -> pb::ReportDataplaneRequest {
    pb::ReportDataplaneRequest {
        node: node.to_owned(),
        node_uid: uid_of(node).to_string(),
        sequence: 7,
        programmed_revision: revision,
        ..Default::default()
    }
}

async fn say(lb: &Replica, request: pb::ReportDataplaneRequest) -> Result<pb::ReportDataplaneResponse, tonic::Status> {
    let mut answers = dataplane(lb).report_dataplane(tokio_stream::once(request)).await?.into_inner();
    answers.next().await.unwrap()
}

/// A node that programs everything at once, and says so.
struct Programming(JoinHandle<()>);

impl Drop for Programming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn programs(lb: &Replica, node: &str) -> Programming {
    let request = pb::WatchDataplaneRequest { node: node.to_owned(), node_uid: uid_of(node).to_string(), start_revision: 0 };
    let mut told = dataplane(lb).watch_dataplane(request).await.unwrap().into_inner();
    let (sender, reports) = mpsc::channel(16);
    let (mut client, node) = (dataplane(lb), node.to_owned());
    #[expect(clippy::disallowed_methods, reason = "aborted with the node")]
    let task = tokio::spawn(async move {
        let answers = client.report_dataplane(ReceiverStream::new(reports)).await.unwrap();
        let mut answers = answers.into_inner();
        while let Ok(Some(message)) = told.message().await {
            if matches!(message.r#type(), WatchEventType::Synced | WatchEventType::Heartbeat) {
                sender.send(report(&node, message.revision)).await.unwrap();
                answers.message().await.unwrap().unwrap();
            }
        }
    });
    Programming(task)
}

async fn put(store: &Store, writes: Vec<Write>) {
    drop(store.commit(Commit { guards: Vec::new(), writes }).await.unwrap());
}

/// What a name server says of itself.
async fn serves(store: &Store, server: &str, revision: u64) {
    let (key, value) = serving::encode(&Serving { server: server.to_owned(), revision: Revision(revision), since: Timestamp(1) });
    put(store, vec![Write::put(key, value)]).await;
}

async fn leading(lb: &Replica) {
    wait_for("the lead", async || convergence(lb, 1, None).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_waited_for_until_nodes_and_name_servers_have_it() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    leading(&lb).await;
    let nobody = convergence(&lb, 0, None).await.unwrap();
    assert!(nobody.converged && nobody.nodes.is_empty(), "nobody lacks it: {nobody:?}");

    for node in ["node-a", "node-b"] {
        register(&addresses, node, |_| {}).await;
    }
    register(&addresses, "node-lost", |node| node.liveness = Liveness::Lost(Timestamp(1))).await;
    let missing =
        wait_for("two nodes", async || Some(convergence(&lb, 0, None).await.unwrap()).filter(|one| one.nodes.len() == 2)).await;
    assert!(!missing.converged && missing.nodes.iter().all(|node| node.error == "it has not reported yet"), "{missing:?}");

    let programming = [programs(&lb, "node-a").await, programs(&lb, "node-b").await];
    let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let made =
        lb.client().create_service(pb::CreateServiceRequest { wait, ..creation(web("shop/web")) }).await.unwrap().into_inner();
    let had = made.convergence.unwrap();
    assert_eq!((had.converged, had.revision, had.nodes.len()), (true, made.revision, 2), "{had:?}");

    // A headless service concerns no node: nothing is told, and nobody is waited for.
    let mut headless = web("shop/peers");
    let spec = headless.spec.as_mut().unwrap();
    (spec.r#type, spec.headless) = (pb::ServiceType::ClusterIp.into(), true);
    let made = lb.client().create_service(pb::CreateServiceRequest { wait, ..creation(headless) }).await.unwrap().into_inner();
    assert!(made.convergence.unwrap().converged);

    let [first, second] = programming;
    drop(second);
    let (namespace, name) = split("shop/web");
    let short = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    let request = pb::DeleteServiceRequest { namespace, name, wait: short, ..Default::default() };
    let gone = lb.client().delete_service(request).await.unwrap().into_inner().convergence.unwrap();
    let behind: Vec<&str> =
        gone.nodes.iter().filter(|node| node.programmed_revision < gone.revision).map(|node| node.node.as_str()).collect();
    assert!(!gone.converged && behind.contains(&"node-b"), "the change stands, the wait is over: {gone:?}");
    assert_eq!(lb.list("").await, ["shop/peers"]);
    drop(first);
    lb.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_servers_count_and_so_does_what_a_node_cannot_program() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    register(&addresses, "node-a", |_| {}).await;
    let lb = Replica::start(&store).await;
    leading(&lb).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    let mut well = report("node-a", made.revision);
    well.findings.push(polder_proto::types::v1::Finding { message: "no room in the kernel".to_owned(), ..Default::default() });
    let answer = say(&lb, well).await.unwrap();
    assert!(answer.sequence == 7 && answer.target_revision >= made.revision, "{answer:?}");
    let now = convergence(&lb, made.revision, None).await.unwrap();
    assert_eq!((now.converged, now.nodes[0].error.as_str()), (true, "no room in the kernel"));

    serves(&store, "dns-1", made.revision - 1).await;
    let late = convergence(&lb, made.revision, Some(50)).await.unwrap();
    assert_eq!((late.converged, late.dns_servers[0].server.as_str()), (false, "dns-1"));
    let waiting = convergence(&lb, made.revision, Some(60_000));
    let serving = serves(&store, "dns-1", made.revision);
    let (then, ()) = tokio::join!(waiting, serving);
    assert!(then.unwrap().converged);
    let future = convergence(&lb, made.revision + 1000, Some(50)).await.unwrap();
    assert!(!future.converged, "what has not happened has come nowhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nodes_say_of_their_bgp_sessions_is_told_of_the_peer() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    for node in ["node-a", "node-b"] {
        register(&addresses, node, |_| {}).await;
    }
    let lb = Replica::start(&store).await;
    leading(&lb).await;
    let tor = pb::CreateBgpPeerRequest { bgp_peer: Some(peer("tor", "192.0.2.1")), ..Default::default() };
    bgp(&lb).create_bgp_peer(tor).await.unwrap();
    let established = async || {
        let got =
            bgp(&lb).get_bgp_peer(pb::GetBgpPeerRequest { name: "tor".to_owned() }).await.unwrap().into_inner().bgp_peer.unwrap();
        let listed = bgp(&lb).list_bgp_peers(pb::ListBgpPeersRequest::default()).await.unwrap().into_inner().bgp_peers.remove(0);
        assert_eq!(got, listed);
        let one = got.conditions.into_iter().find(|condition| condition.r#type == "Established").unwrap();
        (one.status(), one.reason, one.message)
    };
    let session = |state: &str, error: &str| pb::BgpSessionStatus {
        peer: "tor".to_owned(),
        state: state.to_owned(),
        last_error: error.to_owned(),
        ..Default::default()
    };
    let says = |node: &str, state: &str, error: &str| {
        let report = pb::ReportDataplaneRequest { bgp_sessions: vec![session(state, error)], ..report(node, 1) };
        async { say(&lb, report).await.unwrap() }
    };
    says("node-a", "Established", "").await;
    let (status, reason, message) = established().await;
    assert_eq!((status, reason.as_str()), (ConditionStatus::False, "BGP_SESSION_DOWN"));
    assert!(message.contains("on 1 of 2") && message.contains("`node-b` has not reported on it"), "{message}");
    says("node-b", "Active", "connection refused").await;
    let (_, _, message) = established().await;
    assert!(message.contains("`node-b` is in state Active: connection refused"), "{message}");
    says("node-b", "Established", "connection refused").await;
    assert_eq!(established().await.0, ConditionStatus::True);
    // Another node by the name has said nothing.
    register(&addresses, "node-b", |node| node.meta.uid = uid_of("another")).await;
    wait_for("the other node", async || Some(established().await.0).filter(|status| *status == ConditionStatus::False)).await;
    lb.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_server_that_nobody_understands_or_looks_at_is_not_one_that_has_it() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    leading(&lb).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    let revision = made.revision;
    serves(&store, "dns-1", revision).await;
    assert!(convergence(&lb, revision, None).await.unwrap().converged);

    put(&store, vec![Write::put(format!("{}dns-2", serving::SERVING), vec![8, 2])]).await;
    let unread = convergence(&lb, revision, None).await.unwrap();
    let told: Vec<_> = unread.dns_servers.iter().map(|one| (one.server.as_str(), one.error.is_empty())).collect();
    assert_eq!((unread.converged, told), (false, vec![("dns-1", true), ("dns-2", false)]), "{unread:?}");
    let request = pb::ExplainServiceRequest { namespace: "shop".to_owned(), name: "web".to_owned() };
    let steps = lb.client().explain_service(request).await.unwrap().into_inner().steps;
    let names = steps.iter().find(|step| step.step == "dns").unwrap();
    assert!(names.message.contains("name server dns-2: what it says cannot be read: its form is version 2"), "{names:?}");

    // On several pages, and then one more than are looked at.
    serves(&store, "dns-2", revision).await;
    let names: Vec<String> = (3..=5000).map(|number| format!("dns-{number}")).collect();
    for names in names.chunks(100) {
        let one = |server: &String| Serving { server: server.clone(), revision: Revision(revision), since: Timestamp(1) };
        let writes = names.iter().map(one).map(|serving| serving::encode(&serving));
        put(&store, writes.map(|(key, value)| Write::put(key, value)).collect()).await;
    }
    let all = convergence(&lb, revision, None).await.unwrap();
    assert_eq!((all.converged, all.dns_servers.len()), (true, 5000));
    serves(&store, "dns-5001", revision).await;
    let most = convergence(&lb, revision, None).await.unwrap();
    let last = most.dns_servers.last().unwrap();
    assert_eq!((most.converged, most.dns_servers.len(), last.server.as_str()), (false, 5001, "*"), "{last:?}");
    assert!(last.error.contains("more than 5000 name servers"), "{last:?}");
    lb.stop().await;
}

#[tokio::test]
async fn bad_reports_and_waits_are_refused() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    register(&addresses, "node-a", |_| {}).await;
    let lb = Replica::start(&store).await;
    leading(&lb).await;
    assert_eq!(refused(say(&lb, report("node-x", 1)).await).0, Reason::NodeNotFound);
    let other = pb::ReportDataplaneRequest { node_uid: uid_of("node-b").to_string(), ..report("node-a", 1) };
    assert_eq!(refused(say(&lb, other).await).0, Reason::NodeUidMismatch);
    let mut bad = report("", 1);
    bad.observations = vec![pb::Observation { address: "10.0.0".to_owned(), ..Default::default() }];
    bad.findings = vec![Default::default(); 101];
    let since = Some(prost_types::Timestamp { seconds: -1, nanos: 0 });
    let twice = pb::BgpSessionStatus { peer: "tor".to_owned(), state: "Idle".to_owned(), ..Default::default() };
    bad.bgp_sessions = vec![pb::BgpSessionStatus { state: "Up".to_owned(), since, ..Default::default() }, twice.clone(), twice];
    let fields: Vec<_> = refused(say(&lb, bad).await).1.violations.iter().map(|one| one.field.clone()).collect();
    let sessions = ["bgp_sessions[0].peer", "bgp_sessions[0].state", "bgp_sessions[0].since", "bgp_sessions[2].peer"];
    let expected = [&["node", "findings", "observations[0].address", "observations[0].kind"][..], &sessions].concat();
    assert_eq!(fields, expected);
    for (seconds, reason) in [(301, Reason::CountOutOfBounds), (-1, Reason::InvalidArgument)] {
        let wait = Some(prost_types::Duration { seconds, nanos: 0 });
        let asked = dataplane(&lb).get_convergence(pb::GetConvergenceRequest { revision: 1, wait }).await;
        assert_eq!(refused(asked).0, reason);
        let made = lb.client().create_service(pb::CreateServiceRequest { wait, ..creation(web("shop/web")) }).await;
        assert_eq!(refused(made).0, reason);
    }
    assert_eq!(lb.list("").await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_does_not_lead_asks_the_one_that_does() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    register(&addresses, "node-a", |_| {}).await;
    let first = Replica::advertised(&store).await;
    leading(&first).await;
    let second = Replica::advertised(&store).await;
    let _programming = programs(&first, "node-a").await;
    let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let made = second.client().create_service(pb::CreateServiceRequest { wait, ..creation(web("shop/web")) }).await.unwrap();
    assert!(made.into_inner().convergence.unwrap().converged);
    assert_eq!(refused(say(&second, report("node-a", 1)).await).0, Reason::NotLeading);

    // Alone and without an address of the lead nobody can be asked: that is said before anything is changed.
    let mute = Replica::start(&store).await;
    first.stop().await;
    second.stop().await;
    leading(&mute).await;
    let third = Replica::start(&store).await;
    let asked = third.client().create_service(pb::CreateServiceRequest { wait, ..creation(web("shop/late")) }).await;
    assert_eq!(refused(asked).0, Reason::NotLeading);
    assert_eq!(third.list("").await, ["shop/web"]);
}
