//! The routes that follow: which prefixes a node advertises to a peer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::{Service, TrafficPolicy, endpoints};
use super::community::Community;
use super::prefix::fitting;
use super::record::{AdvertisementSpec, BgpAdvertisement, BgpPeer};
use crate::cluster::Cluster;
use crate::ipam::{Node, Pool, PoolState};
use crate::net::Family;

/// A route to advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BgpRoute {
    /// The destination.
    pub prefix: IpNet,
    /// The local preference; on internal sessions only.
    pub local_pref: Option<NonZeroU32>,
    /// The communities, in order, none twice.
    pub communities: Vec<Community>,
}

/// The peers that the node has sessions with, by name: those whose node selectors match its labels. A node that is drained keeps
/// its sessions, so that it can take its routes back. It looks at every peer once.
#[must_use]
pub fn sessions(cluster: &Cluster, node: &Node) -> Vec<Arc<BgpPeer>> {
    cluster.lb.bgp_peers().filter(|peer| peer.spec.nodes.matches(&node.labels)).cloned().collect()
}

/// What the node advertises to the peer, by prefix: every external address that an advertisement for this peer and node selects.
///
/// * An address is advertised while something ready stands behind it: on this node under external traffic policy Local, on any
///   node otherwise. Of services that share an address one is enough.
/// * A node that is draining, is being removed or is excluded from external traffic advertises nothing, and nobody advertises
///   addresses of a disabled pool.
/// * An aggregate never has an address outside its pool: where the length that was asked for would, it is made longer.
/// * Advertisements that give the same prefix are one route with all their communities and the greatest local preference.
///
/// It looks at every service once, and at the endpoints of those that an advertisement selects: time grows with services times
/// advertisements for the peer, plus the allocations in the namespaces of the selected services.
#[must_use]
pub fn routes(cluster: &Cluster, node: &Node, peer: &BgpPeer) -> Vec<BgpRoute> {
    let silent = node.draining || node.excluded_from_external || node.removing.is_some();
    if silent || !peer.spec.nodes.matches(&node.labels) {
        return Vec::new();
    }
    let told =
        |advertisement: &&Arc<BgpAdvertisement>| advertisement.spec.is_for(peer) && advertisement.spec.nodes.matches(&node.labels);
    let advertisements: Vec<&AdvertisementSpec> =
        cluster.lb.bgp_advertisements().filter(told).map(|advertisement| &advertisement.spec).collect();
    if advertisements.is_empty() {
        return Vec::new();
    }
    let mut routes = Routes { internal: peer.is_internal(), found: BTreeMap::new() };
    for service in cluster.lb.services().filter(|service| !service.external.is_empty()) {
        let chosen = chosen(cluster, &advertisements, service);
        if !chosen.is_empty() && is_alive(cluster, node, service) {
            chosen.into_iter().for_each(|(address, pool, spec)| routes.add(address, pool, spec));
        }
    }
    routes.found.into_values().map(Route::finish).collect()
}

/// The addresses of the service that are to be advertised, each with its pool and every advertisement that says so.
fn chosen<'a>(
    cluster: &'a Cluster,
    advertisements: &[&'a AdvertisementSpec],
    service: &Service,
) -> Vec<(IpAddr, &'a Pool, &'a AdvertisementSpec)> {
    let open = |address| cluster.ipam.pool_of(address).filter(|pool| pool.state != PoolState::Disabled);
    let vips = service.external.iter().filter_map(|vip| Some((vip.address, open(vip.address)?.as_ref())));
    let vips: Vec<(IpAddr, &Pool)> = vips.collect();
    let matching = advertisements.iter().filter(|spec| spec.services.matches(&service.labels));
    matching
        .flat_map(|spec| {
            let selected = vips.iter().filter(|(_, pool)| spec.selects(pool));
            selected.map(|(address, pool)| (*address, *pool, *spec))
        })
        .collect()
}

/// Whether traffic that comes to the node for the service reaches anything.
fn is_alive(cluster: &Cluster, node: &Node, service: &Service) -> bool {
    let local = service.spec.external_policy == TrafficPolicy::Local;
    let behind = endpoints(cluster, service);
    behind.iter().any(|endpoint| endpoint.ready && (!local || endpoint.node.as_ref() == Some(&node.name)))
}

/// Routes that are being gathered.
struct Routes {
    internal: bool,
    found: BTreeMap<IpNet, Route>,
}

impl Routes {
    fn add(&mut self, address: IpAddr, pool: &Pool, spec: &AdvertisementSpec) {
        let Some(prefix) = fitting(pool, address, spec.length(Family::of(address))) else { return };
        let route = self.found.entry(prefix).or_insert(Route { prefix, local_pref: None, communities: BTreeSet::new() });
        route.local_pref = route.local_pref.max(spec.local_pref.filter(|_| self.internal));
        route.communities.extend(&spec.communities);
    }
}

struct Route {
    prefix: IpNet,
    local_pref: Option<NonZeroU32>,
    communities: BTreeSet<Community>,
}

impl Route {
    fn finish(self) -> BgpRoute {
        BgpRoute { prefix: self.prefix, local_pref: self.local_pref, communities: self.communities.into_iter().collect() }
    }
}
