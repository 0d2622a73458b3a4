//! Reading the view: what planners, LB, DNS and the API ask.

use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::neighbors::Neighbors;
use super::super::node;
use super::super::record::{Allocation, Block, Change, ComputeNetwork, Namespace, Node, Pool, Reservation};
use super::{Rest, View, host};
use crate::id::Uid;
use crate::net::range::number;
use crate::net::{AddrRange, Label, Labels, Name};
use crate::time::Timestamp;

/// The label that every namespace has, with its name as the value.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Configuration.
impl View {
    /// Every stored namespace, by name.
    pub fn namespaces(&self) -> impl DoubleEndedIterator<Item = &Arc<Namespace>> {
        self.namespaces.values()
    }

    /// The record of a namespace; one that is only named by other objects has none.
    #[must_use]
    pub fn namespace(&self, name: &Label) -> Option<&Arc<Namespace>> {
        self.namespaces.get(name)
    }

    /// The labels that selectors see: those of the record, if there is one, and `kubernetes.io/metadata.name`.
    #[must_use]
    pub fn namespace_labels(&self, name: &Label) -> Labels {
        let own = self.namespaces.get(name).map(|namespace| &namespace.labels);
        let pairs = own.iter().flat_map(|labels| labels.iter()).chain([(NAMESPACE_NAME_LABEL, name.as_str())]);
        Labels::new(pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))).unwrap_or_default()
    }

    /// Every pool, by name.
    pub fn pools(&self) -> impl DoubleEndedIterator<Item = &Arc<Pool>> {
        self.pools.values()
    }

    /// The pool with this name.
    #[must_use]
    pub fn pool(&self, name: &Name) -> Option<&Arc<Pool>> {
        self.pools.get(name)
    }

    /// The pool that has the address, whatever its state.
    #[must_use]
    pub fn pool_of(&self, address: IpAddr) -> Option<&Arc<Pool>> {
        self.pool_ranges.find(address).and_then(|(name, _)| self.pools.get(name))
    }

    /// Every range of a pool that has an address of `range`, with the pool's name.
    pub fn pools_overlapping(&self, range: AddrRange) -> impl Iterator<Item = (&Name, AddrRange)> {
        self.pool_ranges.overlapping(range)
    }

    /// Every reservation, by name.
    pub fn reservations(&self) -> impl DoubleEndedIterator<Item = &Arc<Reservation>> {
        self.reservations.values()
    }

    /// The reservation with this name.
    #[must_use]
    pub fn reservation(&self, name: &Name) -> Option<&Arc<Reservation>> {
        self.reservations.get(name)
    }

    /// The reservation that keeps the address, expired or not.
    #[must_use]
    pub fn reservation_of(&self, address: IpAddr) -> Option<&Arc<Reservation>> {
        self.reserved_ranges.find(address).and_then(|(name, _)| self.reservations.get(name))
    }

    /// Every reserved range that has an address of `range`, with the reservation's name.
    pub fn reserved_overlapping(&self, range: AddrRange) -> impl Iterator<Item = (&Name, AddrRange)> {
        self.reserved_ranges.overlapping(range)
    }

    /// The compute network, once it is set.
    #[must_use]
    pub const fn network(&self) -> Option<&Arc<ComputeNetwork>> {
        self.network.as_ref()
    }
}

/// Nodes and their blocks.
impl View {
    /// Every node, by name.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// The nodes from a name on, by name.
    pub fn nodes_from(&self, from: Bound<Name>) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.range((from, Bound::Unbounded)).map(|(_, node)| node)
    }

    /// The node with this name.
    #[must_use]
    pub fn node(&self, name: &Name) -> Option<&Arc<Node>> {
        self.nodes.get(name)
    }

    /// The addresses of a node, in the order in which it got them.
    pub fn node_addresses(&self, name: &Name) -> impl Iterator<Item = IpAddr> {
        let allocation = self.by_handle(&node::handle(name));
        allocation.into_iter().flat_map(|allocation| &allocation.holdings).map(|holding| holding.address)
    }

    /// Held allocations of pods and others on the node, and of the node itself.
    pub fn allocations_on(&self, node: &Name) -> impl Iterator<Item = &Arc<Allocation>> {
        self.on_node.get(node).into_iter().flatten().filter_map(|uid| self.allocations.get(uid))
    }

    /// Every node that a held allocation names, whether it exists or not.
    pub fn nodes_in_use(&self) -> impl Iterator<Item = &Name> {
        self.on_node.keys()
    }

    /// Every block, by address.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &Arc<Block>> {
        self.blocks.values()
    }

    /// The block with this prefix.
    #[must_use]
    pub fn block(&self, cidr: IpNet) -> Option<&Arc<Block>> {
        self.blocks.get(&cidr)
    }

    /// The blocks lent to a node, by address.
    pub fn blocks_of<'a>(&'a self, node: &'a Name) -> impl Iterator<Item = &'a Arc<Block>> {
        let first = (node.clone(), IpNet::default());
        let here = self.blocks_of.range(first..).take_while(move |(owner, _)| owner == node);
        here.filter_map(|(_, cidr)| self.blocks.get(cidr))
    }

    /// The block that has the address.
    #[must_use]
    pub fn block_of(&self, address: IpAddr) -> Option<&Arc<Block>> {
        let (_, block) = self.blocks.range(..=host(address)).next_back()?;
        block.cidr.contains(&address).then_some(block)
    }

    /// Whether a pod of the node that holds the address is reached by itself, and not with a block of its node.
    #[must_use]
    pub fn is_borrowed(&self, node: &Name, address: IpAddr) -> bool {
        self.block_of(address).is_none_or(|block| block.node != *node)
    }

    /// Every block that has an address of `range`, by address.
    pub fn blocks_overlapping(&self, range: AddrRange) -> impl Iterator<Item = &Arc<Block>> {
        let first = self.block_of(range.start());
        let rest = self.blocks.range((Bound::Excluded(host(range.start())), Bound::Included(host(range.end()))));
        let rest = rest.map(|(_, block)| block).filter(move |block| first.is_none_or(|first| first.cidr != block.cidr));
        first.into_iter().chain(rest)
    }

    /// The blocks with an address of `range` of which nobody holds an address, by address; found without visiting any other.
    pub fn empty_blocks(&self, range: AddrRange) -> impl Iterator<Item = &Arc<Block>> {
        let first = self.block_of(range.start()).filter(|block| self.empty_blocks.contains(&block.cidr));
        let from = (Bound::Excluded(host(range.start())), Bound::Included(host(range.end())));
        let rest = self.empty_blocks.range(from).filter_map(|cidr| self.blocks.get(cidr));
        let rest = rest.filter(move |block| first.is_none_or(|first| first.cidr != block.cidr));
        first.into_iter().chain(rest)
    }

    /// The first address from the start of `range` on that lies in no block.
    #[must_use]
    pub fn first_unlent(&self, range: AddrRange) -> Option<IpAddr> {
        let at = self.lent.get(range.family()).first_absent(number(range.start()))?;
        (at <= number(range.end())).then(|| range.family().address(at))
    }
}

/// Allocations.
impl View {
    /// The allocation with this uid, held or resting.
    #[must_use]
    pub fn allocation(&self, uid: Uid) -> Option<&Arc<Allocation>> {
        self.allocations.get(&uid).or_else(|| self.past.get(&uid))
    }

    /// Every held allocation after `after`, by uid.
    pub fn allocations(&self, after: Option<Uid>) -> impl Iterator<Item = (Uid, &Arc<Allocation>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.allocations.range((from, Bound::Unbounded)).map(|(uid, allocation)| (*uid, allocation))
    }

    /// The held allocation with this handle.
    #[must_use]
    pub fn by_handle(&self, handle: &str) -> Option<&Arc<Allocation>> {
        let candidates = self.handles.candidates(handle).filter_map(|uid| self.allocations.get(&uid));
        candidates.into_iter().find(|allocation| *allocation.handle == *handle)
    }

    /// The allocation that holds the address.
    #[must_use]
    pub fn held(&self, address: IpAddr) -> Option<&Arc<Allocation>> {
        self.occupancy.holder(address).and_then(|uid| self.allocations.get(&uid))
    }

    /// Every held address of the range with its holder, by address.
    pub fn held_in(&self, range: AddrRange) -> impl Iterator<Item = (IpAddr, &Arc<Allocation>)> {
        self.occupancy.holders_in(range).filter_map(|(address, uid)| self.allocations.get(&uid).map(|held| (address, held)))
    }

    /// How many addresses of the range are held; visits one word for each 64 of them.
    #[must_use]
    pub fn count_held(&self, range: AddrRange) -> u64 {
        self.occupancy.held_in(range)
    }

    /// How many addresses of the range are free but were released lately.
    #[must_use]
    pub fn count_resting(&self, range: AddrRange) -> u64 {
        self.occupancy.touched_in(range).saturating_sub(self.occupancy.held_in(range))
    }

    /// Held allocations of a namespace, by uid.
    pub fn allocations_in(&self, namespace: &Label) -> impl Iterator<Item = &Arc<Allocation>> {
        self.in_namespace.get(namespace).into_iter().flat_map(|here| here.values())
    }

    /// Every namespace that a held allocation names.
    pub fn namespaces_in_use(&self) -> impl Iterator<Item = &Label> {
        self.in_namespace.keys()
    }

    /// How many pod addresses a namespace holds.
    #[must_use]
    pub fn pod_addresses(&self, namespace: &Label) -> u64 {
        self.pod_addresses.get(namespace).copied().unwrap_or(0)
    }

    /// When the address was last released, as long as a record of it is kept and nobody holds it.
    #[must_use]
    pub fn resting_since(&self, address: IpAddr) -> Option<Timestamp> {
        self.occupancy.holder(address).is_none().then(|| self.occupancy.resting_since(address)).flatten()
    }

    /// The released allocations whose records still say when this address became free, oldest first.
    pub fn rests_at(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = &Arc<Allocation>> {
        self.occupancy.rests_at(address).filter_map(|(_, uid)| self.past.get(&uid))
    }

    /// Allocations released at `from` or later, longest released first.
    pub fn released(&self, from: Timestamp) -> impl Iterator<Item = (Timestamp, &Arc<Allocation>)> {
        self.released.range((from, Uid(0))..).filter_map(|(since, uid)| self.past.get(uid).map(|record| (*since, record)))
    }

    /// The lowest address of the range that nobody holds and no record says was released lately.
    pub(in crate::ipam) fn first_untouched(&self, range: AddrRange) -> Option<IpAddr> {
        self.occupancy.first_untouched(range)
    }

    /// The lowest address of the range that no allocation holds, found without walking over held ones.
    #[must_use]
    pub fn first_unheld(&self, range: AddrRange) -> Option<IpAddr> {
        self.occupancy.first_unheld(range)
    }

    /// Resting addresses inside one aligned run of 64, longest free first.
    pub(in crate::ipam) fn queue(&self, range: AddrRange) -> impl Iterator<Item = Rest> {
        self.occupancy.queue(range)
    }

    /// The part of `range` that is the first aligned run of 64 with a resting address.
    pub(in crate::ipam) fn next_queue(&self, range: AddrRange) -> Option<AddrRange> {
        self.occupancy.next_queue(range)
    }
}

/// What nodes report of their neighbors.
impl View {
    /// Every report, by node.
    pub fn neighbors(&self) -> impl Iterator<Item = &Arc<Neighbors>> {
        self.neighbors.values()
    }

    /// What the node has reported last.
    #[must_use]
    pub fn neighbors_of(&self, node: &Name) -> Option<&Arc<Neighbors>> {
        self.neighbors.get(node)
    }

    /// The reports that have an answer for the address, by node, however old.
    pub fn reports_about(&self, address: IpAddr) -> impl Iterator<Item = &Arc<Neighbors>> {
        self.reported.get(&address).into_iter().flatten().filter_map(|node| self.neighbors.get(node))
    }

    /// The addresses of the range that some report has an answer for, in order.
    pub fn reported_in(&self, range: AddrRange) -> impl Iterator<Item = IpAddr> {
        self.reported.range(range.start()..=range.end()).map(|(address, _)| *address)
    }
}

/// The whole.
impl View {
    /// Every record as the change that would put it: applied to an empty view they give this one.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let namespaces = self.namespaces.iter().map(|(name, record)| Change::Namespace(name.clone(), Some(Arc::clone(record))));
        let pools = self.pools.iter().map(|(name, record)| Change::Pool(name.clone(), Some(Arc::clone(record))));
        let kept = self.reservations.iter().map(|(name, record)| Change::Reservation(name.clone(), Some(Arc::clone(record))));
        let network = self.network.iter().map(|record| Change::Network(Some(Arc::clone(record))));
        let nodes = self.nodes.iter().map(|(name, record)| Change::Node(name.clone(), Some(Arc::clone(record))));
        let blocks = self.blocks.iter().map(|(cidr, record)| Change::Block(*cidr, Some(Arc::clone(record))));
        let allocations =
            self.allocations.iter().chain(&self.past).map(|(uid, record)| Change::Allocation(*uid, Some(Arc::clone(record))));
        let neighbors = self.neighbors.iter().map(|(node, record)| Change::Neighbors(node.clone(), Some(Arc::clone(record))));
        namespaces.chain(pools).chain(kept).chain(network).chain(nodes).chain(blocks).chain(allocations).chain(neighbors)
    }
}
