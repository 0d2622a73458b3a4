//! How full a pool is.

use std::fmt;
use std::net::IpAddr;

use super::allocate::avoided;
use super::record::{Pool, Purpose};
use super::view::View;
use crate::cluster::Cluster;
use crate::net::{AddrRange, Family};
use crate::time::Timestamp;

/// The addresses of one family in a pool. Each counts in exactly one of used, reserved, cooling, avoided and free.
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
            avoided: self.avoided.saturating_add(other.avoided),
            free: self.free.saturating_add(other.free),
            in_blocks: self.in_blocks.saturating_add(other.in_blocks),
        }
    }

    const fn with_free(mut self) -> Self {
        let spoken_for = self.used.saturating_add(self.reserved).saturating_add(self.cooling).saturating_add(self.avoided);
        self.free = self.total.saturating_sub(spoken_for);
        self
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} addresses are held", self.used, self.total)?;
        for (count, what) in [(self.reserved, "reserved"), (self.cooling, "resting"), (self.avoided, "never given")] {
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
        let held: Vec<IpAddr> = ranges(pool, family).flat_map(|range| cluster.lb.held_in(range)).collect();
        let loose = |address: &&IpAddr| cluster.ipam.reservation_of(**address).is_some();
        usage.used += held.len() as u128;
        usage.reserved = usage.reserved.saturating_sub(held.iter().filter(loose).count() as u128);
    }
    usage.with_free()
}

/// How full a pool is as far as allocations go.
pub(super) fn usage(view: &View, pool: &Pool, family: Family, now: Timestamp) -> Usage {
    let mut sum = Usage::default();
    for range in ranges(pool, family) {
        sum.total = sum.total.saturating_add(range.len());
        sum.used += u128::from(view.count_held(range));
        sum.reserved = sum.reserved.saturating_add(reserved(view, range, now));
        sum.cooling += cooling(view, pool, range, now);
        sum.avoided += avoided_in(view, pool, range, now);
        sum.in_blocks = sum.in_blocks.saturating_add(lent(view, range));
    }
    sum.with_free()
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

fn cooling(view: &View, pool: &Pool, range: AddrRange, now: Timestamp) -> u128 {
    if view.count_resting(range) == 0 {
        return 0;
    }
    let earliest = Timestamp(now.0.saturating_sub(u64::try_from(pool.cooldown.as_micros()).unwrap_or(u64::MAX)));
    let lately = view.released(earliest).filter(|(since, _)| since.after(pool.cooldown) > now);
    let holdings = lately.flat_map(|(_, record)| &record.holdings).map(|holding| holding.address);
    let mut addresses: Vec<IpAddr> = holdings.filter(|address| range.contains(*address) && view.held(*address).is_none()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.retain(|address| view.reservation_of(*address).is_none());
    addresses.len() as u128
}

/// Addresses that options of the pool keep free, and that nobody was given by name. Counted without walking over the range.
fn avoided_in(view: &View, pool: &Pool, range: AddrRange, now: Timestamp) -> u128 {
    let edges = [range.start(), range.end()].into_iter().filter(|_| range.len() > 1);
    let mut odd: Vec<IpAddr> = edges.filter(|_| pool.avoid_first_last).collect();
    if pool.avoid_buggy_ips && range.family() == Family::V4 {
        let first = crate::net::range::number(range.start()) >> 8;
        let last = crate::net::range::number(range.end()) >> 8;
        odd.extend((first..=last).flat_map(|net| [net << 8, net << 8 | 255]).map(|number| Family::V4.address(number)));
    }
    odd.sort_unstable();
    odd.dedup();
    let free = |address: &&IpAddr| range.contains(**address) && avoided(pool, **address, range) && view.held(**address).is_none();
    let kept =
        |address: IpAddr| view.reservation_of(address).is_some_and(|found| found.expires.is_none_or(|expires| expires > now));
    let resting = |address: IpAddr| view.resting_since(address).is_some_and(|since| since.after(pool.cooldown) > now);
    odd.iter().filter(free).filter(|address| !kept(**address) && !resting(**address)).count() as u128
}

fn lent(view: &View, range: AddrRange) -> u128 {
    let blocks = view.blocks_overlapping(range).map(|block| AddrRange::of_net(block.cidr));
    blocks.filter_map(|block| block.intersection(&range)).map(|part| part.len()).fold(0, u128::saturating_add)
}
