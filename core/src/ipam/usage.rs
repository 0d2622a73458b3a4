//! How full a pool is.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::avoid::avoided;
use super::neighbors::quarantine;
use super::record::{Pool, Purpose};
use super::view::View;
use crate::cluster::Cluster;
use crate::net::{AddrRange, Family, Name};
use crate::time::Timestamp;

/// The addresses of one family in a pool. Each counts in exactly one of used, reserved, cooling, quarantined,
/// avoided and free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All addresses of the ranges.
    pub total: u128,
    /// Held ones; one that services share counts once.
    pub used: u128,
    /// Reserved and not held.
    pub reserved: u128,
    /// Resting after a release.
    pub cooling: u128,
    /// Not given because somebody else on the network answers for them.
    pub quarantined: u128,
    /// Kept free for ever by options of the pool.
    pub avoided: u128,
    /// Can be given now.
    pub free: u128,
    /// In blocks lent to nodes.
    pub in_blocks: u128,
}

impl Usage {
    /// The sum of two families.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            total: self.total.saturating_add(other.total),
            used: self.used.saturating_add(other.used),
            reserved: self.reserved.saturating_add(other.reserved),
            cooling: self.cooling.saturating_add(other.cooling),
            quarantined: self.quarantined.saturating_add(other.quarantined),
            avoided: self.avoided.saturating_add(other.avoided),
            free: self.free.saturating_add(other.free),
            in_blocks: self.in_blocks.saturating_add(other.in_blocks),
        }
    }

    /// Takes out an address that no allocation holds, wherever it counts.
    fn discount(&mut self, view: &View, pool: &Pool, address: IpAddr, now: Timestamp) {
        let range = pool.ranges.iter().find(|range| range.contains(address));
        let place = if is_kept(view, pool, address, now) {
            &mut self.reserved
        } else if range.is_some_and(|range| avoided(pool, address, *range).is_some()) {
            &mut self.avoided
        } else if is_quarantined(view, pool, address, now) {
            &mut self.quarantined
        } else {
            return;
        };
        *place = place.saturating_sub(1);
    }

    const fn with_free(mut self) -> Self {
        let spoken_for = self.used.saturating_add(self.reserved).saturating_add(self.cooling);
        let spoken_for = spoken_for.saturating_add(self.quarantined).saturating_add(self.avoided);
        self.free = self.total.saturating_sub(spoken_for);
        self
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} addresses are held", self.used, self.total)?;
        for (count, what) in [
            (self.reserved, "reserved"),
            (self.cooling, "resting"),
            (self.quarantined, "quarantined"),
            (self.avoided, "never given"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// How full a pool is, the virtual IPs of services included.
#[must_use]
pub fn of_pool(cluster: &Cluster, pool: &Pool, family: Family, now: Timestamp) -> Usage {
    let mut usage = usage(&cluster.ipam, pool, family, now);
    if matches!(pool.purpose, Purpose::ClusterService | Purpose::ExternalService) {
        for address in ranges(pool, family).flat_map(|range| cluster.lb.held_in(range)) {
            usage.discount(&cluster.ipam, pool, address, now);
            usage.used += 1;
        }
        for address in ranges(pool, family).flat_map(|range| given_up(cluster, pool, range, now)) {
            usage.discount(&cluster.ipam, pool, address, now);
            usage.cooling += 1;
        }
    }
    usage.with_free()
}

/// The addresses of a range that services gave up and that rest.
fn given_up(cluster: &Cluster, pool: &Pool, range: AddrRange, now: Timestamp) -> impl Iterator<Item = IpAddr> {
    let rests = cluster.lb.rests_in(range).filter(move |(_, rest)| rest.until(pool) > now).map(|(address, _)| address);
    rests.filter(move |address| cluster.lb.holders(*address).next().is_none() && !is_kept(&cluster.ipam, pool, *address, now))
}

/// How full a pool is as far as allocations go.
pub(super) fn usage(view: &View, pool: &Pool, family: Family, now: Timestamp) -> Usage {
    ranges(pool, family).map(|range| in_part(view, pool, range, now)).fold(Usage::default(), Usage::plus)
}

/// How full a part of one of the pool's ranges is.
fn in_part(view: &View, pool: &Pool, part: AddrRange, now: Timestamp) -> Usage {
    let quarantined = view.reported_in(part).filter(|address| is_quarantined(view, pool, *address, now));
    let usage = Usage {
        total: part.len(),
        used: u128::from(view.count_held(part)),
        reserved: reserved(view, part, now),
        cooling: cooling(view, pool, part, now),
        quarantined: quarantined.count() as u128,
        avoided: avoided_in(view, pool, part, now),
        free: 0,
        in_blocks: lent(view, part),
    };
    usage.with_free()
}

/// How much of a pod pool one node has and uses, both families together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUsage {
    /// The node.
    pub node: Name,
    /// The blocks lent to it.
    pub blocks: u32,
    /// The pool's addresses in these blocks.
    pub total: u128,
    /// Addresses of the pool that its own pods hold, wherever they lie.
    pub used: u64,
    /// Of these, addresses in no block or in another node's.
    pub borrowed: u64,
    /// Addresses in its blocks that pods of other nodes, or of none, hold.
    pub lent: u64,
    /// Addresses in its blocks that can be given now.
    pub free: u128,
}

/// How much of a pod pool each node has and uses, by name. Visits every held address of the pool.
#[must_use]
pub fn by_node(cluster: &Cluster, pool: &Pool, now: Timestamp) -> Vec<NodeUsage> {
    let view = &cluster.ipam;
    let mut nodes: BTreeMap<&Name, NodeUsage> = BTreeMap::new();
    if pool.purpose != Purpose::Pod {
        return Vec::new();
    }
    for range in &pool.ranges {
        for block in view.blocks_overlapping(*range) {
            let Some(part) = AddrRange::of_net(block.cidr).intersection(range) else { continue };
            let node = nodes.entry(&block.node).or_insert_with(|| NodeUsage::none(&block.node));
            node.blocks += 1;
            node.total = node.total.saturating_add(part.len());
            node.free = node.free.saturating_add(in_part(view, pool, part, now).free);
        }
        for (address, held) in view.held_in(*range) {
            let (own, home) = (held.owner.node.as_ref(), view.block_of(address).map(|block| &block.node));
            if let Some(own) = own {
                let node = nodes.entry(own).or_insert_with(|| NodeUsage::none(own));
                node.used += 1;
                node.borrowed += u64::from(home != Some(own));
            }
            if let Some(home) = home.filter(|home| own != Some(*home)) {
                nodes.entry(home).or_insert_with(|| NodeUsage::none(home)).lent += 1;
            }
        }
    }
    nodes.into_values().collect()
}

impl NodeUsage {
    fn none(node: &Name) -> Self {
        Self { node: node.clone(), blocks: 0, total: 0, used: 0, borrowed: 0, lent: 0, free: 0 }
    }
}

fn ranges(pool: &Pool, family: Family) -> impl Iterator<Item = AddrRange> + '_ {
    pool.ranges.iter().filter(move |range| range.family() == family).copied()
}

fn reserved(view: &View, range: AddrRange, now: Timestamp) -> u128 {
    let running =
        |address: IpAddr| view.reservation_of(address).is_some_and(|found| found.expires.is_none_or(|expires| expires > now));
    let parts = view.reserved_overlapping(range).filter_map(|(_, part)| part.intersection(&range));
    let parts = parts.filter(|part| running(part.start()));
    parts.map(|part| part.len().saturating_sub(u128::from(view.count_held(part)))).fold(0, u128::saturating_add)
}

/// Addresses that rest, run by run.
fn cooling(view: &View, pool: &Pool, range: AddrRange, now: Timestamp) -> u128 {
    let mut left = Some(range).filter(|_| !pool.cooldown.is_zero() && view.count_resting(range) > 0);
    let mut count = 0;
    while let Some(run) = left.and_then(|left| view.next_queue(left)) {
        let resting = view.queue(run).filter(|rest| rest.since.after(pool.cooldown) > now);
        count += resting.filter(|rest| view.reservation_of(rest.address).is_none()).count() as u128;
        left = range.behind(run.end());
    }
    count
}

/// Addresses that options of the pool keep free, and that nobody was given by name. Counted without walking over the range.
fn avoided_in(view: &View, pool: &Pool, part: AddrRange, now: Timestamp) -> u128 {
    let Some(range) = pool.ranges.iter().find(|range| range.contains(part.start())) else {
        return 0;
    };
    let edges = [range.start(), range.end()].into_iter().filter(|_| range.len() > 1);
    let mut odd: Vec<IpAddr> = edges.filter(|_| pool.avoid_first_last).collect();
    if pool.avoid_buggy_ips && part.family() == Family::V4 {
        let first = crate::net::range::number(part.start()) >> 8;
        let last = crate::net::range::number(part.end()) >> 8;
        odd.extend((first..=last).flat_map(|net| [net << 8, net << 8 | 255]).map(|number| Family::V4.address(number)));
    }
    odd.sort_unstable();
    odd.dedup();
    let free = |address: &&IpAddr| {
        part.contains(**address) && avoided(pool, **address, *range).is_some() && view.held(**address).is_none()
    };
    odd.iter().filter(free).filter(|address| !is_kept(view, pool, **address, now)).count() as u128
}

/// Whether a reservation or its rest keeps the address, which is counted there.
fn is_kept(view: &View, pool: &Pool, address: IpAddr, now: Timestamp) -> bool {
    let reserved = view.reservation_of(address).is_some_and(|found| found.expires.is_none_or(|expires| expires > now));
    reserved || view.resting_since(address).is_some_and(|since| since.after(pool.cooldown) > now)
}

/// Whether the address counts as quarantined: nobody holds it, and nothing else keeps it.
fn is_quarantined(view: &View, pool: &Pool, address: IpAddr, now: Timestamp) -> bool {
    let free = view.held(address).is_none() && !is_kept(view, pool, address, now);
    let range = pool.ranges.iter().find(|range| range.contains(address));
    let given = range.is_some_and(|range| avoided(pool, address, *range).is_none());
    free && given && quarantine(view, pool, address, now).is_some()
}

fn lent(view: &View, range: AddrRange) -> u128 {
    let blocks = view.blocks_overlapping(range).map(|block| AddrRange::of_net(block.cidr));
    blocks.filter_map(|block| block.intersection(&range)).map(|part| part.len()).fold(0, u128::saturating_add)
}
