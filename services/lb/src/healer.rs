//! The healer: gives addresses to services that wait for them, a bounded number at a time, and clears away the records of
//! addresses that have rested.
//!
//! It takes no input and keeps no state of its own: woken by a change of services or pools, by the end of a rest, or by a timer, it
//! looks at the whole view and commits what can be mended. A missed turn, a restart or a second replica doing the same changes nothing.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::id::Revision;
use polder_core::lb::plan::READS;
use polder_core::lb::reassign::{Scope, changes, reassign};
use polder_core::lb::rest;
use polder_core::reason::Refusal;
use polder_core::schema::{Domain, Plan, PlanContext};
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::metrics::Metrics;
use polder_runtime::{clock, entropy};
use polder_store::mirror::Heads;
use polder_store::{Intent, Ledger, Snapshot};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The most writes of one commit, but for those of its last service.
const MOST: usize = 100;

/// The shortest time between two turns, so that a flood of changes is looked at together.
const PAUSE: Duration = Duration::from_millis(5);

/// What is told of services that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct HealMetrics {
    waiting: Gauge<u64, AtomicU64>,
    healed: Counter,
    failed: Counter,
}

impl HealMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            let waiting = "Services that lack an address they would take";
            registry.register("polder_lb_services_waiting", waiting, own.waiting.clone());
            registry.register(
                "polder_lb_services_healed",
                "Services whose addresses were mended by themselves",
                own.healed.clone(),
            );
            registry.register("polder_lb_heal_failures", "Mended services that could not be committed", own.failed.clone());
        });
        own
    }
}

/// See the module.
pub(crate) struct Healer {
    ledger: Ledger<Stored>,
    every: Duration,
    metrics: HealMetrics,
}

impl Healer {
    pub(crate) const fn new(ledger: Ledger<Stored>, every: Duration, metrics: HealMetrics) -> Self {
        Self { ledger, every, metrics }
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut moved = self.ledger.mirror().changed();
        let mut seen = None;
        let mut turn = clock::monotonic();
        let (mut looked, mut rested) = (clock::now(), None);
        loop {
            let snapshot = self.ledger.mirror().snapshot();
            let due = clock::monotonic() >= turn;
            let woken = rested.is_some_and(|end| clock::monotonic() >= end).then_some(Scope::Waiting);
            if let Some(scope) = scope(&snapshot, seen, due).or(woken).filter(|_| snapshot.synced) {
                // What it commits itself moves the heads again; the next turn finds nothing and comes to rest.
                seen = Some(snapshot.heads);
                looked = clock::now();
                self.turn(scope).await;
            }
            if due {
                turn = clock::monotonic() + self.every;
            }
            tokio::time::sleep(PAUSE).await;
            rested = if snapshot.synced { self.end_of_rest(looked) } else { None };
            if !wait(&mut moved, rested.map_or(turn, |end| end.min(turn))).await {
                return;
            }
        }
    }

    /// Mends everything that can be mended now.
    async fn turn(&self, scope: Scope) {
        loop {
            match self.piece(scope).await {
                Ok(0) => break,
                Ok(healed) => self.metrics.healed.inc_by(healed as u64),
                Err(refusal) => {
                    self.metrics.failed.inc();
                    tracing::warn!(%refusal, "services that wait for addresses could not be served");
                    break;
                }
            };
        }
        self.sweep().await;
        let waiting = self.ledger.mirror().snapshot().view.lb.waiting().count();
        self.metrics.waiting.set(waiting as u64);
    }

    /// When time alone changes what could be given at the last look; that may be over by now.
    fn end_of_rest(&self, looked: Timestamp) -> Option<Instant> {
        let end = rest::next_end(&self.ledger.mirror().snapshot().view, looked)?;
        // A moment late rather than early: an early turn finds nothing.
        Some(clock::monotonic() + end.since(clock::now()) + PAUSE)
    }

    /// Clears away the records of addresses that have rested.
    async fn sweep(&self) {
        loop {
            let swept = rest::sweep(&self.ledger.mirror().snapshot().view, MOST, clock::now()).len();
            if swept == 0 {
                break;
            }
            let planner = move |cluster: &Cluster, context: PlanContext| {
                let changes = rest::sweep(cluster, MOST, context.now).into_iter().map(Change::from).collect();
                Ok(Plan { changes, reads: READS.to_vec(), answer: Vec::new() })
            };
            if let Err(refusal) = self.ledger.submit(Intent::own("polder-lb", "SweepRests"), planner).await {
                tracing::warn!(%refusal, "records of addresses that have rested could not be cleared away");
                break;
            }
        }
    }

    /// One commit's worth; how many services it mended. Nothing is committed when there is nothing to mend.
    async fn piece(&self, scope: Scope) -> Result<usize, Refusal> {
        let snapshot = self.ledger.mirror().snapshot();
        let context = PlanContext { now: clock::now(), entropy: entropy::draw() };
        let found = reassign(&snapshot.view, scope, MOST, context).len();
        if found == 0 {
            return Ok(0);
        }
        let planner = move |cluster: &Cluster, context: PlanContext| {
            let decisions = reassign(cluster, scope, MOST, context);
            let changes = changes(cluster, &decisions).into_iter().map(Change::from).collect();
            Ok(Plan { changes, reads: READS.to_vec(), answer: Vec::new() })
        };
        self.ledger.submit(Intent::own("polder-lb", "Heal"), planner).await.map(|_| found)
    }
}

/// What there is to look at since the heads that were seen last; `None` when nothing has moved that matters.
fn scope(snapshot: &Snapshot<Stored>, seen: Option<Heads>, due: bool) -> Option<Scope> {
    let moved = |domain| seen.is_none_or(|seen| seen.get(domain) != snapshot.heads.get(domain));
    if due || moved(Domain::IpamPools) {
        return Some(Scope::All);
    }
    moved(Domain::LbServices).then_some(Scope::Waiting)
}

/// Waits for a move of the view, at most until `turn`. False when there will be none any more.
async fn wait(moved: &mut tokio::sync::watch::Receiver<Revision>, turn: Instant) -> bool {
    match timeout_at(turn, moved.changed()).await {
        Ok(Ok(())) | Err(_) => true,
        Ok(Err(_)) => false,
    }
}
