//! Answers that are kept, in shards with a lock each, so that threads seldom meet. A lock is held for one look or one change, never
//! over anything that waits.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::dns::Seed;
use polder_core::dns::resolver::{Answer, Bounds, CacheSpec, Key, Looked, Shard};
use polder_runtime::clock;
use tokio::time::Instant;

use super::metrics::ForwardMetrics;

const SHARDS: usize = 16;

/// See the module.
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    seed: Seed,
    /// From when the times of the shards count.
    began: Instant,
    metrics: ForwardMetrics,
}

/// The bounds of the `nth` shard: together they are those of the settings.
fn share(spec: CacheSpec, nth: usize) -> Bounds {
    let [entries, bytes] = [spec.entries, spec.bytes].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    Bounds { entries: entries / SHARDS + usize::from(nth < entries % SHARDS), bytes: bytes / SHARDS }
}

impl Cache {
    pub(super) fn new(spec: CacheSpec, seed: Seed, metrics: ForwardMetrics) -> Self {
        let shards = (0..SHARDS).map(|nth| Mutex::new(Shard::new(spec, share(spec, nth), seed))).collect();
        Self { shards, seed, began: clock::monotonic(), metrics }
    }

    fn now(&self) -> Duration {
        clock::monotonic().duration_since(self.began)
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        // Not the bits by which the tables of the shards spread.
        let place = usize::try_from(self.seed.hash_one(key) >> 40).unwrap_or_default() % SHARDS;
        self.shards.get(place).map(locked)
    }

    /// What is known of a question.
    pub(super) fn look(&self, key: &Key) -> Looked {
        self.shard(key).map_or(Looked::Missing, |mut shard| shard.look(key, self.now()))
    }

    /// Keeps an answer, if it may be kept.
    pub(super) fn keep(&self, key: &Key, answer: &Arc<Answer>) {
        let gone = self.shard(key).map_or(0, |mut shard| shard.keep(key, answer, self.now()));
        self.metrics.evicted(gone);
    }

    /// Notes that nobody could answer; gives the answer that is to be given in spite of its age.
    pub(super) fn fail(&self, key: &Key) -> Option<(Arc<Answer>, Duration)> {
        let (given, gone) = self.shard(key)?.fail(key, self.now());
        self.metrics.evicted(gone);
        given
    }

    /// Takes new bounds; with `anew` everything is forgotten.
    pub(super) fn reset(&self, spec: CacheSpec, anew: bool) {
        for (nth, shard) in self.shards.iter().enumerate() {
            let mut shard = locked(shard);
            if anew {
                shard.clear();
            }
            self.metrics.evicted(shard.resize(spec, share(spec, nth), self.now()));
        }
    }

    /// Tells how much is kept.
    pub(super) fn measure(&self) {
        let of = |shard: &Mutex<Shard>| {
            let shard = locked(shard);
            (shard.counts(), shard.bytes())
        };
        let add = |((a, b), c): ((usize, usize), usize), ((x, y), z): ((usize, usize), usize)| ((a + x, b + y), c + z);
        let (counts, bytes) = self.shards.iter().map(of).fold(((0, 0), 0), add);
        self.metrics.kept(counts, bytes);
    }
}

/// A shard is whole after every step: one that was left by a panic can be used.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
