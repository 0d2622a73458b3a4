//! A change that a caller asks for, made or only told.

use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Intent, PlanContext, Schema, Verdict};
use prost::Message;

use super::Ledger;

impl<S: Schema> Ledger<S> {
    /// Decides on the newest view and commits, or only says what would come of it: the same planner does both. What is answered is
    /// what the planner said, now or when the request came for the first time; it holds at the revision.
    ///
    /// # Errors
    /// Those of [`Self::submit`] and [`Self::preview`]; [`Reason::Internal`] when a recorded answer cannot be read.
    pub async fn change<A: Message + Default>(
        &self,
        intent: Intent,
        validate_only: bool,
        planner: impl Fn(&S::View, PlanContext) -> Verdict<S::Change> + Send + 'static,
    ) -> Result<(A, Revision), Refusal> {
        let (answer, revision) = if validate_only {
            let (plan, revision) = self.preview(planner).await?;
            (plan.answer, revision)
        } else {
            let committed = self.submit(intent, planner).await?;
            (committed.answer, committed.revision)
        };
        let answer = A::decode(answer.as_slice())
            .map_err(|error| Refusal::new(Reason::Internal, format!("a recorded answer cannot be read: {error}")))?;
        Ok((answer, revision))
    }
}
