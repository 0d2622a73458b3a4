//! What planners give back, and what a decision does to which object.

use std::collections::BTreeSet;

use super::record::Change;
use super::view::View;
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

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is gone.
    Delete,
}

/// One object that a decision touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impact {
    /// `pool`, `node`, `allocation` and so on.
    pub kind: &'static str,
    /// Its namespace; may be empty.
    pub namespace: String,
    /// Its name; for a block its prefix, for an allocation its handle.
    pub name: String,
    /// What happens to it.
    pub action: Action,
}

/// What the changes do to which objects, seen from the state before them.
#[must_use]
pub fn impact(view: &View, changes: &[Change]) -> Vec<Impact> {
    changes.iter().map(|change| impact_of(view, change)).collect()
}

fn impact_of(view: &View, change: &Change) -> Impact {
    let action = |before: bool, after: bool| match (before, after) {
        (false, true) => Action::Create,
        (true, true) => Action::Update,
        (_, false) => Action::Delete,
    };
    let plain = |kind, name: String, before: bool, after: bool| Impact {
        kind,
        namespace: String::new(),
        name,
        action: action(before, after),
    };
    match change {
        Change::Namespace(name, record) => plain("namespace", name.to_string(), view.namespace(name).is_some(), record.is_some()),
        Change::Pool(name, record) => plain("pool", name.to_string(), view.pool(name).is_some(), record.is_some()),
        Change::Reservation(name, record) => {
            plain("reservation", name.to_string(), view.reservation(name).is_some(), record.is_some())
        }
        Change::Network(record) => plain("network", "compute".to_owned(), view.network().is_some(), record.is_some()),
        Change::Node(name, record) => plain("node", name.to_string(), view.node(name).is_some(), record.is_some()),
        Change::Block(cidr, record) => plain("block", cidr.to_string(), view.block(*cidr).is_some(), record.is_some()),
        Change::Allocation(uid, record) => {
            let before = view.allocation(*uid);
            let held = record.as_ref().filter(|allocation| allocation.is_held());
            let known = record.as_ref().or(before);
            let owner = known.map(|allocation| &allocation.owner);
            Impact {
                kind: "allocation",
                namespace: owner.and_then(|owner| owner.namespace.as_ref()).map(ToString::to_string).unwrap_or_default(),
                name: known.map(|allocation| allocation.handle.to_string()).unwrap_or_default(),
                action: action(before.is_some(), held.is_some()),
            }
        }
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
