//! What planners give back.

use std::collections::BTreeSet;

use super::record::Change;
use crate::schema::Domain;

/// What a planner decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<A> {
    /// The changes it wants, at most one per record; none when everything is already as asked for.
    pub changes: Vec<Change>,
    /// The domains that it read besides those it changes.
    pub reads: &'static [Domain],
    /// What to answer once the changes are committed.
    pub answer: A,
}

impl<A> Decision<A> {
    /// The same decision with another answer.
    pub fn map<B>(self, f: impl FnOnce(A) -> B) -> Decision<B> {
        Decision { changes: self.changes, reads: self.reads, answer: f(self.answer) }
    }
}

/// Which fields an update replaces, by their names in the API. None named: every field that a caller may set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(BTreeSet<String>);

impl Fields {
    /// The fields with these names.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Whether the field is replaced.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.is_empty() || self.0.contains(field)
    }

    /// The new value if the field is replaced, else the old one.
    pub(super) fn pick<T: Clone>(&self, field: &str, new: &T, old: &T) -> T {
        if self.has(field) { new.clone() } else { old.clone() }
    }
}
