//! Held allocations by uid, from any uid on, met through the indexes.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::record::Allocation;
use super::{Labelled, View};
use crate::id::Uid;
use crate::net::{Label, Name};

/// What an index of held allocations can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Those with this uid: at most one.
    Uid(Uid),
    /// Those whose handle may be this one: the index knows only a hash of it.
    Handle(Arc<str>),
    /// Those that hold this address.
    Address(IpAddr),
    /// Those of this namespace.
    Namespace(Label),
    /// Those on this node, its own among them.
    Node(Name),
    /// Those with an address in this pool.
    Pool(Name),
    /// Those that may have this label: the index knows only a hash of it.
    Label(Labelled),
}

/// Walks over the held allocations that satisfy one term of every group, by uid.
///
/// Every group is a sorted list that can be entered anywhere, so the walk leaps from list to list: whatever the lists are, it
/// touches each at most about twice for every entry of the shortest one, and reads no record that is not in all of them.
#[derive(Debug)]
pub struct Walk<'v> {
    view: &'v View,
    groups: Vec<Vec<Term>>,
    /// The lowest uid that may come next; `None` at the end.
    next: Option<Uid>,
    touched: u64,
}

impl View {
    /// Held allocations after `after`, by uid, that satisfy one term of every group; without groups all of them.
    #[must_use]
    pub fn walk(&self, groups: Vec<Vec<Term>>, after: Option<Uid>) -> Walk<'_> {
        let next = after.map_or(Some(Uid(0)), following);
        Walk { view: self, groups, next, touched: 0 }
    }

    /// The first held allocation from `from` on that satisfies the term.
    fn first(&self, term: &Term, from: Uid) -> Option<Uid> {
        match term {
            Term::Uid(uid) => Some(*uid).filter(|uid| *uid >= from && self.allocations.contains_key(uid)),
            Term::Handle(handle) => self.handles.first(handle, from),
            Term::Address(address) => self.occupancy.first_holder(*address, from),
            Term::Namespace(name) => self.in_namespace.get(name)?.range(from..).next().map(|(uid, _)| *uid),
            Term::Node(name) => self.on_node.get(name)?.range(from..).next().copied(),
            Term::Pool(name) => self.members.of(name)?.range(from..).next().copied(),
            Term::Label(label) => self.labelled.first(*label, from),
        }
    }
}

impl Walk<'_> {
    /// How many entries of indexes and records have been looked at: what the walk has cost so far.
    #[must_use]
    pub const fn touched(&self) -> u64 {
        self.touched
    }

    /// The first uid from `from` on that is in all groups. The groups take turns, so the shortest sets the pace.
    fn agreed(&mut self, from: Uid) -> Option<Uid> {
        let (mut at, mut agreeing, mut turn) = (from, 0, 0);
        while agreeing < self.groups.len() {
            let group = &self.groups[turn];
            self.touched += group.len() as u64;
            let found = group.iter().filter_map(|term| self.view.first(term, at)).min()?;
            agreeing = if found == at { agreeing + 1 } else { 1 };
            at = found;
            turn = (turn + 1) % self.groups.len();
        }
        Some(at)
    }
}

impl<'v> Iterator for Walk<'v> {
    type Item = &'v Arc<Allocation>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.next.take()?;
        let from = self.agreed(from)?;
        self.touched += 1;
        let (uid, allocation) = self.view.allocations.range(from..).next()?;
        self.next = following(*uid);
        Some(allocation)
    }
}

fn following(uid: Uid) -> Option<Uid> {
    uid.0.checked_add(1).map(Uid)
}
