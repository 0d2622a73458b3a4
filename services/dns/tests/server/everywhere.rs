//! Whoever waits for every name server is told when all that live answer with a change, and which do not.

use std::sync::Arc;
use std::time::Duration;

use polder_core::reason::Reason;
use polder_dns::DnsConfig;
use polder_proto::dns::v1::{WaitForRevisionRequest, WaitForRevisionResponse};
use polder_runtime::status::decode;
use polder_store::backend::Backend;
use polder_store::embedded::Embedded;
use polder_store::etcd::{Etcd, EtcdConfig};
use polder_store::testing::{Faulty, embedded};
use polder_store::{Commit, KeyRange, Outcome, Store, Write};
use tonic::{Code, Status};

use super::site::{Site, commit, drop_service, shop};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

async fn wait(site: &Site, revision: u64, within: Duration) -> Result<WaitForRevisionResponse, Status> {
    let timeout = Some(prost_types::Duration::try_from(within).unwrap());
    let request = WaitForRevisionRequest { revision, timeout, everywhere: true };
    site.client().await.wait_for_revision(request).await.map(tonic::Response::into_inner)
}

async fn named(store: Store, name: &str) -> Site {
    Site::with(store, DnsConfig { server_name: name.to_owned(), ..DnsConfig::default() }).await
}

/// Two servers on one store; the second can be held back.
async fn scenario(inner: Arc<dyn Backend>) {
    let faulty = Faulty::over(Arc::clone(&inner));
    let (store, held) = (Store::new(inner), Store::new(Arc::clone(&faulty) as Arc<dyn Backend>));
    let first = named(store.clone(), "dns-1").await;
    let second = named(held, "dns-2").await;
    let made = commit(&store, &shop()).await.0;
    // A server that nobody has heard of yet is none that is waited for.
    let both = async {
        while store.range(KeyRange::prefix("/polder/dns/serving/"), 3, None).await.unwrap().entries.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, both).await.unwrap();
    let reached = wait(&first, made, LONG).await.unwrap();
    assert_eq!((reached.server.as_str(), reached.servers), ("dns-1", 2));
    assert!(reached.serving_revision >= made);
    assert_eq!(wait(&second, 0, LONG).await.unwrap().servers, 2, "0 is the newest change");

    // What the second one writes arrives never, but its lease lives on.
    faulty.set_pace(LONG);
    let gone = commit(&store, &[drop_service("shop/db")]).await.0;
    let late = wait(&first, gone, SHORT).await.unwrap_err();
    assert_eq!((late.code(), decode(&late).reason), (Code::DeadlineExceeded, Reason::NotServedYet));
    assert_eq!(decode(&late).metadata["laggards"], format!("`dns-2` stands at {made}"));
    let (then, ()) = tokio::join!(wait(&first, gone, LONG), async { faulty.set_pace(Duration::ZERO) });
    assert_eq!(then.unwrap().servers, 2);

    // One that is dead holds nobody up for longer than its lease.
    faulty.set_down(true);
    let more = commit(&store, &shop()).await.0;
    assert_eq!(wait(&first, more, LONG).await.unwrap().servers, 1);
    faulty.set_down(false);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    scenario(Arc::new(Embedded::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_on_etcd() {
    let etcd = polder_store::testing::Etcd::start().await;
    let config = EtcdConfig { members: etcd.endpoints(), ..EtcdConfig::default() };
    scenario(Arc::new(Etcd::open(&config).await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_never_comes_is_not_waited_for_everywhere() {
    let (_folder, site) = Site::shop().await;
    let status = wait(&site, u64::MAX, SHORT).await.unwrap_err();
    assert_eq!((status.code(), decode(&status).reason), (Code::DeadlineExceeded, Reason::NotServedYet));
    site.stop().await;
}

/// A process that this one took the place of takes back what it said, under the name that both have.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_somebody_took_back_is_said_again() {
    let (_folder, store) = embedded();
    let site = named(store.clone(), "dns-1").await;
    let made = commit(&store, &shop()).await.0;
    wait(&site, made, Duration::from_secs(60)).await.unwrap();
    let gone = Commit { guards: Vec::new(), writes: vec![Write::delete("/polder/dns/serving/dns-1")] };
    assert!(matches!(store.commit(gone).await.unwrap(), Outcome::Committed { .. }));
    let again = wait(&site, made, Duration::from_secs(60)).await.unwrap();
    assert_eq!((again.serving_revision >= made, again.servers), (true, 1));
    site.stop().await;
}
