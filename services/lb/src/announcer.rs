//! The announcer: has every external address assigned to a node that can answer for it, on the replica that leads.
//!
//! It takes no input: woken by a change of the state, by a node that comes or falls silent, or by a timer, it looks at the whole
//! view and commits what has to change. A missed turn, a restart or another lead changes nothing.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::lb::TrafficPolicy;
use polder_core::lb::announce::reconcile::READS;
use polder_core::lb::announce::{Moment, Turn, Willing, reconcile};
use polder_core::reason::Refusal;
use polder_core::schema::{Domain, Plan, PlanContext};
use polder_proto::stored::Stored;
use polder_runtime::metrics::Metrics;
use polder_runtime::{clock, entropy};
use polder_store::mirror::Heads;
use polder_store::{Intent, Ledger, Snapshot};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::lead::Lead;

/// The most assignments of one commit.
const MOST: usize = 100;
/// The shortest time between two turns.
const PAUSE: Duration = Duration::from_millis(5);
/// How many times as long as a turn the pause after it is at least: looking at everything may not cost a core.
const REST: u32 = 4;
/// The longest time between two turns.
const LONGEST: Duration = Duration::from_secs(5);

/// What is told of announcements.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnnounceMetrics {
    assigned: Gauge<u64, AtomicU64>,
    present: Gauge<u64, AtomicU64>,
    still: Gauge,
    changed: Counter,
    failed: Counter,
}

impl AnnounceMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            registry.register("polder_lb_announcements", "External addresses that a node is to answer for", own.assigned.clone());
            registry.register("polder_lb_announcing_nodes", "Nodes that the lead hears of", own.present.clone());
            let still = "Whether nothing moves because most nodes have fallen silent at once";
            registry.register("polder_lb_announcements_held_still", still, own.still.clone());
            registry.register("polder_lb_announcement_changes", "Assignments that were changed", own.changed.clone());
            registry.register("polder_lb_announce_failures", "Turns that could not be committed", own.failed.clone());
        });
        own
    }
}

/// What the last turn looked at.
#[derive(PartialEq, Eq)]
struct Seen {
    heads: [Option<polder_core::id::Revision>; 5],
    willing: Willing,
}

/// See the module.
pub(crate) struct Announcer {
    ledger: Ledger<Stored>,
    lead: Lead,
    spread_every: Duration,
    metrics: AnnounceMetrics,
}

impl Announcer {
    pub(crate) const fn new(ledger: Ledger<Stored>, lead: Lead, spread_every: Duration, metrics: AnnounceMetrics) -> Self {
        Self { ledger, lead, spread_every, metrics }
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut moved = self.ledger.mirror().changed();
        let (mut seen, mut spread) = (None, clock::monotonic() + self.spread_every);
        loop {
            let begun = clock::monotonic();
            let due = begun >= spread;
            let next = self.look(&mut seen, due).await;
            if due {
                spread = clock::monotonic() + self.spread_every;
            }
            sleep((begun.elapsed() * REST).max(PAUSE)).await;
            let latest = clock::monotonic() + LONGEST;
            tokio::select! {
                changed = moved.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = self.lead.stirred() => {}
                () = sleep_until(next.unwrap_or(latest).min(latest).min(spread)) => {}
            }
        }
    }

    /// One look at everything, if anything has moved that matters; when to look again at the latest.
    async fn look(&self, seen: &mut Option<Seen>, spread: bool) -> Option<Instant> {
        let snapshot = self.ledger.mirror().snapshot();
        let told = self.lead.with(|reign, now| {
            reign.presence.forget(&snapshot.view, now);
            reign.rights.forget(now);
            reign.words.forget(|node| snapshot.view.ipam.node(node).is_some());
            (reign.presence.willing(now), reign.presence.next_silence(now))
        });
        let Some((willing, silence)) = told.filter(|_| snapshot.synced) else {
            *seen = None;
            return None;
        };
        self.metrics.present.set(willing.nodes.len() as u64);
        self.metrics.still.set(willing.still.into());
        let found = Seen { heads: heads(&snapshot), willing };
        if spread || seen.as_ref() != Some(&found) {
            match self.turn(&found.willing, spread).await {
                Ok(()) => *seen = Some(found),
                Err(refusal) => {
                    self.metrics.failed.inc();
                    *seen = None;
                    tracing::warn!(%refusal, "announcements could not be assigned; it will be tried again");
                }
            }
        }
        silence.map(|silence: Moment| self.lead.instant(silence))
    }

    /// Changes what has to change. What it commits moves the heads again; the next look finds nothing and comes to rest.
    async fn turn(&self, willing: &Willing, spread: bool) -> Result<(), Refusal> {
        let turn = Turn { most: MOST, spread };
        loop {
            let snapshot = self.ledger.mirror().snapshot();
            let context = PlanContext { now: clock::now(), entropy: entropy::draw() };
            let count = reconcile(&snapshot.view, willing, turn, context).len();
            self.metrics.assigned.set(snapshot.view.lb.board().announcements().count() as u64);
            if count == 0 {
                return Ok(());
            }
            let willing = willing.clone();
            let planner = move |cluster: &Cluster, context: PlanContext| {
                let changes = reconcile(cluster, &willing, turn, context).into_iter().map(Change::from).collect();
                Ok(Plan { changes, reads: READS.to_vec(), answer: Vec::new() })
            };
            self.ledger.submit(Intent::own("polder-lb", "Announce"), planner).await?;
            self.metrics.changed.inc_by(count as u64);
            if count < MOST {
                return Ok(());
            }
        }
    }
}

/// The heads of everything that assignments rest on. Pods count only where traffic must stay local.
fn heads(snapshot: &Snapshot<Stored>) -> [Option<polder_core::id::Revision>; 5] {
    let of = |heads: &Heads, domain| heads.get(domain);
    let local = |cluster: &Cluster| {
        let mut services = cluster.lb.services();
        services.any(|service| !service.external.is_empty() && service.spec.external_policy == TrafficPolicy::Local)
    };
    let [services, announcements, pools, nodes] = READS.map(|domain| of(&snapshot.heads, domain));
    let pods = local(&snapshot.view).then(|| of(&snapshot.heads, Domain::IpamAllocations)).flatten();
    [services, announcements, pools, nodes, pods]
}
