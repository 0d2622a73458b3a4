//! A name server on free ports over a throw-away store, and the changes that other services would have committed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::Change;
use polder_core::id::{Revision, Uid};
use polder_core::ipam::{Allocation, Change as IpamChange, Holding};
use polder_core::lb::{
    Change as LbChange, Endpoint, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, ServiceType, TargetPort, Vip,
};
use polder_core::meta::Meta;
use polder_core::net::{Labels, Selector};
use polder_core::schema::Schema;
use polder_core::testing;
use polder_core::time::Timestamp;
use polder_dns::DnsConfig;
use polder_proto::dns::v1::WaitForRevisionRequest;
use polder_proto::dns::v1::dns_service_client::DnsServiceClient;
use polder_proto::stored::Stored;
use polder_runtime::config::ProcessConfig;
use polder_runtime::process::{Process, Program, Running};
use polder_store::{Commit, Outcome, Store, Write};
use tonic::transport::Channel;

const META: Meta = Meta { uid: Uid(7), version: 1, created: Timestamp(1), updated: Timestamp(1) };
pub(crate) const PROGRAM: Program = Program { name: "polder-dns", version: "0", descriptors: polder_proto::FILE_DESCRIPTOR_SET };

/// An address of loopback that no other process of tests takes; `last` is for one test of this one.
pub(crate) fn own_address(last: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high, low, last)
}

/// A running server.
pub(crate) struct Site {
    pub(crate) running: Running,
    /// IPv4, then IPv6.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tls_addresses: Vec<SocketAddr>,
    pub(crate) store: Store,
}

impl Site {
    /// A server over `store`, which answers already.
    pub(crate) async fn over(store: Store) -> Self {
        Self::with(store, DnsConfig::default()).await
    }

    /// The same with more settings.
    pub(crate) async fn with(store: Store, config: DnsConfig) -> Self {
        let free = |address: std::net::IpAddr| SocketAddr::new(address, 0);
        let config = DnsConfig {
            listen: vec![free(Ipv4Addr::LOCALHOST.into()), free(Ipv6Addr::LOCALHOST.into())],
            servers: vec!["172.28.0.10".parse().unwrap()],
            workers: 2,
            tcp_connections: 4,
            ..config
        };
        let process = Process::new(PROGRAM, ProcessConfig::default().with_grpc(0).with_metrics(0)).unwrap();
        let dns = polder_dns::build(&config, store.clone(), &process).unwrap();
        let running = process.start(vec![dns.component]).await.unwrap();
        Self { running, addresses: dns.addresses, tls_addresses: dns.tls_addresses, store }
    }

    /// A server that serves the shop.
    pub(crate) async fn shop() -> (tempfile::TempDir, Self) {
        Self::shop_with(DnsConfig::default()).await
    }

    /// The same with more settings.
    pub(crate) async fn shop_with(config: DnsConfig) -> (tempfile::TempDir, Self) {
        let (folder, store) = polder_store::testing::embedded();
        let site = Self::with(store, config).await;
        site.apply(&shop()).await;
        (folder, site)
    }

    pub(crate) fn dns(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Commits the changes as their owners would, and waits until they are served.
    pub(crate) async fn apply(&self, changes: &[Change]) {
        let revision = commit(&self.store, changes).await;
        served(&mut self.client().await, revision.0).await;
    }

    pub(crate) async fn client(&self) -> DnsServiceClient<Channel> {
        let address = self.running.addresses().grpc.unwrap();
        DnsServiceClient::connect(format!("http://{address}")).await.unwrap()
    }

    /// What it tells of itself, as Prometheus reads it.
    pub(crate) fn metrics(&self) -> String {
        let address = self.running.addresses().metrics.unwrap();
        let output = std::process::Command::new("curl").args(["-s", &format!("http://{address}/metrics")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(self) {
        self.running.stop_token().cancel();
        tokio::time::timeout(Duration::from_secs(20), self.running.wait()).await.unwrap().unwrap();
    }
}

/// Waits until the server that is asked serves a revision.
pub(crate) async fn served(client: &mut DnsServiceClient<Channel>, revision: u64) {
    client.wait_for_revision(WaitForRevisionRequest { revision, ..WaitForRevisionRequest::default() }).await.unwrap();
}

/// One transaction with its heads, as a ledger writes it.
pub(crate) async fn commit(store: &Store, changes: &[Change]) -> Revision {
    let records = changes.iter().map(Stored::encode).map(|write| match write.value {
        Some(value) => Write::put(write.key, value),
        None => Write::delete(write.key),
    });
    let mut heads: Vec<&str> = changes.iter().map(|change| Stored::domain(change).head_key()).collect();
    heads.sort_unstable();
    heads.dedup();
    let writes = records.chain(heads.into_iter().map(|key| Write::put(key, "batch"))).collect();
    match store.commit(Commit { guards: Vec::new(), writes }).await.unwrap() {
        Outcome::Committed { revision } => revision,
        Outcome::Conflict { .. } => panic!("there are no guards"),
    }
}

/// Waits until a store that was away answers.
pub(crate) async fn back(store: &Store) {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while store.get(b"/polder/probe").await.is_err() {
        assert!(tokio::time::Instant::now() < until, "the store is not back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn key(name: &str) -> ServiceKey {
    let (namespace, name) = name.split_once('/').unwrap();
    ServiceKey { namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
}

/// A LoadBalancer service with external addresses.
pub(crate) fn outside(name: &str, vips: &[&str]) -> Change {
    let made = service(name, ServiceType::LoadBalancer, "", vips);
    put(Service { external: made.cluster, cluster: Vec::new(), ..made })
}

/// A service with one port named http, 80 on the front and 8080 behind.
pub(crate) fn service(name: &str, service_type: ServiceType, selector: &str, vips: &[&str]) -> Service {
    let selector: Selector = if selector.is_empty() { Selector::default() } else { selector.parse().unwrap() };
    let http = ServicePort {
        name: Some("http".parse().unwrap()),
        protocol: Protocol::Tcp,
        port: 80,
        target: TargetPort::Number(8080),
        app_protocol: String::new(),
    };
    let vip = |text: &&str| Vip { address: text.parse().unwrap(), pool: "service".parse().unwrap() };
    Service {
        key: key(name),
        meta: META,
        labels: Labels::default(),
        annotations: std::collections::BTreeMap::new(),
        spec: ServiceSpec { service_type, selector, ports: vec![http], ..ServiceSpec::default() },
        cluster: vips.iter().map(vip).collect(),
        external: Vec::new(),
        conditions: Vec::new(),
    }
}

pub(crate) fn given(address: &str) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        node: None,
        zone: String::new(),
        hostname: None,
        pod: String::new(),
        ports: vec![Some(8080)],
    }
}

pub(crate) fn put(service: Service) -> Change {
    Change::Lb(LbChange::Service(service.key.clone(), Some(Arc::new(service))))
}

pub(crate) fn drop_service(name: &str) -> Change {
    Change::Lb(LbChange::Service(key(name), None))
}

/// A ready pod; a host such as `p0.peers` gives it a host name.
pub(crate) fn pod(number: u32, address: &str, label: &str, host: &str) -> Change {
    let host = host.split_once('.');
    let record = Allocation {
        holdings: vec![Holding { address: address.parse().unwrap(), block: None }],
        labels: testing::labels(&[("app", label)]),
        hostname: host.map(|(name, _)| name.parse().unwrap()),
        subdomain: host.map(|(_, service)| service.parse().unwrap()),
        ..testing::pod(number)
    };
    Change::Ipam(IpamChange::Allocation(record.meta.uid, Some(Arc::new(record))))
}

/// Two tiers, a headless service, one with more endpoints than a UDP answer holds, and an alias.
pub(crate) fn shop() -> Vec<Change> {
    let mut alias = service("shop/pay", ServiceType::ExternalName, "", &[]);
    alias.spec.external_name = "pay.example.com".to_owned();
    let mut store = service("shop/store", ServiceType::ExternalName, "", &[]);
    store.spec.external_name = "db.shop.svc.cluster.local".to_owned();
    let mut crowd = service("shop/crowd", ServiceType::Headless, "", &[]);
    crowd.spec.endpoints = (1..=120).map(|n| given(&format!("172.27.9.{n}"))).collect();
    vec![
        put(service("shop/web", ServiceType::LoadBalancer, "app=WS", &["172.28.0.2"])),
        put(service("shop/db", ServiceType::ClusterIp, "app=DB", &["172.28.0.3", "fd00:28::3"])),
        put(service("shop/peers", ServiceType::Headless, "app=peer", &[])),
        put(alias),
        put(store),
        put(crowd),
        pod(1, "172.27.0.5", "WS", ""),
        pod(2, "172.27.0.6", "WS", ""),
        pod(3, "172.27.0.7", "DB", ""),
        pod(4, "172.27.0.20", "peer", "p0.peers"),
        pod(5, "172.27.0.21", "peer", "p1.peers"),
    ]
}
