//! The gRPC server stack: what happens to every call before and after its handler, over a socket and in process alike.
//!
//! From the outside in:
//! 1. the call's place in its caller's trace (with a span where spans are exported), a
//!    [`RequestContext`](crate::context::RequestContext), and the record of the call;
//! 2. admission: above the bounds a call is refused at once with `OVERLOADED` (health checks are not);
//! 3. the caller's deadline (`grpc-timeout`), for the handler and for a streamed answer;
//! 4. a panic of the handler becomes `INTERNAL`;
//! 5. messages above the size limit are refused with `REQUEST_TOO_LARGE`;
//! 6. a moment into the drain of the process, answers that have nothing more to say, and requests still to come, end with
//!    `SHUTTING_DOWN`.
//!
//! Every status that leaves here carries a reason, also one made by a codec or a router.

mod call;
pub(crate) mod ending;
pub(crate) mod health;
mod incoming;
pub(crate) mod listener;
pub(crate) mod methods;
mod outgoing;
pub(crate) mod side;
pub mod tls;

use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use polder_core::reason::{Reason, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use crate::config::LimitsConfig;
use crate::context::Peer;
use crate::metrics::Metrics;
use crate::status;
use crate::tasks::panic_text;
use crate::telemetry::Call;
use call::Record;
use ending::Ending;
use incoming::Incoming;
use methods::{Method, Methods};
use outgoing::{Deadline, Ends, Outgoing};

pub use listener::BindError;

/// Descriptors that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the protobuf descriptors of this program are damaged: {0}")]
pub struct BadDescriptors(#[from] prost::DecodeError);

/// What all services of a process share: bounds, metrics, the drain.
#[derive(Clone)]
pub struct Stack(Arc<Shared>);

struct Shared {
    methods: Methods,
    metrics: Metrics,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    message_bytes: usize,
    drain: CancellationToken,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack that knows the RPCs of `descriptors` (encoded `FileDescriptorSet`s), health and reflection besides.
    ///
    /// # Errors
    /// [`BadDescriptors`] when they cannot be decoded.
    pub fn new(descriptors: &[&[u8]], limits: &LimitsConfig, metrics: Metrics) -> Result<Self, BadDescriptors> {
        let own = [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        Ok(Self(Arc::new(Shared {
            methods: Methods::of(&[descriptors, &own].concat(), &metrics)?,
            metrics,
            calls: Arc::new(Semaphore::new(limits.calls.min(Semaphore::MAX_PERMITS))),
            streams: Arc::new(Semaphore::new(limits.streams.min(Semaphore::MAX_PERMITS))),
            message_bytes: limits.message_bytes,
            drain: CancellationToken::new(),
        })))
    }

    /// The services of `routes` behind this stack.
    #[must_use]
    pub fn wrap(&self, routes: Routes) -> Grpc {
        Grpc { shared: Arc::clone(&self.0), routes: routes.prepare() }
    }

    /// Cancelled when the process drains; cancelling it drains this stack.
    #[must_use]
    pub fn drain_token(&self) -> CancellationToken {
        self.0.drain.clone()
    }
}

/// gRPC services behind the stack: answers every request with a response, never with an error.
#[derive(Clone)]
pub struct Grpc {
    shared: Arc<Shared>,
    routes: Routes,
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc").finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Grpc {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The router is always ready; admission refuses instead of making callers wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = Arc::clone(self.shared.methods.get(request.uri().path()));
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or(Peer::InProcess);
        let call = Call::begin(method, request.headers(), peer);
        let record = Record::begin(Arc::clone(&call), self.shared.metrics.clone());
        Box::pin(call.scope(answer(Arc::clone(&self.shared), self.routes.clone(), request, record).map(Ok)))
    }
}

async fn answer(shared: Arc<Shared>, routes: Routes, mut request: Request<Body>, mut record: Record) -> Response<Body> {
    let Some(permits) = Permits::take(&shared, &record.call().method) else {
        let refusal = Refusal::new(Reason::Overloaded, "this process has as many calls as it takes at once; try again shortly");
        return trailers_only(status::encode(&refusal), &mut record);
    };
    let context = Arc::clone(&record.call().context);
    let deadline = context.deadline;
    // What the handler will find with `RequestContext::of`.
    request.extensions_mut().insert(context);
    let request = request.map(|body| Body::new(Incoming::new(body, shared.message_bytes, Ending::of(&shared.drain))));
    match handle(routes, request, deadline).await {
        Ok(response) => match bad_status(response.headers()) {
            Some(status) => trailers_only(status, &mut record),
            None => {
                drop(permits.call);
                let ends = Ends { deadline: Deadline::at(deadline), ending: Ending::of(&shared.drain) };
                response.map(|body| Body::new(Outgoing::new(body, ends, record, permits.stream)))
            }
        },
        Err(status) => trailers_only(status, &mut record),
    }
}

/// Runs the handler until it answers, panics, or its caller no longer waits.
async fn handle(mut routes: Routes, request: Request<Body>, deadline: Option<Instant>) -> Result<Response<Body>, Status> {
    let handler = AssertUnwindSafe(routes.call(request)).catch_unwind();
    let outcome = match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline, handler).await.map_err(|_| status::encode(&outgoing::deadline_passed()))?
        }
        None => handler.await,
    };
    match outcome {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(panic) => Err(outgoing::panicked(panic_text(&*panic))),
    }
}

/// The status in headers or trailers, unless it is OK or there is none.
fn bad_status(headers: &HeaderMap) -> Option<Status> {
    // Nearly all calls end well: that is seen without making a status.
    let code = headers.get(Status::GRPC_STATUS)?;
    if code == "0" {
        return None;
    }
    Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
}

/// An answer that is nothing but a status.
fn trailers_only(status: Status, record: &mut Record) -> Response<Body> {
    let status = status::explained(status);
    record.ended(&status);
    status.into_http()
}

/// The right to run a handler, and the right to have an answer open.
struct Permits {
    call: Option<OwnedSemaphorePermit>,
    stream: Option<OwnedSemaphorePermit>,
}

impl Permits {
    fn take(shared: &Shared, method: &Method) -> Option<Self> {
        let take = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        let call = if method.is_long { None } else { take(&shared.calls) };
        let stream = take(&shared.streams);
        // A probe that fails because the process is busy would get it killed, and make things worse.
        let admitted = method.is_probe || (stream.is_some() && (method.is_long || call.is_some()));
        admitted.then_some(Self { call, stream })
    }
}
