//! What the load balancer can be told.

use std::time::Duration;

use polder_core::dns::{DomainName, Seed, Settings};
use polder_core::reason::Malformed;
use polder_runtime::config::{Configured, Period, ProcessConfig};
use serde::{Deserialize, Serialize};

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
    /// Where agents and other replicas reach this one, as `http://10.0.0.1:7662`; empty: it is not told.
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

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}
