//! The same promises on both backends.

use polder_store::conformance;
use polder_store::embedded::Embedded;
use polder_store::etcd::{Etcd, EtcdConfig};
use polder_store::testing;

#[tokio::test]
async fn embedded_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    conformance::all(&Embedded::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn etcd_keeps_the_contract() {
    let etcd = testing::Etcd::start().await;
    let config = EtcdConfig { members: etcd.endpoints(), ..EtcdConfig::default() };
    conformance::all(&Etcd::open(&config).await.unwrap()).await;
}
