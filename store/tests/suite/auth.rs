//! etcd with users: logging in, and tokens that expire.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_store::{Error, KeyRange, Store, testing};

use crate::etcd::{put, raw};
use crate::toy::{self, PATIENCE};

async fn enable_auth(etcd: &testing::Etcd) {
    let mut client = raw(etcd).await;
    client.user_add("root", "secret&1", None).await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.auth_enable().await.unwrap();
}

async fn log_in(etcd: &testing::Etcd) -> Store {
    Store::open(&format!("{}?user=root&password=secret%261", etcd.url())).await.unwrap()
}

#[tokio::test]
async fn a_user_logs_in() {
    let etcd = testing::Etcd::start().await;
    enable_auth(&etcd).await;
    let anonymous = etcd.store().await;
    assert!(matches!(put(&anonymous, "x", "1").await, Err(Error::Unavailable(_))));
    assert!(anonymous.watch(KeyRange::key("x"), Revision(1)).await.is_err(), "a watch without permission is not silent");
    let store = log_in(&etcd).await;
    let first = put(&store, "x", "1").await.unwrap();
    let mut batches = store.watch(KeyRange::key("x"), Revision(first.0 - 1)).await.unwrap();
    assert_eq!(batches.next().await.unwrap().unwrap().revision, first);
    assert!(Store::open(&format!("{}?user=root&password=wrong", etcd.url())).await.is_err());
}

/// A watch with an expired token is opened, cancelled in its first message, and silent for ever: the store renews the token and
/// opens it again. The other calls renew it by themselves.
#[tokio::test]
async fn a_watch_is_opened_although_the_token_has_expired() {
    let etcd = testing::Etcd::with_flags(1, &["--auth-token-ttl=1"]).await;
    enable_auth(&etcd).await;
    let store = log_in(&etcd).await;
    let first = put(&store, "x", "1").await.unwrap();

    // Clients of the same age tell when the token is over; each can be asked once, because asking renews its token.
    let mut same_age: Vec<Client> = Vec::new();
    for _ in 0..20 {
        let options = ConnectOptions::new().with_user("root", "secret&1").with_auto_token_refresh(true);
        same_age.push(Client::connect(etcd.endpoints(), Some(options)).await.unwrap());
    }
    let expired = async {
        while let Some(mut client) = same_age.pop() {
            let mut watch = client.watch("x", None).await.unwrap();
            let message = watch.message().await.unwrap().unwrap();
            if message.canceled() {
                assert!(message.cancel_reason().contains("auth token"), "{}", message.cancel_reason());
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("no token has expired");
    };
    tokio::time::timeout(PATIENCE, expired).await.unwrap();

    let mut batches = store.watch(KeyRange::key("x"), Revision(first.0 - 1)).await.unwrap();
    let batch = tokio::time::timeout(PATIENCE, batches.next()).await.unwrap().unwrap();
    assert_eq!(batch.map(|batch| batch.revision), Ok(first));
    toy::until("writes go on", async || put(&store, "x", "2").await.is_ok()).await;
}
