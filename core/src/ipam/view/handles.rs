//! Which allocations may have a handle.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imbl::OrdSet;

use crate::id::Uid;

/// Held allocations by a hash of their handle. The handle itself stands in the allocation, which the finder has to compare: with
/// numbers only, the index costs neither a text nor a reference count for every entry that is copied or passed on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HandleIndex {
    by_hash: OrdSet<(u64, Uid)>,
}

/// The same in every view of one process, and nowhere else: the index is never stored.
fn hash(handle: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    handle.hash(&mut hasher);
    hasher.finish()
}

impl HandleIndex {
    pub(super) fn insert(&mut self, handle: &str, uid: Uid) {
        self.by_hash.insert((hash(handle), uid));
    }

    pub(super) fn remove(&mut self, handle: &str, uid: Uid) {
        self.by_hash.remove(&(hash(handle), uid));
    }

    /// Every allocation whose handle may be this one, by uid.
    pub(super) fn candidates(&self, handle: &str) -> impl Iterator<Item = Uid> + '_ {
        self.from(hash(handle), Uid(0))
    }

    /// The first of them from `from` on.
    pub(super) fn first(&self, handle: &str, from: Uid) -> Option<Uid> {
        self.from(hash(handle), from).next()
    }

    fn from(&self, hash: u64, from: Uid) -> impl Iterator<Item = Uid> + '_ {
        self.by_hash.range((hash, from)..=(hash, Uid(u128::MAX))).map(|(_, uid)| *uid)
    }
}
