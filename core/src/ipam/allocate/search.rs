//! Finding one free address in a range: never by walking over held ones.

use std::net::IpAddr;

use super::eligible::{Barriers, next};
use crate::ipam::record::Order;
use crate::ipam::view::Rest;
use crate::net::range::number;
use crate::net::{AddrRange, Family};

/// Whether addresses inside blocks that are lent to nodes may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lent {
    /// Yes.
    Too,
    /// No: only addresses outside every block.
    Not,
}

impl Barriers<'_> {
    /// The address that the pool's order puts first in these ranges of the pool.
    pub(super) fn find(&self, ranges: &[AddrRange], lent: Lent) -> Option<IpAddr> {
        match self.pool.order {
            Order::Lowest => ranges.iter().find_map(|range| self.lowest(*range, lent)),
            Order::LongestFree => {
                let fresh = ranges.iter().find_map(|range| self.fresh(*range, lent));
                fresh.or_else(|| self.longest_free(ranges, lent))
            }
        }
    }

    /// The address longest free of the first run that has one that has rested. A run may reach over several ranges, where others
    /// have a part of its block.
    fn longest_free(&self, ranges: &[AddrRange], lent: Lent) -> Option<IpAddr> {
        let mut rested = ranges.iter().filter_map(|range| self.rested(*range, lent));
        let first = rested.next()?;
        let same = rested.take_while(|rest| is_same_run(first.address, rest.address));
        same.chain([first]).min_by_key(|rest| (rest.since, rest.address)).map(|rest| rest.address)
    }

    /// The lowest address that nobody holds and that has rested enough.
    fn lowest(&self, range: AddrRange, lent: Lent) -> Option<IpAddr> {
        self.first(range, lent, |left| {
            let mut left = Some(left);
            while let Some(range) = left {
                let free = self.view.first_unheld(range)?;
                if self.has_rested(free) {
                    return Some(free);
                }
                left = rest_of(range, next(free));
            }
            None
        })
    }

    /// The lowest address that nobody has held lately.
    fn fresh(&self, range: AddrRange, lent: Lent) -> Option<IpAddr> {
        self.first(range, lent, |left| self.view.first_untouched(left))
    }

    fn has_rested(&self, address: IpAddr) -> bool {
        self.view.resting_since(address).is_none_or(|since| since.after(self.pool.cooldown) <= self.now)
    }

    /// The first address that `candidate` offers and nothing forbids. Each barrier is jumped over as a whole.
    fn first(&self, range: AddrRange, lent: Lent, candidate: impl Fn(AddrRange) -> Option<IpAddr>) -> Option<IpAddr> {
        let mut left = Some(range);
        while let Some(here) = left {
            let address = candidate(here)?;
            let past = match self.view.block_of(address) {
                Some(_) if lent == Lent::Not => Some(self.view.first_unlent(AddrRange::new(address, range.end()).ok()?)),
                _ => self.past(address, self.whole(address)),
            };
            match past {
                None => return Some(address),
                Some(from) => left = rest_of(range, from),
            }
        }
        None
    }

    /// The address longest free among those that have rested enough. Runs of 64 addresses are looked at one by one, and the
    /// first with such an address answers: within a block of the default size that is the longest free one.
    fn rested(&self, range: AddrRange, lent: Lent) -> Option<Rest> {
        let mut left = Some(range);
        while let Some(here) = left {
            let run = self.view.next_queue(here)?;
            let over = self.view.queue(run).take_while(|rest| rest.since.after(self.pool.cooldown) <= self.now);
            let mut free = over.filter(|rest| self.past(rest.address, self.whole(rest.address)).is_none());
            let found = free.find(|rest| lent == Lent::Too || self.view.block_of(rest.address).is_none());
            if found.is_some() {
                return found;
            }
            left = rest_of(range, next(run.end()));
        }
        None
    }

    /// The range of the pool that has the address.
    pub(super) fn whole(&self, address: IpAddr) -> AddrRange {
        let range = self.pool.ranges.iter().find(|range| range.contains(address));
        range.copied().unwrap_or_else(|| AddrRange::single(address))
    }
}

/// Whether two addresses lie in the same aligned run of 64.
fn is_same_run(one: IpAddr, other: IpAddr) -> bool {
    Family::of(one) == Family::of(other) && number(one) >> 6 == number(other) >> 6
}

/// The part of a range from an address on.
pub(super) fn rest_of(range: AddrRange, from: Option<IpAddr>) -> Option<AddrRange> {
    from.filter(|from| range.contains(*from)).and_then(|from| AddrRange::new(from, range.end()).ok())
}
