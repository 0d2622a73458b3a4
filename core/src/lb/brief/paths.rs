//! Which services in brief may select an allocation, by its labels: the tree of [`super::super::selecting`] of hashes alone.

use imbl::{OrdMap, OrdSet};

use super::super::selecting::{root, step, steps};
use crate::hash::Seed;
use crate::net::{Labels, Selector};

/// Hashes of services by hashes of the paths of their selectors. What two paths with one hash lead to is found by both, and whoever asks
/// compares the whole selector anyway.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    /// How many services' paths lead through here and further.
    through: OrdMap<u32, u32>,
    /// Where paths end, with the service.
    ends: OrdSet<(u32, u32)>,
}

/// The path of a selector, its end last; none where it is empty and selects nothing. A selector without a term ends at the root.
fn path(seed: Seed, namespace: &str, selector: &Selector) -> Vec<u32> {
    if selector.is_empty() {
        return Vec::new();
    }
    let root = root(namespace);
    [root].into_iter().chain(steps(root, selector)).map(|step| seed.short(&step)).collect()
}

impl Paths {
    /// Adds a service, by its hash.
    pub(super) fn insert(&mut self, seed: Seed, service: u32, (namespace, selector): &(&str, Selector)) {
        if let [through @ .., end] = &path(seed, namespace, selector)[..] {
            through.iter().for_each(|step| *self.through.entry(*step).or_default() += 1);
            self.ends.insert((*end, service));
        }
    }

    /// Takes a service out, and every other one with the same hash that ends where it did.
    pub(super) fn remove(&mut self, seed: Seed, service: u32, (namespace, selector): &(&str, Selector)) {
        let [through @ .., end] = &path(seed, namespace, selector)[..] else { return };
        for step in through {
            match self.through.get(step).copied() {
                Some(more) if more > 1 => self.through.insert(*step, more - 1),
                _ => self.through.remove(step),
            };
        }
        self.ends.remove(&(*end, service));
    }

    /// Puts a service back that was taken out with another one.
    pub(super) fn restore(&mut self, seed: Seed, service: u32, (namespace, selector): &(&str, Selector)) {
        self.ends.extend(path(seed, namespace, selector).pop().map(|end| (end, service)));
    }

    /// The hashes of every service of the namespace whose selector may match the labels, and perhaps of others; each once.
    pub(super) fn candidates(&self, seed: Seed, namespace: &str, labels: &Labels) -> Vec<u32> {
        let labels: Vec<(&str, &str)> = labels.iter().collect();
        let mut found = Vec::new();
        let mut open = vec![(root(namespace), 0)];
        while let Some((path, from)) = open.pop() {
            let here = seed.short(&path);
            found.extend(self.ends.range((here, 0)..=(here, u32::MAX)).map(|(_, service)| *service));
            // Behind a step that no path goes beyond there is nothing.
            if self.through.contains_key(&here) {
                open.extend(labels.iter().enumerate().skip(from).map(|(at, (key, value))| (step(path, key, value), at + 1)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
