//! The one way to change the state.
//!
//! A ledger takes all requests that wait, plans each on the view that the earlier ones leave, and commits them as one
//! transaction: the records (one put each), the head of every domain it touches (the batch id), and one journal record. The
//! guards are the heads of every domain that was touched or read, so what is committed was planned on exactly the state before
//! it. Then the view is moved and everybody is answered. A crash before the commit leaves nothing; after it, everything,
//! the answers to request ids included. Several replicas may do this at once; the loser catches up and plans again.

mod change;
mod draft;
mod figures;
mod job;
mod round;
mod settle;
mod trim;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use polder_core::id::{Entropy, Revision};
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Intent, Plan, PlanContext, Schema, Verdict};
use polder_core::time::Timestamp;
use prost::Message as _;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::figures::Figures;
pub use self::job::Committed;
use self::job::{Caller, Job, Stage};
use self::round::{Rounds, too_late};
use self::trim::Trimmer;
use crate::backend::KeyRange;
use crate::handle::Store;
use crate::journal::{self, History, JournalRecord, Logged};
use crate::mirror::{Clock, Mirror};

/// Draws fresh randomness.
pub type EntropySource = Arc<dyn Fn() -> Entropy + Send + Sync>;

/// How long the journal is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Older records go.
    pub age: Duration,
    /// When there are more entries than this, the oldest go, unless a request id in them may still be asked for.
    pub entries: u64,
    /// How long request ids are answered.
    pub ids: Duration,
    /// When there are more entries than this, the oldest go in any case: a store is finite.
    pub ceiling: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(30 * 24 * 3600), entries: 200_000, ids: Duration::from_secs(24 * 3600), ceiling: 2_000_000 }
    }
}

/// How a ledger works.
#[derive(Clone)]
pub struct LedgerConfig {
    /// The service that owns the ledger: `ipam`, `lb` or `dns`. Its journal lies at `/polder/<service>/journal/`.
    pub service: &'static str,
    /// Tells the time that planners are given.
    pub clock: Clock,
    /// Draws the randomness that planners are given.
    pub entropy: EntropySource,
    /// The most requests that wait; more are refused at once.
    pub queue: usize,
    /// The longest that a request waits for its answer.
    pub deadline: Duration,
    /// The most records in one transaction, not above 120: heads and the journal record come on top.
    pub batch: usize,
    /// How long the journal is kept.
    pub retention: Retention,
    /// The time between two looks at what the journal can lose.
    pub trim_every: Duration,
}

impl LedgerConfig {
    /// The most records in one transaction.
    pub const MOST_RECORDS: usize = 120;

    /// The defaults for a service.
    #[must_use]
    pub fn new(service: &'static str, clock: Clock, entropy: EntropySource) -> Self {
        Self {
            service,
            clock,
            entropy,
            queue: 4096,
            deadline: Duration::from_secs(5),
            batch: Self::MOST_RECORDS,
            retention: Retention::default(),
            trim_every: Duration::from_secs(30),
        }
    }
}

/// A ledger: cheap to clone. The last clone to go ends its tasks.
pub struct Ledger<S: Schema> {
    queue: mpsc::Sender<Job<S>>,
    mirror: Mirror<S>,
    config: LedgerConfig,
    figures: Arc<Figures>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _last: Arc<DropGuard>,
}

impl<S: Schema> Clone for Ledger<S> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            mirror: self.mirror.clone(),
            config: self.config.clone(),
            figures: Arc::clone(&self.figures),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
            _last: Arc::clone(&self._last),
        }
    }
}

impl<S: Schema> Ledger<S> {
    /// Starts a ledger on a mirror that follows the same service's journal: see
    /// [`MirrorConfig::for_service`](crate::mirror::MirrorConfig::for_service). Must be called inside a runtime.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the mirror follows another journal, or the store is not the mirror's.
    pub fn start(mirror: Mirror<S>, mut config: LedgerConfig) -> Result<Self, Refusal> {
        if mirror.journal_of() != Some(config.service) {
            let message = format!("the mirror under the ledger of `{}` does not follow its journal", config.service);
            return Err(Refusal::new(Reason::Internal, message));
        }
        config.batch = config.batch.clamp(1, LedgerConfig::MOST_RECORDS);
        let (queue, waiting) = mpsc::channel(config.queue.max(1));
        let figures = Arc::new(Figures::default());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let replica = u32::try_from((config.entropy)().0 & u128::from(u32::MAX)).unwrap_or(0);
        let rounds = Rounds {
            mirror: mirror.clone(),
            config: config.clone(),
            figures: Arc::clone(&figures),
            replica,
            batches: 0,
            waiting: VecDeque::new(),
        };
        let trimmer = Trimmer { mirror: mirror.clone(), config: config.clone() };
        let (rounds_stop, trimmer_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move { rounds_stop.run_until_cancelled(rounds.run(waiting)).await });
        tasks.spawn(async move { trimmer_stop.run_until_cancelled(trimmer.run()).await });
        tasks.close();
        Ok(Self { queue, mirror, config, figures, tasks, _last: Arc::new(stop.clone().drop_guard()), stop })
    }

    /// Ends the tasks. Requests that wait are refused; a batch on its way is left to the store.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Plans a request in a batch with all others that wait, and commits it. The planner may be called several times, each time
    /// on a newer view, and must be pure. Dropping the future withdraws the request unless it is on its way already.
    ///
    /// # Errors
    /// The planner's refusal, confirmed to hold on a current view. [`Reason::RequestIdReused`], [`Reason::Overloaded`],
    /// [`Reason::RequestTooLarge`], [`Reason::CommitContended`], [`Reason::StoreUnavailable`]: nothing was changed.
    /// [`Reason::OutcomeUnknown`]: it may be in; ask again with the same request id.
    pub async fn submit(
        &self,
        intent: Intent,
        planner: impl Fn(&S::View, PlanContext) -> Verdict<S::Change> + Send + 'static,
    ) -> Result<Committed, Refusal> {
        let (reply, answer) = oneshot::channel();
        let caller = Caller(Stage::default());
        let job = Job {
            intent,
            planner: Box::new(planner),
            entropy: (self.config.entropy)(),
            deadline: Instant::now() + self.config.deadline,
            stage: caller.0.clone(),
            reply,
            conflicts: 0,
            fresh: false,
        };
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => self.overloaded(),
            TrySendError::Closed(_) => shutting_down(),
        })?;
        match tokio::time::timeout(self.config.deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) if caller.0.abandon() => Err(shutting_down()),
            Err(_) if caller.0.abandon() => Err(too_late()),
            Ok(Err(_)) | Err(_) => Err(settle::unknown()),
        }
    }

    /// What [`Ledger::submit`] would do now, without doing it: the same planner on a current view. The revision is that view's.
    ///
    /// # Errors
    /// The planner's refusal; [`Reason::StoreUnavailable`] when the store cannot be asked whether the view is current.
    pub async fn preview(
        &self,
        planner: impl Fn(&S::View, PlanContext) -> Verdict<S::Change>,
    ) -> Result<(Plan<S::Change>, Revision), Refusal> {
        let snapshot = self.mirror.latest(self.config.deadline).await?;
        snapshot.usable()?;
        let context = PlanContext { now: (self.config.clock)(), entropy: (self.config.entropy)() };
        Ok((planner(&snapshot.view, context)?, snapshot.heads.newest()))
    }

    /// The mirror that the ledger plans on.
    #[must_use]
    pub const fn mirror(&self) -> &Mirror<S> {
        &self.mirror
    }

    /// The ledger's counters.
    #[must_use]
    pub const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// The journal between two times, oldest first, up to `limit` records, read from the store as far back as it goes.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]; [`Reason::DataCorrupt`] for a record that cannot be read.
    pub async fn history(&self, from: Timestamp, to: Timestamp, limit: usize) -> Result<History, Refusal> {
        history(self.mirror.store(), self.config.service, (from, to), limit).await
    }

    fn overloaded(&self) -> Refusal {
        self.figures.overloaded();
        let message = format!("{} requests wait already. Try again in a moment.", self.config.queue);
        Refusal::new(Reason::Overloaded, message).with("queue", self.config.queue).retry_in(Duration::from_millis(100))
    }
}

/// The journal of any service between two times (the second not included), oldest first, up to `limit` records.
///
/// # Errors
/// [`Reason::StoreUnavailable`]; [`Reason::DataCorrupt`] for a record that cannot be read.
pub async fn history(store: &Store, service: &str, between: (Timestamp, Timestamp), limit: usize) -> Result<History, Refusal> {
    let keys = KeyRange::span(journal::first_key(service, between.0), journal::first_key(service, between.1));
    if keys.is_empty() {
        return Ok(History::default());
    }
    let page = store.range(keys, limit, None).await?;
    let mut history = History { records: VecDeque::with_capacity(page.entries.len()), more: page.more };
    for entry in page.entries {
        let record = JournalRecord::decode(entry.value).map_err(|error| {
            let message = format!("the journal record `{}` cannot be read: {error}", entry.key.escape_ascii());
            Refusal::new(Reason::DataCorrupt, message)
        })?;
        if !record.barred {
            history.records.push_back(Arc::new(Logged { revision: entry.modified, record: Arc::new(record) }));
        }
    }
    Ok(history)
}

fn shutting_down() -> Refusal {
    Refusal::new(Reason::ShuttingDown, "The process is shutting down. Ask another replica.").retry_in(Duration::from_secs(1))
}
