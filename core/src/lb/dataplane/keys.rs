//! Which objects there may be, and which of them a change touches.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::Key;
use super::objects::has_front;
use crate::cluster::{Change, Cluster};
use crate::ipam::{Allocation, Change as IpamChange, OwnerKind};
use crate::lb::announce::Announcement;
use crate::lb::bgp::advertised;
use crate::lb::record::{Change as LbChange, Service, ServiceKey};
use crate::net::AddrRange;

/// The keys of one kind after one of them, in order; all of them without one, or after one of another kind.
type OfKind = for<'c> fn(&'c Cluster, Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c>;

/// Every kind, in the order of [`Key`].
const KINDS: [OfKind; 7] = [settings, nodes, fronts, endpoints, announcements, sessions, routes];

/// The place of the key's kind.
const fn kind(key: &Key) -> usize {
    match key {
        Key::Settings => 0,
        Key::Node(_) => 1,
        Key::Front(_) => 2,
        Key::Endpoints(_) => 3,
        Key::Announcement(_) => 4,
        Key::BgpSession(_) => 5,
        Key::BgpRoutes(_) => 6,
    }
}

/// Every key after `after` that has an object for some node, in order; all of them without one.
pub fn keys<'c>(cluster: &'c Cluster, after: Option<&Key>) -> impl Iterator<Item = Key> + use<'c> {
    let (first, after) = (after.map_or(0, kind), after.cloned());
    KINDS.into_iter().skip(first).flat_map(move |of_kind| of_kind(cluster, after.as_ref()))
}

fn settings<'c>(_: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    Box::new(after.is_none().then_some(Key::Settings).into_iter())
}

fn nodes<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::Node(name)) = after { Some(name.clone()) } else { None };
    let from = last.map_or(Bound::Unbounded, Bound::Excluded);
    Box::new(cluster.ipam.nodes_from(from).map(|node| Key::Node(node.name.clone())))
}

fn fronts<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::Front(key)) = after { Some(key) } else { None };
    Box::new(with_front(cluster, last).map(Key::Front))
}

fn endpoints<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::Endpoints(key)) = after { Some(key) } else { None };
    Box::new(with_front(cluster, last).map(Key::Endpoints))
}

fn with_front<'c>(cluster: &'c Cluster, after: Option<&ServiceKey>) -> impl Iterator<Item = ServiceKey> + use<'c> {
    cluster.lb.services_after(after).filter(|service| has_front(service)).map(|service| service.key.clone())
}

fn announcements<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::Announcement(address)) = after { Some(*address) } else { None };
    let known = |record: &&Arc<Announcement>| cluster.ipam.pool_of(record.address).is_some();
    Box::new(cluster.lb.board().after(last).filter(known).map(|record| Key::Announcement(record.address)))
}

fn sessions<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::BgpSession(name)) = after { Some(name) } else { None };
    Box::new(cluster.lb.bgp_peers_after(last).map(|peer| Key::BgpSession(peer.name.clone())))
}

fn routes<'c>(cluster: &'c Cluster, after: Option<&Key>) -> Box<dyn Iterator<Item = Key> + 'c> {
    let last = if let Some(Key::BgpRoutes(address)) = after { Some(*address) } else { None };
    // Without an advertisement nobody looks at addresses.
    let held = is_advertising(cluster).then(|| cluster.lb.held_after(last));
    Box::new(held.into_iter().flatten().filter(|address| advertised(cluster, *address).is_some()).map(Key::BgpRoutes))
}

/// The keys whose objects the change may alter for some node. `before` is the state that the change has not moved yet.
#[must_use]
pub fn touched(before: &Cluster, change: &Change) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    match change {
        Change::Lb(LbChange::Service(key, after)) => {
            keys.extend([Key::Front(key.clone()), Key::Endpoints(key.clone())]);
            let was = before.lb.service(key).into_iter();
            was.chain(after).for_each(|service| keys.extend(routes_for(before, service)));
        }
        Change::Lb(LbChange::Announcement(address, _)) => keys.extend([Key::Announcement(*address)]),
        Change::Lb(LbChange::BgpPeer(name, _)) => keys.extend([Key::BgpSession(name.clone())]),
        Change::Lb(LbChange::BgpAdvertisement(..)) => keys.extend(before.lb.held_after(None).map(Key::BgpRoutes)),
        Change::Lb(LbChange::Brief(..) | LbChange::Rest(..) | LbChange::Drain(..) | LbChange::Epoch(_)) => {}
        Change::Ipam(IpamChange::Pool(name, after)) => {
            // The interfaces to answer on are the pool's, and so are what advertisements select and the bounds of aggregates.
            let announced = before.lb.board().announcements().map(|record| Key::Announcement(record.address));
            keys.extend(announced.chain([Key::Settings]));
            if is_advertising(before) {
                let ranges = before.ipam.pool(name).into_iter().chain(after).flat_map(|pool| &pool.ranges);
                keys.extend(ranges.flat_map(|range| before.lb.held_in(*range)).map(Key::BgpRoutes));
            }
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

/// Whether anything is advertised by BGP.
fn is_advertising(cluster: &Cluster) -> bool {
    cluster.lb.bgp_advertisements().next().is_some()
}

/// The keys of what is advertised for the service.
fn routes_for<'s>(cluster: &Cluster, service: &'s Service) -> impl Iterator<Item = Key> + use<'s> {
    let external = is_advertising(cluster).then_some(&service.external);
    external.into_iter().flatten().map(|vip| Key::BgpRoutes(vip.address))
}

fn touched_by_allocation(cluster: &Cluster, allocation: &Arc<Allocation>, keys: &mut BTreeSet<Key>) {
    if let Some(namespace) = &allocation.owner.namespace {
        for service in cluster.lb.selecting(namespace, &allocation.labels).filter(|service| has_front(service)) {
            keys.insert(Key::Endpoints(service.key.clone()));
            keys.extend(routes_for(cluster, service));
        }
    }
    let Some(node) = &allocation.owner.node else { return };
    let is_own = allocation.owner.kind == OwnerKind::Node;
    if is_own || allocation.holdings.iter().any(|holding| cluster.ipam.is_borrowed(node, holding.address)) {
        keys.insert(Key::Node(node.clone()));
    }
}
