//! TCP (RFC 7766) and TLS (RFC 7858): bounded in connections and in time. A client may send queries ahead; they are answered one after
//! the other, so that no more than one answer per connection is ever in memory, and what it sends further waits in the kernel.
//!
//! Every step of a connection has its time: the handshake, the wait for a query, a query that has begun, an answer until it is taken.
//! [`entrance`] holds how many there are.

mod entrance;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use polder_core::dns::{Client, Transport, answer};
use polder_runtime::clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) use self::entrance::{Entrance, serve};
use crate::gate::Gate;
use crate::metrics::{Lane, Lost};
use crate::names::Names;
use crate::resolver::Resolver;
use crate::seen::{End, Eye, Fate};
use crate::transfer::{Asked, Transfers};

/// The largest message, with the two bytes of its length before it.
const MOST_FRAME: usize = 2 + u16::MAX as usize;

/// What connections share.
pub(crate) struct Shared {
    pub(crate) names: Arc<Names>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) eye: Eye,
    /// How long a connection may do nothing, and how long one message may take.
    pub(crate) idle: Duration,
    pub(crate) turn: AtomicU32,
}

/// Who has a connection, and what becomes of it.
#[derive(Clone)]
struct Visit {
    client: IpAddr,
    idle: Arc<Idle>,
    closing: Closing,
}

/// How a connection is ended from this side.
#[derive(Clone)]
struct Closing {
    /// The connection ends when nothing is asked.
    begun: CancellationToken,
    /// For so long.
    grace: Duration,
    /// It ends now.
    cut: CancellationToken,
}

impl Closing {
    /// Waits until a connection on which nothing is asked from now on may end. Whatever was asked just before is on its way, and
    /// would be lost.
    async fn may_end(&self) {
        self.begun.cancelled().await;
        sleep(self.grace).await;
    }
}

/// Since when a connection has been idle.
struct Idle {
    began: Instant,
    /// Nanoseconds after `began`; [`Self::BUSY`] while an answer is being found.
    since: AtomicU64,
}

impl Idle {
    const BUSY: u64 = u64::MAX;

    fn new() -> Self {
        Self { began: clock::monotonic(), since: AtomicU64::new(0) }
    }

    fn begin(&self) {
        let passed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(0);
        self.since.store(passed, Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(Self::BUSY, Ordering::Relaxed);
    }

    /// For how long; `None` while it is not.
    fn lasts(&self) -> Option<Duration> {
        let since = Some(self.since.load(Ordering::Relaxed)).filter(|since| *since != Self::BUSY)?;
        Some(self.began.elapsed().saturating_sub(Duration::from_nanos(since)))
    }
}

async fn open(stream: TcpStream, tls: Option<TlsAcceptor>, shared: &Shared, visit: &Visit) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => converse(stream, shared, visit).await,
        Some(tls) => converse(timeout(shared.idle, tls.accept(stream)).await??, shared, visit).await,
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared, visit: &Visit) -> io::Result<()> {
    let Visit { client: asker, idle, closing } = visit;
    let mut stream = BufReader::new(stream);
    // Zeroed memory that is not touched takes no room.
    let (mut query, mut out) = (vec![0; MOST_FRAME], vec![0; MOST_FRAME]);
    loop {
        // Its first byte may take its time, the others come with it.
        let first = tokio::select! {
            () = closing.may_end() => return Ok(()),
            first = timeout(shared.idle, stream.read_u8()) => first??,
        };
        let until = clock::monotonic() + shared.idle;
        let second = timeout_at(until, stream.read_u8()).await??;
        let message = query.get_mut(..usize::from(u16::from_be_bytes([first, second]))).unwrap_or_default();
        timeout_at(until, stream.read_exact(message)).await??;
        idle.end();
        let began = clock::monotonic();
        let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
        let client = Client { transport: Transport::Tcp, turn, address: Some(*asker) };
        shared.eye.arrived(client.turn, message, began);
        let asked = Asked { message, from: *asker, idle: shared.idle };
        if let Some(sent) = shared.transfers.answer(asked, &mut out, &mut stream, &closing.cut).await? {
            let fate = Fate::Answered(sent);
            shared.eye.ended(client.turn, &End { client: Some(*asker), query: message, fate, origin: None, began });
            let place = shared.lane.answered(&sent, message);
            shared.lane.took(place, 1, began.elapsed());
            idle.begin();
            continue;
        }
        let (head, body) = out.split_at_mut(2);
        let outcome = answer(&shared.names.current().load(), client, message, body);
        let (outcome, origin) = shared.resolver.finish((outcome, client.transport), message, body, false).await;
        let outcome = shared.gate.by_tcp(*asker, message, outcome, body);
        let fate = outcome.sent().map_or(Fate::Lost(Lost::Unreadable), Fate::Answered);
        shared.eye.ended(client.turn, &End { client: Some(*asker), query: message, fate, origin: origin.as_ref(), began });
        let Some(sent) = outcome.sent() else {
            // What is no query was not sent by a resolver.
            shared.lane.lost(Lost::Unreadable, 1);
            return Ok(());
        };
        let place = shared.lane.answered(&sent, message);
        idle.begin();
        let length = u16::try_from(sent.length).unwrap_or_default();
        head.copy_from_slice(&length.to_be_bytes());
        let until = clock::monotonic() + shared.idle;
        timeout_at(until, stream.write_all(out.get(..2 + sent.length).unwrap_or_default())).await??;
        // Under TLS what is written may be kept back.
        timeout_at(until, stream.flush()).await??;
        shared.lane.took(place, 1, began.elapsed());
    }
}
