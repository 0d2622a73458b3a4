//! Addresses that services gave up rest, and come back by themselves when they have rested.

use std::time::Duration;

use polder_core::ipam::Purpose;
use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_store::testing::Etcd;
use polder_store::{KeyRange, Store};

use super::site::{Addresses, Replica, creation, embedded, refused, split, vips, wait_for, web};

/// The keys of the records of resting addresses.
async fn records(store: &Store) -> Vec<String> {
    let page = store.range(KeyRange::prefix("/polder/lb/resting/"), 10, None).await.unwrap();
    page.entries.iter().map(|entry| String::from_utf8(entry.key.to_vec()).unwrap()).collect()
}

async fn delete(lb: &Replica, name: &str) {
    let (namespace, name) = split(name);
    lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await.unwrap();
}

async fn external(addresses: &Addresses, cooldown: Duration) {
    addresses.pool_with("external", Purpose::ExternalService, "10.0.0.13", |pool| pool.cooldown = cooldown).await;
}

async fn rest(store: Store) {
    let addresses = Addresses::open(&store).await;
    addresses.pool("service", Purpose::ClusterService, "172.28.0.0/16").await;
    let hour = Duration::from_secs(3600);
    external(&addresses, hour).await;
    let lb = Replica::start(&store).await;
    lb.client().create_service(creation(web("shop/holder"))).await.unwrap();
    delete(&lb, "shop/holder").await;
    assert_eq!(records(&store).await, ["/polder/lb/resting/10.0.0.13"]);
    let mut named = web("shop/named");
    let pools = vec!["external".to_owned()];
    named.spec.as_mut().unwrap().external = Some(pb::ExternalSpec { pools, ..Default::default() });
    let (reason, refusal) = refused(lb.client().create_service(creation(named)).await);
    assert_eq!(reason, Reason::PoolExhausted);
    assert!(refusal.retry_after.is_some_and(|after| after <= hour), "{refusal:?}");
    lb.client().create_service(creation(web("shop/waiter"))).await.unwrap();
    external(&addresses, Duration::from_secs(1)).await;
    let holds = async |name: &str| (vips(&lb.get(name).await).1 == ["10.0.0.13"]).then_some(());
    wait_for("the address", async || holds("shop/waiter").await).await;
    assert_eq!(records(&store).await, [""; 0]);
    delete(&lb, "shop/waiter").await;
    lb.client().create_service(creation(web("shop/next"))).await.unwrap();
    // Nothing but the end of the rest wakes the healer: its timer is set to an hour.
    wait_for("the address again", async || holds("shop/next").await).await;
    delete(&lb, "shop/next").await;
    wait_for("the end of the record", async || records(&store).await.is_empty().then_some(())).await;
    lb.stop().await;
}

#[tokio::test]
async fn rests_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    rest(store).await;
}

#[tokio::test]
async fn rests_on_etcd() {
    let etcd = Etcd::start().await;
    rest(etcd.store().await).await;
}
