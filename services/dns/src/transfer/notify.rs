//! Tells other servers of changes, by UDP (RFC 1996). Whom and when is decided by [`Notifier`]; here are the sockets and the clock.
//!
//! Every replica tells all of them: it does not know which others are there. A secondary that is told the same twice looks twice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::transfer::Notifier;
use polder_runtime::metrics::Metrics;
use polder_runtime::{clock, entropy};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::metrics::NotifyMetrics;
use crate::names::Names;

/// A flood of changes is looked at this often.
const PACE: Duration = Duration::from_millis(100);
/// The most messages at once; the next ones go a pace later.
const MOST_MESSAGES: usize = 64;
/// The longest answer that is read: it repeats the question, and possibly what was told.
const MOST_ANSWER: usize = 1232;

/// See the module.
pub(crate) struct Teller {
    names: Arc<Names>,
    metrics: NotifyMetrics,
    notifier: Notifier,
    began: Instant,
    v4: Endpoint,
    v6: Endpoint,
}

impl Teller {
    /// Told from the addresses on which names are served, as far as these are ones that others can see: secondaries know us by them.
    pub(crate) fn new(names: Arc<Names>, listen: &[SocketAddr], metrics: &Metrics) -> Self {
        let seen = |address: &IpAddr| !address.is_unspecified() && !address.is_loopback();
        let from = |is_v4: bool, any: IpAddr| {
            let mut own = listen.iter().map(SocketAddr::ip).filter(|address| address.is_ipv4() == is_v4);
            Endpoint { from: own.find(seen).unwrap_or(any), socket: None }
        };
        let (v4, v6) = (from(true, Ipv4Addr::UNSPECIFIED.into()), from(false, Ipv6Addr::UNSPECIFIED.into()));
        let (metrics, began) = (NotifyMetrics::register(metrics), clock::monotonic());
        Self { names, metrics, notifier: Notifier::default(), began, v4, v6 }
    }

    /// Works until the stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&mut self) {
        let mut position = self.names.position();
        let (mut one, mut other) = ([0; MOST_ANSWER], [0; MOST_ANSWER]);
        // When what is served is looked at next, while it has moved.
        let mut look = None;
        let mut pace = Duration::ZERO;
        loop {
            let due = self.notifier.next().map(|due| due.max(pace));
            let next = [look, due].into_iter().flatten().min();
            tokio::select! {
                moved = position.changed(), if look.is_none() => {
                    if moved.is_err() {
                        return;
                    }
                    look = Some(pace);
                }
                () = until(next.map(|next| self.began + next)) => {
                    let now = self.began.elapsed();
                    pace = now + PACE;
                    let is_new = look.take_if(|look| *look <= now).is_some();
                    self.tell(is_new, now).await;
                }
                (from, length) = self.v4.receive(&mut one) => self.heard(from, one.get(..length).unwrap_or_default()),
                (from, length) = self.v6.receive(&mut other) => self.heard(from, other.get(..length).unwrap_or_default()),
            }
        }
    }

    async fn tell(&mut self, is_new: bool, now: Duration) {
        let names = self.names.current().load_full();
        if is_new {
            self.notifier.follow(&names, now);
        }
        let draw = || u16::try_from(entropy::draw().0 & u128::from(u16::MAX)).unwrap_or_default();
        let (messages, given_up) = self.notifier.due(&names, now, MOST_MESSAGES, draw);
        self.metrics.given_up(given_up);
        for notify in messages {
            let endpoint = if notify.to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
            match endpoint.send(&notify.message, notify.to).await {
                Ok(()) => tracing::debug!(zone = %notify.zone, to = %notify.to, "told that there is something new"),
                // It is tried again, as if it had been lost on the way.
                Err(error) => {
                    self.metrics.unsent();
                    tracing::debug!(zone = %notify.zone, to = %notify.to, "could not be told: {error}");
                }
            }
        }
    }

    fn heard(&mut self, from: SocketAddr, message: &[u8]) {
        if let Some(told) = self.notifier.answered(from, message) {
            self.metrics.told(told);
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The socket of one family, bound when it is needed first.
struct Endpoint {
    from: IpAddr,
    socket: Option<UdpSocket>,
}

impl Endpoint {
    async fn send(&mut self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => UdpSocket::bind((self.from, 0)).await?,
        };
        self.socket.insert(socket).send_to(message, to).await.map(drop)
    }

    /// The next datagram; none comes before something was sent.
    async fn receive(&self, into: &mut [u8]) -> (SocketAddr, usize) {
        let Some(socket) = &self.socket else { return std::future::pending().await };
        loop {
            match socket.recv_from(into).await {
                Ok((length, from)) => return (from, length),
                Err(_) => sleep(PACE).await,
            }
        }
    }
}
