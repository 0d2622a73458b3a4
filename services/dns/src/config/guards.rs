//! The bounds of what clients may take of the name server, checked.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use polder_core::dns::admit::Bounds;
use polder_core::dns::network::Networks;
use polder_core::reason::{Reason, Refusal, Violations};

use super::DnsConfig;

/// The most connections per address that may be set: each may take as much memory as its longest query and its longest answer.
const MOST_CONNECTIONS: usize = 65_536;
const IDLE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// A connection that has been idle for less gives way to no other, unless all time that it has is short.
const GRACE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guards {
    pub(crate) networks: Networks,
    pub(crate) connections: Bounds,
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
        let idle = self.tcp_idle.0;
        if !IDLE.contains(&idle) {
            let text = format!("`{}` is too short or too long; it has to be {:?} to {:?}", self.tcp_idle, IDLE.start(), IDLE.end());
            bad.add("dns.tcp_idle", Reason::CountOutOfBounds, text);
        }
        let networks = Networks { ipv4: self.client_ipv4_prefix, ipv6: self.client_ipv6_prefix };
        let connections = Bounds { all: self.tcp_connections, each: self.tcp_client_connections, grace: GRACE.min(idle / 4) };
        all_named(bad.finish(Some(Guards { networks, connections })))
    }
}

fn bounded<T: PartialOrd + Display>(bad: &mut Violations, key: &str, value: T, range: RangeInclusive<T>) {
    if !range.contains(&value) {
        let text = format!("`{value}` is out of bounds; it has to be {} to {}", range.start(), range.end());
        bad.add(key, Reason::CountOutOfBounds, text);
    }
}

/// At the start there are no details beside the message: every bad key has to be in it.
fn all_named<T>(checked: Result<T, Refusal>) -> Result<T, Refusal> {
    checked.map_err(|refusal| {
        let each = refusal.violations.iter().map(|bad| format!("`{}`: {}", bad.field, bad.description));
        Refusal::new(refusal.reason, each.collect::<Vec<_>>().join("; "))
    })
}

#[cfg(test)]
mod tests {
    use polder_runtime::config::Period;

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
            ..DnsConfig::default()
        };
        let message = bad.guards().unwrap_err().message.clone();
        for key in ["tcp_connections", "tcp_client_connections", "tcp_idle", "client_ipv4_prefix", "client_ipv6_prefix"] {
            assert!(message.contains(&format!("`dns.{key}`")), "{message}");
        }
    }
}
