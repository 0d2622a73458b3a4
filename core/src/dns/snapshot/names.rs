//! The table of names: a hash table that is cheap to clone, and whose clones share all that neither has changed.
//!
//! It grows and shrinks by one bucket at a time (linear hashing), so that no change of it costs more than a few buckets however many
//! names there are. A bucket is one slice without room to spare: the table takes little more than its entries.

use std::sync::Arc;

use imbl::Vector;

use super::super::name::DomainName;
use super::Node;
use crate::hash::{Seed, parent, place};

/// How many names a bucket has on average, at most; below a quarter of it buckets are merged. Whoever looks for a name reads them one after
/// the other, and whoever adds one writes them again; fewer would have more memory be buckets.
const FILL: usize = 4;

#[derive(Debug, Clone)]
struct Entry {
    /// The low bits of the hash of the name.
    hash: u32,
    name: DomainName,
    node: Node,
}

type Bucket = Arc<[Entry]>;

/// See the module. It always has a bucket.
#[derive(Debug, Clone)]
pub(super) struct Names {
    seed: Seed,
    len: usize,
    buckets: Vector<Bucket>,
}

impl Names {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, len: 0, buckets: Vector::unit(Bucket::default()) }
    }

    /// How many names there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn hash(&self, name: &[u8]) -> u32 {
        self.seed.short(name)
    }

    fn find(&self, name: &[u8]) -> Option<&Entry> {
        let hash = self.hash(name);
        let bucket = self.buckets.get(place(hash, self.buckets.len()))?;
        bucket.iter().find(|entry| entry.hash == hash && entry.name.as_wire() == name)
    }

    /// What is known of a name.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Node> {
        self.find(name).map(|entry| &entry.node)
    }

    /// The same, with the name as it is kept.
    pub(super) fn get_key_value(&self, name: &[u8]) -> Option<(&DomainName, &Node)> {
        self.find(name).map(|entry| (&entry.name, &entry.node))
    }

    /// Whether the name is there.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Node> {
        let hash = self.hash(name);
        let bucket = place(hash, self.buckets.len());
        let at = self.buckets.get(bucket)?.iter().position(|entry| entry.hash == hash && entry.name.as_wire() == name)?;
        let bucket = Arc::make_mut(self.buckets.get_mut(bucket)?);
        bucket.get_mut(at).map(|entry| &mut entry.node)
    }

    /// Puts a name, or what is known of it in the place of what was.
    pub(super) fn insert(&mut self, name: DomainName, node: Node) {
        if let Some(known) = self.get_mut(name.as_wire()) {
            *known = node;
            return;
        }
        let hash = self.hash(name.as_wire());
        let place = place(hash, self.buckets.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.iter().cloned().chain([Entry { hash, name, node }]).collect();
            self.len += 1;
        }
        if self.len > FILL * self.buckets.len() {
            self.divide();
        }
    }

    /// Takes a name out, and says whether it was there.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        if !self.contains(name) {
            return false;
        }
        let hash = self.hash(name);
        let place = place(hash, self.buckets.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.iter().filter(|entry| entry.hash != hash || entry.name.as_wire() != name).cloned().collect();
            self.len -= 1;
        }
        if self.len < FILL / 4 * self.buckets.len() && self.buckets.len() > 1 {
            self.merge();
        }
        true
    }

    /// Adds a bucket, with those names of its parent that belong there now.
    fn divide(&mut self) {
        let added = self.buckets.len();
        let Some(bucket) = self.buckets.get_mut(parent(added)) else { return };
        let (moved, stay): (Vec<Entry>, Vec<Entry>) =
            bucket.iter().cloned().partition(|entry| place(entry.hash, added + 1) == added);
        *bucket = stay.into();
        self.buckets.push_back(moved.into());
    }

    /// Puts the names of the last bucket back to its parent.
    fn merge(&mut self) {
        let Some(last) = self.buckets.pop_back() else { return };
        if let Some(bucket) = self.buckets.get_mut(parent(self.buckets.len())) {
            *bucket = bucket.iter().chain(last.iter()).cloned().collect();
        }
    }

    /// Every name, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&DomainName, &Node)> {
        self.buckets.iter().flat_map(|bucket| bucket.iter()).map(|entry| (&entry.name, &entry.node))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn node(children: u32) -> Node {
        Node { children, ..Node::default() }
    }

    fn content(names: &Names) -> BTreeMap<String, u32> {
        names.iter().map(|(name, node)| (name.to_string(), node.children)).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_and_no_clone_is_moved(steps in prop::collection::vec((0_u16..600, 0_u32..3), 1..1500)) {
            let (mut names, mut model) = (Names::new(Seed(7)), BTreeMap::new());
            let mut kept = Vec::new();
            for (nth, (number, what)) in steps.into_iter().enumerate() {
                let name: DomainName = format!("n{number}.example").parse().unwrap();
                match what {
                    0 => prop_assert_eq!(names.remove(name.as_wire()), model.remove(&name.to_string()).is_some()),
                    _ => {
                        names.insert(name.clone(), node(what));
                        model.insert(name.to_string(), what);
                    }
                }
                if let Some(found) = names.get_mut(name.as_wire()) {
                    found.children += 10;
                    *model.get_mut(&name.to_string()).unwrap() += 10;
                }
                prop_assert_eq!(names.get(name.as_wire()).map(|node| node.children), model.get(&name.to_string()).copied());
                prop_assert_eq!(names.contains(name.as_wire()), model.contains_key(&name.to_string()));
                prop_assert_eq!(names.len(), model.len());
                if nth % 100 == 0 {
                    kept.push((names.clone(), model.clone()));
                }
            }
            kept.push((names, model));
            for (names, model) in &kept {
                prop_assert_eq!(&content(names), model);
            }
        }
    }

    #[test]
    fn buckets_stay_small_while_the_table_grows_and_shrinks() {
        let mut names = Names::new(Seed(7));
        let name = |number: u32| format!("n{number}.example").parse::<DomainName>().unwrap();
        let longest = |names: &Names| names.buckets.iter().map(|bucket| bucket.len()).max().unwrap();
        for number in 0..20_000 {
            names.insert(name(number), node(number));
        }
        assert!(longest(&names) <= 6 * FILL && names.buckets.len() == 20_000 / FILL, "{}", longest(&names));
        for number in 100..20_000 {
            assert!(names.remove(name(number).as_wire()));
        }
        assert!(names.buckets.len() <= 100 / (FILL / 4) + 1);
        assert!((0..100).all(|number| names.get(name(number).as_wire()).is_some_and(|node| node.children == number)));
    }
}
