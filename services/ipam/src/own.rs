//! What the service decides by itself, for no caller. It goes the way of every change: through the ledger, and into the journal
//! under the service's own name.

use polder_core::cluster::{Change, Cluster};
use polder_core::ipam::Decision;
use polder_core::reason::Refusal;
use polder_core::schema::{Plan, PlanContext};
use polder_proto::stored::Stored;
use polder_store::{Intent, Ledger};

/// Commits what is decided on the newest view, and gives the answer.
///
/// # Errors
/// What the decision or the ledger refuses.
pub(crate) async fn commit(
    ledger: &Ledger<Stored>,
    method: &'static str,
    decide: impl Fn(&Cluster, PlanContext) -> Result<Decision<Vec<u8>>, Refusal> + Send + 'static,
) -> Result<Vec<u8>, Refusal> {
    let planner = move |cluster: &Cluster, context: PlanContext| decide(cluster, context).map(plan);
    Ok(ledger.submit(Intent::own("polder-ipam", method), planner).await?.answer)
}

/// A decision as the ledger takes it.
pub(crate) fn plan(decision: Decision<Vec<u8>>) -> Plan<Change> {
    let changes = decision.changes.into_iter().map(Change::from).collect();
    Plan { changes, reads: decision.reads.to_vec(), answer: decision.answer }
}
