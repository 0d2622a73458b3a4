//! Figures about a ledger, as plain counters that an exporter reads whenever it likes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one ledger.
#[derive(Debug, Default)]
pub struct Figures {
    waiting: AtomicU64,
    batches: AtomicU64,
    planned: AtomicU64,
    committed: AtomicU64,
    conflicts: AtomicU64,
    failed: AtomicU64,
    overloaded: AtomicU64,
}

macro_rules! read {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(&self) -> u64 { self.$field.load(Ordering::Relaxed) })*
    };
}

impl Figures {
    read! {
        /// Requests that waited when the last batch was begun.
        queue_length = waiting;
        /// Batches that were planned.
        batches_planned = batches;
        /// Requests that were planned, each time it happened.
        requests_planned = planned;
        /// Batches that changed something.
        batches_committed = committed;
        /// Batches that lost to another replica.
        batches_lost = conflicts;
        /// Batches that the store did not take, or whose outcome stayed unknown.
        batches_failed = failed;
        /// Requests that were refused because too many waited.
        requests_overloaded = overloaded;
    }

    pub(super) fn waiting(&self, requests: usize) {
        self.waiting.store(requests as u64, Ordering::Relaxed);
    }

    pub(super) fn planned(&self, requests: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.planned.fetch_add(requests as u64, Ordering::Relaxed);
    }

    pub(super) fn committed(&self) {
        self.committed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }
}
