//! A table of names that is cheap to copy and quick to ask: a fixed number of small hash maps, shared until they are written.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::super::hash::Seed;
use super::super::name::DomainName;

/// Enough that a map with a hundredth of a million names is copied in microseconds, few enough that copying the list is.
const SHARDS: usize = 1024;

type Shard<V> = HashMap<DomainName, V, Seed>;

/// Names with what is known of them. A clone shares everything; a write to a clone copies the list of shards and the shard it
/// falls into, once.
#[derive(Debug, Clone)]
pub(super) struct Shards<V> {
    seed: Seed,
    shards: Arc<[Arc<Shard<V>>]>,
    count: usize,
}

impl<V: Clone> Shards<V> {
    pub(super) fn new(seed: Seed) -> Self {
        let empty = Arc::new(Shard::with_hasher(seed));
        Self { seed, shards: (0..SHARDS).map(|_| Arc::clone(&empty)).collect(), count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&DomainName, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// The maps themselves use the low bits of the hash and the highest seven; this takes bits between.
    fn place(&self, name: &[u8]) -> usize {
        usize::try_from(self.seed.hash_one(name) >> 40).unwrap_or_default() % SHARDS
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&V> {
        self.shards.get(self.place(name))?.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut V> {
        // Looked for first: a miss must not copy anything.
        self.get(name)?;
        self.shard_mut(name)?.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: DomainName, value: V) {
        if let Some(shard) = self.shard_mut(name.as_wire())
            && shard.insert(name, value).is_none()
        {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<V> {
        self.get(name)?;
        let removed = self.shard_mut(name)?.remove(name)?;
        self.count -= 1;
        Some(removed)
    }

    fn shard_mut(&mut self, name: &[u8]) -> Option<&mut Shard<V>> {
        let place = self.place(name);
        Arc::make_mut(&mut self.shards).get_mut(place).map(Arc::make_mut)
    }
}
