//! Polder's services: their virtual IPs, their endpoints, and how BGP advertises them.
//!
//! It owns `/polder/lb/` in the store and reads pools, reservations, namespaces and allocations. Every change is decided by a pure
//! planner of [`polder_core::lb`] and committed by the ledger as one transaction: a service together with its addresses, guarded
//! by the services and pools that the decision read. A crash before the commit leaves nothing, after it everything, the answer to
//! the request id included. Any number of replicas may serve at once.
//!
//! The one reconciler gives addresses to services that wait for them. Endpoints are computed when they are asked for.

mod bgp;
mod call;
mod config;
mod healer;
mod list;
mod rpc;
mod service;
mod watch;

use std::sync::Arc;

use polder_proto::lb::v1::announcement_service_server::AnnouncementServiceServer;
use polder_proto::lb::v1::dataplane_service_server::DataplaneServiceServer;
use polder_proto::lb::v1::service_catalog_service_server::ServiceCatalogServiceServer;
use polder_proto::stored::Stored;
use polder_runtime::component::Component;
use polder_runtime::metrics::Metrics;
use polder_runtime::tasks::Failure;
use polder_runtime::{clock, entropy, telemetry};
use polder_store::{Clock, Exporter, Ledger, LedgerConfig, Mirror, MirrorConfig, Store};

pub use config::{Config, LbConfig};

use bgp::Bgp;
use healer::{HealMetrics, Healer};
use service::Catalog;

/// The name of the service in keys, logs and metrics.
const NAME: &str = "lb";

/// Builds the load balancer over a store. Must be called inside a runtime.
///
/// # Errors
/// When the ledger cannot be started.
pub fn build(config: &LbConfig, store: Store, metrics: &Metrics) -> Result<Component, Failure> {
    polder_store::etcd::set_trace_injector(telemetry::inject);
    let clock: Clock = Arc::new(clock::now);
    let mirror = Mirror::<Stored>::open(store, MirrorConfig::for_service(NAME, Arc::clone(&clock)));
    let ledger = Ledger::start(mirror.clone(), LedgerConfig::new(NAME, clock, Arc::new(entropy::draw)))?;
    metrics.collector::<Exporter>().add(NAME, &mirror, Some(&ledger));
    let healer = Healer::new(ledger.clone(), config.heal_every.0, HealMetrics::register(metrics));
    let catalog = Catalog::new(ledger.clone());
    let bgp = Bgp::new(catalog.clone(), ledger.clone());
    let ready = mirror.clone();
    Ok(Component::new(NAME)
        .grpc(ServiceCatalogServiceServer::new(rpc::Services::new(catalog)))
        .grpc(DataplaneServiceServer::new(rpc::Dataplane))
        .grpc(AnnouncementServiceServer::new(rpc::Announcements::new(bgp)))
        .ready_when(move || service::ready(&ready))
        .task("lb-healer", move |stop| healer.run(stop))
        .closing("lb-ledger", async move { ledger.shutdown().await })
        .closing("lb-mirror", async move { mirror.shutdown().await }))
}
