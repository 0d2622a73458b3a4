//! Polder's address management: pools, reservations, namespaces, nodes and their blocks, allocations.
//!
//! It owns `/polder/ipam/` in the store. Every change is decided by a pure planner of [`polder_core::ipam`] and committed by the
//! ledger, as one transaction guarded by everything the decision read: a crash before the commit leaves nothing, after it
//! everything, the answer to the request id included. Any number of replicas may serve at once.
//!
//! The one reconciler is the sweep: it clears away records that time has made useless. Everything else that follows from the
//! stored records (labels of namespaces, how full a pool is, routes) is computed when it is asked for.

mod answer;
mod call;
mod config;
mod history;
mod page;
mod rpc;
mod service;
mod sweeper;
mod watch;

use std::sync::Arc;

use polder_proto::ipam::v1::allocation_service_server::AllocationServiceServer;
use polder_proto::ipam::v1::compute_network_service_server::ComputeNetworkServiceServer;
use polder_proto::ipam::v1::namespace_service_server::NamespaceServiceServer;
use polder_proto::ipam::v1::node_service_server::NodeServiceServer;
use polder_proto::ipam::v1::pool_service_server::PoolServiceServer;
use polder_proto::stored::Stored;
use polder_runtime::component::Component;
use polder_runtime::metrics::Metrics;
use polder_runtime::tasks::Failure;
use polder_runtime::{clock, entropy, telemetry};
use polder_store::{Clock, Exporter, Ledger, LedgerConfig, Mirror, MirrorConfig, Store};

pub use config::{Config, IpamConfig};

use service::Service;
use sweeper::{SweepMetrics, Sweeper};

/// The name of the service in keys, logs and metrics.
const NAME: &str = "ipam";

/// Builds address management over a store. Must be called inside a runtime.
///
/// # Errors
/// When the ledger cannot be started.
pub fn build(config: &IpamConfig, store: Store, metrics: &Metrics) -> Result<Component, Failure> {
    polder_store::etcd::set_trace_injector(telemetry::inject);
    let clock: Clock = Arc::new(clock::now);
    let mirror = Mirror::<Stored>::open(store, MirrorConfig::for_service(NAME, Arc::clone(&clock)));
    let ledger = Ledger::start(mirror.clone(), LedgerConfig::new(NAME, clock, Arc::new(entropy::draw)))?;
    metrics.collector::<Exporter>().add(NAME, &mirror, Some(&ledger));
    let service = Service::new(ledger.clone(), config);
    let sweeper = Sweeper::new(ledger.clone(), config.sweep_every.0, SweepMetrics::register(metrics));
    let ready = mirror.clone();
    Ok(Component::new(NAME)
        .grpc(NamespaceServiceServer::new(rpc::Namespaces::new(service.clone())))
        .grpc(PoolServiceServer::new(rpc::Pools::new(service.clone())))
        .grpc(AllocationServiceServer::new(rpc::Allocations::new(service.clone())))
        .grpc(NodeServiceServer::new(rpc::Nodes::new(service.clone())))
        .grpc(ComputeNetworkServiceServer::new(rpc::ComputeNetwork::new(service)))
        .ready_when(move || service::ready(&ready))
        .task("ipam-sweeper", move |stop| sweeper.run(stop))
        .closing("ipam-ledger", async move { ledger.shutdown().await })
        .closing("ipam-mirror", async move { mirror.shutdown().await }))
}
