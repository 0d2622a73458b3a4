//! The bounds of what clients may take of the name server, checked.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use polder_core::dns::admit::Bounds;
use polder_core::dns::network::{Networks, Prefixes};
use polder_core::dns::rate::Limits;
use polder_core::net::parse_net;
use polder_core::reason::{Reason, Refusal, Violations};
use polder_runtime::config::Period;
use serde::{Deserialize, Serialize};

use super::DnsConfig;
use crate::gate::{GateConfig, Source};

/// The most connections per address that may be set: each may take as much memory as its longest query and its longest answer.
const MOST_CONNECTIONS: usize = 65_536;
const IDLE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// The process before waits as long.
const WARM_UP: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
/// Every prefix costs a look at the address of every query.
const MOST_EXEMPT: usize = 64;
/// A connection that has been idle for less gives way to no other, unless all time that it has is short.
const GRACE: Duration = Duration::from_secs(1);

/// How many answers a second a network of clients gets by UDP, of each kind; 0 is no limit. Clients that show a cookie are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateConfig {
    /// Answers that say that there is something.
    pub positive: u32,
    /// Answers that say that there is nothing, or who else is to be asked.
    pub negative: u32,
    /// Answers that there is no answer.
    pub errors: u32,
    /// Of those over a limit every so many is sent cut short, so that the client asks again by TCP; 0 sends none.
    pub slip: u32,
    /// Clients that are not counted: prefixes.
    pub exempt: Vec<String>,
}

impl Default for RateConfig {
    fn default() -> Self {
        let exempt = Prefixes::PRIVATE.map(str::to_owned).to_vec();
        Self { positive: 200, negative: 100, errors: 50, slip: 2, exempt }
    }
}

/// Cookies (RFC 7873).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CookieConfig {
    /// A file with the secret that cookies are made with, equal on all servers at one address: 32 hexadecimal digits, and in a second line
    /// another that is good too. Empty: one is drawn, and another every day.
    pub secret_file: PathBuf,
    /// Whether clients that speak of cookies are asked to come back with a good one before they are answered by UDP.
    pub require: bool,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    pub(crate) networks: Networks,
    pub(crate) connections: Bounds,
    pub(crate) gate: GateConfig,
    pub(crate) secrets: Source,
}

impl DnsConfig {
    /// The bounds.
    ///
    /// # Errors
    /// When one of them cannot be; all of those are named.
    pub(crate) fn guards(&self) -> Result<Guards, Refusal> {
        let mut bad = Violations::new();
        bounded(&mut bad, "dns.tcp_connections", self.tcp_connections, 1..=MOST_CONNECTIONS);
        bounded(&mut bad, "dns.tcp_client_connections", self.tcp_client_connections, 1..=MOST_CONNECTIONS);
        bounded(&mut bad, "dns.client_ipv4_prefix", self.client_ipv4_prefix, 0..=32);
        bounded(&mut bad, "dns.client_ipv6_prefix", self.client_ipv6_prefix, 0..=128);
        lasting(&mut bad, "dns.tcp_idle", self.tcp_idle, &IDLE);
        lasting(&mut bad, "dns.handover_warm_up", self.handover_warm_up, &WARM_UP);
        let idle = self.tcp_idle.0;
        let networks = Networks { ipv4: self.client_ipv4_prefix, ipv6: self.client_ipv6_prefix };
        let connections = Bounds { all: self.tcp_connections, each: self.tcp_client_connections, grace: GRACE.min(idle / 4) };
        let (limits, exempt) = self.rate.checked(&mut bad);
        let gate = GateConfig { limits, networks, exempt, require: self.cookies.require };
        let file = &self.cookies.secret_file;
        let secrets = if file.as_os_str().is_empty() { Source::Drawn } else { Source::File(file.clone()) };
        all_named(bad.finish(Some(Guards { networks, connections, gate, secrets })))
    }
}

impl RateConfig {
    fn checked(&self, bad: &mut Violations) -> (Limits, Prefixes) {
        let limits = Limits { positive: self.positive, negative: self.negative, errors: self.errors, slip: self.slip };
        let named = [("positive", self.positive), ("negative", self.negative), ("errors", self.errors), ("slip", self.slip)];
        for (key, value) in named {
            bounded(bad, &format!("dns.rate.{key}"), value, 0..=Limits::MOST);
        }
        bounded(bad, "dns.rate.exempt", self.exempt.len(), 0..=MOST_EXEMPT);
        let prefix = |(nth, text): (usize, &String)| bad.take(format!("dns.rate.exempt[{nth}]"), parse_net(text));
        let exempt = self.exempt.iter().take(MOST_EXEMPT).enumerate().filter_map(prefix);
        (limits, exempt.map(|(prefix, _)| prefix).collect())
    }
}

fn bounded<T: PartialOrd + Display>(bad: &mut Violations, key: &str, value: T, range: RangeInclusive<T>) {
    if !range.contains(&value) {
        let text = format!("`{value}` is out of bounds; it has to be {} to {}", range.start(), range.end());
        bad.add(key, Reason::CountOutOfBounds, text);
    }
}

fn lasting(bad: &mut Violations, key: &str, period: Period, range: &RangeInclusive<Duration>) {
    if !range.contains(&period.0) {
        let text = format!("`{period}` is too short or too long; it has to be {:?} to {:?}", range.start(), range.end());
        bad.add(key, Reason::CountOutOfBounds, text);
    }
}

/// At the start there are no details beside the message: every bad key has to be in it.
pub(super) fn all_named<T>(checked: Result<T, Refusal>) -> Result<T, Refusal> {
    checked.map_err(|refusal| {
        let each = refusal.violations.iter().map(|bad| format!("`{}`: {}", bad.field, bad.description));
        Refusal::new(refusal.reason, each.collect::<Vec<_>>().join("; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_that_cannot_be_is_named() {
        assert!(DnsConfig::default().guards().is_ok());
        let bad = DnsConfig {
            tcp_connections: 0,
            tcp_client_connections: 70_000,
            tcp_idle: Period(Duration::ZERO),
            client_ipv4_prefix: 33,
            client_ipv6_prefix: 129,
            handover_warm_up: Period(Duration::from_secs(601)),
            rate: RateConfig {
                positive: u32::MAX,
                exempt: vec!["10.0.0.0/8".to_owned(), "10.0.0".to_owned()],
                ..RateConfig::default()
            },
            ..DnsConfig::default()
        };
        let message = bad.guards().unwrap_err().message.clone();
        let keys = ["tcp_connections", "tcp_client_connections", "tcp_idle", "client_ipv4_prefix", "client_ipv6_prefix"];
        for key in keys.into_iter().chain(["handover_warm_up", "rate.positive", "rate.exempt[1]"]) {
            assert!(message.contains(&format!("`dns.{key}`")), "{message}");
        }
    }
}
