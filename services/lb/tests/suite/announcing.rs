//! Nodes answer for external addresses: each for its share, never two for one, and never nobody for long.

use std::collections::{BTreeMap, BTreeSet};

use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_proto::types::v1::ConditionStatus;
use polder_store::Store;
use polder_store::testing::Etcd;
use tokio_stream::StreamExt as _;

use super::agent::{Agent, Announcements, Network, register, uid_of};
use super::site::{Addresses, Replica, creation, embedded, refused, wait_for, web};

const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// A load balancer with six services and three nodes without agents.
async fn six_addresses(store: &Store) -> (Addresses, Replica) {
    let addresses = Addresses::open(store).await;
    addresses.usual().await;
    for node in NODES {
        register(&addresses, node, |_| {}).await;
    }
    let lb = Replica::start(store).await;
    for n in 0..6 {
        lb.client().create_service(creation(web(&format!("shop/s{n}")))).await.unwrap();
    }
    (addresses, lb)
}

fn announcements(replica: &Replica) -> Announcements {
    Announcements::new(replica.link.clone())
}

async fn list(replica: &Replica, filter: &str) -> Vec<pb::Announcement> {
    let request = pb::ListAnnouncementsRequest { filter: filter.to_owned(), ..Default::default() };
    announcements(replica).list_announcements(request).await.unwrap().into_inner().announcements
}

async fn one(replica: &Replica, address: &str) -> pb::Announcement {
    list(replica, &format!("address = {address}")).await.remove(0)
}

/// Waits until all six addresses are answered for by these nodes only.
async fn answered_by(network: &Network, nodes: &[&str]) -> BTreeMap<String, String> {
    wait_for("an answer for every address", async || {
        let answering = network.answering();
        let all = answering.len() == 6 && answering.values().all(|node| nodes.contains(&node.as_str()));
        all.then_some(answering)
    })
    .await
}

fn announced(object: &pb::Announcement) -> (ConditionStatus, &str) {
    let condition = &object.conditions[0];
    assert_eq!(condition.r#type, "Announced");
    (condition.status(), condition.reason.as_str())
}

async fn each_answers_for_its_share_and_takes_over_from_the_dead(store: &Store) {
    let (_addresses, lb) = six_addresses(store).await;
    let nobody = one(&lb, "10.0.0.13").await;
    assert_eq!(announced(&nobody), (ConditionStatus::False, "NOT_ANNOUNCED"));
    assert!(nobody.conditions[0].message.contains("3 of 3 nodes could"), "{nobody:?}");
    assert_eq!((nobody.candidates.len(), nobody.node.as_str(), nobody.epoch), (3, "", 0));

    let network = Network::new(std::slice::from_ref(&lb.link));
    let agents: BTreeMap<_, _> = NODES.map(|node| (node, Agent::start(&network, node))).into();
    let shares = |answering: &BTreeMap<String, String>| {
        let mut shares = BTreeMap::new();
        answering.values().for_each(|node| *shares.entry(node.clone()).or_insert(0) += 1);
        shares.into_values().collect::<Vec<_>>()
    };
    let before = answered_by(&network, &NODES).await;
    let (first, victim) = before.first_key_value().unwrap();
    wait_for("what is listed", async || {
        let shown = one(&lb, first).await;
        (shown.node == *victim && announced(&shown) == (ConditionStatus::True, "")).then_some(())
    })
    .await;
    let service = lb.get("shop/s0").await.status.unwrap();
    let status = service.conditions.iter().find(|condition| condition.r#type == "Announced").unwrap();
    assert_eq!((status.status(), service.external_vips[0].announcing_node.as_str()), (ConditionStatus::True, victim.as_str()));

    let victim = *NODES.iter().find(|node| node == &victim).unwrap();
    let mut agents = agents;
    drop(agents.remove(victim));
    let left: Vec<&str> = agents.keys().copied().collect();
    let after = answered_by(&network, &left).await;
    assert_eq!(shares(&after), [3, 3]);
    let stayed = before.iter().filter(|(_, node)| node.as_str() != victim).all(|(address, node)| after.get(address) == Some(node));
    assert!(stayed, "{before:?} {after:?}");
    assert!(list(&lb, &format!("previous_node = {victim}")).await.len() >= 2);
    let (first, _) = before.iter().find(|(_, node)| node.as_str() == victim).unwrap();
    assert_eq!(one(&lb, first).await.previous_node, victim);
    lb.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answers_for_its_share_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    each_answers_for_its_share_and_takes_over_from_the_dead(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answers_for_its_share_on_etcd() {
    let etcd = Etcd::start().await;
    each_answers_for_its_share_and_takes_over_from_the_dead(&etcd.store().await).await;
}

async fn one_replica_leads_and_another_takes_over(store: &Store) {
    let (_addresses, first) = six_addresses(store).await;
    let second = Replica::start(store).await;
    let network = Network::new(&[first.link.clone(), second.link.clone()]);
    let agents = NODES.map(|node| Agent::start(&network, node));
    let before = answered_by(&network, &NODES).await;
    let status = |replica: &Replica| {
        let (replica, address) = (announcements(replica), before.first_key_value().unwrap().0.clone());
        async move {
            let request = pb::ListAnnouncementsRequest { filter: format!("address = {address}"), ..Default::default() };
            let list = replica.clone().list_announcements(request).await.unwrap().into_inner();
            list.announcements[0].conditions[0].status()
        }
    };
    let leads = status(&first).await == ConditionStatus::True;
    let (leader, follower) = if leads { (first, second) } else { (second, first) };
    assert_eq!((status(&leader).await, status(&follower).await), (ConditionStatus::True, ConditionStatus::Unknown));
    let refusal = hold(&follower, renewal("node-a", &[])).await.unwrap_err();
    let refusal = refused::<()>(Err(refusal)).1;
    assert_eq!(refusal.reason, Reason::NotLeading);
    wait_for("the name of the lead", async || {
        let refusal = refused::<()>(Err(hold(&follower, renewal("node-a", &[])).await.unwrap_err())).1;
        refusal.metadata.get("leader_replica").filter(|name| name.len() == 32).map(drop)
    })
    .await;

    network.replicas.lock().unwrap().remove(usize::from(!leads));
    leader.stop().await;
    let after = wait_for("an answer under the new lead", async || {
        let answering = network.answering();
        (answering.len() == 6 && status(&follower).await == ConditionStatus::True).then_some(answering)
    })
    .await;
    assert_eq!(before, after, "another lead is no reason to move anything");
    drop(agents);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_leads_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    one_replica_leads_and_another_takes_over(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_leads_on_etcd() {
    let etcd = Etcd::start().await;
    one_replica_leads_and_another_takes_over(&etcd.store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_moves_and_drains() {
    let (_folder, store) = embedded().await;
    let (_addresses, lb) = six_addresses(&store).await;
    let network = Network::new(std::slice::from_ref(&lb.link));
    let _agents = NODES.map(|node| Agent::start(&network, node));
    let before = answered_by(&network, &NODES).await;
    let (address, from) = before.first_key_value().unwrap();
    let to = NODES.iter().find(|node| *node != from).unwrap().to_string();
    let shown = one(&lb, address).await;

    let wish = pb::MoveAnnouncementRequest {
        address: address.clone(),
        node: to.clone(),
        etag: shown.etag.clone(),
        request_id: "move-1".to_owned(),
        validate_only: false,
    };
    let dry = pb::MoveAnnouncementRequest { validate_only: true, request_id: String::new(), ..wish.clone() };
    let planned = announcements(&lb).move_announcement(dry).await.unwrap().into_inner();
    assert_eq!(planned.impact[0].description, format!("it moves from node {from} to node {to}"));
    let moved = announcements(&lb).move_announcement(wish.clone()).await.unwrap().into_inner();
    assert_eq!(planned.impact, moved.impact);
    let record = moved.announcement.clone().unwrap();
    assert_eq!((record.node.as_str(), record.previous_node.as_str(), record.pinned), (to.as_str(), from.as_str(), true));
    assert!(record.epoch > shown.epoch);
    wait_for("the move", async || (network.answering().get(address) == Some(&to)).then_some(())).await;
    assert_eq!(
        announcements(&lb).move_announcement(wish.clone()).await.unwrap().into_inner(),
        moved,
        "the same id, the same answer"
    );
    let stale = pb::MoveAnnouncementRequest { request_id: "move-2".to_owned(), ..wish.clone() };
    assert_eq!(refused(announcements(&lb).move_announcement(stale).await).0, Reason::EtagMismatch);
    let elsewhere = pb::MoveAnnouncementRequest { address: "10.0.0.99".to_owned(), etag: String::new(), ..wish.clone() };
    let elsewhere = pb::MoveAnnouncementRequest { request_id: "move-3".to_owned(), ..elsewhere };
    assert_eq!(refused(announcements(&lb).move_announcement(elsewhere).await).0, Reason::AnnouncementNotFound);
    assert_eq!(list(&lb, "pinned = true").await.len(), 1);

    let drain = |end: bool, id: &str| pb::DrainAnnouncementsRequest {
        node: to.clone(),
        end,
        request_id: id.to_owned(),
        validate_only: false,
    };
    let drained = announcements(&lb).drain_announcements(drain(false, "drain-1")).await.unwrap().into_inner();
    assert!(drained.announcements.iter().all(|record| record.node != to && record.previous_node == to), "{drained:?}");
    assert!(drained.impact.iter().any(|impact| impact.description == "it takes no announcements"));
    let left: Vec<&str> = NODES.iter().copied().filter(|node| *node != to).collect();
    answered_by(&network, &left).await;
    let back = pb::MoveAnnouncementRequest { etag: String::new(), request_id: "move-4".to_owned(), ..wish };
    assert_eq!(refused(announcements(&lb).move_announcement(back).await).0, Reason::NodeDraining);
    let ended = announcements(&lb).drain_announcements(drain(true, "drain-2")).await.unwrap().into_inner();
    assert_eq!(ended.impact[0].description, "it may answer for addresses again");
    let again = announcements(&lb).drain_announcements(drain(true, "drain-3")).await.unwrap().into_inner();
    assert_eq!(again.impact, []);
    network.answering();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_nobody_holds_is_answered_for_by_nobody() {
    let (_folder, store) = embedded().await;
    let (addresses, lb) = six_addresses(&store).await;
    let network = Network::new(std::slice::from_ref(&lb.link));
    let _agents = NODES.map(|node| Agent::start(&network, node));
    answered_by(&network, &NODES).await;
    let (namespace, name) = ("shop".to_owned(), "s0".to_owned());
    lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await.unwrap();
    wait_for("silence", async || (!network.answering().contains_key("10.0.0.13")).then_some(())).await;
    assert_eq!(list(&lb, "").await.len(), 5);
    register(&addresses, "node-a", |node| node.excluded_from_external = true).await;
    wait_for("node-a to stop", async || {
        let answering = network.answering();
        (answering.len() == 5 && answering.values().all(|node| node != "node-a")).then_some(())
    })
    .await;
    let nodes: BTreeSet<_> = list(&lb, "").await.into_iter().map(|record| record.node).collect();
    assert_eq!(nodes, BTreeSet::from(["node-b".to_owned(), "node-c".to_owned()]));
}

fn renewal(node: &str, claims: &[(&str, u64)]) -> pb::HoldAnnouncementsRequest {
    let claim =
        |(address, epoch): &(&str, u64)| pb::AnnouncementClaim { address: (*address).to_owned(), epoch: *epoch, held: false };
    pb::HoldAnnouncementsRequest {
        node: node.to_owned(),
        node_uid: uid_of(node).to_string(),
        sequence: 1,
        claims: claims.iter().map(claim).collect(),
        released: Vec::new(),
    }
}

/// The answer to one renewal.
async fn hold(lb: &Replica, request: pb::HoldAnnouncementsRequest) -> Result<pb::HoldAnnouncementsResponse, tonic::Status> {
    let mut answers = announcements(lb).hold_announcements(tokio_stream::once(request)).await?.into_inner();
    answers.next().await.unwrap()
}

#[tokio::test]
async fn only_the_node_that_is_meant_holds_anything() {
    let (_folder, store) = embedded().await;
    let (_addresses, lb) = six_addresses(&store).await;
    let unknown = renewal("node-x", &[]);
    let leads = async || hold(&lb, unknown.clone()).await.map_err(|status| refused::<()>(Err(status)).0);
    wait_for("the lead", async || (leads().await == Err(Reason::NodeNotFound)).then_some(())).await;
    wait_for("the first answer", async || hold(&lb, renewal("node-a", &[])).await.ok()).await;
    let record = wait_for("an assignment", async || Some(one(&lb, "10.0.0.13").await).filter(|one| one.node == "node-a")).await;
    let bad = |edit: &dyn Fn(&mut pb::HoldAnnouncementsRequest)| {
        let mut request = renewal("node-a", &[("10.0.0.13", record.epoch)]);
        edit(&mut request);
        let lb = &lb;
        async move { refused(hold(lb, request).await) }
    };
    assert_eq!(bad(&|request| request.node_uid = uid_of("node-b").to_string()).await.0, Reason::NodeUidMismatch);
    let (reason, refusal) = bad(&|request| {
        request.node.clear();
        request.claims[0] = pb::AnnouncementClaim { address: "10.0.0".to_owned(), epoch: 0, held: true };
        request.released.push(pb::AnnouncementClaim::default());
    })
    .await;
    let fields: Vec<&str> = refusal.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(
        (reason, fields),
        (Reason::FieldRequired, vec!["node", "claims[0].address", "claims[0].epoch", "released[0].address", "released[0].epoch"])
    );

    let old = hold(&lb, renewal("node-a", &[("10.0.0.13", record.epoch + 1), ("10.0.0.50", 1)])).await.unwrap();
    assert_eq!((old.granted.len(), old.denied.len()), (0, 2), "the epoch has to be the one that is stored");
    let foreign = hold(&lb, renewal("node-b", &[("10.0.0.13", record.epoch)])).await.unwrap();
    assert_eq!(foreign.denied.len(), 1);
    let granted = wait_for("the right", async || {
        let answer = hold(&lb, renewal("node-a", &[("10.0.0.13", record.epoch)])).await.unwrap();
        (answer.granted.len() == 1).then_some(answer)
    })
    .await;
    assert_eq!(granted.ttl, Some(prost_types::Duration { seconds: 2, nanos: 0 }));

    let two = tokio_stream::iter([renewal("node-a", &[]), renewal("node-b", &[])]);
    let mut answers = announcements(&lb).hold_announcements(two).await.unwrap().into_inner();
    answers.next().await.unwrap().unwrap();
    assert_eq!(refused(answers.next().await.unwrap()).0, Reason::ConflictingFields);
    assert!(answers.next().await.is_none());
}
