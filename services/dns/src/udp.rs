//! UDP: one thread per socket, one system call in and one out for each batch of queries, nothing else.
//!
//! A thread takes what waits in its socket, up to a batch, answers all of it from one snapshot and sends the answers. A lone query is
//! answered at once: no batch waits to be full.

mod batch;
#[cfg(feature = "testing")]
mod echo;
#[cfg(test)]
mod tests;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::Cache;
use polder_core::dns::wire::MOST_UDP;
use polder_core::dns::{Client, Outcome, Transport, answer};
use polder_runtime::clock;

use crate::gate::Gate;
use crate::metrics::Lane;
use crate::names::Names;
use crate::resolver::{Deliver, Passed, Resolver};

pub(crate) use batch::tell_destinations;
use batch::{Batch, Route};
#[cfg(feature = "testing")]
pub use echo::Echo;

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
    pub(crate) gate: Arc<Gate>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Worker {
    /// Answers queries until it is asked to stop, then those that have arrived already.
    ///
    /// # Errors
    /// When the socket keeps failing.
    pub(crate) fn run(self) -> io::Result<()> {
        let mut snapshot = Cache::new(self.names.current());
        let mut turn = 0_u32;
        serve(&self.socket, &self.stop, |batch| {
            let names = snapshot.load();
            batch.answer(|query, out, route| {
                turn = turn.wrapping_add(1);
                let client = Client { transport: Transport::Udp, turn };
                let outcome = answer(names, client, query, out);
                let later = || Some(self.delivery(query, outcome, *route));
                let passed = self.resolver.pass((outcome, client.transport), query, out, later);
                let Passed::Now(outcome, _) = passed else { return 0 };
                let outcome = route.client().map_or(outcome, |client| self.gate.by_udp(client, query, outcome, out));
                self.lane.count(&outcome);
                outcome.sent().map_or(0, |sent| sent.length)
            });
        })
    }

    /// Takes an answer that comes later to the client, on the socket that it asked.
    fn delivery(&self, query: &[u8], outcome: Outcome, route: Route) -> Deliver {
        let (socket, lane, gate) = (Arc::clone(&self.socket), Arc::clone(&self.lane), Arc::clone(&self.gate));
        let concerned = route.client().zip(outcome.sent()).filter(|(client, sent)| gate.concerns(*client, sent));
        let kept = concerned.map(|(client, _)| (client, query.to_vec()));
        Box::new(move |message, sent, _| {
            let mut out = [0; MOST_UDP as usize];
            let (mut outcome, mut message) = (Outcome::Forward(sent), message);
            if let Some((client, query)) = kept
                && let Some(place) = out.get_mut(..message.len())
            {
                place.copy_from_slice(message);
                outcome = gate.by_udp(client, &query, outcome, &mut out);
                message = outcome.sent().and_then(|sent| out.get(..sent.length)).unwrap_or_default();
            }
            lane.count(&outcome);
            // Like one of a batch it may be lost; the client asks again.
            if !message.is_empty()
                && let Err(error) = route.send(&socket, message)
            {
                tracing::trace!(peer = ?route.peer(), "an answer was not sent: {error}");
            }
        })
    }
}

/// Lets `answer` answer every batch that comes, until `stop`, and then what has arrived already.
fn serve(socket: &UdpSocket, stop: &AtomicBool, mut answer: impl FnMut(&mut Batch)) -> io::Result<()> {
    let mut batch = Batch::new(socket)?;
    let mut failures = 0;
    let mut until = None;
    loop {
        if until.is_none() && stop.load(Ordering::Relaxed) {
            until = Some(clock::monotonic() + LINGER);
            socket.set_read_timeout(Some(PAUSE))?;
        }
        if until.is_some_and(|until| clock::monotonic() >= until) {
            return Ok(());
        }
        match batch.receive(socket) {
            Ok(()) => {}
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
        }
        failures = 0;
        answer(&mut batch);
        batch.send(socket);
    }
}

/// Nothing came, or the news that an earlier answer could not be delivered.
fn is_idle(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}
