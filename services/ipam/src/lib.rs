//! Polder's address management: pools, reservations, namespaces, nodes and their blocks, allocations.
//!
//! It owns `/polder/ipam/` in the store. Every change is decided by a pure planner of [`polder_core::ipam`] and committed by the
//! ledger, as one transaction guarded by everything the decision read: a crash before the commit leaves nothing, after it
//! everything, the answer to the request id included. Any number of replicas may serve at once.
//!
//! Two reconcilers look at the whole state again and again: the sweep clears away records that time has made useless, the
//! undertaker finds nodes whose leases have run out and frees what nodes that are gone have left. The forecaster reads out of the
//! journals how fast pools fill, and writes nothing. Everything else that follows from the stored records (labels of namespaces, how full a pool is, routes) is computed when it is asked for.

mod answer;
mod call;
mod config;
mod forecaster;
mod history;
mod leases;
mod own;
mod page;
mod pool_metrics;
mod rpc;
mod service;
mod sweeper;
mod undertaker;
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

use forecaster::Forecaster;
use leases::Leases;
use pool_metrics::PoolMetrics;
use service::Service;
use sweeper::{SweepMetrics, Sweeper};
use undertaker::{NodeMetrics, Undertaker};

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
    metrics.register(|registry| registry.register_collector(Box::new(PoolMetrics::new(mirror.clone()))));
    let leases = Leases::new(ledger.clone(), config.node_lease.0);
    let service = Service::new(ledger.clone(), leases.clone());
    let node_metrics = NodeMetrics::register(metrics);
    let undertaker = Undertaker::new(ledger.clone(), leases, config.node_check_every.0, config.orphan_grace.0, node_metrics);
    let sweeper = Sweeper::new(ledger.clone(), config.sweep_every.0, SweepMetrics::register(metrics));
    let forecaster = Forecaster::new(service.clone(), config.forecast_every.0);
    let ready = mirror.clone();
    Ok(Component::new(NAME)
        .grpc(NamespaceServiceServer::new(rpc::Namespaces::new(service.clone())))
        .grpc(PoolServiceServer::new(rpc::Pools::new(service.clone())))
        .grpc(AllocationServiceServer::new(rpc::Allocations::new(service.clone())))
        .grpc(NodeServiceServer::new(rpc::Nodes::new(service.clone())))
        .grpc(ComputeNetworkServiceServer::new(rpc::ComputeNetwork::new(service)))
        .ready_when(move || service::ready(&ready))
        .task("ipam-forecaster", move |stop| forecaster.run(stop))
        .task("ipam-sweeper", move |stop| sweeper.run(stop))
        .task("ipam-undertaker", move |stop| undertaker.run(stop))
        .closing("ipam-ledger", async move { ledger.shutdown().await })
        .closing("ipam-mirror", async move { mirror.shutdown().await }))
}
