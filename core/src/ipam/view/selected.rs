//! The allocations that a selector chooses, found through the indexes.

use std::sync::Arc;

use super::super::record::Allocation;
use super::walk::Term;
use super::{Labelled, View};
use crate::net::labels::Requirement;
use crate::net::{Label, Selector};

/// The most values of one condition that are looked up one by one; with more, another condition narrows better.
const MOST_VALUES: usize = 16;

impl View {
    /// Held allocations of a namespace whose labels the selector matches, by uid.
    ///
    /// Conditions that name values are looked up and intersected from the rarest on; the others are a filter over what that leaves.
    /// A selector without any that names values looks at the whole namespace.
    pub fn selected<'v>(&'v self, namespace: &'v Label, selector: &'v Selector) -> impl Iterator<Item = &'v Arc<Allocation>> {
        let mut groups: Vec<Vec<Term>> = selector.requirements().iter().filter_map(|one| labelled(namespace, one)).collect();
        if groups.is_empty() {
            groups.push(vec![Term::Namespace(namespace.clone())]);
        }
        let is_here = move |allocation: &Allocation| allocation.owner.namespace.as_ref() == Some(namespace);
        self.walk(groups, None).filter(move |allocation| is_here(allocation) && selector.matches(&allocation.labels))
    }
}

/// The values of which one must be there, for a condition that names some.
fn labelled(namespace: &Label, requirement: &Requirement) -> Option<Vec<Term>> {
    match requirement {
        Requirement::In(key, values) if values.len() <= MOST_VALUES => {
            Some(values.iter().map(|value| Term::Label(Labelled::new(namespace, key, value))).collect())
        }
        Requirement::In(..) | Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::Absent(_) => None,
    }
}
