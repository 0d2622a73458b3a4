//! UDP: one thread per socket, one system call in and one out for each query, nothing else.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::Cache;
use polder_core::dns::wire::MOST_UDP;
use polder_core::dns::{Client, Outcome, Transport, answer};
use polder_runtime::clock;

use crate::metrics::Lane;
use crate::names::Names;
use crate::resolver::{Deliver, Passed, Resolver};

/// Queries are short: what does not fit here is cut and gets FORMERR.
const MOST_QUERY: usize = 4096;
/// A drained thread answers what waits in its socket, but not for longer than this.
const LINGER: Duration = Duration::from_millis(300);
/// A socket that fails this often without a query in between is lost.
const MOST_FAILURES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// One thread's work.
pub(crate) struct Worker {
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) names: Arc<Names>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Worker {
    /// Answers queries until it is asked to stop, then those that have arrived already.
    ///
    /// # Errors
    /// When the socket keeps failing.
    pub(crate) fn run(self) -> io::Result<()> {
        let mut snapshot = Cache::new(self.names.current());
        let (mut query, mut out) = ([0; MOST_QUERY], [0; MOST_UDP as usize]);
        let (mut turn, mut failures) = (0_u32, 0);
        let mut until = None;
        loop {
            if until.is_none() && self.stop.load(Ordering::Relaxed) {
                until = Some(clock::monotonic() + LINGER);
                self.socket.set_read_timeout(Some(PAUSE))?;
            }
            if until.is_some_and(|until| clock::monotonic() >= until) {
                return Ok(());
            }
            let (length, peer) = match self.socket.recv_from(&mut query) {
                Ok(received) => received,
                Err(error) if is_idle(&error) && until.is_some() => return Ok(()),
                Err(error) if is_idle(&error) => continue,
                Err(error) => {
                    failures += 1;
                    if failures >= MOST_FAILURES {
                        return Err(error);
                    }
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            failures = 0;
            turn = turn.wrapping_add(1);
            let client = Client { transport: Transport::Udp, turn };
            let message = query.get(..length).unwrap_or_default();
            let outcome = answer(snapshot.load(), client, message, &mut out);
            let later = || Some(self.delivery(peer));
            let passed = self.resolver.pass((outcome, client.transport), message, &mut out, later);
            let Passed::Now(outcome, _) = passed else { continue };
            self.lane.count(&outcome);
            if let Outcome::Sent(sent) | Outcome::Forward(sent) | Outcome::Leads(sent) = outcome {
                send(&self.socket, out.get(..sent.length).unwrap_or_default(), peer);
            }
        }
    }

    /// Takes an answer that comes later to the client, on the socket that it asked.
    fn delivery(&self, peer: SocketAddr) -> Deliver {
        let (socket, lane) = (Arc::clone(&self.socket), Arc::clone(&self.lane));
        Box::new(move |message, sent, _| {
            lane.count(&Outcome::Forward(sent));
            send(&socket, message, peer);
        })
    }
}

/// An answer that cannot be sent is lost like any packet; the client asks again.
fn send(socket: &UdpSocket, message: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(message, peer) {
        tracing::trace!(%peer, "an answer was not sent: {error}");
    }
}

/// Nothing came, or the news that an earlier answer could not be delivered.
fn is_idle(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}
