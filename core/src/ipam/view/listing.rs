//! Lists of allocations that visit only what can be in them.

use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use super::View;
use crate::id::Uid;
use crate::ipam::record::{Allocation, Pool};
use crate::net::{Label, Name};

/// What every allocation of a list has; each that is given narrows what has to be visited, none of them is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Having<'a> {
    /// Its identity.
    pub uid: Option<Uid>,
    /// Its handle.
    pub handle: Option<&'a str>,
    /// One of its addresses.
    pub address: Option<IpAddr>,
    /// Its node.
    pub node: Option<Name>,
    /// Its namespace.
    pub namespace: Option<Label>,
    /// The pool of one of its addresses.
    pub pool: Option<Name>,
}

type Found<'v> = Box<dyn Iterator<Item = &'v Arc<Allocation>> + 'v>;

impl View {
    /// Held allocations after `after`, by uid: all that have what is asked for, and possibly others. It visits the smallest index
    /// that has them all, from `after` on.
    #[must_use]
    pub fn listed(&self, having: &Having<'_>, after: Option<Uid>) -> Found<'_> {
        if let Some(one) = self.only(having) {
            return Box::new(one.into_iter().filter(move |one| one.is_held() && after.is_none_or(|after| one.meta.uid > after)));
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let node = having.node.as_ref().map(|node| self.on_node.get(node));
        let namespace = having.namespace.as_ref().map(|namespace| self.in_namespace.get(namespace));
        let (on_node, here) =
            (node.map(|node| node.map_or(0, |uids| uids.len())), namespace.map(|all| all.map_or(0, |all| all.len())));
        let smallest = on_node.into_iter().chain(here).min().unwrap_or(self.allocations.len());
        // Only a pool that holds much less is worth bringing into the order of the list.
        if let Some(pool) = having.pool.as_ref()
            && let Some(found) = self.held_of(self.pools.get(pool), smallest / 8, after)
        {
            return found;
        }
        match (node, namespace) {
            (Some(uids), _) if on_node == Some(smallest) => {
                let uids = uids.into_iter().flat_map(move |uids| uids.range((from, Bound::Unbounded)));
                Box::new(uids.filter_map(|uid| self.allocations.get(uid)))
            }
            (_, Some(all)) => {
                Box::new(all.into_iter().flat_map(move |all| all.range((from, Bound::Unbounded))).map(|(_, allocation)| allocation))
            }
            _ => Box::new(self.allocations(after).map(|(_, one)| one).filter(|one| one.is_held())),
        }
    }

    /// The one allocation that a uid, a handle or an address stands for.
    fn only(&self, having: &Having<'_>) -> Option<Option<&Arc<Allocation>>> {
        let by_uid = having.uid.map(|uid| self.allocations.get(&uid));
        let by_handle = || having.handle.map(|handle| self.by_handle(handle));
        by_uid.or_else(by_handle).or_else(|| having.address.map(|address| self.held(address)))
    }

    /// Everything that holds an address of the pool, by uid, when that is at most `most`; a pool that does not exist holds nothing.
    fn held_of(&self, pool: Option<&Arc<Pool>>, most: usize, after: Option<Uid>) -> Option<Found<'_>> {
        let ranges = pool.map(|pool| pool.ranges.clone()).unwrap_or_default();
        let held: u64 = ranges.iter().map(|range| self.count_held(*range)).sum();
        if held > most as u64 {
            return None;
        }
        let mut found: Vec<&Arc<Allocation>> = ranges.iter().flat_map(|range| self.held_in(*range)).map(|(_, held)| held).collect();
        found.sort_unstable_by_key(|held| held.meta.uid);
        found.dedup_by_key(|held| held.meta.uid);
        found.retain(|held| after.is_none_or(|after| held.meta.uid > after));
        Some(Box::new(found.into_iter()))
    }
}
