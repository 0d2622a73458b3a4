//! The sweep: clears away what time has made useless, a bounded piece at a time.
//!
//! It takes no input and keeps no state: it looks at the whole view and commits what it finds, so a missed turn, a restart or a
//! second replica doing the same changes nothing.

use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::ipam::sweep;
use polder_core::reason::Refusal;
use polder_core::schema::PlanContext;
use polder_proto::stored::Stored;
use polder_runtime::metrics::Metrics;
use polder_runtime::tasks::Turns;
use polder_runtime::{clock, entropy};
use polder_store::Ledger;
use prometheus_client::metrics::counter::Counter;
use tokio_util::sync::CancellationToken;

use crate::own;

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
        let mut turns = Turns::every(self.every, stop);
        while turns.take(self.turn()).await.is_some() {}
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
    async fn piece(&self) -> Result<usize, Refusal> {
        let snapshot = self.ledger.mirror().snapshot();
        let context = PlanContext { now: clock::now(), entropy: entropy::draw() };
        let found = sweep::plan(&snapshot.view.ipam, MOST, context).changes.len();
        if !snapshot.synced || found == 0 {
            return Ok(0);
        }
        let decide = |cluster: &Cluster, context| Ok(sweep::plan(&cluster.ipam, MOST, context).map(|_| Vec::new()));
        own::commit(&self.ledger, "Sweep", decide).await.map(|_| found)
    }
}
