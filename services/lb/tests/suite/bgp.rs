//! BGP peers and advertisements.

use futures::future::join_all;
use polder_core::ipam::Purpose;
use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_client::AnnouncementServiceClient;
use polder_proto::types::v1::{ConditionStatus, ImpactAction, LabelSelector};
use polder_runtime::link::Link;
use polder_store::Store;
use polder_store::backend::KeyRange;
use polder_store::testing::Etcd;

use super::site::{Addresses, Replica, embedded, refused, reopen, wait_for};

type Bgp = AnnouncementServiceClient<Link>;

pub(crate) fn bgp(lb: &Replica) -> Bgp {
    Bgp::new(lb.link.clone())
}

/// An internal peer.
pub(crate) fn peer(name: &str, address: &str) -> pb::BgpPeer {
    pb::BgpPeer {
        name: name.to_owned(),
        peer_address: address.to_owned(),
        peer_asn: 64_512,
        local_asn: 64_512,
        ..pb::BgpPeer::default()
    }
}

fn new_peer(peer: pb::BgpPeer) -> pb::CreateBgpPeerRequest {
    pb::CreateBgpPeerRequest { bgp_peer: Some(peer), ..Default::default() }
}

fn changed_peer(peer: pb::BgpPeer, paths: &[&str]) -> pb::UpdateBgpPeerRequest {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
    pb::UpdateBgpPeerRequest { bgp_peer: Some(peer), update_mask, ..Default::default() }
}

pub(crate) fn advertisement(name: &str) -> pb::BgpAdvertisement {
    pb::BgpAdvertisement { name: name.to_owned(), ..pb::BgpAdvertisement::default() }
}

fn new_advertisement(advertisement: pb::BgpAdvertisement) -> pb::CreateBgpAdvertisementRequest {
    pb::CreateBgpAdvertisementRequest { bgp_advertisement: Some(advertisement), ..Default::default() }
}

async fn get(lb: &Replica, name: &str) -> pb::BgpPeer {
    let asked = pb::GetBgpPeerRequest { name: name.to_owned() };
    bgp(lb).get_bgp_peer(asked).await.unwrap().into_inner().bgp_peer.unwrap()
}

async fn names(lb: &Replica, filter: &str) -> Vec<String> {
    let asked = pb::ListBgpPeersRequest { filter: filter.to_owned(), ..Default::default() };
    bgp(lb).list_bgp_peers(asked).await.unwrap().into_inner().bgp_peers.into_iter().map(|peer| peer.name).collect()
}

/// Everything that a caller can do to a peer and an advertisement, on one replica.
async fn life(store: &Store) {
    Addresses::open(store).await.usual().await;
    let lb = Replica::start(store).await;
    let made = bgp(&lb).create_bgp_peer(new_peer(peer("tor", "10.0.0.1"))).await.unwrap().into_inner();
    let first = made.bgp_peer.unwrap();
    assert_eq!((made.impact[0].action(), first.peer_port), (ImpactAction::Create, 179));
    assert_eq!(get(&lb, "tor").await, first);
    assert_eq!(first.conditions[0].reason, "NODE_NOT_FOUND");
    assert_eq!(refused(bgp(&lb).create_bgp_peer(new_peer(peer("tor", "10.0.0.2"))).await).0, Reason::AlreadyExists);
    let twin = bgp(&lb).create_bgp_peer(new_peer(peer("twin", "10.0.0.1"))).await;
    assert_eq!(refused(twin).0, Reason::BgpPeerDuplicate);

    let of = pb::BgpAdvertisement { peers: vec!["tor".to_owned()], local_pref: 100, ..advertisement("all") };
    let made = bgp(&lb).create_bgp_advertisement(new_advertisement(of.clone())).await.unwrap().into_inner();
    let shown = made.bgp_advertisement.unwrap();
    assert!(shown.conditions.iter().all(|condition| condition.status() == ConditionStatus::True), "{shown:?}");
    let rival = pb::BgpAdvertisement { local_pref: 7, ..advertisement("rival") };
    let rival = bgp(&lb).create_bgp_advertisement(new_advertisement(rival)).await;
    assert_eq!(refused(rival).0, Reason::BgpAdvertisementConflict);

    let end = pb::DeleteBgpPeerRequest { name: "tor".to_owned(), ..Default::default() };
    let (reason, refusal) = refused(bgp(&lb).delete_bgp_peer(end.clone()).await);
    assert_eq!((reason, refusal.obstacles[0].subject.as_str()), (Reason::BgpPeerInUse, "bgp-advertisements/all"));
    let gone = pb::DeleteBgpAdvertisementRequest { name: "all".to_owned(), etag: shown.etag, ..Default::default() };
    bgp(&lb).delete_bgp_advertisement(gone.clone()).await.unwrap();
    assert_eq!(refused(bgp(&lb).delete_bgp_advertisement(gone).await).0, Reason::BgpAdvertisementNotFound);
    let stale = pb::DeleteBgpPeerRequest { etag: "stale".to_owned(), ..end.clone() };
    assert_eq!(refused(bgp(&lb).delete_bgp_peer(stale).await).0, Reason::EtagMismatch);
    let last = bgp(&lb).delete_bgp_peer(end.clone()).await.unwrap().into_inner();
    assert_eq!(last.impact[0].action(), ImpactAction::Delete);
    assert_eq!(refused(bgp(&lb).delete_bgp_peer(end).await).0, Reason::BgpPeerNotFound);
    assert!(names(&lb, "").await.is_empty());
    lb.stop().await;
}

#[tokio::test]
async fn the_life_of_a_peer_and_an_advertisement_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    life(&store).await;
}

#[tokio::test]
async fn the_life_of_a_peer_and_an_advertisement_on_etcd() {
    let etcd = Etcd::start().await;
    life(&etcd.store().await).await;
}

/// Two replicas are asked for the same router under ten names, each call twice and at once: one of the names gets it.
async fn race(store: &Store) {
    let replicas = [Replica::start(store).await, Replica::start(store).await];
    let ask = async |number: usize, replica: &Replica| {
        let request =
            pb::CreateBgpPeerRequest { request_id: format!("make-{number}"), ..new_peer(peer(&format!("p{number}"), "10.0.0.1")) };
        (number, bgp(replica).create_bgp_peer(request).await.map(|made| made.into_inner().bgp_peer.unwrap().uid))
    };
    let answers = join_all((0..10).flat_map(|number| replicas.iter().map(move |replica| ask(number, replica)))).await;
    let made: Vec<_> = answers.iter().filter_map(|(number, answer)| answer.as_ref().ok().map(|uid| (*number, uid))).collect();
    assert!(made.len() == 2 && made[0] == made[1], "one name, the same answer twice: {answers:?}");
    for (_, answer) in answers.into_iter().filter(|(_, answer)| answer.is_err()) {
        assert_eq!(refused(answer).0, Reason::BgpPeerDuplicate);
    }
    for replica in replicas {
        wait_for("the peer", async || (names(&replica, "").await.len() == 1).then_some(())).await;
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_make_one_peer_of_one_router_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    race(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_make_one_peer_of_one_router_on_etcd() {
    let etcd = Etcd::start().await;
    race(&etcd.store().await).await;
}

#[tokio::test]
async fn a_request_id_gets_its_first_answer_again_also_after_a_restart() {
    let (folder, store) = embedded().await;
    let lb = Replica::start(&store).await;
    let make = pb::CreateBgpPeerRequest { request_id: "once".to_owned(), ..new_peer(peer("tor", "10.0.0.1")) };
    let first = bgp(&lb).create_bgp_peer(make.clone()).await.unwrap().into_inner();
    let change = pb::UpdateBgpPeerRequest {
        request_id: "twice".to_owned(),
        ..changed_peer(pb::BgpPeer { graceful_restart: true, ..peer("tor", "10.0.0.1") }, &["graceful_restart"])
    };
    let second = bgp(&lb).update_bgp_peer(change.clone()).await.unwrap().into_inner();
    let advertise =
        pb::CreateBgpAdvertisementRequest { request_id: "thrice".to_owned(), ..new_advertisement(advertisement("all")) };
    let third = bgp(&lb).create_bgp_advertisement(advertise.clone()).await.unwrap().into_inner();
    let other = pb::CreateBgpPeerRequest { request_id: "once".to_owned(), ..new_peer(peer("tor", "10.0.0.2")) };
    assert_eq!(refused(bgp(&lb).create_bgp_peer(other).await).0, Reason::RequestIdReused);
    lb.stop().await;
    drop(store);
    let store = reopen(&folder).await;
    let lb = Replica::start(&store).await;
    assert_eq!(bgp(&lb).create_bgp_peer(make).await.unwrap().into_inner(), first);
    assert_eq!(bgp(&lb).update_bgp_peer(change).await.unwrap().into_inner(), second);
    assert_eq!(bgp(&lb).create_bgp_advertisement(advertise).await.unwrap().into_inner(), third);
    assert_eq!(get(&lb, "tor").await, second.bgp_peer.unwrap());
}

#[tokio::test]
async fn a_dry_run_says_what_the_commit_then_does() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    let make = new_peer(pb::BgpPeer { password: "hunter2".to_owned(), ..peer("tor", "10.0.0.1") });
    let dry = pb::CreateBgpPeerRequest { validate_only: true, ..make.clone() };
    let told = bgp(&lb).create_bgp_peer(dry.clone()).await.unwrap().into_inner();
    assert!(names(&lb, "").await.is_empty());
    let done = bgp(&lb).create_bgp_peer(make).await.unwrap().into_inner();
    let same = |peer: Option<pb::BgpPeer>| {
        peer.map(|peer| pb::BgpPeer { uid: String::new(), etag: String::new(), create_time: None, update_time: None, ..peer })
    };
    assert_eq!(same(told.bgp_peer), same(done.bgp_peer));
    assert_eq!(told.impact[0].description, done.impact[0].description);
    assert_eq!(refused(bgp(&lb).create_bgp_peer(dry).await).0, Reason::AlreadyExists);
    let of = pb::BgpAdvertisement { pools: vec!["external".to_owned()], aggregation_length_v4: 30, ..advertisement("all") };
    let dry = pb::CreateBgpAdvertisementRequest { validate_only: true, ..new_advertisement(of.clone()) };
    let told = bgp(&lb).create_bgp_advertisement(dry).await.unwrap().into_inner().bgp_advertisement.unwrap();
    let done = bgp(&lb).create_bgp_advertisement(new_advertisement(of)).await.unwrap().into_inner().bgp_advertisement.unwrap();
    assert_eq!((told.conditions, told.aggregation_length_v4), (done.conditions, done.aggregation_length_v4));

    // The pool shrinks below the aggregate: that belongs to others and is said.
    addresses.pool("external", Purpose::ExternalService, "10.0.0.13").await;
    wait_for("the condition", async || {
        let asked = pb::GetBgpAdvertisementRequest { name: "all".to_owned() };
        let shown = bgp(&lb).get_bgp_advertisement(asked).await.unwrap().into_inner().bgp_advertisement.unwrap();
        (shown.conditions[0].reason == "COUNT_OUT_OF_BOUNDS").then_some(())
    })
    .await;
}

#[tokio::test]
async fn updates_replace_all_or_what_the_mask_names() {
    let (_folder, store) = embedded().await;
    let lb = Replica::start(&store).await;
    let whole = pb::BgpPeer { bfd: Some(pb::BfdSettings::default()), ..peer("tor", "10.0.0.1") };
    assert_eq!(refused(bgp(&lb).update_bgp_peer(changed_peer(whole.clone(), &[])).await).0, Reason::BgpPeerNotFound);
    let missing = pb::UpdateBgpPeerRequest { allow_missing: true, ..changed_peer(whole.clone(), &[]) };
    let first = bgp(&lb).update_bgp_peer(missing.clone()).await.unwrap().into_inner();
    let again = bgp(&lb).update_bgp_peer(missing).await.unwrap().into_inner();
    assert_eq!((again.bgp_peer, again.impact.len()), (first.bgp_peer.clone(), 0));
    let first = first.bgp_peer.unwrap();
    assert_eq!(first.bfd.unwrap().detect_multiplier, 3);

    let part = pb::BgpPeer {
        name: "tor".to_owned(),
        etag: first.etag.clone(),
        bfd: Some(pb::BfdSettings { detect_multiplier: 5, ..Default::default() }),
        ..Default::default()
    };
    let masked = changed_peer(part, &["bfd.detect_multiplier", "labels"]);
    let second = bgp(&lb).update_bgp_peer(masked.clone()).await.unwrap().into_inner().bgp_peer.unwrap();
    let bfd = second.bfd.unwrap();
    assert_eq!((bfd.detect_multiplier, bfd.receive_interval_ms, second.peer_asn), (5, 300, 64_512));
    assert_eq!(refused(bgp(&lb).update_bgp_peer(masked).await).0, Reason::EtagMismatch);
    let replaced = bgp(&lb).update_bgp_peer(changed_peer(peer("tor", "10.0.0.1"), &[])).await.unwrap().into_inner();
    assert_eq!(replaced.bgp_peer.unwrap().bfd, None);
    // What the mask takes makes a field bad that was good.
    let bad = changed_peer(pb::BgpPeer { peer_address: String::new(), ..peer("tor", "") }, &["peer_address"]);
    let (reason, refusal) = refused(bgp(&lb).update_bgp_peer(bad).await);
    assert_eq!((reason, refusal.violations[0].field.as_str()), (Reason::FieldRequired, "bgp_peer.peer_address"));
}

#[tokio::test]
async fn a_password_is_stored_and_no_peer_shows_it() {
    let (_folder, store) = embedded().await;
    let lb = Replica::start(&store).await;
    let with = |password: &str| pb::BgpPeer { password: password.to_owned(), ..peer("tor", "10.0.0.1") };
    let request = pb::CreateBgpPeerRequest { request_id: "once".to_owned(), ..new_peer(with("hunter2")) };
    let made = bgp(&lb).create_bgp_peer(request).await.unwrap().into_inner().bgp_peer.unwrap();
    assert_eq!((made.password.as_str(), made.has_password), ("", true));
    bgp(&lb).update_bgp_peer(changed_peer(pb::BgpPeer { graceful_restart: true, ..peer("tor", "10.0.0.1") }, &[])).await.unwrap();
    assert!(get(&lb, "tor").await.has_password, "an update without it keeps it");
    let holds = async |prefix: &str| {
        let page = store.range(KeyRange::prefix(prefix.as_bytes()), 1000, None).await.unwrap();
        assert!(!page.entries.is_empty(), "{prefix}");
        page.entries.iter().any(|entry| entry.value.windows(7).any(|part| part == b"hunter2"))
    };
    assert_eq!((holds("/polder/lb/bgp-peers/").await, holds("/polder/lb/journal/").await), (true, false));
    let bad = with("hunter2\n");
    let status = bgp(&lb).create_bgp_peer(new_peer(pb::BgpPeer { name: "other".to_owned(), ..bad })).await.unwrap_err();
    assert!(!format!("{status:?}").contains("hunter2"));
    let removed = bgp(&lb).update_bgp_peer(changed_peer(with(""), &["password"])).await.unwrap().into_inner();
    assert!(!removed.bgp_peer.unwrap().has_password);
    assert!(!holds("/polder/lb/bgp-peers/").await && !holds("/polder/lb/journal/").await);
}

#[tokio::test]
async fn lists_come_in_pages_and_filtered() {
    let (_folder, store) = embedded().await;
    let lb = Replica::start(&store).await;
    for (number, name) in ["b", "a", "c"].into_iter().enumerate() {
        let labels = [("rack".to_owned(), name.to_owned())].into();
        let made = pb::BgpPeer {
            labels,
            peer_asn: 64_512 + u32::try_from(number).unwrap(),
            ..peer(name, &format!("10.0.0.{}", number + 1))
        };
        bgp(&lb).create_bgp_peer(new_peer(made)).await.unwrap();
        let selector = LabelSelector { expression: format!("rack={name}"), ..Default::default() };
        let peers = vec![name.to_owned()];
        let made = pb::BgpAdvertisement {
            node_selectors: vec![selector],
            peers,
            communities: vec!["65535:65281".to_owned()],
            ..advertisement(name)
        };
        bgp(&lb).create_bgp_advertisement(new_advertisement(made)).await.unwrap();
    }
    let mut request = pb::ListBgpPeersRequest { page_size: 2, ..Default::default() };
    let first = bgp(&lb).list_bgp_peers(request.clone()).await.unwrap();
    assert!(first.metadata().contains_key("x-polder-age-ms"));
    let first = first.into_inner();
    request.page_token = first.next_page_token;
    let second = bgp(&lb).list_bgp_peers(request.clone()).await.unwrap().into_inner();
    let all: Vec<_> = first.bgp_peers.iter().chain(&second.bgp_peers).map(|peer| peer.name.as_str()).collect();
    assert_eq!((all, second.next_page_token.as_str()), (vec!["a", "b", "c"], ""));
    for (filter, found) in [
        ("internal = true", vec!["b"]),
        ("labels.rack = c OR peer_address = 10.0.0.2", vec!["a", "c"]),
        ("peer_asn > 64512 AND NOT name = a", vec!["c"]),
        ("interface = eth0", vec![]),
    ] {
        assert_eq!(names(&lb, filter).await, found, "{filter}");
    }
    let asked =
        pb::ListBgpAdvertisementsRequest { filter: "peers = b AND communities = \"no-export\"".to_owned(), ..Default::default() };
    let found = bgp(&lb).list_bgp_advertisements(asked).await.unwrap().into_inner();
    assert_eq!((found.bgp_advertisements.len(), found.bgp_advertisements[0].name.as_str()), (1, "b"));
    assert!(found.revision >= second.revision);
}
