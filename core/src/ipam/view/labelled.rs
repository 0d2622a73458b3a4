//! Which allocations may have a label.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imbl::OrdSet;

use super::super::record::Allocation;
use crate::id::Uid;
use crate::net::Label;

/// A label in a namespace, as the index knows it: by a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labelled(u64);

impl Labelled {
    /// The label `key=value` on allocations of a namespace.
    #[must_use]
    pub fn new(namespace: &Label, key: &str, value: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (namespace.as_str(), key, value).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Held allocations of namespaces by hashes of their labels. As with handles the labels stand in the allocation, which the finder
/// has to compare. One flat set: most labels are on few allocations, for which a set of their own would cost more than they do.
/// Uids rise with time, so the pods of one deployment lie side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LabelIndex {
    by_hash: OrdSet<(u64, Uid)>,
}

impl LabelIndex {
    pub(super) fn insert(&mut self, namespace: &Label, allocation: &Allocation, uid: Uid) {
        for (key, value) in allocation.labels.iter() {
            self.by_hash.insert((Labelled::new(namespace, key, value).0, uid));
        }
    }

    pub(super) fn remove(&mut self, namespace: &Label, allocation: &Allocation, uid: Uid) {
        for (key, value) in allocation.labels.iter() {
            self.by_hash.remove(&(Labelled::new(namespace, key, value).0, uid));
        }
    }

    /// The first allocation from `from` on that may have the label.
    pub(super) fn first(&self, label: Labelled, from: Uid) -> Option<Uid> {
        self.by_hash.range((label.0, from)..=(label.0, Uid(u128::MAX))).next().map(|(_, uid)| *uid)
    }
}
