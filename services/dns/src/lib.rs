//! Polder's name server and the DNS API.
//!
//! It owns `/polder/dns/` in the store: zones and record sets of operators. Every change of them is decided by a pure planner of
//! [`polder_core::dns::zones`] and committed by the ledger as one transaction. It follows everything that names are computed from:
//! pools, allocations, services, and the stored zones themselves; where that is configured, what other programs store in the way of
//! SkyDNS, too. What is served is one [`Snapshot`](polder_core::dns::Snapshot),
//! replaced whole for every revision. Names that are in no zone of ours are asked of others. UDP, TCP, TLS and the `Resolve` RPC put
//! queries to the same function [`answer`](polder_core::dns::answer()). Other servers are sent whole zones, where these say that they
//! may, and told of changes.
//!
//! With the store gone it goes on answering from the last snapshot, for ever; started without it, from what it saved in a file, and
//! without that SERVFAIL until it has read the store once: it does not know yet which names are ours. A crash before a commit leaves
//! nothing, after it everything, the answer to the request id included; any number of replicas may serve and change at once. What waits in
//! sockets outlives a crash where somebody else has them too: the service manager, or the process that takes this one's place.

mod config;
mod ending;
mod everywhere;
mod gate;
mod keeper;
mod listen;
mod metrics;
mod names;
mod progress;
mod resolver;
mod rpc;
mod saved;
mod seen;
mod service;
mod skydns;
mod tcp;
mod transfer;
mod udp;
mod zones;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use polder_proto::dns::v1::dns_service_server::DnsServiceServer;
use polder_proto::stored::ForNames;
use polder_runtime::component::Component;
use polder_runtime::inherit::Inheritance;
use polder_runtime::process::Process;
use polder_runtime::server::tls;
use polder_runtime::tasks::Failure;
use polder_runtime::{clock, entropy, telemetry};
use polder_store::{Clock, Exporter, Ledger, LedgerConfig, Mirror, MirrorConfig, Store};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use config::Guards;
pub use config::{Config, CookieConfig, DnsConfig, PodNames, RateConfig};
pub use listen::CannotListen;
pub use seen::LogConfig;
#[cfg(feature = "testing")]
pub use udp::Echo;

use ending::Ending;
use everywhere::Everywhere;
use gate::{Gate, Jar};
use keeper::Keeper;
use listen::Sockets;
use metrics::{Labels, PublishMetrics, QueryMetrics};
use names::Names;
use progress::Progress;
use resolver::{Desk, Resolver, Trust};
use rpc::Rpc;
use saved::SavedFile;
use seen::{Eye, Seen};
use service::Service;
use skydns::{Imported, SkyDns};
use tcp::Entrance;
use transfer::{Teller, Transfers};
use udp::Worker;
use zones::Zones;

/// The name of the service in keys, logs and metrics.
const NAME: &str = "dns";
/// What TLS calls DNS (the registry of protocol names of RFC 7301).
const DOT: &[u8] = b"dot";

/// The name server, bound but not serving yet.
#[derive(Debug)]
pub struct Dns {
    /// To be started by the process.
    pub component: Component,
    /// Where DNS is served, in the order of [`DnsConfig::listen`], with the ports that were really bound.
    pub addresses: Vec<SocketAddr>,
    /// Where DNS is served over TLS, in the order of [`DnsConfig::tls_listen`].
    pub tls_addresses: Vec<SocketAddr>,
}

impl Dns {
    /// Every address with what is served there, as a process announces it.
    #[must_use]
    pub fn bound(&self) -> Vec<(&'static str, SocketAddr)> {
        let plain = self.addresses.iter().map(|address| ("dns", *address));
        plain.chain(self.tls_addresses.iter().map(|address| ("dns-tls", *address))).collect()
    }
}

/// Builds the name server over a store, for a process, with the sockets that this has. Must be called inside a runtime.
///
/// # Errors
/// [`CannotListen`] for a port that cannot be had; a refusal of the domain or the times to live; a certificate that cannot be used;
/// when the ledger cannot be started.
pub fn build(config: &DnsConfig, store: Store, process: &Process) -> Result<Dns, Failure> {
    let (mut settings, name, guards) = (config.settings()?, config.name()?, config.guards()?);
    settings.secondaries = config.secondaries()?;
    polder_store::etcd::set_trace_injector(telemetry::inject);
    let (domain, metrics, inheritance) = (settings.zone().clone(), process.metrics(), process.inheritance());
    let imports = config.skydns(&domain, store.is_shared())?;
    let sockets = config.listen.iter().map(|address| Sockets::open(*address, config.worker_count(), inheritance));
    let sockets: Vec<Sockets> = sockets.collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = sockets.iter().map(|bound| bound.address).collect();
    let secured = secured(config, inheritance)?;
    let tls_addresses = secured.iter().map(|(address, ..)| *address).collect();

    let gate = Arc::new(Gate::new(guards.gate.clone(), settings.seed, Jar::open(guards.secrets.clone())?));
    let seen = Arc::new(Seen::new(settings.seed, config.log, metrics));
    let queries = QueryMetrics::register(metrics, &domain);
    let (resolver, queue) = Resolver::new(
        settings.seed,
        Trust::open(&config.upstream_ca_file)?,
        metrics,
        &addresses.first().map_or_else(String::new, |first| format!("dns://{first}")),
    );
    let resolver = Arc::new(resolver);
    let names = Arc::new(Names::new(settings, PublishMetrics::register(metrics)));
    let clock: Clock = Arc::new(clock::now);
    let mirror = Mirror::<ForNames>::open(store, MirrorConfig::for_service(NAME, Arc::clone(&clock)));
    let ledger = Ledger::start(mirror.clone(), LedgerConfig::new(NAME, clock, Arc::new(entropy::draw)))?;
    metrics.collector::<Exporter>().add(NAME, &mirror, Some(&ledger));
    let (following, followed, ready) = (Arc::clone(&names), mirror.clone(), Arc::clone(&names));
    let progress = Progress::new(Arc::clone(&names), mirror.clone(), name.to_string());
    let (desk, position) = (Desk::new(Arc::clone(&resolver), queue, Arc::clone(&names)), names.position());
    let file =
        (!config.saved_file.as_os_str().is_empty()).then(|| SavedFile::new(config.saved_file.clone(), imports.clone(), metrics));
    let skydns = imports.map(|imports| SkyDns::new(mirror.store().clone(), imports, metrics));
    let imported = skydns.as_ref().map_or_else(|| watch::channel(Imported::default()).1, SkyDns::imported);
    let jar = gate.jar();
    let keeper = file.clone().map(|file| Keeper::new(Arc::clone(&names), file));
    let teller = Teller::new(Arc::clone(&names), &config.listen, metrics);
    let ending = Ending::within(process.drain_timeout());
    let outlasting = ending.clone();
    let everywhere = Everywhere::new(Arc::clone(&names), mirror.clone(), name.as_str());
    let service = Service::new(Arc::clone(&names), Arc::clone(&resolver), Arc::clone(&seen), name, everywhere);
    let zones = Zones::new(ledger.clone(), service.clone(), domain);
    let component = Component::new(NAME)
        .grpc(DnsServiceServer::new(Rpc::new(service, zones)))
        .ready_when(move || ready.ready())
        .vital_task("dns-names", move |stop| async move { following.follow(&followed, file, imported, stop).await })
        .vital_task("dns-resolver", move |stop| async move {
            outlasting.outlast(stop, |stop| desk.run(position, stop)).await;
            Ok(())
        })
        .task("dns-progress", move |stop| progress.run(stop))
        .task("dns-notify", move |stop| teller.run(stop))
        .task("dns-cookies", move |stop| jar.keep(stop))
        .closing("dns-ledger", async move { ledger.shutdown().await })
        .closing("dns-mirror", async move { mirror.shutdown().await });
    let component = match skydns {
        Some(skydns) => component.task("dns-skydns", move |stop| skydns.run(stop)),
        None => component,
    };
    let component = match keeper {
        Some(keeper) => component.task("dns-keeper", move |stop| keeper.run(stop)),
        None => component,
    };
    let transfers = Arc::new(Transfers::new(Arc::clone(&names), metrics));
    let eye = seen.eye("tcp");
    let server = Server { config, guards, names, resolver, transfers, gate, seen, eye, queries, ending, inheritance };
    let component = sockets.into_iter().fold(component, |component, bound| server.serve(component, bound));
    let component = secured.into_iter().fold(component, |component, (address, listener, tls)| {
        server.serve_tcp(component, address, server.entrance(listener, Some(tls)))
    });
    Ok(Dns { component, addresses, tls_addresses })
}

/// What the tasks of all sockets share.
struct Server<'a> {
    config: &'a DnsConfig,
    guards: Guards,
    names: Arc<Names>,
    resolver: Arc<Resolver>,
    transfers: Arc<Transfers>,
    gate: Arc<Gate>,
    seen: Arc<Seen>,
    /// Of all connections.
    eye: Eye,
    queries: QueryMetrics,
    ending: Ending,
    inheritance: &'a Inheritance,
}

impl Server<'_> {
    fn entrance(&self, listener: TcpListener, tls: Option<TlsAcceptor>) -> Entrance {
        let (bounds, networks) = (self.guards.connections, self.guards.networks);
        Entrance { listener, tls, bounds, networks, farewell: self.ending.farewell() }
    }

    /// Adds the task of one address for connections.
    fn serve_tcp(&self, component: Component, address: SocketAddr, entrance: Entrance) -> Component {
        let shared = tcp::Shared {
            names: Arc::clone(&self.names),
            resolver: Arc::clone(&self.resolver),
            lane: self.queries.lane(Labels::tcp(address, entrance.tls.is_some()), false),
            transfers: Arc::clone(&self.transfers),
            gate: Arc::clone(&self.gate),
            eye: self.eye.clone(),
            idle: self.config.tcp_idle.0,
            turn: AtomicU32::new(0),
        };
        let (opened, busy) = (self.inheritance.opened(), self.ending.busy());
        component.vital_task("dns-tcp", move |stop| async move {
            let _busy = busy;
            if stop.run_until_cancelled(opened).await.is_some() {
                tcp::serve(entrance, Arc::new(shared), stop).await?;
            }
            Ok(())
        })
    }

    /// Adds the tasks of one address.
    fn serve(&self, component: Component, bound: Sockets) -> Component {
        let component = self.serve_tcp(component, bound.address, self.entrance(bound.tcp, None));
        let late = self.queries.lane(Labels::udp(bound.address), false);
        bound.udp.into_iter().fold(component, |component, socket| {
            let stopping = Arc::new(AtomicBool::new(false));
            let worker = Worker {
                socket,
                names: Arc::clone(&self.names),
                resolver: Arc::clone(&self.resolver),
                lane: self.queries.lane(Labels::udp(bound.address), true),
                late: Arc::clone(&late),
                gate: Arc::clone(&self.gate),
                eye: self.seen.eye("udp"),
                stop: Arc::clone(&stopping),
                busy: self.ending.busy(),
            };
            let opened = self.inheritance.opened();
            component.vital_task("dns-udp", move |stop| async move {
                if stop.run_until_cancelled(opened).await.is_none() {
                    // What waits in the socket is for whoever has it too.
                    return Ok(());
                }
                // A thread cannot be cancelled: the flag asks it, also when this task is cut off.
                let _asked = Asks(Arc::clone(&stopping));
                let mut thread = tokio::task::spawn_blocking(move || worker.run());
                let ended = tokio::select! {
                    ended = &mut thread => ended,
                    () = stop.cancelled() => {
                        stopping.store(true, Ordering::Relaxed);
                        thread.await
                    }
                };
                Ok(ended??)
            })
        })
    }
}

/// The addresses at which DNS is served over TLS.
fn secured(config: &DnsConfig, inheritance: &Inheritance) -> Result<Vec<(SocketAddr, TcpListener, TlsAcceptor)>, Failure> {
    if config.tls_listen.is_empty() {
        return Ok(Vec::new());
    }
    let tls = tls::acceptor(&config.tls_cert_file, &config.tls_key_file, DOT)?;
    let bind =
        |address: &SocketAddr| Ok(Sockets::open_tls(*address, inheritance).map(|(address, tcp)| (address, tcp, tls.clone()))?);
    config.tls_listen.iter().map(bind).collect()
}

/// Asks a thread to end when it goes.
struct Asks(Arc<AtomicBool>);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
