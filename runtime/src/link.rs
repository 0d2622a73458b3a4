//! One way to call a service, wherever it runs: a [`Link`] goes under any generated client (`PoolServiceClient::new(link)`).
//!
//! A local link calls services of the same process without a socket; a remote one keeps a connection to each of several
//! addresses. Both carry the trace, honour the call's deadline, and answer with a gRPC status in every case: a link has no errors
//! of its own, a peer that cannot be reached is `UNAVAILABLE` with the reason `PEER_UNAVAILABLE`.

mod lent;
mod remote;

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::ClientTlsConfig;
use tower::Service;

use crate::context::Peer;
use crate::server::Grpc;
use crate::telemetry;
use remote::Remote;

/// Why a link cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is nothing to link to.
    #[error("a remote link needs at least one address, as http://127.0.0.1:7661")]
    NoAddress,
    /// An address cannot be used.
    #[error("`{uri}` cannot be linked to: {why}")]
    BadAddress {
        /// The address.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
}

/// See the module. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Link(Route);

#[derive(Clone)]
enum Route {
    Local(Grpc),
    Remote(Remote),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Route::Local(_) => f.write_str("Link(local)"),
            Route::Remote(remote) => write!(f, "Link({remote})"),
        }
    }
}

impl Link {
    /// A link to services of this process.
    #[must_use]
    pub const fn local(services: Grpc) -> Self {
        Self(Route::Local(services))
    }

    /// A link to the replicas of a service at `uris`, as `http://127.0.0.1:7661` or `unix:/run/polder/agent.sock`; `https` needs
    /// `tls`. Connections are made when they are needed, and made again when they break. Calls go to the replicas in turn; one
    /// that cannot be reached is passed over for a second, and a call that did not reach it goes to the next.
    ///
    /// Call it inside the tokio runtime.
    ///
    /// # Errors
    /// [`LinkError`] when no address is given, or one cannot be used.
    pub fn remote<U: AsRef<str>>(uris: &[U], tls: Option<&ClientTlsConfig>) -> Result<Self, LinkError> {
        Ok(Self(Route::Remote(Remote::to(uris, tls)?)))
    }
}

impl Service<Request<Body>> for Link {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        telemetry::inject(request.headers_mut());
        match &mut self.0 {
            Route::Local(services) => {
                request.extensions_mut().insert(Peer::InProcess);
                let answer = services.call(request);
                Box::pin(async move {
                    // A loop of calls that never wait would keep its thread for itself.
                    tokio::task::consume_budget().await;
                    answer.await
                })
            }
            Route::Remote(remote) => {
                let remote = remote.clone();
                Box::pin(async move { Ok(remote.call(request).await) })
            }
        }
    }
}
