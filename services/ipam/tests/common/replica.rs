//! One replica of the service on a store of its own, through the real server stack: what every test binary begins with.

use std::time::Duration;

use polder_ipam::IpamConfig;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::{ComputeNetwork, ListPoolsRequest};
use polder_runtime::config::{Period, ProcessConfig};
use polder_runtime::link::Link;
use polder_runtime::process::{Process, Program, Running};
use polder_store::Store;
use tempfile::TempDir;

const PROGRAM: Program = Program { name: "polder-ipam", version: "test", descriptors: polder_proto::FILE_DESCRIPTOR_SET };

/// One replica.
pub(crate) struct Replica {
    /// The way to call it.
    pub(crate) link: Link,
    running: Running,
}

/// A store that goes with the test.
pub(crate) fn store() -> (TempDir, Store) {
    polder_store::testing::embedded()
}

impl Replica {
    /// A replica on a store, with its tasks, once it can answer.
    pub(crate) async fn on(store: &Store) -> Self {
        Self::with(store, IpamConfig { sweep_every: Period(Duration::from_millis(50)), ..IpamConfig::default() }).await
    }

    /// The same with another configuration.
    pub(crate) async fn with(store: &Store, config: IpamConfig) -> Self {
        let process = Process::new(PROGRAM, ProcessConfig::default()).unwrap();
        let component = polder_ipam::build(&config, store.clone(), process.metrics()).unwrap();
        let link = process.local(&component);
        let running = process.start(vec![component]).await.unwrap();
        let replica = Self { link, running };
        until(|| async { PoolServiceClient::new(replica.link.clone()).list_pools(ListPoolsRequest::default()).await.is_ok() })
            .await;
        replica
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.running.stop_token().cancel();
        self.running.wait().await.unwrap();
    }
}

/// The usual network: ten addresses for nodes, ten for services on the outside.
pub(crate) fn usual() -> ComputeNetwork {
    ComputeNetwork {
        node_range: vec!["10.0.0.10-10.0.0.19".to_owned()],
        external_range: vec!["10.0.0.20-10.0.0.29".to_owned()],
        ..Default::default()
    }
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
