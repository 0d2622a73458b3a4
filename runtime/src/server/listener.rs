//! Sockets: binding, accepting within bounds, TLS, and connections that end when the process drains.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::context::Peer;
use crate::inherit::Inheritance;
use crate::tasks::Tasks;

/// How long a client may take to say what it wants: its first byte, the TLS handshake, the head of an HTTP/1 request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// HTTP/2 pings find peers that are gone without a word; their streams end with them.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams at once on one connection.
const STREAMS: u32 = 1024;
/// The pause after a failed accept, which mostly means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Listening beyond loopback needs TLS or an explicit word.
    #[error(
        "refusing to listen on {address} without TLS: anybody on that network could change the cluster. \
         Give tls.cert_file and tls.key_file, listen on 127.0.0.1, or say --insecure"
    )]
    NotSecured {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A bound socket that does not accept yet.
pub(crate) struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Security>,
}

/// TLS on a listener.
#[derive(Clone)]
pub(crate) struct Security {
    pub(crate) acceptor: TlsAcceptor,
    /// Whether clients must show a certificate.
    pub(crate) mutual: bool,
}

/// What the connections of a listener speak and share.
pub(crate) struct Connections {
    /// HTTP/2 only, as gRPC is.
    pub(crate) h2_only: bool,
    /// The most at once; further ones wait in the kernel's backlog.
    pub(crate) limit: usize,
    /// Cancelled when the listener should close and its connections end.
    pub(crate) drain: CancellationToken,
    /// Where they run.
    pub(crate) tasks: Tasks,
}

impl Listener {
    /// Takes the listener that was passed for `address`, or binds it; port 0 takes a free one.
    pub(crate) async fn bind(
        address: SocketAddr,
        tls: Option<Security>,
        insecure: bool,
        inheritance: &Inheritance,
    ) -> Result<Self, BindError> {
        if tls.is_none() && !insecure && !address.ip().is_loopback() {
            return Err(BindError::NotSecured { address });
        }
        let refused = |source| BindError::Refused { address, source };
        let tcp = match inheritance.tcp(address) {
            Some(passed) => passed.set_nonblocking(true).and_then(|()| TcpListener::from_std(passed)),
            None => TcpListener::bind(address).await,
        };
        let tcp = tcp.map_err(refused)?;
        inheritance.keep(&tcp).map_err(refused)?;
        let address = tcp.local_addr().map_err(refused)?;
        Ok(Self { tcp, address, tls })
    }

    /// The address really bound.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the drain, and gives every connection the service that `service` makes for its peer.
    pub(crate) async fn serve<F, S, B>(self, service: F, connections: Connections)
    where
        F: Fn(Peer) -> S,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let slots = Arc::new(Semaphore::new(connections.limit.clamp(1, Semaphore::MAX_PERMITS)));
        loop {
            let accepted = tokio::select! {
                () = connections.drain.cancelled() => return,
                accepted = accept(&self.tcp, &slots) => accepted,
            };
            let (stream, address, slot) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = %self.address, "cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let certified = self.tls.as_ref().is_some_and(|tls| tls.mutual);
            let service = service(Peer::Tcp { address, certified });
            let (tls, drain, h2_only) = (self.tls.clone(), connections.drain.clone(), connections.h2_only);
            connections.tasks.spawn("connection", |_| async move {
                let _slot = slot;
                if !speaks(&stream, &drain).await {
                    return;
                }
                match tls {
                    None => converse(stream, service, h2_only, drain).await,
                    Some(tls) => {
                        if let Some(stream) = secure(&tls.acceptor, stream, address).await {
                            converse(stream, service, h2_only, drain).await;
                        }
                    }
                }
            });
        }
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(tcp: &TcpListener, slots: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = tcp.accept().await?;
    // Answers are small and complete: waiting to fill a segment only delays them.
    stream.set_nodelay(true)?;
    Ok((stream, address, slot))
}

/// Whether the client says anything in time. One that connects and keeps silent must not hold a slot, nor the drain.
async fn speaks(stream: &TcpStream, drain: &CancellationToken) -> bool {
    let mut first = [0];
    let heard = drain.run_until_cancelled(tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)));
    matches!(heard.await, Some(Ok(Ok(bytes))) if bytes > 0)
}

async fn secure(acceptor: &TlsAcceptor, stream: TcpStream, peer: SocketAddr) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::info!(%peer, "a TLS handshake failed: {error}");
            None
        }
        Err(_) => {
            tracing::info!(%peer, "a TLS handshake was not finished in time");
            None
        }
    }
}

/// Serves one connection to its end. The drain lets the calls in flight finish and takes no new ones.
async fn converse<I, S, B>(stream: I, service: S, h2_only: bool, drain: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let builder = builder(h2_only);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection has ended: {error}");
    }
}

fn builder(h2_only: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    if h2_only { builder.http2_only() } else { builder }
}
