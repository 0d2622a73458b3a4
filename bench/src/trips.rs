//! What the calls of a phase cost the store, from the counters of its handle: group commit shows here and nowhere else.

use polder_store::Store;
use polder_store::metrics::{Call, Figures};
use serde::Serialize;

/// Round trips of one phase.
#[derive(Debug, Clone, Serialize)]
pub struct Trips {
    /// Transactions sent, the ones that lost included, and the few by which the view asks whether it is current.
    pub commits: u64,
    /// Transactions that met a conflict.
    pub conflicts: u64,
    /// Pages read.
    pub reads: u64,
    /// Calls answered for every round trip: the size of a batch.
    pub calls_per_trip: f64,
    /// Round trips for every call answered.
    pub trips_per_call: f64,
    /// The mean time of a transaction in milliseconds.
    pub commit_mean_ms: f64,
}

/// The counters at the start of a phase.
pub(crate) struct Odometer {
    store: Store,
    commits: Figures,
    reads: Figures,
    conflicts: u64,
}

impl Odometer {
    pub(crate) fn begin(store: &Store) -> Self {
        let metrics = store.metrics();
        Self {
            store: store.clone(),
            commits: metrics.figures(Call::Commit),
            reads: metrics.figures(Call::Range),
            conflicts: metrics.conflicts(),
        }
    }

    /// What was spent since, on so many calls.
    pub(crate) fn read(&self, calls: u64) -> Trips {
        let metrics = self.store.metrics();
        let (now, reads) = (metrics.figures(Call::Commit), metrics.figures(Call::Range));
        let commits = (now.answered + now.failed) - (self.commits.answered + self.commits.failed);
        let reads = (reads.answered + reads.failed) - (self.reads.answered + self.reads.failed);
        let (trips, micros) = ((commits + reads).max(1), now.micros - self.commits.micros);
        Trips {
            commits,
            conflicts: metrics.conflicts() - self.conflicts,
            reads,
            calls_per_trip: calls as f64 / trips as f64,
            trips_per_call: trips as f64 / calls.max(1) as f64,
            commit_mean_ms: micros as f64 / commits.max(1) as f64 / 1000.0,
        }
    }
}
