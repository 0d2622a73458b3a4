//! A server that starts while the store is away answers with what it saved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use polder_core::lb::ServiceType;
use polder_dns::DnsConfig;
use polder_store::Store;
use polder_store::testing::Etcd;

use super::dig::{ask, short};
use super::forward::metric;
use super::site::{Site, back, commit, drop_service, put, served, service, shop};

const NAME: &str = "web.shop.svc.cluster.local A";

async fn site(store: &Store, file: &Path) -> Site {
    Site::with(store.clone(), DnsConfig { saved_file: file.to_owned(), ..DnsConfig::default() }).await
}

/// Asks until the answer is another than that nothing is known yet.
async fn first_answer(site: &Site) -> Vec<String> {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while ask("dig", site, NAME).contains("SERVFAIL") {
        assert!(tokio::time::Instant::now() < until, "names were never served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    short(site, NAME)
}

const START: &str = "cluster.local SOA";

/// A cluster whose server has saved its names, and is gone with the store; and how it began the cluster's domain.
async fn gone(folder: &Path) -> (Etcd, Store, PathBuf, Vec<String>) {
    let (mut etcd, file) = (Etcd::start().await, folder.join("names"));
    let store = Store::open(&etcd.url()).await.unwrap();
    let before = site(&store, &file).await;
    before.apply(&shop()).await;
    let start = short(&before, START);
    before.stop().await;
    assert!(file.exists(), "a server saves at its end");
    etcd.stop();
    (etcd, store, file, start)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_without_the_store_and_catches_up_when_that_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut etcd, store, file, start) = gone(folder.path()).await;
    let cold = site(&store, &file).await;
    assert_eq!(first_answer(&cold).await, ["172.28.0.2"]);
    assert_eq!(short(&cold, "-x 172.28.0.2"), ["web.shop.svc.cluster.local."]);
    assert_eq!(short(&cold, START), start, "the serial number is that of then");
    assert!(ask("dig", &cold, "nothing.shop.svc.cluster.local A").contains("NXDOMAIN"));

    etcd.restart().await;
    back(&store).await;
    let changes = [drop_service("shop/web"), put(service("shop/new", ServiceType::ClusterIp, "", &["172.28.0.77"]))];
    let revision = commit(&store, &changes).await.0;
    served(&mut cold.client().await, revision).await;
    assert_eq!(short(&cold, "new.shop.svc.cluster.local A"), ["172.28.0.77"]);
    assert!(ask("dig", &cold, NAME).contains("NXDOMAIN"));
    cold.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut etcd, store, file, _) = gone(folder.path()).await;
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let cold = site(&store, &file).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while metric(&cold, "polder_dns_saved_unreadable_total") == 0 {
        assert!(tokio::time::Instant::now() < until, "the file was never looked at");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ask("dig", &cold, NAME).contains("SERVFAIL"));
    etcd.restart().await;
    assert_eq!(first_answer(&cold).await, ["172.28.0.2"]);
    cold.stop().await;
}
