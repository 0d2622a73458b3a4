//! What the load balancer can be told.

use std::time::Duration;

use polder_core::dns::{DomainName, Seed, Settings};
use polder_core::reason::{Malformed, Reason};
use polder_runtime::config::{Configured, Period, ProcessConfig};
use serde::{Deserialize, Serialize};

use crate::lead::Times;

/// The longest time that a right or the lead may last.
const MOST_TTL: Duration = Duration::from_secs(60);

/// The section `lb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LbConfig {
    /// The longest time between two looks at the services that wait for addresses. A change of pools or services is looked at
    /// at once; this is for what time alone changes, and for what was missed.
    pub heal_every: Period,
    /// How long a node's right to answer for an address lasts: fail-over takes a little more.
    pub right_ttl: Period,
    /// How long the lead lasts without renewal, at least two seconds: when the leading replica dies, nobody grants rights for so
    /// long.
    pub lead_ttl: Period,
    /// The time between two moves of announcements for the sake of an even spread alone.
    pub spread_every: Period,
    /// Where agents and other replicas reach this one, as `http://10.0.0.1:7662`; empty: where gRPC listens, if that is one address
    /// with a port of its own, else it is not told.
    pub advertise: String,
    /// The cluster domain, which nodes are told: the same as that of the name server.
    pub domain: String,
}

impl Default for LbConfig {
    fn default() -> Self {
        Self {
            heal_every: Period(Duration::from_secs(15)),
            right_ttl: Period(Duration::from_secs(1)),
            lead_ttl: Period(Duration::from_secs(3)),
            spread_every: Period(Duration::from_secs(10)),
            advertise: String::new(),
            domain: Settings::DEFAULT_ZONE.to_owned(),
        }
    }
}

impl LbConfig {
    /// The times of the lead.
    ///
    /// # Errors
    /// When rights would be renewed without a pause, or last so long that nobody would take over; when the lead would be shorter
    /// than the store can count.
    pub(crate) fn times(&self) -> Result<Times, Malformed> {
        let bounded = |name: &str, Period(time): Period, least: Duration| {
            let bad = || {
                let text = format!("`lb.{name}` is {time:?}; it has to be {least:?} to {MOST_TTL:?}");
                Malformed::new(Reason::CountOutOfBounds, text)
            };
            if (least..=MOST_TTL).contains(&time) { Ok(time) } else { Err(bad()) }
        };
        let right = bounded("right_ttl", self.right_ttl, Duration::from_millis(200))?;
        Ok(Times { right, lead: bounded("lead_ttl", self.lead_ttl, Duration::from_secs(2))? })
    }

    /// The cluster domain as it is told, without the final dot.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn domain(&self) -> Result<String, Malformed> {
        let zone: DomainName = self.domain.parse()?;
        Settings::new(zone, Seed::default()).map(|settings| settings.zone().to_string().trim_end_matches('.').to_owned())
    }
}

/// The whole configuration of `polder-lb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The sections that every process has.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// The load balancer.
    pub lb: LbConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self { process: ProcessConfig::default().with_grpc(7662).with_metrics(9662), lb: LbConfig::default() }
    }
}

impl Config {
    /// The section `lb`, with the address that other replicas and agents are told where nothing else is said.
    #[must_use]
    pub fn lb(&self) -> LbConfig {
        let listen = self.process.grpc_listen.filter(|at| !at.ip().is_unspecified() && at.port() != 0);
        let scheme = if self.process.tls.cert_file.is_some() { "https" } else { "http" };
        match listen {
            Some(at) if self.lb.advertise.is_empty() => LbConfig { advertise: format!("{scheme}://{at}"), ..self.lb.clone() },
            _ => self.lb.clone(),
        }
    }
}

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_cannot_work_are_refused() {
        let with = |right: u64, lead: u64| {
            let (right_ttl, lead_ttl) = (Period(Duration::from_millis(right)), Period(Duration::from_millis(lead)));
            LbConfig { right_ttl, lead_ttl, ..LbConfig::default() }.times().map(drop).map_err(|error| error.to_string())
        };
        assert_eq!((with(1000, 3000), with(200, 2000)), (Ok(()), Ok(())));
        assert!(with(0, 3000).unwrap_err().contains("`lb.right_ttl` is 0ns; it has to be 200ms to 60s"));
        assert!(with(1000, 1999).is_err() && with(61_000, 3000).is_err());
    }

    #[test]
    fn an_address_of_its_own_is_told_where_nothing_else_is_said() {
        let at = |listen: &str, advertise: &str| {
            let mut config = Config::default();
            config.process.grpc_listen = Some(listen.parse().unwrap());
            config.lb.advertise = advertise.to_owned();
            config.lb().advertise
        };
        assert_eq!(at("10.0.0.1:7662", ""), "http://10.0.0.1:7662");
        assert_eq!(at("10.0.0.1:7662", "https://lb.example:1"), "https://lb.example:1");
        assert_eq!((at("0.0.0.0:7662", ""), at("127.0.0.1:0", "")), (String::new(), String::new()));
    }
}
