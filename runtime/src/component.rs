//! One part of Polder, ready to run: what a service crate's `build` returns.
//!
//! A component is inert until a [`Process`](crate::process::Process) starts it. Several components share one process and one
//! port, or each has a process of its own: they cannot tell.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use polder_core::reason::Refusal;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;

use crate::server::health::{Check, Member};
use crate::tasks::{Failure, Tasks};

type AddService = Arc<dyn Fn(Routes) -> Routes + Send + Sync>;
type StartTask = Box<dyn FnOnce(&Tasks) + Send>;

/// See the module.
pub struct Component {
    name: &'static str,
    services: Vec<(&'static str, AddService)>,
    http: Option<axum::Router>,
    tasks: Vec<StartTask>,
    check: Check,
    closing: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).field("services", &self.services()).finish_non_exhaustive()
    }
}

impl Component {
    /// A component that serves nothing yet and is always ready.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, services: Vec::new(), http: None, tasks: Vec::new(), check: Arc::new(|| Ok(())), closing: Vec::new() }
    }

    /// Adds a generated gRPC server: `.grpc(PoolServiceServer::new(rpc))`.
    #[must_use]
    pub fn grpc<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.services.push((S::NAME, Arc::new(move |routes: Routes| routes.add_service(service.clone()))));
        self
    }

    /// Serves `router` at the process's `http_listen` address.
    #[must_use]
    pub fn http(mut self, router: axum::Router) -> Self {
        self.http = Some(router);
        self
    }

    /// Adds a task whose end is no news; see [`Tasks::spawn`].
    #[must_use]
    pub fn task<F, T>(mut self, name: &'static str, task: F) -> Self
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Box::new(move |tasks| tasks.spawn(name, task)));
        self
    }

    /// Adds a task that the process cannot do without; see [`Tasks::spawn_vital`].
    #[must_use]
    pub fn vital_task<F, T>(mut self, name: &'static str, task: F) -> Self
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
        T: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.tasks.push(Box::new(move |tasks| tasks.spawn_vital(name, task)));
        self
    }

    /// Says whether the component can work now: the store is reachable and its view is fresh. Asked several times a second, so
    /// it must look and not wait; the refusal is shown by `/readyz`.
    #[must_use]
    pub fn ready_when(mut self, check: impl Fn() -> Result<(), Refusal> + Send + Sync + 'static) -> Self {
        self.check = Arc::new(check);
        self
    }

    /// Closes something after all tasks have ended: a ledger, a mirror, a store. Run in the order in which they were added.
    #[must_use]
    pub fn closing(mut self, name: &'static str, close: impl Future<Output = ()> + Send + 'static) -> Self {
        self.closing.push((name, close.boxed()));
        self
    }

    /// The component's name: `ipam`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The full names of its gRPC services: `polder.ipam.v1.PoolService`.
    #[must_use]
    pub fn services(&self) -> Vec<&'static str> {
        self.services.iter().map(|(name, _)| *name).collect()
    }

    /// Its gRPC services added to `routes`.
    #[must_use]
    pub fn add_to(&self, routes: Routes) -> Routes {
        self.services.iter().fold(routes, |routes, (_, add)| add(routes))
    }

    pub(crate) fn member(&self) -> Member {
        Member { component: self.name, services: self.services(), check: Arc::clone(&self.check) }
    }

    /// Starts the tasks; what is left is what to close at the end.
    pub(crate) fn start(self, tasks: &Tasks) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
        for start in self.tasks {
            start(tasks);
        }
        self.closing
    }

    pub(crate) fn take_http(&mut self) -> Option<axum::Router> {
        self.http.take()
    }
}
