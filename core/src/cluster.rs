//! The whole state of a cluster as one value: every process holds it, at an exact revision, and decides on it.

use crate::schema::Domain;
use crate::{dns, ipam, lb};

/// The state of a cluster. Cheap to clone: planning works on a copy.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Pools, nodes, allocations.
    pub ipam: ipam::View,
    /// Services.
    pub lb: lb::View,
    /// Zones and record sets of operators, and the resolver's settings.
    pub dns: dns::zones::View,
}

/// One record put or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A record of IPAM.
    Ipam(ipam::Change),
    /// A record of LB.
    Lb(lb::Change),
    /// A record of DNS.
    Dns(dns::zones::Change),
}

impl Change {
    /// The domain whose head moves with it.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Ipam(change) => change.domain(),
            Self::Lb(change) => change.domain(),
            Self::Dns(change) => change.domain(),
        }
    }
}

impl From<ipam::Change> for Change {
    fn from(change: ipam::Change) -> Self {
        Self::Ipam(change)
    }
}

impl From<lb::Change> for Change {
    fn from(change: lb::Change) -> Self {
        Self::Lb(change)
    }
}

impl From<dns::zones::Change> for Change {
    fn from(change: dns::zones::Change) -> Self {
        Self::Dns(change)
    }
}

impl Cluster {
    /// Moves the state by one committed change: the only way in which it ever changes.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Ipam(change) => self.ipam.apply(change),
            Change::Lb(change) => self.lb.apply(change),
            Change::Dns(change) => self.dns.apply(change),
        }
    }
}
