//! What stands between an answer and its client: cookies, and by UDP how many answers a network of clients gets.
//!
//! Only clients outside of the exempt prefixes are counted, and of these only such that have not shown by a cookie that the address is
//! theirs. For all others this costs a look at the address, or the making of a cookie.

mod jar;

use std::net::IpAddr;
use std::sync::Arc;

use polder_core::dns::cookie::Checked;
use polder_core::dns::network::{Networks, Prefixes};
use polder_core::dns::rate::{Kind, Limits, Table, Verdict};
use polder_core::dns::{Outcome, Seed, Sent, bad_cookie, cut_short};
use polder_runtime::clock;
use tokio::time::Instant;

pub(crate) use self::jar::{Jar, Source};

/// Places in the table of networks: half a megabyte.
const PLACES: usize = 1 << 16;

/// How answers are limited.
#[derive(Debug, Clone)]
pub(crate) struct GateConfig {
    pub(crate) limits: Limits,
    pub(crate) networks: Networks,
    pub(crate) exempt: Prefixes,
    /// Clients that speak of cookies have to show a good one to be answered by UDP.
    pub(crate) require: bool,
}

/// See the module. One for all sockets.
pub(crate) struct Gate {
    config: GateConfig,
    table: Table,
    began: Instant,
    jar: Arc<Jar>,
}

impl Gate {
    pub(crate) fn new(config: GateConfig, seed: Seed, jar: Jar) -> Self {
        let places = if config.limits.is_none() { 0 } else { PLACES };
        Self { table: Table::new(config.limits, places, seed), began: clock::monotonic(), jar: Arc::new(jar), config }
    }

    /// Where cookies come from.
    pub(crate) fn jar(&self) -> Arc<Jar> {
        Arc::clone(&self.jar)
    }

    fn limits(&self, client: IpAddr) -> bool {
        !self.config.limits.is_none() && !self.config.exempt.contain(client)
    }

    /// Completes an answer by UDP, whose message is in `out`, or puts another in its place; [`Outcome::Dropped`] when the client gets
    /// none because its network has had too many.
    pub(crate) fn by_udp(&self, client: IpAddr, query: &[u8], outcome: Outcome, out: &mut [u8]) -> Outcome {
        let Some(sent) = outcome.sent() else { return outcome };
        let cookie = if sent.cookie { self.jar.check(query, client) } else { None };
        let outcome = match cookie {
            Some(Checked { is_valid: true, .. }) => outcome,
            Some(checked) if self.config.require || is_refused(sent, checked) => bad_cookie(query, out),
            _ if !self.limits(client) => outcome,
            _ => match self.judge(client, sent, out) {
                Verdict::Pass => outcome,
                Verdict::Drop => return Outcome::Dropped,
                // It need not go to TCP: it may come back with its cookie.
                Verdict::Cut if cookie.is_some() => bad_cookie(query, out),
                Verdict::Cut => cut_short(query, out),
            },
        };
        complete(cookie, outcome, out);
        outcome.within(|| sent.scope)
    }

    /// Completes an answer by TCP, whose message is in `out`, or puts another in its place.
    pub(crate) fn by_tcp(&self, client: IpAddr, query: &[u8], outcome: Outcome, out: &mut [u8]) -> Outcome {
        let Some(sent) = outcome.sent().filter(|sent| sent.cookie) else { return outcome };
        let cookie = self.jar.check(query, client);
        let refused = cookie.is_some_and(|checked| is_refused(sent, checked));
        let outcome = if refused { bad_cookie(query, out) } else { outcome };
        complete(cookie, outcome, out);
        outcome
    }

    fn judge(&self, client: IpAddr, sent: Sent, out: &[u8]) -> Verdict {
        let network = self.config.networks.of(client);
        self.table.judge(network, Kind::of(&sent, out), self.began.elapsed().as_secs())
    }
}

/// Whether a client that asks for nothing but whether its cookie is good is told that it is not (RFC 7873 §5.4).
const fn is_refused(sent: Sent, checked: Checked) -> bool {
    sent.rtype.is_none() && checked.is_wrong
}

/// Writes the server's part of the cookie at the end of the message.
fn complete(cookie: Option<Checked>, outcome: Outcome, out: &mut [u8]) {
    let Some((cookie, sent)) = cookie.zip(outcome.sent()) else { return };
    if let Some(place) = out.get_mut(..sent.length).and_then(<[u8]>::last_chunk_mut) {
        *place = cookie.server;
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A gate that lets all pass.
    pub(crate) fn open() -> Gate {
        let limits = Limits { positive: 0, negative: 0, errors: 0, slip: 0 };
        let config = GateConfig { limits, networks: Networks::default(), exempt: Prefixes::default(), require: false };
        Gate::new(config, Seed(1), Jar::open(Source::Drawn).unwrap())
    }
}
