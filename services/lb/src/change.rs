//! The way of every change that a caller asks for.

use polder_core::cluster::{Change, Cluster};
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{PlanContext, Verdict};
use polder_proto::stored::Stored;
use polder_store::{Intent, Ledger};
use prost::Message;

/// Decides on the newest view and commits, or only says what would come of it: the same planner does both. What is answered is what
/// the planner said, now or when the request came for the first time; it holds at the revision.
///
/// # Errors
/// Those of [`Ledger::submit`] and [`Ledger::preview`]; `INTERNAL` when a recorded answer cannot be read.
pub(crate) async fn change<A: Message + Default>(
    ledger: &Ledger<Stored>,
    intent: Intent,
    validate_only: bool,
    planner: impl Fn(&Cluster, PlanContext) -> Verdict<Change> + Send + 'static,
) -> Result<(A, Revision), Refusal> {
    let (answer, revision) = if validate_only {
        let (plan, revision) = ledger.preview(planner).await?;
        (plan.answer, revision)
    } else {
        let committed = ledger.submit(intent, planner).await?;
        (committed.answer, committed.revision)
    };
    let answer = A::decode(answer.as_slice())
        .map_err(|error| Refusal::new(Reason::Internal, format!("a recorded answer cannot be read: {error}")))?;
    Ok((answer, revision))
}
