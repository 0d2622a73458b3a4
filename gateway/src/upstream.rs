//! The services behind the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use polder_core::reason::{Reason, Refusal};
use polder_runtime::link::Link;
use polder_runtime::status;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// A link to each service.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// Serves `polder.ipam.v1`.
    pub ipam: Link,
    /// Serves `polder.lb.v1`.
    pub lb: Link,
    /// Serves `polder.dns.v1`.
    pub dns: Link,
}

impl Upstreams {
    /// The link that serves a proto package, whatever its version.
    pub(crate) fn of(&self, package: &str) -> Option<&Link> {
        match package.strip_prefix("polder.")?.split('.').next()? {
            "ipam" => Some(&self.ipam),
            "lb" => Some(&self.lb),
            "dns" => Some(&self.dns),
            _ => None,
        }
    }
}

/// A service whose answers end when the gateway stops: for streams, which would hold it up until the drain timeout.
#[derive(Debug, Clone)]
pub(crate) struct Streams<S> {
    pub(crate) inner: S,
    pub(crate) stop: CancellationToken,
}

impl<S> Service<Request<Body>> for Streams<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let stopped = Box::pin(self.stop.clone().cancelled_owned());
        let answer = self.inner.call(request);
        answer.map(|answer| answer.map(|head| head.map(|inner| Body::new(Ending { inner, stopped, ended: false })))).boxed()
    }
}

/// A streamed answer that ends with `SHUTTING_DOWN` when the gateway stops and nothing is there to be sent on.
struct Ending {
    inner: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending if self.stopped.as_mut().poll(cx).is_ready() => {
                self.ended = true;
                let refusal = Refusal::new(Reason::ShuttingDown, "this gateway is shutting down. Call again to go on.");
                let mut trailers = HeaderMap::new();
                Poll::Ready(Some(status::encode(&refusal).add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }
}
