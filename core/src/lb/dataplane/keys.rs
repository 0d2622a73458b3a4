//! Which objects there may be, and which of them a change touches.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::Key;
use super::objects::has_front;
use crate::cluster::{Change, Cluster};
use crate::ipam::{Allocation, Change as IpamChange, OwnerKind};
use crate::lb::record::{Change as LbChange, ServiceKey};
use crate::net::AddrRange;

/// Every key after `after` that has an object for some node, in order; all of them without one.
pub fn keys(cluster: &Cluster, after: Option<&Key>) -> impl Iterator<Item = Key> {
    let settings = after.is_none().then_some(Key::Settings);
    let nodes = match after {
        None | Some(Key::Settings) => Some(Bound::Unbounded),
        Some(Key::Node(name)) => Some(Bound::Excluded(name.clone())),
        Some(Key::Front(_) | Key::Endpoints(_) | Key::Announcement(_)) => None,
    };
    let nodes = nodes.into_iter().flat_map(|from| cluster.ipam.nodes_from(from)).map(|node| Key::Node(node.name.clone()));
    let fronts = match after {
        None | Some(Key::Settings | Key::Node(_)) => Some(None),
        Some(Key::Front(key)) => Some(Some(key.clone())),
        Some(Key::Endpoints(_) | Key::Announcement(_)) => None,
    };
    let endpoints = match after {
        None | Some(Key::Settings | Key::Node(_) | Key::Front(_)) => Some(None),
        Some(Key::Endpoints(key)) => Some(Some(key.clone())),
        Some(Key::Announcement(_)) => None,
    };
    let announced = match after {
        Some(Key::Announcement(address)) => Some(*address),
        _ => None,
    };
    let fronts = fronts.into_iter().flat_map(|after| with_front(cluster, after.as_ref())).map(Key::Front);
    let endpoints = endpoints.into_iter().flat_map(|after| with_front(cluster, after.as_ref())).map(Key::Endpoints);
    let announced = cluster.lb.board().after(announced).map(|record| Key::Announcement(record.address));
    settings.into_iter().chain(nodes).chain(fronts).chain(endpoints).chain(announced)
}

fn with_front<'c>(cluster: &'c Cluster, after: Option<&ServiceKey>) -> impl Iterator<Item = ServiceKey> + use<'c> {
    cluster.lb.services_after(after).filter(|service| has_front(service)).map(|service| service.key.clone())
}

/// The keys whose objects the change may alter for some node. `before` is the state that the change has not moved yet.
#[must_use]
pub fn touched(before: &Cluster, change: &Change) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    match change {
        Change::Lb(LbChange::Service(key, _)) => keys.extend([Key::Front(key.clone()), Key::Endpoints(key.clone())]),
        Change::Lb(LbChange::Announcement(address, _)) => keys.extend([Key::Announcement(*address)]),
        // BGP sessions are told once there is an agent that speaks BGP.
        Change::Lb(
            LbChange::Rest(..) | LbChange::Drain(..) | LbChange::Epoch(_) | LbChange::BgpPeer(..) | LbChange::BgpAdvertisement(..),
        ) => {}
        Change::Ipam(IpamChange::Pool(..)) => {
            // The interfaces to answer on are the pool's.
            let announced = before.lb.board().announcements().map(|record| Key::Announcement(record.address));
            keys.extend(announced.chain([Key::Settings]));
        }
        Change::Ipam(IpamChange::Reservation(..)) => keys.extend([Key::Settings]),
        Change::Ipam(IpamChange::Node(name, _)) => keys.extend([Key::Node(name.clone())]),
        Change::Ipam(IpamChange::Block(cidr, after)) => {
            let owners = before.ipam.block(*cidr).into_iter().chain(after).map(|block| block.node.clone());
            // Their addresses are borrowed from now on, or no longer.
            let holders = before.ipam.held_in(AddrRange::of_net(*cidr)).filter_map(|(_, held)| held.owner.node.clone());
            keys.extend(owners.chain(holders).map(Key::Node));
        }
        Change::Ipam(IpamChange::Allocation(uid, after)) => {
            let was = before.ipam.allocation(*uid).filter(|was| was.is_held());
            let after = after.as_ref().filter(|after| after.is_held());
            was.into_iter().chain(after).for_each(|held| touched_by_allocation(before, held, &mut keys));
        }
        Change::Ipam(IpamChange::Namespace(..) | IpamChange::Network(_) | IpamChange::Neighbors(..)) | Change::Dns(_) => {}
    }
    keys
}

fn touched_by_allocation(cluster: &Cluster, allocation: &Arc<Allocation>, keys: &mut BTreeSet<Key>) {
    if let Some(namespace) = &allocation.owner.namespace {
        let behind = cluster.lb.selecting(namespace, &allocation.labels).filter(|service| has_front(service));
        keys.extend(behind.map(|service| Key::Endpoints(service.key.clone())));
    }
    let Some(node) = &allocation.owner.node else { return };
    let is_own = allocation.owner.kind == OwnerKind::Node;
    if is_own || allocation.holdings.iter().any(|holding| cluster.ipam.is_borrowed(node, holding.address)) {
        keys.insert(Key::Node(node.clone()));
    }
}
