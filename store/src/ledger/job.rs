//! One request on its way through the ledger, and who may still give up on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use polder_core::id::Entropy;
use polder_core::reason::Refusal;
use polder_core::schema::{Intent, PlanContext, Schema, Verdict};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a ledger answers once a request is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The planner's encoded answer.
    pub answer: Vec<u8>,
    /// The revision at which the answer holds.
    pub revision: polder_core::id::Revision,
    /// The request id had been answered before; this is that answer.
    pub replayed: bool,
}

pub(super) type Planner<S> = Box<dyn Fn(&<S as Schema>::View, PlanContext) -> Verdict<<S as Schema>::Change> + Send>;

pub(super) type Reply = oneshot::Sender<Result<Committed, Refusal>>;

/// A request that waits.
pub(super) struct Job<S: Schema> {
    pub(super) intent: Intent,
    pub(super) planner: Planner<S>,
    /// Drawn once, so that planning again gives the same identifiers.
    pub(super) entropy: Entropy,
    pub(super) deadline: Instant,
    pub(super) stage: Stage,
    pub(super) reply: Reply,
    /// Commits that this request has lost to others.
    pub(super) conflicts: u32,
    /// The view is known to have everything that was committed before the request came, so a refusal needs no further check.
    pub(super) fresh: bool,
}

impl<S: Schema> Job<S> {
    /// Whether nobody waits for it any more, or nobody should. Only then may it be dropped without being sent.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deadline <= now || self.reply.is_closed() || !self.stage.send()
    }

    pub(super) fn answer(self, result: Result<Committed, Refusal>) {
        // A caller that is gone is no failure: the request is in, and its id will be answered.
        _ = self.reply.send(result);
    }
}

const WAITING: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

/// Whether a request has been sent to the store. Either its caller abandons it or the ledger sends it, never both.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage(Arc<AtomicU8>);

impl Stage {
    /// The ledger is about to send it. False when the caller has given up.
    pub(super) fn send(&self) -> bool {
        self.moved(WAITING, SENT) || self.0.load(Ordering::Acquire) == SENT
    }

    /// It is certain that nothing was committed; the caller may give up again.
    pub(super) fn hold(&self) {
        self.moved(SENT, WAITING);
    }

    /// The caller gives up. False when the request may be on its way.
    pub(super) fn abandon(&self) -> bool {
        self.moved(WAITING, ABANDONED)
    }

    fn moved(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Abandons the request when its caller goes away.
pub(super) struct Caller(pub(super) Stage);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
