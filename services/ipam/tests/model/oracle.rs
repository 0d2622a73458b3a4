//! The oracle: who has which address, told from the bare records, and every rule about who may have which, decided by looking at
//! every address one by one. It shares no index and no search with what it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use polder_core::cluster::Cluster;
use polder_core::id::Uid;
use polder_core::ipam::allocate::Request;
use polder_core::ipam::{Allocation, Block, Change, Namespace, Node, Order, OwnerKind, Pool, PoolState, Purpose, Reservation};
use polder_core::net::range::number;
use polder_core::net::{AddrRange, Family, Label, Name};
use polder_core::time::Timestamp;

/// One address that changed hands.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) address: IpAddr,
    pub(crate) from: Option<Arc<Allocation>>,
    pub(crate) to: Option<Arc<Allocation>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    pub(crate) owners: BTreeMap<IpAddr, Arc<Allocation>>,
    pub(crate) records: BTreeMap<Uid, Arc<Allocation>>,
    pub(crate) pools: BTreeMap<Name, Arc<Pool>>,
    pub(crate) reservations: BTreeMap<Name, Arc<Reservation>>,
    pub(crate) namespaces: BTreeMap<Label, Arc<Namespace>>,
    pub(crate) nodes: BTreeMap<Name, Arc<Node>>,
    pub(crate) blocks: BTreeMap<IpNet, Arc<Block>>,
    /// When an address was taken from its owner last, where its pool wanted it to rest.
    freed: BTreeMap<IpAddr, Timestamp>,
}

impl Oracle {
    /// The state that a view shows.
    pub(crate) fn at(cluster: &Cluster) -> Self {
        let mut oracle = Self::default();
        oracle.apply(&cluster.ipam.changes().collect::<Vec<_>>(), Timestamp(0)).unwrap();
        oracle.freed = oracle.rests();
        oracle
    }

    /// Applies what one request changed; which addresses changed hands by it.
    ///
    /// # Errors
    /// What cannot be: an address or a handle with two owners.
    pub(crate) fn apply(&mut self, changes: &[Change], now: Timestamp) -> Result<Vec<Move>, String> {
        let mut moves: BTreeMap<IpAddr, Move> = BTreeMap::new();
        for (uid, before) in changes.iter().filter_map(|change| match change {
            Change::Allocation(uid, _) => Some((uid, self.records.remove(uid)?)),
            _ => None,
        }) {
            assert_eq!(before.meta.uid, *uid);
            for holding in before.holdings.iter().filter(|_| before.is_held()) {
                self.owners.remove(&holding.address);
                let address = holding.address;
                moves.insert(address, Move { address, from: Some(Arc::clone(&before)), to: None });
            }
        }
        for (uid, after) in changes.iter().filter_map(|change| match change {
            Change::Allocation(uid, after) => Some((uid, after.as_ref()?)),
            _ => None,
        }) {
            self.records.insert(*uid, Arc::clone(after));
            for holding in after.holdings.iter().filter(|_| after.is_held()) {
                if let Some(other) = self.owners.insert(holding.address, Arc::clone(after)) {
                    return Err(format!("{} has two owners: {} and {}", holding.address, other.handle, after.handle));
                }
                let address = holding.address;
                moves.entry(address).or_insert(Move { address, from: None, to: None }).to = Some(Arc::clone(after));
            }
        }
        let mut handles = BTreeSet::new();
        let twice = self.held().find(|held| !handles.insert(&held.handle));
        if let Some(twice) = twice {
            return Err(format!("handle {} has two allocations", twice.handle));
        }
        moves.retain(|_, one| one.from.as_ref().map(|from| from.meta.uid) != one.to.as_ref().map(|to| to.meta.uid));
        for one in moves.values() {
            let rests = one.from.iter().flat_map(|from| &from.holdings).any(|holding| self.wants_rest(holding.address));
            if rests {
                self.freed.insert(one.address, now)
            } else {
                self.freed.remove(&one.address)
            };
        }
        self.configure(changes);
        Ok(moves.into_values().collect())
    }

    fn configure(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Pool(name, record) => put(&mut self.pools, name, record.as_ref()),
                Change::Reservation(name, record) => put(&mut self.reservations, name, record.as_ref()),
                Change::Namespace(name, record) => put(&mut self.namespaces, name, record.as_ref()),
                Change::Node(name, record) => put(&mut self.nodes, name, record.as_ref()),
                Change::Block(cidr, record) => put(&mut self.blocks, cidr, record.as_ref()),
                Change::Allocation(..) | Change::Network(_) | Change::Neighbors(..) => {}
            }
        }
    }

    pub(crate) fn held(&self) -> impl Iterator<Item = &Arc<Allocation>> {
        self.records.values().filter(|record| record.is_held())
    }

    /// Since when addresses rest, as the records tell.
    pub(crate) fn rests(&self) -> BTreeMap<IpAddr, Timestamp> {
        let mut rests = BTreeMap::new();
        for (since, record) in self.records.values().filter_map(|record| Some((record.released?, record))) {
            for holding in record.holdings.iter().filter(|holding| !self.owners.contains_key(&holding.address)) {
                let last = rests.entry(holding.address).or_insert(since);
                *last = since.max(*last);
            }
        }
        rests
    }

    fn wants_rest(&self, address: IpAddr) -> bool {
        self.pool_of(address).is_some_and(|(pool, _)| pool.order == Order::LongestFree || pool.cooldown > Duration::ZERO)
    }

    pub(crate) fn pool_of(&self, address: IpAddr) -> Option<(&Arc<Pool>, AddrRange)> {
        let ranges = self.pools.values().flat_map(|pool| pool.ranges.iter().map(move |range| (pool, *range)));
        ranges.into_iter().find(|(_, range)| range.contains(address))
    }

    pub(crate) fn block_of(&self, address: IpAddr) -> Option<&Arc<Block>> {
        self.blocks.values().find(|block| block.cidr.contains(&address))
    }

    /// The reservation that keeps an address for others at a time.
    pub(crate) fn kept(&self, address: IpAddr, now: Timestamp) -> Option<&Arc<Reservation>> {
        let running = self.reservations.values().filter(|one| one.expires.is_none_or(|expires| expires > now));
        running.into_iter().find(|one| one.ranges.iter().any(|range| range.contains(address)))
    }

    /// How many pod addresses a namespace holds.
    pub(crate) fn pod_addresses(&self, namespace: &Label) -> u64 {
        let pods = self.held().filter(|held| held.owner.kind == OwnerKind::Pod && held.owner.namespace.as_ref() == Some(namespace));
        pods.map(|held| held.holdings.len() as u64).sum()
    }

    pub(crate) fn is_cooling(&self, pool: &Pool, address: IpAddr, now: Timestamp) -> bool {
        self.freed.get(&address).is_some_and(|since| since.after(pool.cooldown) > now)
    }

    /// Whether an option of the pool keeps the address free.
    pub(crate) fn is_avoided(pool: &Pool, range: AddrRange, address: IpAddr) -> bool {
        let odd = matches!(address, IpAddr::V4(v4) if [0, 255].contains(&v4.octets()[3]));
        let edge = range.as_net().is_some() && range.len() > 2 && [range.start(), range.end()].contains(&address);
        (pool.avoid_buggy_ips && odd) || (pool.avoid_first_last && edge)
    }

    /// Whether nothing but its block stands against giving the address to somebody who did not ask for it.
    pub(crate) fn is_free(&self, address: IpAddr, now: Timestamp) -> bool {
        let Some((pool, range)) = self.pool_of(address) else { return false };
        let taken = self.owners.contains_key(&address) || self.kept(address, now).is_some();
        !taken && !Self::is_avoided(pool, range, address) && !self.is_cooling(pool, address, now)
    }

    /// Every address that could be given to the wish, with nobody caring for blocks but strict pools.
    pub(crate) fn eligible(&self, wish: &Request, now: Timestamp) -> BTreeSet<IpAddr> {
        let pools = self.eligible_pools(wish);
        let ranges = pools.iter().flat_map(|pool| pool.ranges.iter().map(move |range| (*pool, *range)));
        let addresses = ranges.flat_map(|(pool, range)| range.iter().map(move |address| (pool, range, address)));
        let free = addresses.filter(|(_, _, address)| self.is_free(*address, now));
        free.filter(|(pool, range, address)| self.within_reach(pool, *range, *address, wish)).map(|(.., address)| address).collect()
    }

    /// The pools that may serve the wish.
    pub(crate) fn eligible_pools(&self, wish: &Request) -> Vec<&Pool> {
        let serves = |pool: &&Arc<Pool>| {
            let named = wish.pools.contains(&pool.name);
            let open = wish.pools.is_empty() && pool.auto_assign && self.selects(pool, wish);
            pool.purpose == wish.purpose() && pool.state == PoolState::Enabled && (named || open)
        };
        self.pools.values().filter(serves).map(|pool| &**pool).collect()
    }

    fn selects(&self, pool: &Pool, wish: &Request) -> bool {
        let node = wish.owner.node.as_ref().and_then(|name| self.nodes.get(name)).map(|node| node.labels.clone());
        let node = wish.node_labels.clone().or(node).unwrap_or_default();
        let selectors = &pool.selectors;
        selectors.nodes.matches(&node)
            && selectors.objects.matches(&wish.labels)
            && (selectors.namespaces.is_empty()
                || wish.owner.namespace.as_ref().is_some_and(|name| selectors.namespaces.contains(name)))
    }

    /// Strict pools give an address only out of a block of the node, or one that it can still get, or from where no block fits.
    fn within_reach(&self, pool: &Pool, range: AddrRange, address: IpAddr, wish: &Request) -> bool {
        if pool.purpose != Purpose::Pod || !pool.strict_affinity {
            return true;
        }
        let Some(node) = &wish.owner.node else { return self.block_of(address).is_none() };
        let may_lend = self.blocks_of(node, pool, Family::of(address)) < pool.max_blocks_per_node as usize;
        if let Some(block) = self.block_of(address) {
            let empty = !self.owners.keys().any(|held| block.cidr.contains(held));
            return block.node == *node || (may_lend && empty);
        }
        let slot = slot(pool, address);
        let lent = self.blocks.values().any(|block| AddrRange::of_net(block.cidr).intersection(&slot).is_some());
        if range.covers(&slot) { may_lend && !lent } else { true }
    }

    /// How many blocks of a family a node has that reach into the pool.
    pub(crate) fn blocks_of(&self, node: &Name, pool: &Pool, family: Family) -> usize {
        let reaches = |block: &Block| pool.ranges.iter().any(|range| range.intersection(&AddrRange::of_net(block.cidr)).is_some());
        let own = self.blocks.values().filter(|block| block.node == *node && Family::of(block.cidr.addr()) == family);
        own.filter(|block| reaches(block)).count()
    }

    /// Whether there really is too little for the wish.
    pub(crate) fn is_exhausted(&self, wish: &Request, now: Timestamp) -> bool {
        let pools = self.eligible_pools(wish);
        let has = |family| pools.iter().any(|pool| pool.ranges.iter().any(|range| range.family() == family));
        let wanted = |family| if wish.families.is_empty() { has(family) } else { wish.families.contains(&family) };
        let wanted: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(|family| wanted(*family)).collect();
        let eligible = self.eligible(wish, now);
        let free = |family: &Family| eligible.iter().filter(|address| Family::of(**address) == *family).count();
        // How many of a strict pool's blocks still fit is not counted here: there only the first address is demanded.
        let demanded = if pools.iter().any(|pool| pool.strict_affinity) { 1 } else { wish.count };
        let unsure = demanded < wish.count && !wish.allow_partial;
        match wish.allow_partial {
            true => wanted.iter().all(|family| free(family) == 0),
            false => unsure || wanted.is_empty() || wanted.iter().any(|family| free(family) < demanded),
        }
    }
}

/// The run of addresses that a block around the address would have.
fn slot(pool: &Pool, address: IpAddr) -> AddrRange {
    let family = Family::of(address);
    let len = if family == Family::V4 { pool.block_len_v4 } else { pool.block_len_v6 };
    let mask = (1u128 << (family.bits() - len)) - 1;
    AddrRange::new(family.address(number(address) & !mask), family.address(number(address) | mask)).unwrap()
}

fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, value: Option<&V>) {
    match value {
        Some(value) => map.insert(key.clone(), value.clone()),
        None => map.remove(key),
    };
}
