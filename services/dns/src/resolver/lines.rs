//! Connections to a server that is asked over TLS alone (RFC 7858): kept while they are of use, and shared by many questions, whose answers
//! come in any order (RFC 7766 §6.2). Its certificate must be for the name or the address that the settings say (RFC 8310, the strict
//! profile): without it nothing is asked.
//!
//! A connection is a task that ends with it. Whoever waits on one that ends asks again on another, within the same time; a connection that
//! nobody has needed for a while is closed, and so is one on which nothing has come while a question waited for its whole time.

mod talk;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::dns::resolver::{Answer, Key, Shows, Unusable};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{DnsName, ServerName};
use tokio_util::sync::CancellationToken;

use self::talk::hold;
use super::exchange::Fault;
use super::trust::Trust;

/// The most connections to one server, and the most questions that wait on one of them; another is opened when all are full.
const MOST_LINES: usize = 4;
const MOST_EACH: usize = 256;

/// See the module. All connections end with it.
pub(super) struct Lines {
    peer: Arc<Peer>,
    /// For all questions that the connections can take. Whoever has a place here finds one on a connection.
    room: Semaphore,
    open: Mutex<Open>,
}

/// Whom connections are to.
struct Peer {
    address: SocketAddr,
    shows: Shows,
    trust: Arc<Trust>,
}

#[derive(Default)]
struct Open {
    lines: Vec<Arc<Line>>,
    tasks: JoinSet<()>,
}

/// One connection, from before it is made.
struct Line {
    calls: mpsc::Sender<Call>,
    room: Arc<Semaphore>,
    /// How often something has come: the handshake, then messages.
    heard: AtomicU64,
    /// Nothing comes any more.
    lost: CancellationToken,
}

/// A question for a connection.
struct Call {
    key: Key,
    edns: bool,
    answer: oneshot::Sender<Result<Heard, Ended>>,
}

/// What the server said.
type Heard = Result<Answer, Unusable>;

/// Why a connection takes no questions.
#[derive(Debug, Clone)]
struct Ended {
    /// Whether there was one.
    was_made: bool,
    why: Arc<str>,
}

impl Lines {
    pub(super) fn new(address: SocketAddr, shows: Shows, trust: Arc<Trust>) -> Self {
        let peer = Arc::new(Peer { address, shows, trust });
        Self { peer, room: Semaphore::new(MOST_LINES * MOST_EACH), open: Mutex::default() }
    }

    /// Asks; a connection that was open before and breaks costs no try.
    pub(super) async fn ask(&self, key: &Key, edns: bool, until: Instant) -> Result<Answer, Fault> {
        let silent = |why: &str| Err(Fault::Silent(why.to_owned()));
        let Ok(_room) = timeout_at(until, self.room.acquire()).await else {
            return silent("its connections are full of questions that wait");
        };
        for _ in 0..=MOST_LINES {
            let Some((line, _place, is_new)) = self.join() else { break };
            let heard = line.heard.load(Ordering::Relaxed);
            match timeout_at(until, line.put(key, edns)).await {
                Ok(Ok(heard)) => return heard.map_err(Fault::Unusable),
                Ok(Err(ended)) if is_new || !ended.was_made => return silent(&ended.why),
                Ok(Err(_)) => {}
                Err(_) => {
                    // One that is being made goes on: the next question may find it ready.
                    if heard > 0 && line.heard.load(Ordering::Relaxed) == heard {
                        line.lost.cancel();
                    }
                    return silent("it did not answer in time");
                }
            }
        }
        silent("its connections break one after the other")
    }

    /// A connection with a place on it, and whether it is a new one.
    fn join(&self) -> Option<(Arc<Line>, OwnedSemaphorePermit, bool)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = open.tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!("a connection to an upstream failed: {error}");
            }
        }
        open.lines.retain(|line| !line.calls.is_closed() && !line.lost.is_cancelled());
        let place = |line: &Arc<Line>| Some((Arc::clone(line), Arc::clone(&line.room).try_acquire_owned().ok()?));
        if let Some((line, place)) = open.lines.iter().find_map(place) {
            return Some((line, place, false));
        }
        if open.lines.len() >= MOST_LINES {
            return None;
        }
        let (calls, queue) = mpsc::channel(MOST_EACH);
        let room = Arc::new(Semaphore::new(MOST_EACH));
        let line = Arc::new(Line { calls, room, heard: AtomicU64::new(0), lost: CancellationToken::new() });
        open.tasks.spawn(hold(Arc::clone(&self.peer), Arc::clone(&line), queue));
        open.lines.push(Arc::clone(&line));
        place(&line).map(|(line, place)| (line, place, true))
    }
}

impl Line {
    async fn put(&self, key: &Key, edns: bool) -> Result<Heard, Ended> {
        let gone = || Ended { was_made: true, why: "the connection ended".into() };
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { key: key.clone(), edns, answer }).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Peer {
    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let connector = self.trust.connector().await?;
        let name = match &self.shows {
            Shows::Address => ServerName::IpAddress(self.address.ip().into()),
            Shows::Name(name) => {
                let read = DnsName::try_from(name.as_str().to_owned());
                ServerName::DnsName(read.map_err(|error| format!("`{}`: {error}", name.as_str()))?)
            }
        };
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("it cannot be reached: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        connector.connect(name, stream).await.map_err(|error| format!("there is no TLS with it: {error}"))
    }
}
