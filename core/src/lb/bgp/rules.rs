//! The rules that look at the state: what a peer or an advertisement may not be beside what there is.

use std::sync::Arc;

use super::prefix::lengths;
use super::record::{AdvertisementSpec, BgpAdvertisement, BgpPeer};
use crate::cluster::Cluster;
use crate::ipam::{AnyOf, Pool, Purpose};
use crate::net::{Family, Label};
use crate::reason::{Obstacle, Reason, Refusal, Violations};

/// The most objects that a refusal names.
const MOST_NAMED: usize = 20;

/// Whether a node can match all of these. Where only one of them chooses, there can be one; else there must be one already.
pub(super) fn meet(cluster: &Cluster, lists: &[&AnyOf]) -> bool {
    let mut choosing: Vec<&AnyOf> = Vec::new();
    for list in lists.iter().filter(|list| !list.is_empty()) {
        if !choosing.contains(list) {
            choosing.push(list);
        }
    }
    choosing.len() < 2 || cluster.ipam.nodes().any(|node| choosing.iter().all(|list| list.matches(&node.labels)))
}

/// Whether no other peer is the same router for some of the same nodes.
///
/// # Errors
/// [`Reason::BgpPeerDuplicate`].
pub(super) fn single(cluster: &Cluster, peer: &BgpPeer) -> Result<(), Refusal> {
    let same = |other: &&Arc<BgpPeer>| {
        other.name != peer.name
            && (&other.spec.router, other.spec.port) == (&peer.spec.router, peer.spec.port)
            && meet(cluster, &[&other.spec.nodes, &peer.spec.nodes])
    };
    let Some(other) = cluster.lb.bgp_peers().find(same) else { return Ok(()) };
    let (router, port) = (&peer.spec.router, peer.spec.port);
    let message = format!(
        "BGP peer `{}` is the router at {router} port {port} for some of the same nodes. Change that one, or give the two node \
         selectors that no node matches both of.",
        other.name
    );
    let refusal = Refusal::new(Reason::BgpPeerDuplicate, message).with("bgp-peer", &other.name).with("router", router);
    Err(refusal.with("port", port).about("bgp-peer", &other.name))
}

/// Whether no advertisement names the peer.
///
/// # Errors
/// [`Reason::BgpPeerInUse`], with the advertisements.
pub(super) fn unnamed(cluster: &Cluster, name: &Label) -> Result<(), Refusal> {
    let naming: Vec<&Arc<BgpAdvertisement>> =
        cluster.lb.bgp_advertisements().filter(|advertisement| advertisement.spec.peers.contains(name)).collect();
    let Some(first) = naming.first() else { return Ok(()) };
    let more = match naming.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let message = format!(
        "BGP peer `{name}` is named by BGP advertisement `{}`{more}. Take it out of their peers first; an advertisement that names \
         no peer goes to all.",
        first.name
    );
    let refusal = Refusal::new(Reason::BgpPeerInUse, message).with("bgp-peer", name).with("advertisements", naming.len());
    let obstacles = naming.iter().take(MOST_NAMED).map(|advertisement| Obstacle {
        reason: Reason::BgpPeerInUse,
        subject: format!("bgp-advertisements/{}", advertisement.name),
        description: format!("it goes to peer `{name}`"),
    });
    Err(obstacles.fold(refusal.about("bgp-peer", name), Refusal::blocked_by))
}

/// What is wrong with an advertisement beside the peers and pools that there are, under the field names of the API below `at`.
pub(super) fn faults(cluster: &Cluster, spec: &AdvertisementSpec, at: &str) -> Violations {
    let mut bad = Violations::new();
    for (nth, name) in spec.peers.iter().enumerate().filter(|(_, name)| cluster.lb.bgp_peer(name).is_none()) {
        let why = format!("there is no BGP peer `{name}`; make it first");
        bad.add(format!("{at}peers[{nth}]"), Reason::BgpPeerNotFound, why);
    }
    for (nth, name) in spec.pools.iter().enumerate() {
        match cluster.ipam.pool(name) {
            Some(pool) if pool.purpose == Purpose::ExternalService => {}
            Some(_) => {
                let why = format!("pool `{name}` is not for external addresses, and only those are advertised");
                bad.add(format!("{at}pools[{nth}]"), Reason::ConflictingFields, why);
            }
            None => bad.add(format!("{at}pools[{nth}]"), Reason::PoolNotFound, format!("there is no pool `{name}`; make it first")),
        }
    }
    for (family, field) in [(Family::V4, "aggregation_length_v4"), (Family::V6, "aggregation_length_v6")] {
        let length = spec.length(family);
        if let Some((pool, range, least)) = too_wide(cluster, spec, family) {
            let why = format!(
                "/{length} would advertise addresses that pool `{pool}` has not got: the widest prefix in its {range} is /{least}. Give \
                 {least} to {}, or leave the pool out.",
                family.bits()
            );
            bad.add(format!("{at}{field}"), Reason::CountOutOfBounds, why);
        }
    }
    bad
}

/// The first range of a selected pool that has no prefix as short as the aggregation length, and what it has.
fn too_wide<'a>(cluster: &'a Cluster, spec: &AdvertisementSpec, family: Family) -> Option<(&'a crate::net::Name, String, u8)> {
    let length = spec.length(family);
    if length == family.bits() {
        return None;
    }
    let pools = cluster.ipam.pools().filter(|pool| spec.selects(pool));
    let ranges = pools.flat_map(|pool: &Arc<Pool>| pool.ranges.iter().map(move |range| (&pool.name, range)));
    let mut ranges = ranges.filter(|(_, range)| range.family() == family);
    ranges.find_map(|(pool, range)| {
        let (least, _) = lengths(range);
        (length < least).then(|| (pool, range.to_string(), least))
    })
}

/// Whether the local preference is heard by anybody of the peers that are named.
pub(super) fn heard(cluster: &Cluster, spec: &AdvertisementSpec, at: &str, bad: &mut Violations) {
    let mut named = spec.peers.iter().filter_map(|name| cluster.lb.bgp_peer(name)).peekable();
    if spec.local_pref.is_some() && named.peek().is_some() && named.all(|peer| !peer.is_internal()) {
        let why = "every peer that is named is external, and a local preference goes to internal ones only; take it away";
        bad.add(format!("{at}local_pref"), Reason::ConflictingFields, why);
    }
}
