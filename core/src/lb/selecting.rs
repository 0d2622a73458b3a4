//! Which services may select an allocation, by its labels.
//!
//! The terms `key=value` of a selector, in order, are a path; all paths are a tree. A service that selects an allocation lies at the
//! end of a path whose every step is one of the allocation's labels, so the finder follows from the root only the steps that the
//! labels allow. A label that ten thousand services have in common costs one step, and not ten thousand candidates. Conditions
//! that are no such terms are no steps: the finder compares the whole selector.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imbl::{OrdMap, OrdSet};

use crate::net::{Labels, Selector};

/// Services by the paths of their selectors. A path is kept as its hash `P`, which may be as short as the services are many: what two
/// paths with one hash lead to is found by both, and whoever asks compares the whole selector anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selecting<P: Ord, S: Ord> {
    /// How many services' paths lead through here and further.
    through: OrdMap<P, u32>,
    /// The services whose paths end here. `None` stands before every service and is never in it.
    ends: OrdSet<(P, Option<S>)>,
}

impl<P: Ord + Copy, S: Ord + Clone> Default for Selecting<P, S> {
    fn default() -> Self {
        Self { through: OrdMap::new(), ends: OrdSet::new() }
    }
}

impl<P: Ord + Copy, S: Ord + Clone> Selecting<P, S> {
    /// Adds a service whose path this is.
    pub(super) fn insert(&mut self, path: &[P], service: S) {
        let [through @ .., end] = path else { return };
        through.iter().for_each(|step| *self.through.entry(*step).or_default() += 1);
        self.ends.insert((*end, Some(service)));
    }

    /// Takes a service out.
    pub(super) fn remove(&mut self, path: &[P], service: S) {
        let [through @ .., end] = path else { return };
        for step in through {
            match self.through.get(step).copied() {
                Some(more) if more > 1 => self.through.insert(*step, more - 1),
                _ => self.through.remove(step),
            };
        }
        self.ends.remove(&(*end, Some(service)));
    }

    /// Puts a service back that is not told from another one, and went with it.
    pub(super) fn restore(&mut self, path: &[P], service: S) {
        self.ends.extend(path.last().map(|end| (*end, Some(service))));
    }

    /// Every service of the namespace whose selector may match the labels, in no order that means anything.
    pub(super) fn candidates<'s>(&'s self, namespace: &str, labels: &Labels, kept: impl Fn(u64) -> P) -> Vec<&'s S> {
        let labels: Vec<(&str, &str)> = labels.iter().collect();
        let mut found = Vec::new();
        let mut open = vec![(root(namespace), 0)];
        while let Some((path, from)) = open.pop() {
            let here = kept(path);
            let ends = self.ends.range((here, None)..).take_while(|(end, _)| *end == here);
            found.extend(ends.filter_map(|(_, service)| service.as_ref()));
            // Behind a step that no path goes beyond there is nothing.
            if self.through.contains_key(&here) {
                open.extend(labels.iter().enumerate().skip(from).map(|(at, (key, value))| (step(path, key, value), at + 1)));
            }
        }
        found
    }
}

/// The path of a selector, its end last; none where it is empty and selects nothing. Without a term it ends at the root. Conditions are in
/// the order of their keys, as labels are.
pub(super) fn path<P>(namespace: &str, selector: &Selector, kept: impl Fn(u64) -> P) -> Vec<P> {
    if selector.is_empty() {
        return Vec::new();
    }
    let terms = selector.requirements().iter().filter_map(crate::net::labels::Requirement::equality);
    let root = root(namespace);
    let steps = terms.scan(root, |path, (key, value)| {
        *path = step(*path, key, value);
        Some(*path)
    });
    [root].into_iter().chain(steps).map(kept).collect()
}

/// The same in every view of one process, and nowhere else: the index is never stored.
fn root(namespace: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    namespace.hash(&mut hasher);
    hasher.finish()
}

fn step(path: u64, key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, key, value).hash(&mut hasher);
    hasher.finish()
}
