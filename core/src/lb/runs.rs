//! The held addresses as maximal runs, so that the next free one after an address is found in one step however many are held.

use std::net::IpAddr;
use std::ops::Bound;

use imbl::OrdMap;

use crate::net::range::number;
use crate::net::{AddrRange, Family};

/// The address after this one, within its family.
pub(super) fn next(address: IpAddr) -> Option<IpAddr> {
    let family = Family::of(address);
    let after = number(address).checked_add(1)?;
    (family == Family::V6 || after <= u128::from(u32::MAX)).then(|| family.address(after))
}

/// The address before this one, within its family.
fn previous(address: IpAddr) -> Option<IpAddr> {
    number(address).checked_sub(1).map(|before| Family::of(address).address(before))
}

/// A set of addresses: first to last of every run; runs neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(OrdMap<IpAddr, IpAddr>);

impl Runs {
    /// The run that has the address.
    fn run(&self, address: IpAddr) -> Option<(IpAddr, IpAddr)> {
        self.0.get_prev(&address).filter(|(_, last)| **last >= address).map(|(first, last)| (*first, *last))
    }

    /// Adds one address; nothing happens when it is there.
    pub(super) fn insert(&mut self, address: IpAddr) {
        if self.run(address).is_some() {
            return;
        }
        let left = previous(address).and_then(|before| self.run(before));
        let right = next(address).and_then(|after| self.run(after));
        if let Some((first, _)) = right {
            self.0.remove(&first);
        }
        let first = left.map_or(address, |(first, _)| first);
        let last = right.map_or(address, |(_, last)| last);
        self.0.insert(first, last);
    }

    /// Takes one address out; nothing happens when it is not there.
    pub(super) fn remove(&mut self, address: IpAddr) {
        let Some((first, last)) = self.run(address) else { return };
        self.0.remove(&first);
        if let Some(before) = previous(address).filter(|_| first < address) {
            self.0.insert(first, before);
        }
        if let Some(after) = next(address).filter(|_| address < last) {
            self.0.insert(after, last);
        }
    }

    /// How many addresses of the range are in the set.
    pub(super) fn count_in(&self, range: AddrRange) -> u128 {
        let before = self.run(range.start()).map(|(_, last)| (range.start(), last));
        let inside =
            self.0.range((Bound::Excluded(range.start()), Bound::Included(range.end()))).map(|(first, last)| (*first, *last));
        let end = number(range.end());
        before.into_iter().chain(inside).map(|(first, last)| number(last).min(end) - number(first) + 1).sum()
    }

    /// The last address of the run that has `address`; `None` when `address` is not in the set.
    pub(super) fn last_of_run(&self, address: IpAddr) -> Option<IpAddr> {
        self.run(address).map(|(_, last)| last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_and_stays_maximal(steps in prop::collection::vec((any::<bool>(), 0u8..24), 0..200)) {
            let (mut runs, mut model) = (Runs::default(), BTreeSet::new());
            for (add, number) in steps {
                if add {
                    runs.insert(at(number));
                    model.insert(number);
                } else {
                    runs.remove(at(number));
                    model.remove(&number);
                }
                for number in 0..24 {
                    let last = (number..24).take_while(|next| model.contains(next)).last();
                    prop_assert_eq!(runs.last_of_run(at(number)), last.map(at));
                }
                let starts = model.iter().filter(|number| **number == 0 || !model.contains(&(**number - 1))).count();
                prop_assert_eq!(runs.0.len(), starts);
                let (from, to) = (at(5), at(17));
                prop_assert_eq!(runs.count_in(AddrRange::new(from, to).unwrap()), model.range(5..=17).count() as u128);
            }
        }
    }

    #[test]
    fn the_ends_of_the_families_do_not_meet() {
        let mut runs = Runs::default();
        let (last_v4, first_v6) = (IpAddr::from([255; 4]), IpAddr::from([0u8; 16]));
        runs.insert(last_v4);
        runs.insert(first_v6);
        assert_eq!((runs.last_of_run(last_v4), runs.last_of_run(first_v6)), (Some(last_v4), Some(first_v6)));
        assert_eq!(next(IpAddr::from([255u8; 16])), None);
        runs.remove(last_v4);
        assert_eq!(runs.last_of_run(last_v4), None);
    }
}
