//! etcd with users: logging in, and tokens that expire.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Permission, WatchResponse};
use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_store::mirror::{Mirror, MirrorConfig};
use polder_store::{Error, KeyRange, Store, testing};

use crate::etcd::{put, raw};
use crate::toy::{self, PATIENCE, Toy};

/// Root, and a `reader` who may read what begins with `open/`.
async fn enable_auth(etcd: &testing::Etcd) {
    let mut client = raw(etcd).await;
    for user in ["root", "reader"] {
        client.user_add(user, "secret&1", None).await.unwrap();
        client.role_add(user).await.unwrap();
        client.user_grant_role(user, user).await.unwrap();
    }
    client.role_grant_permission("reader", Permission::read("open/").with_prefix()).await.unwrap();
    client.auth_enable().await.unwrap();
}

async fn log_in(etcd: &testing::Etcd) -> Store {
    Store::open(&format!("{}?user=root&password=secret%261", etcd.url())).await.unwrap()
}

/// The options of a client that renews its token as far as it can by itself.
fn as_root() -> ConnectOptions {
    ConnectOptions::new().with_user("root", "secret&1").with_auto_token_refresh(true)
}

/// The first word on a watch with a token that has expired.
fn assert_lost(message: &WatchResponse) {
    assert!(message.canceled() && message.cancel_reason().contains("auth token"), "{message:?}");
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

/// etcd answers a forbidden watch with one message and is silent then; a forbidden call it refuses.
#[tokio::test]
async fn what_a_user_may_not_do_fails_at_once() {
    let etcd = testing::Etcd::start().await;
    enable_auth(&etcd).await;
    let root = log_in(&etcd).await;
    let first = put(&root, "open/x", "1").await.unwrap();
    let reader = Store::open(&format!("{}?user=reader&password=secret%261", etcd.url())).await.unwrap();
    let mut batches = reader.watch(KeyRange::prefix("open/"), Revision(first.0 - 1)).await.unwrap();
    assert_eq!(batches.next().await.unwrap().unwrap().revision, first);
    let denied = [
        reader.watch(KeyRange::prefix("closed/"), first).await.err(),
        reader.range(KeyRange::prefix("closed/"), 1, None).await.err(),
        put(&reader, "open/x", "2").await.err(),
    ];
    for error in denied {
        assert!(matches!(&error, Some(Error::Unavailable(why)) if why.contains("permission denied")), "{error:?}");
    }
}

/// A restarted etcd knows no token any more: all of them have expired at once.
#[tokio::test]
async fn mirrors_and_leases_of_a_user_outlive_the_token() {
    let mut etcd = testing::Etcd::start().await;
    enable_auth(&etcd).await;
    let lessee = log_in(&etcd).await;
    let lease = lessee.grant(Duration::from_secs(60)).await.unwrap().id;
    // Nobody but the watch uses this one's token, and so nobody renews it by the way.
    let config = MirrorConfig { check_every: 10 * PATIENCE, audit_every: 10 * PATIENCE, ..MirrorConfig::default() };
    let mirror: Mirror<Toy> = Mirror::open(log_in(&etcd).await, config);
    mirror.synced(PATIENCE).await.unwrap();
    let mut witness = Client::connect(etcd.endpoints(), Some(as_root())).await.unwrap();
    // Log-ins at the very end of the log would be made once more by the restart.
    put(&log_in(&etcd).await, "x", "1").await.unwrap();

    etcd.add_option("user=root&password=secret%261");
    etcd.stop();
    etcd.restart().await;
    let mut lost = witness.watch("x", None).await.unwrap();
    assert_lost(&lost.message().await.unwrap().unwrap());
    let written = put(&etcd.store().await, "/polder/ipam/allocations/7", "after").await.unwrap();
    let snapshot = mirror.wait_for(written, PATIENCE).await.unwrap();
    assert_eq!(snapshot.view.slots.get(&7).map(String::as_str), Some("after"));
    toy::until("the lease is renewed", async || lessee.keep_alive(lease).await.is_ok()).await;
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
        same_age.push(Client::connect(etcd.endpoints(), Some(as_root())).await.unwrap());
    }
    let expired = async {
        while let Some(mut client) = same_age.pop() {
            let mut watch = client.watch("x", None).await.unwrap();
            let message = watch.message().await.unwrap().unwrap();
            if message.canceled() {
                return assert_lost(&message);
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
