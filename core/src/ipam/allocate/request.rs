//! What an allocation asks for.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ipam::record::{Allocation, Owner, OwnerKind, Purpose};
use crate::net::{Family, Label, Labels, Name};

/// A wish for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The caller's own key.
    pub handle: Arc<str>,
    /// Who will hold the addresses.
    pub owner: Owner,
    /// The owner's labels.
    pub labels: Labels,
    /// Families wanted; empty: every family that the eligible pools have.
    pub families: Vec<Family>,
    /// Exactly these addresses.
    pub addresses: Vec<IpAddr>,
    /// Only from these pools, in this order.
    pub pools: Vec<Name>,
    /// From this reservation, one address of each family.
    pub reservation: Option<Name>,
    /// How many addresses of each family.
    pub count: usize,
    /// Fewer will do, but at least one.
    pub allow_partial: bool,
    /// The owner is ready for traffic.
    pub ready: bool,
    /// The pod's own host name.
    pub hostname: Option<Label>,
    /// The headless service under which the host name is published.
    pub subdomain: Option<Label>,
    /// Named ports of the pod.
    pub named_ports: Vec<(Label, u16)>,
    /// Labels of the owner's node when its record is written by the same plan.
    pub node_labels: Option<Labels>,
}

impl Request {
    /// A wish for one address of each family that there is.
    #[must_use]
    pub fn new(handle: impl Into<Arc<str>>, owner: Owner) -> Self {
        Self {
            handle: handle.into(),
            owner,
            labels: Labels::default(),
            families: Vec::new(),
            addresses: Vec::new(),
            pools: Vec::new(),
            reservation: None,
            count: 1,
            allow_partial: false,
            ready: false,
            hostname: None,
            subdomain: None,
            named_ports: Vec::new(),
            node_labels: None,
        }
    }

    /// The purpose of the pools that may serve the owner.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self.owner.kind {
            OwnerKind::Node => Purpose::Node,
            OwnerKind::Pod | OwnerKind::Other => Purpose::Pod,
        }
    }

    /// Whether what the handle holds is what is asked for now.
    pub(super) fn agrees_with(&self, held: &Allocation) -> bool {
        let same_owner = (self.owner.kind, &self.owner.namespace, &self.owner.name, &self.owner.node)
            == (held.owner.kind, &held.owner.namespace, &held.owner.name, &held.owner.node);
        let addresses: Vec<IpAddr> = held.holdings.iter().map(|holding| holding.address).collect();
        same_owner && if self.addresses.is_empty() { self.counts_agree(&addresses) } else { same(&self.addresses, &addresses) }
    }

    fn counts_agree(&self, held: &[IpAddr]) -> bool {
        let families = [Family::V4, Family::V6];
        families.into_iter().all(|family| {
            let have = held.iter().filter(|address| Family::of(**address) == family).count();
            let wanted = self.families.contains(&family);
            match (self.families.is_empty(), wanted) {
                (true, _) => have == 0 || have == self.count || (self.allow_partial && have < self.count),
                (false, true) => have == self.count || (self.allow_partial && have < self.count),
                (false, false) => have == 0,
            }
        })
    }
}

fn same(wanted: &[IpAddr], held: &[IpAddr]) -> bool {
    wanted.len() == held.len() && wanted.iter().all(|address| held.contains(address))
}
