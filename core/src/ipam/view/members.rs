//! Which held allocations have an address in a pool.

use imbl::{OrdMap, OrdSet};

use super::occupancy::Occupancy;
use crate::id::Uid;
use crate::net::{AddrRange, Name};

/// Held allocations by the pool of their addresses. A member of a pool has an address in its ranges, whichever record came first:
/// a pool that gets other ranges gets its members anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    of_pool: OrdMap<Name, OrdSet<Uid>>,
}

impl Members {
    /// The members of a pool, by uid.
    pub(super) fn of(&self, pool: &Name) -> Option<&OrdSet<Uid>> {
        self.of_pool.get(pool)
    }

    pub(super) fn insert(&mut self, pool: &Name, uid: Uid) {
        match self.of_pool.get_mut(pool) {
            Some(members) => _ = members.insert(uid),
            None => _ = self.of_pool.insert(pool.clone(), OrdSet::unit(uid)),
        }
    }

    pub(super) fn remove(&mut self, pool: &Name, uid: Uid) {
        if let Some(members) = self.of_pool.get_mut(pool) {
            members.remove(&uid);
            if members.is_empty() {
                self.of_pool.remove(pool);
            }
        }
    }

    /// The pool has these ranges from now on.
    pub(super) fn renew(&mut self, pool: &Name, ranges: &[AddrRange], occupancy: &Occupancy) {
        let members: OrdSet<Uid> = ranges.iter().flat_map(|range| occupancy.holders_in(*range)).map(|(_, uid)| uid).collect();
        match members.is_empty() {
            true => self.of_pool.remove(pool),
            false => self.of_pool.insert(pool.clone(), members),
        };
    }
}
