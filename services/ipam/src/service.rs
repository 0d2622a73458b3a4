//! The use cases: read the view, or decide on it and commit.

use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::id::Revision;
use polder_core::ipam::node::{self, Deletion, Extent, Removal};
use polder_core::ipam::{Decision, View, basis, impact};
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, shown};
use polder_core::schema::PlanContext;
use polder_proto::convert::ipam::show_impact;
use polder_proto::ipam::v1::DeleteNodeResponse;
use polder_proto::stored::Stored;
use polder_runtime::{clock, entropy};
use polder_store::{Ledger, Mirror, Snapshot};

use crate::answer::{Answer, plan_etag};
use crate::call::Call;
use crate::forecaster::Forecasts;
use crate::leases::Leases;
use crate::own;

/// How long a reader waits for a revision that it has heard of already.
const CATCH_UP: Duration = Duration::from_secs(2);

/// How old the view may be before the process says that it is not ready.
const STALE: Duration = Duration::from_secs(10);

/// The most transactions that one removal of a node takes.
const MOST_STEPS: usize = 1000;

/// Address management, apart from gRPC. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    ledger: Ledger<Stored>,
    leases: Leases,
    forecasts: Forecasts,
}

impl Service {
    pub(crate) fn new(ledger: Ledger<Stored>, leases: Leases) -> Self {
        Self { ledger, leases, forecasts: Forecasts::default() }
    }

    /// How fast pools fill.
    pub(crate) const fn forecasts(&self) -> &Forecasts {
        &self.forecasts
    }

    /// The leases of nodes.
    pub(crate) const fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(crate) const fn ledger(&self) -> &Ledger<Stored> {
        &self.ledger
    }

    /// The view for a read: whole, and as new as this process has it.
    pub(crate) fn view(&self) -> Result<Arc<Snapshot<Stored>>, Refusal> {
        self.ledger.mirror().readable()
    }

    /// The view once it has reached a revision that the reader knows.
    pub(crate) async fn view_from(&self, revision: Revision) -> Result<Arc<Snapshot<Stored>>, Refusal> {
        self.ledger.mirror().wait_for(revision, CATCH_UP).await
    }

    /// Decides on the newest view and commits, or only says what would come of it. The same planner does both.
    pub(crate) async fn change<A: Answer>(
        &self,
        call: &Call,
        decide: impl Fn(&Cluster, PlanContext) -> Result<Decision<A>, Refusal> + Send + 'static,
    ) -> Result<A, Refusal> {
        let expected = call.plan_etag.clone();
        let planner = move |cluster: &Cluster, context: PlanContext| {
            let decision = decide(cluster, context)?;
            let mut answer = decision.answer;
            let impact: Vec<_> = impact(cluster, &decision.changes, context).iter().map(show_impact).collect();
            if A::PLANNED {
                let etag = plan_etag(&impact, &basis(&cluster.ipam, &decision.changes));
                check_plan(&expected, &etag)?;
                answer.name_plan(etag);
            }
            answer.tell(impact);
            Ok(own::plan(Decision { changes: decision.changes, reads: decision.reads, answer: answer.encode_to_vec() }))
        };
        let (mut answer, revision) = self.ledger.change::<A>(call.intent(), call.validate_only, planner).await?;
        answer.stamp(revision.0);
        Ok(answer)
    }

    /// What wishes would come to one after the other, each on what the ones before it would leave. Nothing is committed.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `NOT_SYNCED`, `DATA_CORRUPT`.
    pub(crate) async fn preview_in_turn<W, A>(
        &self,
        wishes: Vec<W>,
        decide: impl Fn(&Cluster, W, PlanContext) -> Result<Decision<A>, Refusal>,
    ) -> Result<(Vec<Result<A, Refusal>>, Revision), Refusal> {
        let snapshot = self.ledger.mirror().latest(CATCH_UP).await?;
        snapshot.usable()?;
        let mut cluster = snapshot.view.clone();
        let answers = wishes.into_iter().map(|wish| {
            let decision = decide(&cluster, wish, PlanContext { now: clock::now(), entropy: entropy::draw() })?;
            decision.changes.iter().for_each(|change| cluster.ipam.apply(change));
            Ok(decision.answer)
        });
        Ok((answers.collect(), snapshot.heads.newest()))
    }

    /// Removes a node. By force it first frees so many of its pods at a time that each transaction stays within its bounds; the
    /// last one removes the node and answers the caller's request id. The caller's etag is checked at the first step: the steps
    /// themselves change the node.
    pub(crate) async fn delete_node(&self, call: &Call, wish: &Deletion) -> Result<DeleteNodeResponse, Refusal> {
        if call.validate_only {
            let wish = wish.clone();
            let whole = move |cluster: &Cluster, context| node::delete(cluster, &wish, Extent::Whole, context);
            return self
                .change(call, move |cluster, context| Ok(whole(cluster, context)?.map(|_| DeleteNodeResponse::default())))
                .await;
        }
        let mut begun = false;
        for _ in 0..MOST_STEPS {
            let step = {
                let wish = wish.clone();
                move |cluster: &Cluster, context| match begun {
                    false => node::delete(cluster, &wish, Extent::Step, context),
                    true => node::resume(cluster, &wish.name, context),
                }
            };
            let (last, name) = (step.clone(), wish.name.clone());
            let outcome = self.change(call, move |cluster, context| {
                let decision = last(cluster, context)?;
                match decision.answer {
                    Removal::More => Err(unfinished(&name)),
                    Removal::Done => Ok(decision.map(|_| DeleteNodeResponse::default())),
                }
            });
            match outcome.await {
                Err(refusal) if wish.force && refusal.reason == Reason::NodeInUse => (),
                outcome => return outcome,
            }
            let on_the_way = call.step();
            let freed = self
                .change(&on_the_way, move |cluster, context| Ok(step(cluster, context)?.map(|_| DeleteNodeResponse::default())));
            match freed.await {
                // Who goes on with a removal that was begun before may have taken its last step meanwhile.
                Err(refusal) if refusal.reason != Reason::NodeNotFound => return Err(refusal),
                _ => begun = true,
            }
        }
        Err(unfinished(&wish.name))
    }
}

/// Whether the change comes to what a dry run has said.
fn check_plan(expected: &str, etag: &str) -> Result<(), Refusal> {
    if expected.is_empty() || expected == etag {
        return Ok(());
    }
    let message = "The change would do something else now than the dry run said: what it rests on has changed. Make another dry \
                   run, and look at its impact.";
    Err(Refusal::new(Reason::EtagMismatch, message).with("plan_etag", shown(expected)).with("current_plan_etag", etag))
}

fn unfinished(node: &Name) -> Refusal {
    let message = format!("Node `{node}` gets new pods as fast as they are freed. Drain it first.");
    Refusal::new(Reason::NodeInUse, message).with("node", node).about("node", node)
}

/// The view after a decision, for answers that show what follows from it.
pub(crate) fn after(view: &View, changes: &[polder_core::ipam::Change]) -> View {
    let mut after = view.clone();
    changes.iter().for_each(|change| after.apply(change));
    after
}

/// Whether the service can work: the store has been read, and heard of lately.
pub(crate) fn ready(mirror: &Mirror<Stored>) -> Result<(), Refusal> {
    let snapshot = mirror.snapshot();
    snapshot.usable()?;
    match snapshot.age() {
        Some(age) if age <= STALE => Ok(()),
        age => {
            let seconds = age.unwrap_or_default().as_secs();
            let message = format!("The store has not answered for {seconds} s; reads show the state of then.");
            Err(Refusal::new(Reason::StoreUnavailable, message).with("age_seconds", seconds))
        }
    }
}
