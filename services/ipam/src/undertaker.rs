//! Finds the nodes whose leases have run out, frees the addresses of nodes that do not exist any more, and finishes removals of
//! nodes whose callers are gone.
//!
//! It takes no input: at every turn it compares the whole state with the leases that run. Its only memory is since when it has
//! known an orphan; after a restart the grace begins again. Leases are judged only after they could be renewed for a whole time
//! to live: when this process has just started, or the store has just come back, nobody may have been there to take renewals.
//! What it decides is decided on the view by the ledger, so a node that renews in time, or comes back, is left alone, and several
//! replicas doing the same do it once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::id::Uid;
use polder_core::ipam::{Decision, Liveness, View, liveness, node};
use polder_core::net::Name;
use polder_core::reason::Refusal;
use polder_core::schema::PlanContext;
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use polder_runtime::tasks::Turns;
use polder_store::Ledger;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::leases::Leases;
use crate::own;

/// The most records of one commit.
const MOST: usize = 100;

/// Counters of the undertaker.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeMetrics {
    nodes: Family<[(&'static str, &'static str); 1], Gauge>,
    lost: Counter,
    candidates: Gauge,
    freed: Counter,
    removing: Gauge,
    failed: Counter,
}

impl NodeMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            registry.register("polder_ipam_nodes", "Nodes by whether they live", own.nodes.clone());
            registry.register("polder_ipam_nodes_lost", "Nodes whose leases were found to have run out", own.lost.clone());
            registry.register(
                "polder_ipam_orphans",
                "Allocations whose node does not exist, in their grace",
                own.candidates.clone(),
            );
            registry.register(
                "polder_ipam_orphans_freed",
                "Allocations that were freed because their node is gone",
                own.freed.clone(),
            );
            registry.register("polder_ipam_nodes_removing", "Nodes whose pods are being freed", own.removing.clone());
            registry.register("polder_ipam_undertaker_failures", "Turns that could not be finished", own.failed.clone());
        });
        own
    }

    fn count(&self, view: &View) {
        let mut counts = [("alive", 0), ("lost", 0), ("not_seen", 0)];
        for node in view.nodes() {
            counts[match node.liveness {
                Liveness::Alive(_) => 0,
                Liveness::Lost(_) => 1,
                Liveness::NotSeen => 2,
            }]
            .1 += 1;
        }
        for (state, count) in counts {
            self.nodes.get_or_create(&[("state", state)]).set(count);
        }
    }
}

/// See the module.
pub(crate) struct Undertaker {
    ledger: Ledger<Stored>,
    leases: Leases,
    every: Duration,
    grace: Duration,
    /// Orphans, and since when each is known.
    known: BTreeMap<Uid, Timestamp>,
    /// Since when leases could be renewed; `None`: they cannot be, as far as it knows.
    renewable: Option<Instant>,
    metrics: NodeMetrics,
}

impl Undertaker {
    pub(crate) const fn new(
        ledger: Ledger<Stored>,
        leases: Leases,
        every: Duration,
        grace: Duration,
        metrics: NodeMetrics,
    ) -> Self {
        Self { ledger, leases, every, grace, known: BTreeMap::new(), renewable: None, metrics }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut turns = Turns::every(self.every, stop);
        while let Some(outcome) = turns.take(self.turn()).await {
            if let Err(refusal) = outcome {
                self.metrics.failed.inc();
                tracing::debug!(%refusal, "nodes could not be looked after; it will be tried again");
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Refusal> {
        let snapshot = self.ledger.mirror().snapshot();
        if !snapshot.synced {
            return Ok(());
        }
        let view = &snapshot.view.ipam;
        self.metrics.count(view);
        self.leases.forget_strangers();
        self.lost(view).await?;
        self.removals(view).await?;
        self.orphans(view).await
    }

    /// Goes on with the removal of nodes, one step each: whoever began it may be gone.
    async fn removals(&self, view: &View) -> Result<(), Refusal> {
        let going: Vec<Name> = view.nodes().filter(|node| node.removing.is_some()).map(|node| node.name.clone()).collect();
        self.metrics.removing.set(i64::try_from(going.len()).unwrap_or(i64::MAX));
        for name in going {
            let step = move |cluster: &Cluster, context| Ok(node::resume(cluster, &name, context)?.map(|_| Vec::new()));
            own::commit(&self.ledger, "RemoveNode", step).await?;
        }
        Ok(())
    }

    /// Nodes that count as living and have no lease.
    async fn lost(&mut self, view: &View) -> Result<(), Refusal> {
        let living = view.nodes().filter(|node| matches!(node.liveness, Liveness::Alive(_)));
        let mut gone: Vec<(Name, Uid)> = living.map(|node| (node.name.clone(), node.meta.uid)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        // Read after the view: a lease that the view's node has had since is in it.
        let running = self.leases.running().await.inspect_err(|_| self.renewable = None)?;
        let since = *self.renewable.get_or_insert_with(clock::monotonic);
        if since.elapsed() < self.leases.ttl() {
            return Ok(());
        }
        gone.retain(|lease| !running.contains(lease));
        gone.truncate(MOST);
        if gone.is_empty() {
            return Ok(());
        }
        let names = self.commit("NodesLost", move |cluster, context| liveness::lost(cluster, &gone, context)).await?;
        for name in &names {
            tracing::warn!(node = %name, "the node's agent has not renewed its lease in time");
        }
        self.metrics.lost.inc_by(names.len() as u64);
        Ok(())
    }

    /// Orphans whose grace is over.
    async fn orphans(&mut self, view: &View) -> Result<(), Refusal> {
        let now = clock::now();
        let known: BTreeMap<Uid, Timestamp> = liveness::orphans(view)
            .map(|orphan| orphan.meta.uid)
            .map(|uid| (uid, self.known.get(&uid).copied().unwrap_or(now)))
            .collect();
        self.known = known;
        self.metrics.candidates.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
        let over = self.known.iter().filter(|(_, since)| since.after(self.grace) <= now).map(|(uid, _)| *uid);
        let over: Vec<Uid> = over.take(MOST).collect();
        if over.is_empty() {
            return Ok(());
        }
        let freed = self.commit("FreeOrphans", move |cluster, context| liveness::free_orphans(cluster, &over, context)).await?;
        for uid in &freed {
            tracing::warn!(allocation = %uid, "freed: the node of this allocation does not exist");
        }
        self.metrics.freed.inc_by(freed.len() as u64);
        Ok(())
    }

    /// Commits what is decided on the newest view, and answers what that was about, by name.
    async fn commit<T: Display>(
        &self,
        method: &'static str,
        decide: impl Fn(&Cluster, PlanContext) -> Decision<Vec<T>> + Send + 'static,
    ) -> Result<Vec<String>, Refusal> {
        let told = |about: Vec<T>| about.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into_bytes();
        let decide = move |cluster: &Cluster, context| Ok(decide(cluster, context).map(told));
        let answer = own::commit(&self.ledger, method, decide).await?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }
}
