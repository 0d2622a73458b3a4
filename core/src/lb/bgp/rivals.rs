//! Two advertisements that would send one prefix to one peer with different local preferences: which holds would be chance.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::prefix::{fitting, lengths};
use super::record::{AdvertisementSpec, BgpAdvertisement, BgpPeer};
use super::rules::meet;
use crate::cluster::Cluster;
use crate::ipam::Pool;
use crate::net::Family;
use crate::reason::{Obstacle, Reason, Refusal};

/// Another advertisement that says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rival<'a> {
    pub(super) one: &'a BgpAdvertisement,
    pub(super) other: &'a BgpAdvertisement,
    peer: &'a BgpPeer,
    pool: &'a Pool,
}

impl Rival<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let preference = |pref: Option<NonZeroU32>| pref.map_or_else(|| "none".to_owned(), |pref| pref.to_string());
        format!(
            "BGP advertisement `{}` (local preference {}) sends the same prefixes of pool `{}` to peer `{}` as `{}` (local preference \
             {}). Give both the same preference, or part them by pools, lengths, peers, nodes or services.",
            self.other.name,
            preference(self.other.spec.local_pref),
            self.pool.name,
            self.peer.name,
            self.one.name,
            preference(self.one.spec.local_pref),
        )
    }

    /// The refusal of what would make them rivals.
    pub(super) fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(Reason::BgpAdvertisementConflict, self.text());
        let refusal = refusal.with("bgp-advertisement", &self.one.name).with("other", &self.other.name);
        let refusal = refusal.with("bgp-peer", &self.peer.name).with("pool", &self.pool.name);
        refusal.about("bgp-advertisement", &self.other.name).blocked_by(Obstacle {
            reason: Reason::BgpAdvertisementConflict,
            subject: format!("bgp-advertisements/{}", self.other.name),
            description: format!("it says another local preference to peer `{}`", self.peer.name),
        })
    }
}

/// The first rival of the advertisement, by name, as far as peers of interest go. Only internal peers hear of a preference.
///
/// Advertisements for certain services are rivals where both choose an address that there is now.
pub(super) fn rival<'a>(
    cluster: &'a Cluster,
    one: &'a BgpAdvertisement,
    of_interest: impl Fn(&BgpPeer) -> bool,
) -> Option<Rival<'a>> {
    let others = cluster.lb.bgp_advertisements().map(AsRef::as_ref);
    let mut others =
        others.filter(|other: &&BgpAdvertisement| other.name != one.name && other.spec.local_pref != one.spec.local_pref);
    others.find_map(|other| {
        let told = |peer: &&Arc<BgpPeer>| {
            peer.is_internal()
                && of_interest(peer)
                && one.spec.is_for(peer)
                && other.spec.is_for(peer)
                && meet(cluster, &[&one.spec.nodes, &other.spec.nodes, &peer.spec.nodes])
        };
        let peer = cluster.lb.bgp_peers().find(told)?;
        let pool = cluster.ipam.pools().find(|pool| same_prefix(cluster, pool, &one.spec, &other.spec))?;
        Some(Rival { one, other, peer, pool })
    })
}

/// Whether both would send one prefix of the pool.
fn same_prefix(cluster: &Cluster, pool: &Pool, one: &AdvertisementSpec, other: &AdvertisementSpec) -> bool {
    if !(one.selects(pool) && other.selects(pool)) {
        return false;
    }
    if one.services.is_empty() && other.services.is_empty() {
        // A prefix is made longer until it lies in the pool: there two lengths meet when both are too short.
        return pool.ranges.iter().any(|range| {
            let (one, other) = (one.length(range.family()), other.length(range.family()));
            one == other || lengths(range).1 >= one.max(other)
        });
    }
    let prefix = |spec: &AdvertisementSpec, address: IpAddr| fitting(pool, address, spec.length(Family::of(address)));
    let theirs = |address: IpAddr| cluster.lb.holders(address).any(|holder| other.services.matches(&holder.labels));
    let mut ours = cluster.lb.services().filter(|service| one.services.matches(&service.labels));
    // Services that share an address may be chosen by one each.
    ours.any(|service| {
        let mut vips = service.external.iter().map(|vip| vip.address);
        vips.any(|vip| theirs(vip) && prefix(one, vip).is_some_and(|net| prefix(other, vip) == Some(net)))
    })
}
