//! Signs of life on connections to etcd, as they pass on the wire. etcd ends connections that ask for them too often.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use futures::StreamExt as _;
use polder_store::{KeyRange, Store, testing};

use crate::etcd::put;
use crate::toy::{self, PATIENCE};
use crate::wire::Wire;

/// What etcd allows unless `--grpc-keepalive-min-time` says otherwise.
const ALLOWED: Duration = Duration::from_secs(5);

async fn store_over(wire: &Wire) -> Store {
    Store::open(&format!("etcd://{}", wire.address())).await.unwrap()
}

/// The trap itself.
#[tokio::test]
async fn a_connection_with_too_many_pings_is_ended_with_its_watches() {
    let etcd = testing::Etcd::start().await;
    let wire = Wire::to(&etcd.endpoints()[0]).await;
    let every_second = ConnectOptions::new().with_keep_alive(Duration::from_secs(1), PATIENCE);
    let mut hasty = Client::connect([wire.address()], Some(every_second)).await.unwrap();
    let mut watch = hasty.watch("x", None).await.unwrap();
    assert!(watch.message().await.unwrap().is_some_and(|message| message.created()));
    let ended = tokio::time::timeout(PATIENCE, watch.message()).await.expect("etcd ends the connection");
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
    assert_eq!(wire.passed().farewells, ["too_many_pings"]);
}

/// A watch that has nothing to say is pinged as rarely as a default etcd wants it, and goes on. A connection without any call
/// is not pinged at all: however rarely it is done, etcd takes that for too often.
#[tokio::test]
async fn an_idle_watch_is_pinged_rarely_and_an_idle_connection_never() {
    let etcd = testing::Etcd::start().await;
    let member = &etcd.endpoints()[0];
    let (watched, unwatched) = (Wire::to(member).await, Wire::to(member).await);
    let (watching, idle) = (store_over(&watched).await, store_over(&unwatched).await);
    let first = put(&idle, "x", "1").await.unwrap();
    let mut batches = watching.watch(KeyRange::key("x"), first).await.unwrap();

    toy::until("the watch was pinged twice", async || watched.passed().pings.len() >= 2).await;
    let pings = watched.passed().pings;
    assert!(pings[1] - pings[0] >= ALLOWED, "{pings:?}");
    assert_eq!(unwatched.passed().pings.len(), 0, "nobody waits on this connection");

    let second = put(&idle, "x", "2").await.unwrap();
    let batch = tokio::time::timeout(PATIENCE, batches.next()).await.unwrap().unwrap();
    assert_eq!(batch.map(|batch| batch.revision), Ok(second));
    for wire in [watched, unwatched] {
        assert!(wire.passed().farewells.is_empty());
    }
}
