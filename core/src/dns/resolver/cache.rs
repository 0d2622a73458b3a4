//! Answers that are kept: one shard of them, bounded in entries and bytes.
//!
//! When room is needed the oldest entry goes, unless it was asked for since it was last looked at and its time is not over: then it
//! gets another round (second chance). Expired answers stay for a while, to be given when nobody answers (RFC 8767), and are the first
//! to go.
//!
//! Times are durations since any moment that stays the same for a shard.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::question::Key;
use super::reply::Life;
use super::response::Answer;
use super::settings::CacheSpec;
use crate::hash::Seed;

/// Bytes of an entry beside its name and records: an estimate of what tables and counters take.
const OVERHEAD: usize = 240;
/// An answer that has less than one in this many parts of its time left is fetched anew, when it is popular.
const PREFETCH_PART: u32 = 10;
/// After a failure an answer whose time is over is given for so long without asking again (RFC 8767 §5).
const HOLD: Duration = Duration::from_secs(30);

/// The bounds of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most entries.
    pub entries: usize,
    /// The most bytes.
    pub bytes: usize,
}

/// What is known of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// An answer.
    Fresh {
        /// What was said.
        answer: Arc<Answer>,
        /// What is left of it.
        life: Life,
        /// For how long it has been kept.
        age: Duration,
        /// It should be fetched anew now: it is popular and its time is nearly over. Said once.
        prefetch: bool,
    },
    /// An answer whose time is over, but not yet for too long.
    Stale {
        /// What was said.
        answer: Arc<Answer>,
        /// For how long it has been kept.
        age: Duration,
        /// A moment ago nobody answered: it is to be given without asking again.
        hold: bool,
    },
    /// Nothing.
    Missing,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    since: Duration,
    fresh: Duration,
    stale: Duration,
    hold_until: Duration,
    hits: u32,
    prefetched: bool,
    used: bool,
    size: usize,
}

/// One part of the answers that are kept.
#[derive(Debug)]
pub struct Shard {
    spec: CacheSpec,
    bounds: Bounds,
    entries: HashMap<Arc<Key>, Entry, Seed>,
    /// Every key of the table once, the one that is looked at next first.
    order: VecDeque<Arc<Key>>,
    bytes: usize,
    negatives: usize,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(spec: CacheSpec, bounds: Bounds, seed: Seed) -> Self {
        Self { spec, bounds, entries: HashMap::with_hasher(seed), order: VecDeque::new(), bytes: 0, negatives: 0 }
    }

    /// Takes new bounds and times; what is too much now goes. Gives how many entries went.
    pub fn resize(&mut self, spec: CacheSpec, bounds: Bounds, now: Duration) -> usize {
        (self.spec, self.bounds) = (spec, bounds);
        self.evict(now)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
        (self.bytes, self.negatives) = (0, 0);
    }

    /// How many entries there are: those that say there is something, and those that say there is not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len() - self.negatives, self.negatives)
    }

    /// How many bytes they take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a question.
    pub fn look(&mut self, key: &Key, now: Duration) -> Looked {
        let Some(entry) = self.entries.get_mut(key) else { return Looked::Missing };
        let age = now.saturating_sub(entry.since);
        let answer = Arc::clone(&entry.answer);
        if age < entry.fresh {
            entry.hits = entry.hits.saturating_add(1);
            entry.used = true;
            let popular = self.spec.prefetch > 0 && entry.hits >= self.spec.prefetch && !answer.is_failure();
            let prefetch = popular && !entry.prefetched && entry.fresh - age <= entry.fresh / PREFETCH_PART;
            entry.prefetched |= prefetch;
            return Looked::Fresh { life: self.spec.life(&answer, age), answer, age, prefetch };
        }
        if age < entry.fresh.saturating_add(entry.stale) {
            return Looked::Stale { answer, age, hold: now < entry.hold_until };
        }
        Looked::Missing
    }

    /// Keeps an answer, if it may be kept. Gives how many entries went for it.
    pub fn keep(&mut self, key: &Key, answer: &Arc<Answer>, now: Duration) -> usize {
        let Some(fresh) = self.spec.keeping(answer) else { return 0 };
        let size = OVERHEAD + key.name.as_wire().len() + answer.records.len();
        if self.bounds.entries == 0 || size > self.bounds.bytes {
            // What was kept is not so any more.
            return self.forget(key);
        }
        let stale = if answer.is_negative() { 0 } else { self.spec.stale };
        let entry = Entry {
            answer: Arc::clone(answer),
            since: now,
            fresh,
            stale: Duration::from_secs(u64::from(stale)),
            hold_until: now,
            hits: 0,
            prefetched: false,
            used: false,
            size,
        };
        self.bytes += size;
        self.negatives += usize::from(answer.is_negative());
        match self.entries.get_mut(key) {
            Some(old) => {
                self.bytes -= old.size;
                self.negatives -= usize::from(old.answer.is_negative());
                *old = entry;
            }
            None => {
                let key = Arc::new(key.clone());
                self.order.push_back(Arc::clone(&key));
                self.entries.insert(key, entry);
            }
        }
        self.evict(now)
    }

    /// Notes that nobody could answer. A good answer that is still there is given for a while then, and not shadowed; otherwise the
    /// failure itself is kept for a moment. Gives the answer to give, and how many entries went.
    pub fn fail(&mut self, key: &Key, now: Duration) -> (Option<(Arc<Answer>, Duration)>, usize) {
        if let Looked::Stale { answer, age, .. } = self.look(key, now) {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.hold_until = now.saturating_add(HOLD);
            }
            return (Some((answer, age)), 0);
        }
        // An answer that was to be fetched before its end is good until then.
        if let Looked::Fresh { answer, .. } = self.look(key, now)
            && !answer.is_failure()
        {
            return (None, 0);
        }
        (None, self.keep(key, &Arc::new(Answer::failure()), now))
    }

    fn forget(&mut self, key: &Key) -> usize {
        let Some(entry) = self.entries.remove(key) else { return 0 };
        self.order.retain(|other| **other != *key);
        self.bytes -= entry.size;
        self.negatives -= usize::from(entry.answer.is_negative());
        1
    }

    /// Makes room. Each entry is looked at twice at most: the first time it may lose its chance, the second time it goes.
    fn evict(&mut self, now: Duration) -> usize {
        let mut gone = 0;
        while self.entries.len() > self.bounds.entries || self.bytes > self.bounds.bytes {
            let Some(key) = self.order.pop_front() else { break };
            let spared = self.entries.get_mut(&key).is_some_and(|entry| {
                let alive = now.saturating_sub(entry.since) < entry.fresh;
                std::mem::take(&mut entry.used) && alive
            });
            if spared {
                self.order.push_back(key);
            } else if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.size;
                self.negatives -= usize::from(entry.answer.is_negative());
                gone += 1;
            }
        }
        gone
    }
}

impl CacheSpec {
    /// How long an answer is fresh; `None`: it is not kept.
    fn keeping(&self, answer: &Answer) -> Option<Duration> {
        let most = self.longest(answer);
        let minimum = if answer.is_failure() { 0 } else { self.minimum };
        let seconds = answer.ttl?.min(most).max(minimum);
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }

    const fn longest(&self, answer: &Answer) -> u32 {
        if answer.is_negative() { self.negative_ttl } else { self.ttl }
    }

    /// What is left of an answer that came `age` ago.
    #[must_use]
    pub fn life(&self, answer: &Answer, age: Duration) -> Life {
        Life::Fresh { spent: u32::try_from(age.as_secs()).unwrap_or(u32::MAX), most: self.longest(answer) }
    }
}
