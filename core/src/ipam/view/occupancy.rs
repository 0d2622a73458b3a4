//! Which addresses are held, which rest, and how long each has been resting.

use std::net::IpAddr;

use imbl::OrdSet;

use super::numbers::NumberSet;
use crate::id::Uid;
use crate::net::range::number;
use crate::net::{AddrRange, Family};
use crate::time::Timestamp;

/// One value for each family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ByFamily<T> {
    v4: T,
    v6: T,
}

impl<T> ByFamily<T> {
    pub(super) const fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(super) const fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// An address that rests, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ipam) struct Rest {
    pub(in crate::ipam) since: Timestamp,
    pub(in crate::ipam) address: IpAddr,
}

/// Who is at which address, now and lately. Every index is a multiset of the records' contributions, so that the order in which
/// records come does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Occupancy {
    holders: OrdSet<(IpAddr, Uid)>,
    rests: OrdSet<(IpAddr, Timestamp, Uid)>,
    /// The same rests by the run of 64 addresses they lie in, oldest first.
    queues: OrdSet<(IpAddr, Timestamp, IpAddr, Uid)>,
    held: ByFamily<NumberSet>,
    touched: ByFamily<NumberSet>,
}

/// The first address of the aligned run of 64 that has this one.
fn run_of(address: IpAddr) -> IpAddr {
    Family::of(address).address(number(address) >> 6 << 6)
}

impl Occupancy {
    pub(super) fn hold(&mut self, address: IpAddr, uid: Uid) {
        self.holders.insert((address, uid));
        self.held.get_mut(Family::of(address)).insert(number(address));
        self.touched.get_mut(Family::of(address)).insert(number(address));
    }

    pub(super) fn unhold(&mut self, address: IpAddr, uid: Uid) {
        self.holders.remove(&(address, uid));
        if self.holder(address).is_none() {
            self.held.get_mut(Family::of(address)).remove(number(address));
            self.untouch(address);
        }
    }

    pub(super) fn rest(&mut self, address: IpAddr, since: Timestamp, uid: Uid) {
        self.rests.insert((address, since, uid));
        self.queues.insert((run_of(address), since, address, uid));
        self.touched.get_mut(Family::of(address)).insert(number(address));
    }

    pub(super) fn unrest(&mut self, address: IpAddr, since: Timestamp, uid: Uid) {
        self.rests.remove(&(address, since, uid));
        self.queues.remove(&(run_of(address), since, address, uid));
        self.untouch(address);
    }

    fn untouch(&mut self, address: IpAddr) {
        if self.holder(address).is_none() && self.resting_since(address).is_none() {
            self.touched.get_mut(Family::of(address)).remove(number(address));
        }
    }

    /// Who holds the address.
    pub(super) fn holder(&self, address: IpAddr) -> Option<Uid> {
        self.first_holder(address, Uid(0))
    }

    /// The first holder of the address from `from` on: there is one, but for a moment inside a transaction.
    pub(super) fn first_holder(&self, address: IpAddr, from: Uid) -> Option<Uid> {
        self.holders.range((address, from)..=(address, Uid(u128::MAX))).next().map(|(_, uid)| *uid)
    }

    /// When the address was last released, as far as a record tells.
    pub(super) fn resting_since(&self, address: IpAddr) -> Option<Timestamp> {
        self.rests_at(address).next_back().map(|(since, _)| since)
    }

    /// Every record of a release of this address, oldest first.
    pub(super) fn rests_at(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = (Timestamp, Uid)> + '_ {
        let all = (address, Timestamp(0), Uid(0))..=(address, Timestamp(u64::MAX), Uid(u128::MAX));
        self.rests.range(all).map(|(_, since, uid)| (*since, *uid))
    }

    /// Every holder in the range, by address.
    pub(super) fn holders_in(&self, range: AddrRange) -> impl Iterator<Item = (IpAddr, Uid)> + '_ {
        self.holders.range((range.start(), Uid(0))..=(range.end(), Uid(u128::MAX))).copied()
    }

    /// How many addresses of the range are held.
    pub(super) fn held_in(&self, range: AddrRange) -> u64 {
        self.held.get(range.family()).count(number(range.start()), number(range.end()))
    }

    /// How many addresses of the range are held or have a record of their last release.
    pub(super) fn touched_in(&self, range: AddrRange) -> u64 {
        self.touched.get(range.family()).count(number(range.start()), number(range.end()))
    }

    /// The lowest address of the range that is not held and does not rest.
    pub(super) fn first_untouched(&self, range: AddrRange) -> Option<IpAddr> {
        let at = self.touched.get(range.family()).first_absent(number(range.start()))?;
        (at <= number(range.end())).then(|| range.family().address(at))
    }

    /// The lowest address of the range that is not held, whether it rests or not.
    pub(super) fn first_unheld(&self, range: AddrRange) -> Option<IpAddr> {
        let at = self.held.get(range.family()).first_absent(number(range.start()))?;
        (at <= number(range.end())).then(|| range.family().address(at))
    }

    /// The addresses of one run of 64 that rest and nobody holds, longest free first, as `(since, address)`; only the last
    /// release of an address counts. `range` must not reach over the run.
    pub(super) fn queue(&self, range: AddrRange) -> impl Iterator<Item = Rest> + '_ {
        let run = run_of(range.start());
        let lowest = (run, Timestamp(0), Family::of(run).address(0), Uid(0));
        let all = self.queues.range(lowest..).take_while(move |(at, ..)| *at == run);
        let here = all.filter(move |(_, _, address, _)| range.contains(*address));
        let last = here.filter(|(_, since, address, _)| self.resting_since(*address) == Some(*since));
        last.filter(|(_, _, address, _)| self.holder(*address).is_none())
            .map(|(_, since, address, _)| Rest { since: *since, address: *address })
    }

    /// The first run at or after the start of the range in which an address rests: the part of it that lies in the range.
    pub(super) fn next_queue(&self, range: AddrRange) -> Option<AddrRange> {
        let run = run_of(range.start());
        let lowest = (run, Timestamp(0), Family::of(run).address(0), Uid(0));
        let (at, ..) = self.queues.range(lowest..).next()?;
        let last = Family::of(*at).address(number(*at) | 63);
        AddrRange::new(*at, last).ok()?.intersection(&range)
    }
}
