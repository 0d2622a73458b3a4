//! Which address families a service wants, and which of them it cannot do without.

use super::record::{FamilyPolicy, Service, ServiceSpec};
use crate::cluster::Cluster;
use crate::ipam::{PoolState, Purpose};
use crate::net::Family;
use crate::reason::{Reason, Refusal};

const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// The families of a service, the primary one first; each says whether the service cannot do without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<(Family, bool)>);

impl Wanted {
    /// The families that the service asks for, or speaks already, or else the one that the cluster's service pools have.
    pub(super) fn of(cluster: &Cluster, service: &Service) -> Self {
        let spec = &service.spec;
        let primary = service.primary().or_else(|| wished(spec).next()).unwrap_or_else(|| usual(cluster));
        let secondary = BOTH.into_iter().find(|family| *family != primary);
        let both = |required| Self([Some(primary), secondary].into_iter().flatten().map(|family| (family, required)).collect());
        match spec.family_policy {
            FamilyPolicy::SingleStack => Self(vec![(primary, true)]),
            FamilyPolicy::PreferDualStack => both(false),
            FamilyPolicy::RequireDualStack => both(true),
        }
    }

    /// Every family, the primary one first, and whether it is required.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Family, bool)> {
        self.0.iter().copied()
    }

    /// Whether the service wants the family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.0.iter().any(|(wanted, _)| *wanted == family)
    }

    /// Whether every address wished for is of a family that the service wants.
    ///
    /// # Errors
    /// [`Reason::FamilyMismatch`].
    pub(super) fn check_wishes(&self, spec: &ServiceSpec) -> Result<(), Refusal> {
        let addresses = spec.cluster_ips.iter().chain(&spec.external.addresses);
        let Some(address) = addresses.copied().find(|address| !self.has(Family::of(*address))) else { return Ok(()) };
        let families = self.iter().map(|(family, _)| family.to_string()).collect::<Vec<_>>().join(" and ");
        let message = format!("{address} is wished for, but the service speaks {families} only. Mend its families, or the wish.");
        Err(Refusal::new(Reason::FamilyMismatch, message).with("address", address).with("families", families))
    }
}

/// The families of the addresses wished for.
fn wished(spec: &ServiceSpec) -> impl Iterator<Item = Family> {
    spec.cluster_ips.iter().chain(&spec.external.addresses).map(|address| Family::of(*address))
}

/// The family of services that leave it open: IPv4 wherever a cluster service pool has it, or no pool says otherwise.
fn usual(cluster: &Cluster) -> Family {
    let offers = |family: Family| {
        let open =
            |pool: &&std::sync::Arc<crate::ipam::Pool>| pool.purpose == Purpose::ClusterService && pool.state == PoolState::Enabled;
        cluster.ipam.pools().filter(open).any(|pool| pool.ranges.iter().any(|range| range.family() == family))
    };
    if !offers(Family::V4) && offers(Family::V6) { Family::V6 } else { Family::V4 }
}
