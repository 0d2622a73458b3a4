//! Which named thing has which address range.

use std::net::IpAddr;

use imbl::OrdMap;

use crate::net::AddrRange;

/// Ranges by their first address, each with the key of what it belongs to. Ranges of different keys are disjoint at every
/// revision; within a transaction they may overlap for a moment, and the index must not mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RangeIndex<K: Ord> {
    starts: OrdMap<IpAddr, Vec<(K, AddrRange)>>,
}

impl<K: Ord> Default for RangeIndex<K> {
    fn default() -> Self {
        Self { starts: OrdMap::new() }
    }
}

impl<K: Ord + Clone> RangeIndex<K> {
    pub(super) fn insert(&mut self, key: &K, range: AddrRange) {
        let mut here = self.starts.get(&range.start()).cloned().unwrap_or_default();
        here.push((key.clone(), range));
        here.sort();
        self.starts.insert(range.start(), here);
    }

    pub(super) fn remove(&mut self, key: &K, range: AddrRange) {
        let Some(mut here) = self.starts.get(&range.start()).cloned() else {
            return;
        };
        here.retain(|(owner, at)| owner != key || *at != range);
        match here.is_empty() {
            true => self.starts.remove(&range.start()),
            false => self.starts.insert(range.start(), here),
        };
    }

    /// What has the address.
    pub(super) fn find(&self, address: IpAddr) -> Option<(&K, AddrRange)> {
        let (_, here) = self.starts.range(..=address).next_back()?;
        here.iter().find(|(_, range)| range.contains(address)).map(|(key, range)| (key, *range))
    }

    /// Everything that has the address, also while ranges overlap; looks at every range.
    pub(super) fn all(&self, address: IpAddr) -> impl Iterator<Item = &K> {
        let here = self.starts.range(..=address).flat_map(|(_, here)| here);
        here.filter(move |(_, range)| range.contains(address)).map(|(key, _)| key)
    }

    /// Whether two ranges have an address in common; looks at every range.
    pub(super) fn has_overlap(&self) -> bool {
        let ranges = self.starts.values().flatten().map(|(_, range)| *range);
        let mut last: Option<AddrRange> = None;
        for range in ranges {
            if last.is_some_and(|last| last.end() >= range.start()) {
                return true;
            }
            last = Some(range);
        }
        false
    }

    /// Every range that has an address of `range`, in order.
    pub(super) fn overlapping(&self, range: AddrRange) -> impl Iterator<Item = (&K, AddrRange)> {
        let before = self.starts.range(..range.start()).next_back().into_iter();
        let within = self.starts.range(range.start()..=range.end());
        let all = before.chain(within).flat_map(|(_, here)| here);
        all.filter(move |(_, at)| at.intersection(&range).is_some()).map(|(key, at)| (key, *at))
    }
}
