//! A process of ours on loopback, in this process: what `polder-ipam` is, with clients beside it.

use std::time::Duration;

use polder_ipam::IpamConfig;
use polder_proto::FILE_DESCRIPTOR_SET;
use polder_proto::ipam::v1::node_service_client::NodeServiceClient;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::{CreatePoolRequest, Pool, PoolPurpose, RegisterNodeRequest};
use polder_runtime::clock::monotonic;
use polder_runtime::component::Component;
use polder_runtime::config::ProcessConfig;
use polder_runtime::link::Link;
use polder_runtime::process::{Process, Program, Running};
use polder_runtime::tasks::Failure;
use polder_store::Store;
use tonic::Code;

use crate::workload::{NODES, node};

/// The most connections between the callers and a server: beyond a few, more of them do not help.
const CONNECTIONS: usize = 8;
/// The pod pool: a million addresses, more than any run can use up.
const PODS: &str = "10.0.0.0/12";
/// Its name.
pub(crate) const POD_POOL: &str = "pods";
/// The addresses of the nodes.
const NODE_ADDRESSES: &str = "192.168.0.0/16";

/// How long the service may take to read its store.
const START: Duration = Duration::from_secs(10);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(20);

const PROGRAM: Program = Program { name: "polder-bench", version: env!("CARGO_PKG_VERSION"), descriptors: FILE_DESCRIPTOR_SET };

/// How many connections so many callers share.
pub(crate) fn connections(callers: usize) -> usize {
    callers.clamp(1, CONNECTIONS)
}

/// A component that serves.
pub(crate) struct Serving {
    running: Running,
    local: Link,
    uri: String,
}

impl Serving {
    /// Serves what `build` makes on a free loopback port, with the limits that every process has by default.
    pub(crate) async fn start(build: impl FnOnce(&Process) -> Result<Component, Failure>) -> Result<Self, Failure> {
        let process = Process::new(PROGRAM, ProcessConfig::default().with_grpc(0))?;
        let component = build(&process)?;
        let local = process.local(&component);
        let running = process.start(vec![component]).await?;
        let address = running.addresses().grpc.ok_or("the process does not serve gRPC")?;
        Ok(Self { running, local, uri: format!("http://{address}") })
    }

    /// Links over sockets for so many callers, one connection each.
    pub(crate) fn links(&self, callers: usize) -> Result<Vec<Link>, Failure> {
        (0..connections(callers)).map(|_| Ok(Link::remote(&[self.uri.as_str()], None)?)).collect()
    }

    /// The link without a socket.
    pub(crate) fn local(&self) -> Link {
        self.local.clone()
    }

    /// Drains and ends it.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.running.stop_token().cancel();
        Ok(self.running.wait().await?)
    }
}

/// The IPAM service over a store, with its defaults.
pub(crate) async fn ipam(store: &Store) -> Result<Serving, Failure> {
    Serving::start(|process| polder_ipam::build(&IpamConfig::default(), store.clone(), process.metrics())).await
}

/// Makes the pools and registers the nodes that the workload needs. Everything but the ranges is at its default.
pub(crate) async fn prepare(link: &Link) -> Result<(), Failure> {
    prepare_with(link, Pool { ranges: vec![PODS.to_owned()], ..Pool::default() }, NODES).await
}

/// The same with this pool for pods, whose name and purpose are set here, and so many nodes.
pub(crate) async fn prepare_with(link: &Link, pods: Pool, nodes: usize) -> Result<(), Failure> {
    let addresses = Pool { ranges: vec![NODE_ADDRESSES.to_owned()], ..Pool::default() };
    for (name, purpose, pool) in [("nodes", PoolPurpose::Node, addresses), (POD_POOL, PoolPurpose::Pod, pods)] {
        create(link, Pool { name: name.to_owned(), purpose: purpose.into(), ..pool }).await?;
    }
    let client = NodeServiceClient::new(link.clone());
    let registered = (0..nodes).map(|number| {
        let mut client = client.clone();
        async move { client.register_node(RegisterNodeRequest { name: node(number), ..Default::default() }).await }
    });
    futures::future::try_join_all(registered).await?;
    Ok(())
}

/// Makes a pool, as soon as the service has read its store.
async fn create(link: &Link, pool: Pool) -> Result<(), Failure> {
    let mut pools = PoolServiceClient::new(link.clone());
    let until = monotonic() + START;
    loop {
        match pools.create_pool(CreatePoolRequest { pool: Some(pool.clone()), ..Default::default() }).await {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::Unavailable && monotonic() < until => tokio::time::sleep(PAUSE).await,
            Err(status) => return Err(status.into()),
        }
    }
}
