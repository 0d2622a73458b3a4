//! A load balancer on a store, and a hand in the parts of the store that belong to IPAM.

use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::id::Uid;
use polder_core::ipam::{self, Allocation, Pool, Purpose};
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Plan, PlanContext};
use polder_core::testing;
use polder_lb::{LbConfig, build};
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::service_catalog_service_client::ServiceCatalogServiceClient;
use polder_proto::stored::Stored;
use polder_runtime::config::{Period, ProcessConfig};
use polder_runtime::link::Link;
use polder_runtime::process::{Process, Program, Running};
use polder_runtime::status::decode;
use polder_runtime::{clock, entropy};
use polder_store::{Intent, Ledger, LedgerConfig, Mirror, MirrorConfig, Store};
use tonic::Status;

/// Long enough for a busy machine; nothing waits this long when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(60);

const PROGRAM: Program = Program { name: "polder-lb", version: "0", descriptors: polder_proto::FILE_DESCRIPTOR_SET };

pub(crate) type Client = ServiceCatalogServiceClient<Link>;

/// One replica of the load balancer.
pub(crate) struct Replica {
    pub(crate) link: Link,
    running: Running,
}

impl Replica {
    pub(crate) async fn start(store: &Store) -> Self {
        Self::with(store, LbConfig::default()).await
    }

    /// The same with another configuration.
    pub(crate) async fn with(store: &Store, config: LbConfig) -> Self {
        Self::serving(store, ProcessConfig::default(), config).await
    }

    /// One that other replicas can reach.
    pub(crate) async fn advertised(store: &Store) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = ProcessConfig { grpc_listen: Some(free), ..ProcessConfig::default() };
        Self::serving(store, config, LbConfig { advertise: format!("http://{free}"), ..LbConfig::default() }).await
    }

    async fn serving(store: &Store, config: ProcessConfig, lb: LbConfig) -> Self {
        let process = Process::new(PROGRAM, config).unwrap();
        // Long: what heals sooner was woken by the change itself.
        let long = Period(Duration::from_secs(3600));
        // Twice the usual time: a busy machine is no dead node.
        let right_ttl = Period(Duration::from_secs(2));
        let config = LbConfig { heal_every: long, right_ttl, ..lb };
        let lb = build(&config, store.clone(), &process).unwrap();
        let link = process.local(&lb);
        let replica = Self { link, running: process.start(vec![lb]).await.unwrap() };
        wait_for("the first view", async || {
            let list = replica.client().list_services(pb::ListServicesRequest::default()).await;
            list.map(drop).ok()
        })
        .await;
        // Somebody takes the lead, which is a commit: whoever counts revisions counts from there.
        wait_for("a lead", async || store.get(b"/polder/lb/lead").await.unwrap().0).await;
        replica
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.link.clone())
    }

    pub(crate) async fn stop(self) {
        self.running.stop_token().cancel();
        self.running.wait().await.unwrap();
    }

    pub(crate) async fn get(&self, name: &str) -> pb::Service {
        let (namespace, name) = split(name);
        self.client().get_service(pb::GetServiceRequest { namespace, name }).await.unwrap().into_inner().service.unwrap()
    }

    /// The only page of a list.
    pub(crate) async fn list(&self, filter: &str) -> Vec<String> {
        let request = pb::ListServicesRequest { filter: filter.to_owned(), ..pb::ListServicesRequest::default() };
        let answer = self.client().list_services(request).await.unwrap().into_inner();
        answer.services.iter().map(|service| format!("{}/{}", service.namespace, service.name)).collect()
    }
}

/// Asks again until there is an answer.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Writes what belongs to IPAM.
pub(crate) struct Addresses(Ledger<Stored>);

impl Addresses {
    pub(crate) async fn open(store: &Store) -> Self {
        let clock: polder_store::Clock = Arc::new(clock::now);
        let mirror = Mirror::open(store.clone(), MirrorConfig::for_service("ipam", Arc::clone(&clock)));
        mirror.synced(SOON).await.unwrap();
        Self(Ledger::start(mirror, LedgerConfig::new("ipam", clock, Arc::new(entropy::draw))).unwrap())
    }

    pub(crate) async fn put(&self, change: ipam::Change) {
        let planner = move |_: &Cluster, _: PlanContext| {
            Ok(Plan { changes: vec![Change::Ipam(change.clone())], reads: Vec::new(), answer: Vec::new() })
        };
        let (actor, trace_id) = ("test".to_owned(), String::new());
        let intent = Intent { request_id: None, digest: [0; 32], actor, trace_id, method: "Test" };
        self.0.submit(intent, planner).await.unwrap();
    }

    pub(crate) async fn pool(&self, name: &str, purpose: Purpose, range: &str) {
        self.pool_with(name, purpose, range, |_| {}).await;
    }

    pub(crate) async fn pool_with(&self, name: &str, purpose: Purpose, range: &str, with: impl FnOnce(&mut Pool)) {
        let mut pool = testing::pool(name, purpose, &[range]);
        with(&mut pool);
        self.put(ipam::Change::Pool(pool.name.clone(), Some(Arc::new(pool)))).await;
    }

    /// The pools of the two-tier example.
    pub(crate) async fn usual(&self) {
        self.pool("service", Purpose::ClusterService, "172.28.0.0/16").await;
        self.pool("external", Purpose::ExternalService, "10.0.0.13-10.0.0.20").await;
    }

    pub(crate) async fn pod(&self, number: u8, app: &str) {
        self.put(ipam::Change::Allocation(Uid(number.into()), Some(Arc::new(pod(number, app))))).await;
    }
}

/// A ready pod on no node.
pub(crate) fn pod(number: u8, app: &str) -> Allocation {
    Allocation { labels: testing::labels(&[("app", app)]), ..testing::pod(number.into()) }
}

/// A node that lives, in a zone.
pub(crate) fn node(name: &str, uid: u8, zone: &str) -> ipam::Node {
    ipam::Node { meta: testing::meta(uid.into()), zone: zone.to_owned(), number: uid.into(), ..testing::node(name) }
}

/// An embedded store in a folder that goes with it.
pub(crate) async fn embedded() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = reopen(&folder).await;
    (folder, store)
}

pub(crate) async fn reopen(folder: &tempfile::TempDir) -> Store {
    let url = format!("embedded:{}", folder.path().display());
    wait_for("the store", async || Store::open(&url).await.ok()).await
}

pub(crate) fn split(name: &str) -> (String, String) {
    let (namespace, name) = name.split_once('/').unwrap();
    (namespace.to_owned(), name.to_owned())
}

/// The front of the two-tier example under another name.
pub(crate) fn web(name: &str) -> pb::Service {
    let (namespace, name) = split(name);
    let ports = vec![pb::ServicePort { name: "http".to_owned(), port: 80, ..pb::ServicePort::default() }];
    let selector = [("app".to_owned(), "WS".to_owned())].into();
    let spec = pb::ServiceSpec { r#type: pb::ServiceType::LoadBalancer.into(), selector, ports, ..pb::ServiceSpec::default() };
    pb::Service { namespace, name, spec: Some(spec), ..pb::Service::default() }
}

pub(crate) fn creation(service: pb::Service) -> pb::CreateServiceRequest {
    pb::CreateServiceRequest { service: Some(service), ..pb::CreateServiceRequest::default() }
}

/// Cluster and external addresses.
pub(crate) fn vips(service: &pb::Service) -> (Vec<String>, Vec<String>) {
    let status = service.status.as_ref().unwrap();
    let texts = |vips: &[pb::VirtualAddress]| vips.iter().map(|vip| vip.address.clone()).collect();
    (texts(&status.cluster_vips), texts(&status.external_vips))
}

/// The reason and the whole refusal of a failed call.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Reason, Refusal) {
    let refusal = decode(&answer.unwrap_err());
    (refusal.reason, refusal)
}
