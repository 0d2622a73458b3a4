//! The routes that follow: which prefixes a node advertises to its peers for an external address.
//!
//! What is the same for all nodes, [`Advertised`], is computed once for an address; what a node makes of it, [`Speaker::routes`],
//! is cheap. A change of one service so costs the work for its own addresses, however many others there are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::{Service, TrafficPolicy, endpoints};
use super::community::Community;
use super::prefix::fitting;
use super::record::{BgpAdvertisement, BgpPeer};
use crate::cluster::Cluster;
use crate::ipam::{Node, PoolState};
use crate::net::{Family, Label, Labels, Name};

/// A route that a node advertises to a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BgpRoute {
    /// The peer.
    pub peer: Label,
    /// The destination.
    pub prefix: IpNet,
    /// The local preference; on internal sessions only.
    pub local_pref: Option<NonZeroU32>,
    /// The communities, in order, none twice.
    pub communities: Vec<Community>,
}

/// What advertisements say of an external address behind which something is ready, apart from the nodes that tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    offers: Vec<Offer>,
}

/// What one advertisement says of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    advertisement: Arc<BgpAdvertisement>,
    prefix: IpNet,
    reach: Reach,
}

/// The nodes at which traffic for an address reaches something ready.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    Anywhere,
    On(BTreeSet<Name>),
}

impl Reach {
    /// Where traffic for the service reaches something; `None`: nowhere.
    fn of(cluster: &Cluster, service: &Service) -> Option<Self> {
        let mut ready = endpoints::ready_on(cluster, service);
        match service.spec.external_policy {
            TrafficPolicy::Cluster => ready.next().map(|_| Self::Anywhere),
            TrafficPolicy::Local => {
                let nodes: BTreeSet<Name> = ready.flatten().cloned().collect();
                (!nodes.is_empty()).then_some(Self::On(nodes))
            }
        }
    }

    fn or(self, other: &Self) -> Self {
        match (self, other) {
            (Self::On(nodes), Self::On(more)) => Self::On(nodes.into_iter().chain(more.iter().cloned()).collect()),
            (Self::Anywhere, _) | (_, Self::Anywhere) => Self::Anywhere,
        }
    }

    fn has(&self, node: &Name) -> bool {
        match self {
            Self::Anywhere => true,
            Self::On(nodes) => nodes.contains(node),
        }
    }
}

/// What advertisements say of an external address; `None` when none selects it, or nothing ready stands behind it.
///
/// * An address is advertised while something ready stands behind it: on the node itself under external traffic policy Local, on
///   any node otherwise. Of services that share an address one is enough.
/// * Nobody advertises addresses of a disabled pool.
/// * An aggregate never has an address outside its pool: where the length that was asked for would, it is made longer.
///
/// Looks at every advertisement, and at the endpoints of the services that hold the address.
#[must_use]
pub fn advertised(cluster: &Cluster, address: IpAddr) -> Option<Advertised> {
    let pool = cluster.ipam.pool_of(address).filter(|pool| pool.state != PoolState::Disabled)?;
    let mut selecting = cluster.lb.bgp_advertisements().filter(|made| made.spec.selects(pool)).peekable();
    selecting.peek()?;
    let holders = cluster.lb.holders(address);
    let alive: Vec<(&Arc<Service>, Reach)> = holders.filter_map(|service| Some((service, Reach::of(cluster, service)?))).collect();
    let offer = |advertisement: &Arc<BgpAdvertisement>| {
        let spec = &advertisement.spec;
        let chosen = alive.iter().filter(|(service, _)| spec.services.matches(&service.labels));
        let reach =
            chosen.fold(None, |reach: Option<Reach>, (_, more)| Some(reach.map_or_else(|| more.clone(), |reach| reach.or(more))));
        let prefix = fitting(pool, address, spec.length(Family::of(address)))?;
        Some(Offer { advertisement: Arc::clone(advertisement), prefix, reach: reach? })
    };
    let offers: Vec<Offer> = selecting.filter_map(offer).collect();
    (!offers.is_empty()).then_some(Advertised { offers })
}

/// A node that speaks BGP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    name: Name,
    labels: Labels,
    is_silent: bool,
    peers: Vec<Arc<BgpPeer>>,
}

impl Speaker {
    /// The node as a speaker. It looks at every peer once.
    #[must_use]
    pub fn of(cluster: &Cluster, node: &Node) -> Self {
        Self {
            name: node.name.clone(),
            labels: node.labels.clone(),
            is_silent: node.draining || node.excluded_from_external || node.removing.is_some(),
            peers: cluster.lb.bgp_peers().filter(|peer| peer.spec.nodes.matches(&node.labels)).cloned().collect(),
        }
    }

    /// The peers that the node has sessions with, by name: those whose node selectors match its labels. A node that is drained
    /// keeps its sessions, so that it can take its routes back.
    #[must_use]
    pub fn sessions(&self) -> &[Arc<BgpPeer>] {
        &self.peers
    }

    /// What the node advertises for an address, by peer and prefix. Advertisements that give the same prefix are one route with all
    /// their communities and the greatest local preference. A node that is draining, is being removed or is excluded from external
    /// traffic advertises nothing.
    #[must_use]
    pub fn routes(&self, address: &Advertised) -> Vec<BgpRoute> {
        let mut found: BTreeMap<(&Label, IpNet), Route> = BTreeMap::new();
        let mine = |offer: &&Offer| offer.reach.has(&self.name) && offer.advertisement.spec.nodes.matches(&self.labels);
        for Offer { advertisement, prefix, .. } in address.offers.iter().filter(|_| !self.is_silent).filter(mine) {
            let spec = &advertisement.spec;
            for peer in self.peers.iter().filter(|peer| spec.is_for(peer)) {
                let route = found.entry((&peer.name, *prefix)).or_default();
                route.local_pref = route.local_pref.max(spec.local_pref.filter(|_| peer.is_internal()));
                route.communities.extend(&spec.communities);
            }
        }
        let finish = |((peer, prefix), route): ((&Label, IpNet), Route)| BgpRoute {
            peer: peer.clone(),
            prefix,
            local_pref: route.local_pref,
            communities: route.communities.into_iter().collect(),
        };
        found.into_iter().map(finish).collect()
    }
}

/// A route that is being put together.
#[derive(Default)]
struct Route {
    local_pref: Option<NonZeroU32>,
    communities: BTreeSet<Community>,
}
