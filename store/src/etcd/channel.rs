//! One channel over all members of an etcd cluster that stays with a member as long as it answers.
//!
//! etcd-client's own balancer keeps calling dead members. This channel marks a member down for a moment when it cannot be
//! reached, has no leader, or does not answer in time, and goes on with the next. A request is sent again only where that is
//! safe: when it surely was not taken, or when it only reads.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{BoxError, Service, ServiceExt as _};

/// How long a member that failed is left alone.
const DOWN: Duration = Duration::from_secs(2);
/// How long a member may take for a request before the next one is tried; the last member gets all the time there is.
const READ_PATIENCE: Duration = Duration::from_millis(600);
const WRITE_PATIENCE: Duration = Duration::from_millis(1500);

const RANGE: &str = "/etcdserverpb.KV/Range";
/// Calls whose request is a stream: it cannot be kept and sent again.
const STREAMS: [&str; 2] = ["/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"];

/// Writes the trace context of the current span into the headers of a request.
pub type TraceInjector = fn(&mut HeaderMap);

static INJECTOR: OnceLock<TraceInjector> = OnceLock::new();

/// Installs the hook that carries W3C trace context into calls to etcd. The first one installed stays.
pub fn set_trace_injector(injector: TraceInjector) {
    _ = INJECTOR.set(injector);
}

struct Member {
    channel: Channel,
    down_until: Mutex<Option<Instant>>,
}

impl Member {
    fn mark(&self, down_until: Option<Instant>) {
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = down_until;
    }

    fn is_down(&self) -> bool {
        self.down_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| until > Instant::now())
    }
}

/// A member did not answer within the patience there was.
#[derive(Debug, thiserror::Error)]
#[error("the member did not answer in time")]
pub(super) struct Impatient;

/// See the module's header.
#[derive(Clone)]
pub(super) struct Sticky {
    members: Arc<[Member]>,
    current: Arc<AtomicUsize>,
}

impl Sticky {
    pub(super) fn new(channels: Vec<Channel>) -> Self {
        let members = channels.into_iter().map(|channel| Member { channel, down_until: Mutex::new(None) }).collect();
        Self { members, current: Arc::default() }
    }

    /// The members in the order in which to try them: the current one first, those that are down last.
    fn order(&self) -> Vec<usize> {
        let (count, current) = (self.members.len(), self.current.load(Ordering::Relaxed));
        let mut order: Vec<usize> = (0..count).map(|step| (current + step) % count).collect();
        order.sort_by_key(|member| self.members[*member].is_down());
        order
    }

    fn failed(&self, member: usize) {
        self.members[member].mark(Some(Instant::now() + DOWN));
    }

    fn worked(&self, member: usize) {
        self.members[member].mark(None);
        self.current.store(member, Ordering::Relaxed);
    }

    async fn send(&self, member: usize, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let mut channel = self.members[member].channel.clone();
        let ready = channel.ready().await?;
        Ok(ready.call(request).await?)
    }

    async fn stream(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let order = self.order();
        let Some(member) = order.first().copied() else { return Err(Box::new(Impatient)) };
        // The caller opens it again; with all others down there is nowhere to go.
        let elsewhere = order.get(1).is_some_and(|next| !self.members[*next].is_down());
        let result = patiently(elsewhere.then_some(READ_PATIENCE), self.send(member, request)).await;
        match &result {
            Ok(response) if !lacks_leader(response) => self.worked(member),
            _ => self.failed(member),
        }
        result
    }

    async fn unary(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();
        let body: Bytes = body.collect().await?.to_bytes();
        let reads = parts.uri.path() == RANGE;
        let order = self.order();
        let mut result = Err(Box::new(Impatient).into());
        for (tried, member) in order.iter().copied().enumerate() {
            let mut request = Request::new(Body::new(Full::new(body.clone())));
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = parts.uri.clone();
            *request.headers_mut() = parts.headers.clone();
            *request.extensions_mut() = parts.extensions.clone();
            let patience = match (tried + 1 == order.len(), reads) {
                (true, _) => None,
                (false, true) => Some(READ_PATIENCE),
                (false, false) => Some(WRITE_PATIENCE),
            };
            result = patiently(patience, self.send(member, request)).await;
            let again = match &result {
                Ok(response) if lacks_leader(response) => true,
                Ok(_) => {
                    self.worked(member);
                    return result;
                }
                Err(error) => reads || was_not_sent(error.as_ref()),
            };
            self.failed(member);
            if !again {
                // The next request, also one that settles this one, goes to another member.
                self.current.store(order[(tried + 1) % order.len()], Ordering::Relaxed);
                return result;
            }
        }
        result
    }
}

impl Service<Request<Body>> for Sticky {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(inject) = INJECTOR.get() {
            inject(request.headers_mut());
        }
        let channel = self.clone();
        if STREAMS.contains(&request.uri().path()) { Box::pin(channel.stream(request)) } else { Box::pin(channel.unary(request)) }
    }
}

async fn patiently<T>(patience: Option<Duration>, work: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    match patience {
        None => work.await,
        Some(patience) => tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(Box::new(Impatient))),
    }
}

/// The member refused before it did anything, because it has no leader.
fn lacks_leader(response: &Response<Body>) -> bool {
    let is = |name: &str, value: &[u8]| response.headers().get(name).is_some_and(|header| header.as_bytes() == value);
    is("grpc-status", b"14") && is("grpc-message", b"etcdserver: no leader")
}

/// Whether an error proves that the request never left: only a failed connect does.
pub(super) fn was_not_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
