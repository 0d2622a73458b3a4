//! Polder's services: their virtual IPs, their endpoints, and how BGP advertises them.
//!
//! It owns `/polder/lb/` in the store and reads pools, reservations, namespaces and allocations. Every change is decided by a pure
//! planner of [`polder_core::lb`] and committed by the ledger as one transaction: a service together with its addresses, guarded
//! by the services and pools that the decision read. A crash before the commit leaves nothing, after it everything, the answer to
//! the request id included. Any number of replicas may serve at once.
//!
//! The healer gives addresses to services that wait for them. On the one replica that leads, the announcer assigns external
//! addresses to nodes, and nodes hold the right to answer for them. Endpoints are computed when they are asked for, and for all
//! nodes at once when they change: see the module `dataplane`.

mod announcer;
mod announcing;
mod bgp;
mod config;
mod convergence;
mod dataplane;
mod healer;
mod lead;
mod list;
mod naming;
mod programming;
mod rpc;
mod service;
mod watch;

use std::sync::Arc;

use polder_core::id::Uid;
use polder_proto::lb::v1::announcement_service_server::AnnouncementServiceServer;
use polder_proto::lb::v1::service_catalog_service_server::ServiceCatalogServiceServer;
use polder_proto::stored::Stored;
use polder_runtime::component::Component;
use polder_runtime::process::Process;
use polder_runtime::tasks::Failure;
use polder_runtime::{clock, entropy, telemetry};
use polder_store::{Clock, Exporter, Ledger, LedgerConfig, Mirror, MirrorConfig, Store};

pub use config::{Config, LbConfig};

use announcer::{AnnounceMetrics, Announcer};
use announcing::Announcing;
use bgp::Bgp;
use convergence::Converging;
use dataplane::Feed;
use healer::{HealMetrics, Healer};
use lead::Lead;
use service::Catalog;

/// The name of the service in keys, logs and metrics.
const NAME: &str = "lb";

/// Builds the load balancer over a store, for a process. Must be called inside a runtime.
///
/// # Errors
/// When the cluster domain is none, or the ledger cannot be started.
pub fn build(config: &LbConfig, store: Store, process: &Process) -> Result<Component, Failure> {
    let metrics = process.metrics();
    polder_store::etcd::set_trace_injector(telemetry::inject);
    let clock: Clock = Arc::new(clock::now);
    let mirror = Mirror::<Stored>::open(store, MirrorConfig::for_service(NAME, Arc::clone(&clock)));
    let ledger = Ledger::start(mirror.clone(), LedgerConfig::new(NAME, clock, Arc::new(entropy::draw)))?;
    metrics.collector::<Exporter>().add(NAME, &mirror, Some(&ledger));
    let healer = Healer::new(ledger.clone(), config.heal_every.0, HealMetrics::register(metrics));
    let times = config.times()?;
    let replica = Uid::new(clock::now(), entropy::draw(), 0).to_string();
    let lead = Lead::new(replica, config.advertise.clone(), times, metrics);
    let announcer = Announcer::new(ledger.clone(), lead.clone(), config.spread_every.0, AnnounceMetrics::register(metrics));
    let announcing = Announcing::new(ledger.clone(), lead.clone());
    let domain: Arc<str> = config.domain()?.into();
    let feed = Arc::new(Feed::new(mirror.clone(), &domain));
    let following = Arc::clone(&feed);
    let converging = Converging::new(mirror.clone(), Arc::clone(&feed), lead.clone(), process.dialer());
    let (ready, led) = (mirror.clone(), mirror.clone());
    let catalog = Catalog::new(ledger.clone(), converging.clone(), domain);
    let bgp = Bgp::new(catalog.clone(), ledger.clone(), lead.clone());
    Ok(Component::new(NAME)
        .grpc(ServiceCatalogServiceServer::new(rpc::Services::new(catalog)))
        .grpc(rpc::DataplaneServer::new(feed, rpc::Dataplane::new(converging)))
        .grpc(AnnouncementServiceServer::new(rpc::Announcements::new(announcing, bgp)))
        .ready_when(move || service::ready(&ready))
        .task("lb-healer", move |stop| healer.run(stop))
        .task("lb-dataplane", move |stop| following.run(stop))
        .task("lb-lead", move |stop| lead.run(led, stop))
        .task("lb-announcer", move |stop| announcer.run(stop))
        .closing("lb-ledger", async move { ledger.shutdown().await })
        .closing("lb-mirror", async move { mirror.shutdown().await }))
}
