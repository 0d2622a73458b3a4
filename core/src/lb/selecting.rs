//! Which services may select an allocation, by its labels.
//!
//! The terms `key=value` of a selector, in order, are a path; all paths are a tree. A service that selects an allocation lies at the
//! end of a path whose every step is one of the allocation's labels, so the finder follows from the root only the steps that the
//! labels allow. A label that ten thousand services have in common costs one step, and not ten thousand candidates. Conditions
//! that are no such terms are no steps: the finder compares the whole selector.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imbl::{OrdMap, OrdSet};

use super::record::ServiceKey;
use crate::net::{Label, Labels, Selector};

/// Services by hashes of the paths of their selectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selecting {
    /// How many services' paths lead through here.
    through: OrdMap<u64, u32>,
    /// The services whose paths end here. `None` stands before every service and is never in it.
    ends: OrdSet<(u64, Option<ServiceKey>)>,
}

impl Selecting {
    pub(super) fn insert(&mut self, key: &ServiceKey, selector: &Selector) {
        let mut end = root(key.namespace.as_str());
        for step in steps(end, selector) {
            *self.through.entry(step).or_default() += 1;
            end = step;
        }
        self.ends.insert((end, Some(key.clone())));
    }

    pub(super) fn remove(&mut self, key: &ServiceKey, selector: &Selector) {
        let mut end = root(key.namespace.as_str());
        for step in steps(end, selector) {
            match self.through.get(&step).copied() {
                Some(more) if more > 1 => self.through.insert(step, more - 1),
                _ => self.through.remove(&step),
            };
            end = step;
        }
        self.ends.remove(&(end, Some(key.clone())));
    }

    /// Every service of the namespace whose selector may match the labels, in no order that means anything.
    pub(super) fn candidates<'s>(&'s self, namespace: &Label, labels: &Labels) -> Vec<&'s ServiceKey> {
        let labels: Vec<(&str, &str)> = labels.iter().collect();
        let mut found = Vec::new();
        let mut open = vec![(root(namespace.as_str()), 0)];
        while let Some((path, from)) = open.pop() {
            let here = self.ends.range((path, None)..).take_while(|(end, _)| *end == path);
            found.extend(here.filter_map(|(_, key)| key.as_ref()));
            for (at, (key, value)) in labels.iter().enumerate().skip(from) {
                let step = step(path, key, value);
                if self.through.contains_key(&step) {
                    open.push((step, at + 1));
                }
            }
        }
        found
    }
}

/// The same in every view of one process, and nowhere else: the index is never stored.
pub(super) fn root(namespace: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    namespace.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn step(path: u64, key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, key, value).hash(&mut hasher);
    hasher.finish()
}

/// The path of a selector. Its conditions are in the order of their keys, as labels are.
pub(super) fn steps(root: u64, selector: &Selector) -> impl Iterator<Item = u64> {
    let terms = selector.requirements().iter().filter_map(crate::net::labels::Requirement::equality);
    terms.scan(root, |path, (key, value)| {
        *path = step(*path, key, value);
        Some(*path)
    })
}
