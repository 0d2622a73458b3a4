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

use arc_swap::{ArcSwap, Cache};
use polder_core::dns::wire::MOST_UDP;
use polder_core::dns::{Client, Outcome, Snapshot, Transport, answer};
use polder_runtime::clock;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::gate::Gate;
use crate::metrics::{Lane, Lost, Place};
use crate::names::Names;
use crate::resolver::{Deliver, Passed, Resolver};
use crate::seen::{End, Eye, Fate};

pub(crate) use batch::tell_destinations;
use batch::{Batch, MOST, Route, Wait};
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
    /// Where this thread counts.
    pub(crate) lane: Arc<Lane>,
    /// Where those count that take answers to clients later.
    pub(crate) late: Arc<Lane>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) eye: Eye,
    pub(crate) stop: Arc<AtomicBool>,
    /// Held until this thread has ended, and every answer that comes later has gone.
    pub(crate) busy: TaskTrackerToken,
}

impl Worker {
    /// Answers queries until it is asked to stop, then those that have arrived already.
    ///
    /// # Errors
    /// When the socket keeps failing.
    pub(crate) fn run(self) -> io::Result<()> {
        let names = Cache::new(self.names.current());
        let shift = Shift { worker: &self, names, turn: 0, began: clock::monotonic(), places: Tally::default() };
        serve(&self.socket, &self.stop, shift)
    }

    /// Takes an answer that comes later to the client, on the socket that it asked.
    fn delivery(&self, query: &[u8], (turn, route, began): (u32, Route, Instant)) -> Deliver {
        let (socket, lane, gate) = (Arc::clone(&self.socket), Arc::clone(&self.late), Arc::clone(&self.gate));
        let (query, eye, client, busy) = (query.to_vec(), self.eye.clone(), route.client(), self.busy.clone());
        Box::new(move |message, sent, origin| {
            let _busy = busy;
            let (mut out, mut outcome) = ([0; MOST_UDP as usize], Outcome::Forward(sent));
            if let Some((client, place)) = client.zip(out.get_mut(..message.len())) {
                place.copy_from_slice(message);
                outcome = gate.by_udp(client, &query, outcome, &mut out);
            }
            let end = |fate| eye.ended(turn, &End { client, query: &query, fate, origin: Some(origin), began });
            let Some(sent) = outcome.sent() else {
                end(Fate::Lost(Lost::Limited));
                return lane.lost(Lost::Limited, 1);
            };
            lane.forwarded(&sent, query.len(), began.elapsed());
            // Like one of a batch it may be lost; the client asks again.
            if let Err(error) = route.send(&socket, out.get(..sent.length).unwrap_or_default()) {
                lane.lost(Lost::Unsent, 1);
                tracing::trace!(peer = ?route.peer(), "an answer was not sent: {error}");
            }
            end(Fate::Answered(sent));
        })
    }
}

/// What a thread has in hand.
struct Shift<'a> {
    worker: &'a Worker,
    names: Cache<&'a ArcSwap<Snapshot>, Arc<Snapshot>>,
    turn: u32,
    /// When the batch in hand came.
    began: Instant,
    places: Tally,
}

impl Serving for Shift<'_> {
    fn answer(&mut self, batch: &mut Batch) {
        self.began = clock::monotonic();
        let (names, worker, places) = (self.names.load(), self.worker, &mut self.places);
        let (turn, began) = (&mut self.turn, self.began);
        batch.prefetch(|query| names.near(query));
        batch.answer(|query, out, route| {
            *turn = turn.wrapping_add(1);
            worker.eye.arrived(*turn, query, began);
            let client = route.client();
            let asked = Client { transport: Transport::Udp, turn: *turn, address: client };
            let outcome = answer(names, asked, query, out);
            let later = || Some(worker.delivery(query, (*turn, *route, began)));
            let passed = if worker.resolver.asks() {
                worker.resolver.pass((outcome, asked.transport), query, out, later)
            } else {
                Passed::Now(outcome, None)
            };
            let Passed::Now(found, origin) = passed else { return 0 };
            let outcome = client.map_or(found, |client| worker.gate.by_udp(client, query, found, out));
            let why = if found == Outcome::Dropped { Lost::Unreadable } else { Lost::Limited };
            let fate = outcome.sent().map_or(Fate::Lost(why), Fate::Answered);
            worker.eye.ended(*turn, &End { client, query, fate, origin: origin.as_ref(), began });
            let Some(sent) = outcome.sent() else {
                worker.lane.lost(why, 1);
                return 0;
            };
            places.add(worker.lane.answered(&sent, query));
            sent.length
        });
    }

    fn sent(&mut self, lost: usize) {
        let took = self.began.elapsed();
        self.places.take(|place, answers| self.worker.lane.took(place, answers, took));
        if lost > 0 {
            self.worker.lane.lost(Lost::Unsent, lost);
        }
    }
}

/// How many answers of a batch were counted at each place: few, mostly one.
#[derive(Default)]
struct Tally {
    counts: [Option<(Place, u64)>; MOST],
}

impl Tally {
    fn add(&mut self, place: Place) {
        for slot in &mut self.counts {
            match slot {
                Some((known, count)) if *known == place => {
                    *count += 1;
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some((place, 1));
                    return;
                }
            }
        }
    }

    /// Gives every place with its number, and forgets them.
    fn take(&mut self, mut give: impl FnMut(Place, u64)) {
        self.counts.iter_mut().map_while(Option::take).for_each(|(place, count)| give(place, count));
    }
}

/// Who answers what comes.
trait Serving {
    /// Answers a batch.
    fn answer(&mut self, batch: &mut Batch);

    /// Its answers have been sent, but for so many.
    fn sent(&mut self, _lost: usize) {}
}

impl<F: FnMut(&mut Batch)> Serving for F {
    fn answer(&mut self, batch: &mut Batch) {
        self(batch);
    }
}

/// Has every batch answered that comes, until `stop`, and then what has arrived already.
fn serve(socket: &UdpSocket, stop: &AtomicBool, mut serving: impl Serving) -> io::Result<()> {
    let mut batch = Batch::new(socket)?;
    let mut failures = 0;
    let mut until = None;
    loop {
        if until.is_none() && stop.load(Ordering::Relaxed) {
            until = Some(clock::monotonic() + LINGER);
        }
        if until.is_some_and(|until| clock::monotonic() >= until) {
            return Ok(());
        }
        // The socket stays as it is set: another process may have it too.
        match batch.receive(socket, if until.is_some() { Wait::No } else { Wait::ForOne }) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && until.is_some() => return Ok(()),
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
        serving.answer(&mut batch);
        serving.sent(batch.send(socket));
    }
}

/// Nothing came, or the news that an earlier answer could not be delivered.
fn is_idle(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused)
}
