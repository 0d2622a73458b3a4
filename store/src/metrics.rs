//! Figures about the calls to a store, as plain counters that an exporter reads whenever it likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The calls that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// One page of a range.
    Range,
    /// One commit.
    Commit,
    /// The opening of a watch.
    Watch,
    /// Grant, keep-alive, revoke.
    Lease,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 4] = [Self::Range, Self::Commit, Self::Watch, Self::Lease];

    /// The call's name as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Commit => "commit",
            Self::Watch => "watch",
            Self::Lease => "lease",
        }
    }
}

/// The upper bounds of the latency buckets; a last bucket takes what is slower.
pub const BUCKETS: [Duration; 9] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// The figures of one kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The sum of all latencies, in microseconds.
    pub micros: u64,
    /// Calls per bucket of [`BUCKETS`], each counted once, the slowest last.
    pub buckets: [u64; BUCKETS.len() + 1],
}

#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len() + 1],
}

/// Counters of one store handle and its clones.
#[derive(Debug, Default)]
pub struct Metrics {
    calls: [Counters; Call::ALL.len()],
    conflicts: AtomicU64,
}

impl Metrics {
    /// The figures of one kind of call since the store was opened.
    #[must_use]
    pub fn figures(&self, call: Call) -> Figures {
        let counters = &self.calls[call as usize];
        Figures {
            answered: counters.answered.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            micros: counters.micros.load(Ordering::Relaxed),
            buckets: std::array::from_fn(|bucket| counters.buckets[bucket].load(Ordering::Relaxed)),
        }
    }

    /// Commits that met a conflict.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    pub(crate) fn count_conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, call: Call, took: Duration, answered: bool) {
        let counters = &self.calls[call as usize];
        let outcome = if answered { &counters.answered } else { &counters.failed };
        outcome.fetch_add(1, Ordering::Relaxed);
        counters.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let bucket = BUCKETS.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS.len());
        counters.buckets[bucket].fetch_add(1, Ordering::Relaxed);
    }
}
