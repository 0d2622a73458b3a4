//! A process from start to end: components on their ports, then an orderly drain.
//!
//! The drain has a fixed order. (1) Health says NOT_SERVING, to its watchers at once. (2) Listeners close; calls in flight finish,
//! streams end with `SHUTTING_DOWN`. (3) Tasks are asked to stop. (4) What components registered for closing is closed. Each step
//! gets what is left of the drain timeout, but at least a second. A second signal ends the process at once.

mod announce;
mod begin;
mod drain;
mod handover;
mod run;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::ServiceExt;

use crate::component::Component;
use crate::config::{ProcessConfig, TlsConfig};
use crate::inherit::{InheritError, Inheritance};
use crate::link::{Link, LinkError};
use crate::metrics::Metrics;
use crate::server::ending::EndsOnDrain;
use crate::server::health::Health;
use crate::server::listener::{Connections, Listener, Security};
use crate::server::tls::{self, TlsError};
use crate::server::{BadDescriptors, BindError, Grpc, Stack, side};
use crate::tasks::{Lost, Tasks};

pub use drain::{Ended, Running};
pub use handover::{Handover, HandoverError};
pub use run::{RunError, run};

/// What a program is.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name: `polder-ipam`.
    pub name: &'static str,
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// The encoded `FileDescriptorSet` of the protos it serves.
    pub descriptors: &'static [u8],
}

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The program's descriptors cannot be read.
    #[error(transparent)]
    Descriptors(#[from] BadDescriptors),
    /// Reflection cannot be offered.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Two components serve the same gRPC service.
    #[error("the service {0} is there twice")]
    Twice(&'static str),
    /// Sockets were passed that cannot be used.
    #[error(transparent)]
    Inherit(#[from] InheritError),
    /// No other process could follow this one.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// A task that it cannot do without was lost before it was ready.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It did not get ready, and the process whose place it was to take goes on.
    #[error("not ready after {after:?}, so the process before goes on: {why}")]
    NotReady {
        /// How long it had.
        after: std::time::Duration,
        /// What was not ready, and why.
        why: String,
    },
}

/// A process that does not serve yet: what components are built with.
#[derive(Debug, Clone)]
pub struct Process {
    program: Program,
    config: ProcessConfig,
    metrics: Metrics,
    stack: Stack,
    tasks: Tasks,
    stop: CancellationToken,
    inheritance: Inheritance,
    succession: begin::Place,
}

/// Makes links to elsewhere with a process's own certificates. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dialer(TlsConfig);

impl Dialer {
    /// A link to the replicas of a service: see [`Process::remote`].
    ///
    /// # Errors
    /// [`LinkError`] for addresses or certificates that cannot be used.
    pub fn remote<U: AsRef<str>>(&self, uris: &[U]) -> Result<Link, LinkError> {
        let tls = tls::client(&self.0);
        let tls = tls.map_err(|error| LinkError::BadAddress { uri: joined(uris), why: error.to_string() })?;
        Link::remote(uris, tls.as_ref())
    }
}

impl Process {
    /// A process with an empty registry. Nothing global is touched, so tests may have many.
    ///
    /// # Errors
    /// [`StartError::Descriptors`] when the program's descriptors are damaged.
    pub fn new(program: Program, config: ProcessConfig) -> Result<Self, StartError> {
        let metrics = Metrics::new(program.name, program.version);
        let stack = Stack::new(&[program.descriptors], &config.limits, metrics.clone())?;
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let (inheritance, succession) = (Inheritance::default(), begin::Place::default());
        Ok(Self { program, config, metrics, stack, tasks, stop, inheritance, succession })
    }

    /// The registry, for a component's own metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The process's tasks. A component should rather bring its own with [`Component::task`].
    #[must_use]
    pub const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Cancelled when the process is asked to stop; cancelling it asks.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// How long the process has to end.
    #[must_use]
    pub const fn drain_timeout(&self) -> std::time::Duration {
        self.config.drain_timeout.0
    }

    /// The sockets that somebody else had before, for components that listen by themselves.
    #[must_use]
    pub const fn inheritance(&self) -> &Inheritance {
        &self.inheritance
    }

    /// A link to a component of this process.
    #[must_use]
    pub fn local(&self, component: &Component) -> Link {
        Link::local(self.join(&[component]))
    }

    /// The gRPC services of several components behind the process's stack: for one link to all of them, or for gRPC-Web.
    #[must_use]
    pub fn join(&self, components: &[&Component]) -> Grpc {
        self.stack.wrap(components.iter().fold(Routes::default(), |routes, component| component.add_to(routes)))
    }

    /// A link to the replicas of a service elsewhere, with the process's own certificates where an address is `https`.
    ///
    /// # Errors
    /// [`LinkError`] for addresses or certificates that cannot be used.
    pub fn remote<U: AsRef<str>>(&self, uris: &[U]) -> Result<Link, LinkError> {
        self.dialer().remote(uris)
    }

    /// What makes links to elsewhere, for a component that learns only later where to.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        Dialer(self.config.tls.clone())
    }

    /// Binds the ports, starts everything, and serves. When this returns, every port answers. With sockets that another process has,
    /// or that waited for this one, it is ready before it takes anything out of them.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(self, mut components: Vec<Component>) -> Result<Running, StartError> {
        unique(&components)?;
        let health = Health::of(components.iter().map(Component::member).collect());
        health.report().await;
        let grpc = self.stack.wrap(self.all_routes(&components, &health)?);
        let pages = components.iter_mut().filter_map(Component::take_http).reduce(axum::Router::merge);
        let probes = side::routes(self.metrics.clone(), health.clone());
        let sockets = Sockets::bind(&self.config, pages.is_some(), &self.inheritance).await?;
        self.inheritance.all_claimed()?;
        let addresses = sockets.addresses();

        let connections = Tasks::new();
        let (drain, inheritance) = (self.stack.drain_token(), self.inheritance.clone());
        let serving = Serving { drain, limit: self.config.limits.connections, connections, inheritance };
        if let Some(listener) = sockets.grpc {
            serving.spawn("grpc", listener, true, move |peer| {
                let grpc = grpc.clone();
                grpc.map_request(move |request: http::Request<hyper::body::Incoming>| {
                    let mut request = request.map(tonic::body::Body::new);
                    request.extensions_mut().insert(peer.clone());
                    request
                })
            });
        }
        if let (Some(listener), Some(pages)) = (sockets.http, pages) {
            serving.router("http", listener, pages);
        }
        if let Some(listener) = sockets.metrics {
            serving.router("metrics", listener, probes);
        }
        self.tasks.spawn("health", |stop| health.clone().keep_reporting(stop));
        let closing = components.into_iter().flat_map(|component| component.start(&self.tasks)).collect();
        Running::new(self, addresses, health, serving.connections, closing).begin().await
    }

    fn all_routes(&self, components: &[Component], health: &Health) -> Result<Routes, StartError> {
        let health = tonic_health::pb::health_server::HealthServer::new(health.service());
        let routes = components.iter().fold(Routes::default(), |routes, component| component.add_to(routes));
        let services = components.iter().flat_map(Component::services);
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.program.descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            // Only what this process serves is listed, whatever else the descriptors know.
            let own = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
            services.clone().chain(own).fold(builder, tonic_reflection::server::Builder::with_service_name)
        };
        let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
        Ok(routes.add_service(health).add_service(v1).add_service(v1alpha))
    }
}

/// Where a running process can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: Option<SocketAddr>,
    /// Pages and REST.
    pub http: Option<SocketAddr>,
    /// Metrics and probes.
    pub metrics: Option<SocketAddr>,
}

struct Sockets {
    grpc: Option<Listener>,
    http: Option<Listener>,
    metrics: Option<Listener>,
}

impl Sockets {
    async fn bind(config: &ProcessConfig, has_pages: bool, inheritance: &Inheritance) -> Result<Self, StartError> {
        let tls = tls::server(&config.tls)?;
        // Scrapers and probes have no certificates of ours, and can change nothing.
        let open_tls = tls::server(&TlsConfig { ca_file: None, ..config.tls.clone() })?;
        let bind = async |address: Option<SocketAddr>, tls: Option<Security>| match address {
            Some(address) => Listener::bind(address, tls, config.insecure, inheritance).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            grpc: bind(config.grpc_listen, tls.clone()).await?,
            http: bind(config.http_listen.filter(|_| has_pages), tls).await?,
            metrics: bind(config.metrics_listen, open_tls).await?,
        })
    }

    fn addresses(&self) -> Addresses {
        let of = |listener: &Option<Listener>| listener.as_ref().map(Listener::address);
        Addresses { grpc: of(&self.grpc), http: of(&self.http), metrics: of(&self.metrics) }
    }
}

/// What listeners are started with.
struct Serving {
    drain: CancellationToken,
    limit: usize,
    connections: Tasks,
    inheritance: Inheritance,
}

impl Serving {
    fn router(&self, name: &'static str, listener: Listener, router: axum::Router) {
        let drain = self.drain.clone();
        self.spawn(name, listener, false, move |peer| {
            let (router, drain) = (router.clone(), drain.clone());
            let router = router.map_request(move |request: http::Request<hyper::body::Incoming>| {
                let mut request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(peer.clone());
                request
            });
            router.map_response(move |response: axum::response::Response| response.map(|body| EndsOnDrain::new(body, &drain)))
        });
    }

    fn spawn<F, S, B>(&self, name: &'static str, listener: Listener, h2_only: bool, service: F)
    where
        F: Fn(crate::context::Peer) -> S + Send + Sync + 'static,
        S: tower::Service<
                http::Request<hyper::body::Incoming>,
                Response = http::Response<B>,
                Error = std::convert::Infallible,
                Future: Send,
            > + Clone
            + Send
            + 'static,
        B: http_body::Body<Data = bytes::Bytes, Error: Into<crate::tasks::Failure>> + Send + 'static,
    {
        let shared = Connections { h2_only, limit: self.limit, drain: self.drain.clone(), tasks: self.connections.clone() };
        let (opened, drain) = (self.inheritance.opened(), self.drain.clone());
        self.connections.spawn(name, |_| async move {
            if drain.run_until_cancelled(opened).await.is_some() {
                listener.serve(service, shared).await;
            }
        });
    }
}

fn unique(components: &[Component]) -> Result<(), StartError> {
    let mut seen = BTreeSet::new();
    match components.iter().flat_map(Component::services).find(|service| !seen.insert(*service)) {
        Some(twice) => Err(StartError::Twice(twice)),
        None => Ok(()),
    }
}

fn joined<U: AsRef<str>>(uris: &[U]) -> String {
    uris.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// What is closed at the end, by name.
type Closing = Vec<(&'static str, BoxFuture<'static, ()>)>;

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("grpc", self.grpc), ("http", self.http), ("metrics", self.metrics)];
        let parts: Vec<String> = all.iter().filter_map(|(name, at)| at.map(|at| format!("{name} {at}"))).collect();
        f.write_str(&parts.join(", "))
    }
}
