//! Services that wait get their addresses without being touched.

use std::sync::Arc;

use polder_core::id::Uid;
use polder_core::ipam::neighbors::{Answer, Neighbors};
use polder_core::ipam::{Change, Purpose};
use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_runtime::clock;

use super::site::{Addresses, Replica, creation, embedded, refused, split, vips, wait_for, web};

#[tokio::test]
async fn an_address_comes_as_soon_as_a_pool_has_one() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    let lb = Replica::start(&store).await;
    let service = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner().service.unwrap();
    let conditions = service.status.unwrap().conditions;
    assert_eq!(conditions.iter().filter(|condition| condition.reason == "NO_ELIGIBLE_POOL").count(), 2);
    addresses.usual().await;
    let whole = (vec!["172.28.0.0".to_owned()], vec!["10.0.0.13".to_owned()]);
    wait_for("both addresses", async || (vips(&lb.get("shop/web").await) == whole).then_some(())).await;
}

#[tokio::test]
async fn who_waits_longest_gets_what_is_given_back() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.pool("service", Purpose::ClusterService, "172.28.0.0/16").await;
    addresses.pool("external", Purpose::ExternalService, "10.0.0.13").await;
    let lb = Replica::start(&store).await;
    for name in ["shop/holder", "shop/z", "shop/a"] {
        lb.client().create_service(creation(web(name))).await.unwrap();
    }
    assert_eq!(lb.list("condition = POOL_EXHAUSTED").await, ["shop/a", "shop/z"]);
    let (namespace, name) = split("shop/holder");
    lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await.unwrap();
    wait_for("the address", async || (vips(&lb.get("shop/z").await).1 == ["10.0.0.13"]).then_some(())).await;
    assert_eq!(lb.list("condition = POOL_EXHAUSTED").await, ["shop/a"]);
}

#[tokio::test]
async fn a_wish_may_wait_when_the_request_says_so() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    let mut wish = web("shop/web");
    wish.spec.as_mut().unwrap().external = Some(pb::ExternalSpec { pools: vec!["gold".to_owned()], ..Default::default() });
    assert_eq!(refused(lb.client().create_service(creation(wish.clone())).await).0, Reason::PoolNotFound);
    let waiting = pb::CreateServiceRequest { allow_pending: true, ..creation(wish) };
    let service = lb.client().create_service(waiting).await.unwrap().into_inner().service.unwrap();
    assert!(vips(&service).1.is_empty());
    addresses.pool("gold", Purpose::ExternalService, "192.0.2.1").await;
    wait_for("the wish", async || (vips(&lb.get("shop/web").await).1 == ["192.0.2.1"]).then_some(())).await;
}

#[tokio::test]
async fn a_stranger_that_answers_for_a_held_address_is_told_of_and_forgotten() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    lb.client().create_service(creation(web("shop/web"))).await.unwrap();
    let node: polder_core::net::Name = "node-a".parse().unwrap();
    let answer = Answer { address: "10.0.0.13".parse().unwrap(), mac: "00:15:5d:01:02:03".parse().unwrap() };
    let report = Neighbors { node: node.clone(), uid: Uid(1), reported: clock::now(), answers: vec![answer] };
    addresses.put(Change::Neighbors(node.clone(), Some(Arc::new(report)))).await;
    let told = async || {
        let conditions = lb.get("shop/web").await.status.unwrap().conditions;
        conditions.into_iter().find(|condition| condition.r#type == "AddressUncontested")
    };
    let disputed = wait_for("the condition", told).await;
    assert_eq!(disputed.reason, "ADDRESS_QUARANTINED");
    assert!(disputed.message.contains("00:15:5d:01:02:03"), "{}", disputed.message);
    assert_eq!(vips(&lb.get("shop/web").await).1, ["10.0.0.13"]);
    addresses.put(Change::Neighbors(node, None)).await;
    wait_for("the end of the condition", async || told().await.is_none().then_some(())).await;
}
