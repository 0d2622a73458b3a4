//! TCP (RFC 7766) and TLS (RFC 7858): bounded in connections and in time. A client may send queries ahead; they are answered one after the other, so
//! that no more than one answer per connection is ever in memory.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use polder_core::dns::{Client, Outcome, Transport, answer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::metrics::Lane;
use crate::names::Names;
use crate::resolver::Resolver;
use crate::transfer::{Asked, Transfers};

/// The largest message, with the two bytes of its length before it.
const MOST_FRAME: usize = 2 + u16::MAX as usize;
/// After a refused accept (no file descriptors left, say) others may end first.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections share.
pub(crate) struct Shared {
    pub(crate) names: Arc<Names>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) transfers: Arc<Transfers>,
    /// How long a connection may do nothing, and how long one message may take.
    pub(crate) idle: Duration,
    pub(crate) turn: AtomicU32,
}

/// Where connections come in.
pub(crate) struct Entrance {
    pub(crate) listener: std::net::TcpListener,
    /// With it everything is said under TLS.
    pub(crate) tls: Option<TlsAcceptor>,
    /// The most connections that are open at the same time; others wait.
    pub(crate) most: usize,
}

/// Serves connections until `stop`; those that are open finish the query in hand.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) async fn serve(entrance: Entrance, shared: Arc<Shared>, stop: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::from_std(entrance.listener)?;
    let slots = Arc::new(Semaphore::new(entrance.most.max(1)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            (stream, slot) = accept(&listener, &slots) => {
                let (shared, stop, tls) = (Arc::clone(&shared), stop.clone(), entrance.tls.clone());
                connections.spawn(async move {
                    // Clients come and go as they like; only their queries matter.
                    if let Err(error) = open(stream, tls, &shared, &stop).await {
                        tracing::trace!("a connection ended: {error}");
                    }
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
    Ok(())
}

/// A free slot first, then a connection for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed: there always is a permit in the end.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                tracing::debug!("a connection was not accepted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection failed: {error}");
    }
}

async fn open(stream: TcpStream, tls: Option<TlsAcceptor>, shared: &Shared, stop: &CancellationToken) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let from = stream.peer_addr()?.ip();
    match tls {
        None => converse(stream, from, shared, stop).await,
        Some(tls) => converse(timeout(shared.idle, tls.accept(stream)).await??, from, shared, stop).await,
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    from: IpAddr,
    shared: &Shared,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    // Zeroed memory that is not touched takes no room.
    let (mut query, mut out) = (vec![0; MOST_FRAME], vec![0; MOST_FRAME]);
    loop {
        let length = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            length = timeout(shared.idle, stream.read_u16()) => usize::from(length??),
        };
        let message = query.get_mut(..length).unwrap_or_default();
        timeout(shared.idle, stream.read_exact(message)).await??;
        let asked = Asked { message, from, idle: shared.idle };
        if let Some(sent) = shared.transfers.answer(asked, &mut out, &mut stream, stop).await? {
            shared.lane.count(&Outcome::Sent(sent));
            continue;
        }
        let client = Client { transport: Transport::Tcp, turn: shared.turn.fetch_add(1, Ordering::Relaxed) };
        let (head, body) = out.split_at_mut(2);
        let outcome = answer(&shared.names.current().load(), client, message, body);
        let (outcome, _) = shared.resolver.finish((outcome, client.transport), message, body, false).await;
        shared.lane.count(&outcome);
        let (Outcome::Sent(sent) | Outcome::Forward(sent) | Outcome::Leads(sent) | Outcome::Searches(sent, _)) = outcome else {
            // What is no query was not sent by a resolver.
            return Ok(());
        };
        let length = u16::try_from(sent.length).unwrap_or_default();
        head.copy_from_slice(&length.to_be_bytes());
        timeout(shared.idle, stream.write_all(out.get(..2 + sent.length).unwrap_or_default())).await??;
        // Under TLS what is written may be kept back.
        timeout(shared.idle, stream.flush()).await??;
    }
}
