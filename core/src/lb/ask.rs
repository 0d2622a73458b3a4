//! The question that address planning answers: this service, this side of it, this state.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::record::{ConditionKind, Service, ServiceSpec, ServiceType, Vip};
use crate::cluster::Cluster;
use crate::ipam::Purpose;
use crate::net::{Family, Name};
use crate::reason::Refusal;
use crate::time::Timestamp;

/// The two kinds of virtual IPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Inside the cluster.
    Cluster,
    /// On the outside network.
    External,
}

impl Side {
    /// The purpose of the pools that its addresses come from.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Cluster => Purpose::ClusterService,
            Self::External => Purpose::ExternalService,
        }
    }

    /// The condition of a service that lacks them.
    #[must_use]
    pub const fn condition(self) -> ConditionKind {
        match self {
            Self::Cluster => ConditionKind::ClusterAddresses,
            Self::External => ConditionKind::ExternalAddresses,
        }
    }

    /// Whether services of this type have such addresses.
    #[must_use]
    pub const fn belongs_to(self, service_type: ServiceType) -> bool {
        match self {
            Self::Cluster => matches!(service_type, ServiceType::ClusterIp | ServiceType::LoadBalancer),
            Self::External => matches!(service_type, ServiceType::LoadBalancer),
        }
    }

    /// What people call such an address.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Cluster => "cluster IP",
            Self::External => "external IP",
        }
    }

    /// What the pools of its addresses are for, in words.
    pub(super) const fn users(self) -> &'static str {
        match self {
            Self::Cluster => "cluster services",
            Self::External => "external services",
        }
    }

    /// The addresses of this side that the service holds.
    #[must_use]
    pub fn held(self, service: &Service) -> &[Vip] {
        match self {
            Self::Cluster => &service.cluster,
            Self::External => &service.external,
        }
    }
}

/// What is known of pools that have no address of a family left, so that a run over many services looks at each only once. It
/// holds as long as no address becomes free.
pub(super) type Exhausted = RefCell<BTreeMap<(Name, Family), Refusal>>;

/// One side of a service that wants addresses.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) now: Timestamp,
    /// The service as it shall be; its virtual IPs are those it holds now.
    pub(super) service: &'a Service,
    pub(super) side: Side,
    /// The wishes of this side are met already: what it holds is what it asked for, even if a name in a wish is gone by now.
    pub(super) settled: bool,
    /// What other services of the same run have found out.
    pub(super) exhausted: Option<&'a Exhausted>,
}

impl<'a> Ask<'a> {
    pub(super) const fn spec(&self) -> &'a ServiceSpec {
        &self.service.spec
    }

    /// The addresses wished for by name.
    pub(super) fn wished(&self) -> &'a [IpAddr] {
        match self.side {
            Side::Cluster => &self.service.spec.cluster_ips,
            Side::External => &self.service.spec.external.addresses,
        }
    }

    /// The address wished for in one family.
    pub(super) fn wished_in(&self, family: Family) -> Option<IpAddr> {
        self.wished().iter().copied().find(|address| Family::of(*address) == family)
    }

    /// The pools wished for by name, in the order to ask them.
    pub(super) fn wished_pools(&self) -> &'a [Name] {
        match self.side {
            Side::Cluster => &[],
            Side::External => &self.service.spec.external.pools,
        }
    }

    /// The reservation wished for by name.
    pub(super) const fn wished_reservation(&self) -> Option<&'a Name> {
        match self.side {
            Side::Cluster => None,
            Side::External => self.service.spec.external.reservation.as_ref(),
        }
    }

    /// Whether it wishes for anything by name; such a wish is met or refused.
    pub(super) fn is_explicit(&self) -> bool {
        !self.wished().is_empty() || !self.wished_pools().is_empty() || self.wished_reservation().is_some()
    }

    /// The services other than this one that hold the address.
    pub(super) fn other_holders(&self, address: IpAddr) -> impl Iterator<Item = &'a Service> + use<'a> {
        let own = &self.service.key;
        self.cluster.lb.holders(address).map(AsRef::as_ref).filter(move |holder: &&Service| holder.key != *own)
    }
}
