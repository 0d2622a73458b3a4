//! Which allocations may have a label.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imbl::OrdSet;

use super::super::record::Allocation;
use crate::id::Uid;
use crate::net::{Label, Labels};

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

/// The namespace and the labels of an allocation that is in the index.
fn placed(allocation: &Allocation) -> Option<(&Label, &Labels)> {
    let namespace = allocation.owner.namespace.as_ref().filter(|_| allocation.is_held())?;
    Some((namespace, &allocation.labels))
}

fn hashes<'a>((namespace, labels): (&'a Label, &'a Labels)) -> impl Iterator<Item = u64> + 'a {
    labels.iter().map(|(key, value)| Labelled::new(namespace, key, value).0)
}

/// Held allocations of namespaces by hashes of their labels. As with handles the labels stand in the allocation, which the finder
/// has to compare. One flat set: most labels are on few allocations, for which a set of their own would cost more than they do.
/// Uids rise with time, so the pods of one deployment lie side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LabelIndex {
    by_hash: OrdSet<(u64, Uid)>,
}

impl LabelIndex {
    /// The allocation is another one from now on. One that keeps its labels, as a pod does that becomes ready, costs nothing.
    pub(super) fn replace(&mut self, uid: Uid, old: Option<&Allocation>, new: Option<&Allocation>) {
        let (old, new) = (old.and_then(placed), new.and_then(placed));
        if old == new {
            return;
        }
        for hash in old.into_iter().flat_map(hashes) {
            self.by_hash.remove(&(hash, uid));
        }
        for hash in new.into_iter().flat_map(hashes) {
            self.by_hash.insert((hash, uid));
        }
    }

    /// The first allocation from `from` on that may have the label.
    pub(super) fn first(&self, label: Labelled, from: Uid) -> Option<Uid> {
        self.by_hash.range((label.0, from)..=(label.0, Uid(u128::MAX))).next().map(|(_, uid)| *uid)
    }
}
