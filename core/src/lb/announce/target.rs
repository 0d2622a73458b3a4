//! The addresses that some node shall answer for, and which nodes may.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::ipam::{Interface, Node, Pool, PoolState, Purpose};
use crate::lb::endpoints::endpoints;
use crate::lb::{Service, TrafficPolicy};
use crate::net::Name;
use crate::reason::{Reason, Refusal};

/// An external address that services hold and that a node shall answer for on the local network.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The address.
    pub address: IpAddr,
    /// The pool that has it.
    pub pool: &'a Arc<Pool>,
    /// The services that hold it, by key.
    pub services: Vec<&'a Arc<Service>>,
    /// The nodes with a ready endpoint of every service whose external traffic must stay local; `None` where none must.
    local: Option<BTreeSet<Name>>,
}

/// Every address that a node shall answer for: those that services hold, of pools that are announced on the local network.
pub fn targets(cluster: &Cluster) -> impl Iterator<Item = Target<'_>> {
    let pools = cluster.ipam.pools().filter(|pool| is_answered_for(pool));
    pools.flat_map(move |pool| {
        let held = pool.ranges.iter().flat_map(|range| cluster.lb.held_in(*range));
        held.filter_map(move |address| Target::of(cluster, pool, address))
    })
}

/// Whether nodes answer for the addresses of the pool.
#[must_use]
pub fn is_answered_for(pool: &Pool) -> bool {
    pool.purpose == Purpose::ExternalService && pool.state != PoolState::Disabled && !pool.bgp_only
}

impl<'a> Target<'a> {
    /// The target at this address.
    ///
    /// # Errors
    /// [`Reason::AnnouncementNotFound`] when no service holds it as an external address, or its pool is not announced.
    pub fn at(cluster: &'a Cluster, address: IpAddr) -> Result<Self, Refusal> {
        let missing = |why: String| {
            Refusal::new(Reason::AnnouncementNotFound, format!("{address} is not announced: {why}.")).with("address", address)
        };
        let pool = cluster.ipam.pool_of(address).filter(|pool| pool.purpose == Purpose::ExternalService);
        let pool = pool.ok_or_else(|| missing("no pool for external services has it".to_owned()))?;
        if !is_answered_for(pool) {
            let why = if pool.bgp_only { "is advertised by BGP only" } else { "is disabled" };
            return Err(missing(format!("its pool `{}` {why}", pool.name)));
        }
        Self::of(cluster, pool, address).ok_or_else(|| missing("no service holds it".to_owned()))
    }

    /// The address as services hold it from a pool for external services, whether or not nodes answer for it.
    #[must_use]
    pub fn held(cluster: &'a Cluster, address: IpAddr) -> Option<Self> {
        let pool = cluster.ipam.pool_of(address).filter(|pool| pool.purpose == Purpose::ExternalService)?;
        Self::of(cluster, pool, address)
    }

    fn of(cluster: &'a Cluster, pool: &'a Arc<Pool>, address: IpAddr) -> Option<Self> {
        let holds = |service: &&Arc<Service>| service.external.iter().any(|vip| vip.address == address);
        let services: Vec<_> = cluster.lb.holders(address).filter(holds).collect();
        let local = services.iter().filter(|service| service.spec.external_policy == TrafficPolicy::Local);
        let local =
            local.map(|service| nodes_behind(cluster, service)).reduce(|one, two| one.intersection(&two).cloned().collect());
        (!services.is_empty()).then_some(Self { address, pool, services, local })
    }

    /// Whether the node may answer for the address. That it is leaving, or that nothing is heard of it, is another question.
    ///
    /// # Errors
    /// [`Reason::NodeNotEligible`] or [`Reason::NoReadyEndpoints`], and why.
    pub fn check(&self, node: &Node) -> Result<(), Refusal> {
        let refuse = |reason: Reason, why: String| {
            let message = format!("node `{}` cannot answer for {}: {why}", node.name, self.address);
            Err(Refusal::new(reason, message).with("address", self.address).with("node", &node.name).about("node", &node.name))
        };
        if node.removing.is_some() {
            return refuse(Reason::NodeNotEligible, "it is being removed".to_owned());
        }
        if node.excluded_from_external {
            return refuse(Reason::NodeNotEligible, "it is excluded from external load balancers".to_owned());
        }
        if !self.pool.selectors.nodes.matches(&node.labels) {
            let why = format!("the node selectors of pool `{}` do not match its labels", self.pool.name);
            return refuse(Reason::NodeNotEligible, why);
        }
        if self.interfaces(node).next().is_none() {
            let why = match self.pool.announce_interfaces.as_slice() {
                [] => "none of its interfaces that are up has the address's subnet".to_owned(),
                names => format!("it has no interface {} that is up (pool `{}`)", names.join(" or "), self.pool.name),
            };
            return refuse(Reason::NodeNotEligible, why);
        }
        if self.local.as_ref().is_some_and(|nodes| !nodes.contains(&node.name)) {
            let why = "external traffic stays on the node (policy Local), and no ready endpoint is there".to_owned();
            return refuse(Reason::NoReadyEndpoints, why);
        }
        Ok(())
    }

    /// The interfaces on which the node would answer.
    pub fn interfaces<'n>(&self, node: &'n Node) -> impl Iterator<Item = &'n Interface> + use<'n, '_, 'a> {
        node.interfaces.iter().filter(|interface| {
            let named = self.pool.announce_interfaces.contains(&interface.name);
            let on_link = || interface.addresses.iter().any(|own| own.contains(&self.address));
            interface.up && (named || (self.pool.announce_interfaces.is_empty() && on_link()))
        })
    }
}

/// Why the node gets no announcement and gives up those it has as soon as another can take them; `None`: it stays.
#[must_use]
pub fn leaving(cluster: &Cluster, node: &Node) -> Option<Refusal> {
    let why = match (node.draining, cluster.lb.board().drain(&node.name)) {
        (true, _) => "it is being drained",
        (false, Some(_)) => "its announcements are being drained",
        (false, None) => return None,
    };
    let message = format!("node `{}` takes no announcements: {why}", node.name);
    Some(Refusal::new(Reason::NodeDraining, message).with("node", &node.name).about("node", &node.name))
}

/// The nodes with a ready endpoint of the service.
fn nodes_behind(cluster: &Cluster, service: &Service) -> BTreeSet<Name> {
    endpoints(cluster, service).into_iter().filter(|endpoint| endpoint.ready).filter_map(|endpoint| endpoint.node).collect()
}
