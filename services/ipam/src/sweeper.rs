//! The sweep: clears away what time has made useless, a bounded piece at a time.
//!
//! It takes no input and keeps no state: it looks at the whole view and commits what it finds, so a missed turn, a restart or a
//! second replica doing the same changes nothing.

use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::ipam::sweep;
use polder_core::schema::{Plan, PlanContext};
use polder_proto::stored::Stored;
use polder_runtime::metrics::Metrics;
use polder_store::Ledger;
use prometheus_client::metrics::counter::Counter;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::leases::own;

/// The most records of one commit.
const MOST: usize = 100;

/// Counters of the sweep.
#[derive(Debug, Clone, Default)]
pub(crate) struct SweepMetrics {
    removed: Counter,
    failed: Counter,
}

impl SweepMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            registry.register("polder_ipam_swept_records", "Records that the sweep has cleared away", own.removed.clone());
            registry.register("polder_ipam_sweep_failures", "Sweeps that could not be committed", own.failed.clone());
        });
        own
    }
}

/// See the module.
pub(crate) struct Sweeper {
    ledger: Ledger<Stored>,
    every: Duration,
    metrics: SweepMetrics,
}

impl Sweeper {
    pub(crate) const fn new(ledger: Ledger<Stored>, every: Duration, metrics: SweepMetrics) -> Self {
        Self { ledger, every, metrics }
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut turns = tokio::time::interval(self.every.max(Duration::from_millis(10)));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(turns.tick()).await.is_some() {
            if stop.run_until_cancelled(self.turn()).await.is_none() {
                return;
            }
        }
    }

    /// Clears away everything there is now, piece by piece.
    async fn turn(&self) {
        loop {
            match self.piece().await {
                Ok(0) => return,
                Ok(removed) => self.metrics.removed.inc_by(removed as u64),
                Err(refusal) => {
                    self.metrics.failed.inc();
                    tracing::debug!(%refusal, "nothing could be swept");
                    return;
                }
            };
        }
    }

    /// One commit's worth; how many records it removed. Nothing is committed when there is nothing to remove.
    async fn piece(&self) -> Result<usize, polder_core::reason::Refusal> {
        let snapshot = self.ledger.mirror().snapshot();
        let context = PlanContext { now: polder_runtime::clock::now(), entropy: polder_runtime::entropy::draw() };
        let found = sweep::plan(&snapshot.view.ipam, MOST, context).changes.len();
        if !snapshot.synced || found == 0 {
            return Ok(0);
        }
        let planner = |cluster: &Cluster, context: PlanContext| {
            let decision = sweep::plan(&cluster.ipam, MOST, context);
            let changes = decision.changes.into_iter().map(Change::from).collect();
            Ok(Plan { changes, reads: decision.reads.to_vec(), answer: Vec::new() })
        };
        self.ledger.submit(own("Sweep"), planner).await.map(|_| found)
    }
}
