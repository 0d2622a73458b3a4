//! What address management can be told.

use std::time::Duration;

use polder_runtime::config::{Configured, Period, ProcessConfig};
use serde::{Deserialize, Serialize};

/// The section `ipam`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpamConfig {
    /// The time between two looks at what can be cleared away: records of releases long past, empty blocks, ended reservations.
    pub sweep_every: Period,
    /// How long a node counts as living after a renewal; at least 2 s, which is the store's own minimum.
    pub node_lease: Period,
    /// The time between two looks at whose lease has run out.
    pub node_check_every: Period,
    /// How long the addresses of a node that does not exist are kept before they are freed.
    pub orphan_grace: Period,
    /// The time between two looks into the journals for how fast pools fill.
    pub forecast_every: Period,
}

impl Default for IpamConfig {
    fn default() -> Self {
        Self {
            sweep_every: Period(Duration::from_secs(5)),
            node_lease: Period(Duration::from_secs(3)),
            node_check_every: Period(Duration::from_millis(500)),
            orphan_grace: Period(Duration::from_secs(15 * 60)),
            forecast_every: Period(Duration::from_secs(5 * 60)),
        }
    }
}

/// The whole configuration of `polder-ipam`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The sections that every process has.
    #[serde(flatten)]
    pub process: ProcessConfig,
    /// Address management.
    pub ipam: IpamConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self { process: ProcessConfig::default().with_grpc(7661).with_metrics(9661), ipam: IpamConfig::default() }
    }
}

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}
