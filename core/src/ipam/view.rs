//! The state of IPAM in memory: the records and the indexes that follow from them.
//!
//! Nothing here is stored. Every index is a sum of what each record contributes, so [`View::apply`] takes records in any order
//! that keeps the order per key and comes to the same view; the order of keys inside a transaction does not matter.

mod handles;
mod labelled;
mod members;
mod numbers;
mod occupancy;
mod ranges;
mod read;
mod selected;
mod walk;

pub use labelled::Labelled;
pub(super) use occupancy::Rest;
pub use walk::{Term, Walk};

use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use ipnet::IpNet;

use self::handles::HandleIndex;
use self::labelled::LabelIndex;
use self::members::Members;
use self::numbers::NumberSet;
use self::occupancy::{ByFamily, Occupancy};
use self::ranges::RangeIndex;
use super::neighbors::Neighbors;
use super::record::{Allocation, Block, Change, ComputeNetwork, Namespace, Node, OwnerKind, Pool, Reservation};
use crate::id::Uid;
use crate::net::range::number;
use crate::net::{AddrRange, Family, Label, Name};
use crate::time::Timestamp;

/// The state of IPAM. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    namespaces: OrdMap<Label, Arc<Namespace>>,
    pools: OrdMap<Name, Arc<Pool>>,
    reservations: OrdMap<Name, Arc<Reservation>>,
    network: Option<Arc<ComputeNetwork>>,
    nodes: OrdMap<Name, Arc<Node>>,
    blocks: OrdMap<IpNet, Arc<Block>>,
    /// Held allocations.
    allocations: OrdMap<Uid, Arc<Allocation>>,
    /// Released ones, as long as their records are kept.
    past: OrdMap<Uid, Arc<Allocation>>,

    pool_ranges: RangeIndex<Name>,
    /// Whether pools overlap, as they may for a moment inside a transaction.
    pools_overlap: bool,
    members: Members,
    reserved_ranges: RangeIndex<Name>,
    blocks_of: OrdSet<(Name, IpNet)>,
    /// Addresses that lie in some block.
    lent: ByFamily<NumberSet>,
    /// Blocks of which nobody holds an address.
    empty_blocks: OrdSet<IpNet>,
    handles: HandleIndex,
    in_namespace: OrdMap<Label, OrdMap<Uid, Arc<Allocation>>>,
    labelled: LabelIndex,
    pod_addresses: OrdMap<Label, u64>,
    on_node: OrdMap<Name, OrdSet<Uid>>,
    occupancy: Occupancy,
    released: OrdSet<(Timestamp, Uid)>,
    neighbors: OrdMap<Name, Arc<Neighbors>>,
    /// The addresses that nodes have reported answers for, and which nodes.
    reported: OrdMap<IpAddr, OrdSet<Name>>,
}

impl View {
    /// Moves the view by one committed change: the only way in which it ever changes.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Namespace(name, record) => put(&mut self.namespaces, name, record.as_ref()),
            Change::Pool(name, record) => self.put_pool(name, record.as_ref()),
            Change::Reservation(name, record) => self.put_reservation(name, record.as_ref()),
            Change::Network(record) => self.network.clone_from(record),
            Change::Node(name, record) => put(&mut self.nodes, name, record.as_ref()),
            Change::Block(cidr, record) => self.put_block(*cidr, record.as_ref()),
            Change::Allocation(uid, record) => self.put_allocation(*uid, record.as_ref()),
            Change::Neighbors(node, record) => self.put_neighbors(node, record.as_ref()),
        }
    }

    fn put_pool(&mut self, name: &Name, record: Option<&Arc<Pool>>) {
        let old = self.pools.get(name).cloned();
        put(&mut self.pools, name, record);
        let ranges = record.map_or(&[][..], |pool| &pool.ranges);
        let before = old.as_ref().map_or(&[][..], |pool| &pool.ranges);
        if before == ranges {
            return;
        }
        before.iter().for_each(|range| self.pool_ranges.remove(name, *range));
        ranges.iter().for_each(|range| self.pool_ranges.insert(name, *range));
        self.pools_overlap = self.pool_ranges.has_overlap();
        self.members.renew(name, ranges, &self.occupancy);
    }

    /// The pools of an allocation's addresses, each perhaps more than once.
    fn pools_of(&self, allocation: &Allocation) -> Vec<Name> {
        let addresses = allocation.holdings.iter().map(|holding| holding.address);
        match self.pools_overlap {
            false => addresses.filter_map(|address| self.pool_ranges.find(address)).map(|(name, _)| name.clone()).collect(),
            true => addresses.flat_map(|address| self.pool_ranges.all(address)).cloned().collect(),
        }
    }

    fn put_reservation(&mut self, name: &Name, record: Option<&Arc<Reservation>>) {
        for range in self.reservations.get(name).iter().flat_map(|reservation| &reservation.ranges) {
            self.reserved_ranges.remove(name, *range);
        }
        for range in record.iter().flat_map(|reservation| &reservation.ranges) {
            self.reserved_ranges.insert(name, *range);
        }
        put(&mut self.reservations, name, record);
    }

    fn put_block(&mut self, cidr: IpNet, record: Option<&Arc<Block>>) {
        let ends = |range: AddrRange| (number(range.start()), number(range.end()));
        let (first, last) = ends(AddrRange::of_net(cidr));
        if let Some(old) = self.blocks.remove(&cidr) {
            self.blocks_of.remove(&(old.node.clone(), cidr));
            self.empty_blocks.remove(&cidr);
            let still: Vec<IpNet> = self.blocks_overlapping(AddrRange::of_net(cidr)).map(|block| block.cidr).collect();
            // What happened at these addresses may have been counted for the block that is gone.
            still.iter().for_each(|cidr| self.note_whether_empty(*cidr));
            let lent = self.lent.get_mut(family(cidr));
            lent.remove_range(first, last);
            still.into_iter().map(AddrRange::of_net).map(ends).for_each(|(first, last)| lent.insert_range(first, last));
        }
        if let Some(block) = record {
            self.blocks_of.insert((block.node.clone(), cidr));
            self.lent.get_mut(family(cidr)).insert_range(first, last);
            self.blocks.insert(cidr, Arc::clone(block));
            self.note_whether_empty(cidr);
        }
    }

    fn note_whether_empty(&mut self, cidr: IpNet) {
        if self.occupancy.held_in(AddrRange::of_net(cidr)) == 0 {
            self.empty_blocks.insert(cidr);
        } else {
            self.empty_blocks.remove(&cidr);
        }
    }

    fn hold(&mut self, address: IpAddr, uid: Uid) {
        self.occupancy.hold(address, uid);
        // While a view is loaded there are no blocks yet, and in a busy pool few are empty.
        if !self.empty_blocks.is_empty()
            && let Some(cidr) = self.block_of(address).map(|block| block.cidr)
        {
            self.empty_blocks.remove(&cidr);
        }
    }

    fn unhold(&mut self, address: IpAddr, uid: Uid) {
        self.occupancy.unhold(address, uid);
        if let Some(cidr) = self.block_of(address).map(|block| block.cidr) {
            self.note_whether_empty(cidr);
        }
    }

    fn put_neighbors(&mut self, node: &Name, record: Option<&Arc<Neighbors>>) {
        for answer in self.neighbors.get(node).into_iter().flat_map(|old| &old.answers) {
            if let Some(nodes) = self.reported.get_mut(&answer.address) {
                nodes.remove(node);
                if nodes.is_empty() {
                    self.reported.remove(&answer.address);
                }
            }
        }
        for answer in record.into_iter().flat_map(|new| &new.answers) {
            self.reported.entry(answer.address).or_default().insert(node.clone());
        }
        put(&mut self.neighbors, node, record);
    }

    fn put_allocation(&mut self, uid: Uid, record: Option<&Arc<Allocation>>) {
        let old = self.allocations.remove(&uid).or_else(|| self.past.remove(&uid));
        self.labelled.replace(uid, old.as_deref(), record.map(AsRef::as_ref));
        if let Some(old) = old {
            self.forget(uid, &old);
        }
        if let Some(allocation) = record {
            self.index(uid, allocation);
            let records = if allocation.is_held() { &mut self.allocations } else { &mut self.past };
            records.insert(uid, Arc::clone(allocation));
        }
    }

    fn index(&mut self, uid: Uid, allocation: &Arc<Allocation>) {
        if let Some(since) = allocation.released {
            self.released.insert((since, uid));
            allocation.holdings.iter().for_each(|holding| self.occupancy.rest(holding.address, since, uid));
            return;
        }
        self.handles.insert(&allocation.handle, uid);
        allocation.holdings.iter().for_each(|holding| self.hold(holding.address, uid));
        self.pools_of(allocation).iter().for_each(|pool| self.members.insert(pool, uid));
        if let Some(node) = &allocation.owner.node {
            self.on_node.entry(node.clone()).or_default().insert(uid);
        }
        if let Some(namespace) = &allocation.owner.namespace {
            self.in_namespace.entry(namespace.clone()).or_default().insert(uid, Arc::clone(allocation));
            let addresses = self.pod_addresses.get(namespace).copied().unwrap_or(0);
            put(&mut self.pod_addresses, namespace, Some(&(addresses + pod_addresses(allocation))));
        }
    }

    fn forget(&mut self, uid: Uid, allocation: &Allocation) {
        if let Some(since) = allocation.released {
            self.released.remove(&(since, uid));
            allocation.holdings.iter().for_each(|holding| self.occupancy.unrest(holding.address, since, uid));
            return;
        }
        self.handles.remove(&allocation.handle, uid);
        allocation.holdings.iter().for_each(|holding| self.unhold(holding.address, uid));
        self.pools_of(allocation).iter().for_each(|pool| self.members.remove(pool, uid));
        if let Some(node) = &allocation.owner.node {
            self.forget_on_node(uid, node);
        }
        if let Some(namespace) = &allocation.owner.namespace {
            self.forget_in_namespace(uid, namespace, allocation);
        }
    }

    fn forget_on_node(&mut self, uid: Uid, node: &Name) {
        if let Some(here) = self.on_node.get_mut(node) {
            here.remove(&uid);
            if here.is_empty() {
                self.on_node.remove(node);
            }
        }
    }

    fn forget_in_namespace(&mut self, uid: Uid, namespace: &Label, allocation: &Allocation) {
        if let Some(here) = self.in_namespace.get_mut(namespace) {
            here.remove(&uid);
            if here.is_empty() {
                self.in_namespace.remove(namespace);
                self.pod_addresses.remove(namespace);
                return;
            }
        }
        let addresses = self.pod_addresses.get(namespace).copied().unwrap_or(0);
        put(&mut self.pod_addresses, namespace, Some(&addresses.saturating_sub(pod_addresses(allocation))));
    }
}

/// How many addresses count against the namespace's quota of pod addresses.
fn pod_addresses(allocation: &Allocation) -> u64 {
    match allocation.owner.kind {
        OwnerKind::Pod => allocation.holdings.len() as u64,
        OwnerKind::Node | OwnerKind::Other => 0,
    }
}

fn family(cidr: IpNet) -> Family {
    Family::of(cidr.addr())
}

/// The prefix of one address.
fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn put<K: Ord + Clone, V: Clone>(map: &mut OrdMap<K, V>, key: &K, record: Option<&V>) {
    match record {
        Some(record) => map.insert(key.clone(), record.clone()),
        None => map.remove(key),
    };
}
