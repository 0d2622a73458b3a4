//! The planner loop: take everything that waits, plan it as one batch, commit, apply, answer; on a conflict catch up and plan
//! again. One batch is on its way at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::Schema;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use super::draft::{Draft, Planned, Room, Sealed};
use super::job::{Committed, Job};
use super::settle::{Fate, Sending, unknown};
use super::{Figures, LedgerConfig};
use crate::journal::BatchId;
use crate::mirror::{Heads, Mirror, OwnCommit, Snapshot};

/// The most requests that are planned as one batch.
const MOST_JOBS: usize = 1024;
/// Bytes of a commit that are left for what the store adds itself.
const SPARE_BYTES: usize = 32 << 10;
/// How often a request may lose to other replicas before it is refused.
const MOST_CONFLICTS: u32 = 64;

/// The loop's own things.
pub(super) struct Rounds<S: Schema> {
    pub(super) mirror: Mirror<S>,
    pub(super) config: LedgerConfig,
    pub(super) figures: Arc<Figures>,
    pub(super) replica: u32,
    pub(super) batches: u32,
    pub(super) waiting: VecDeque<Job<S>>,
}

/// A request of the batch with what is owed to it.
struct Owed<S: Schema> {
    job: Job<S>,
    answer: Vec<u8>,
    repeated: bool,
}

/// A planned batch.
struct Batch<S: Schema> {
    sealed: Option<Sealed<S>>,
    owed: Vec<Owed<S>>,
    refused: Vec<(Job<S>, Refusal)>,
}

impl<S: Schema> Rounds<S> {
    /// Runs until the ledger ends.
    pub(super) async fn run(mut self, mut queue: Receiver<Job<S>>) {
        loop {
            if self.waiting.is_empty() {
                let Some(job) = queue.recv().await else { return };
                self.waiting.push_back(job);
            }
            while self.waiting.len() < MOST_JOBS
                && let Ok(job) = queue.try_recv()
            {
                self.waiting.push_back(job);
            }
            self.figures.waiting(self.waiting.len() + queue.len());
            self.round().await;
        }
    }

    async fn round(&mut self) {
        let snapshot = self.mirror.snapshot();
        if let Err(refusal) = snapshot.usable() {
            self.waiting.drain(..).for_each(|job| job.answer(Err(refusal.clone())));
            return;
        }
        let mut batch = self.plan(&snapshot);
        let Some(sealed) = batch.sealed.take() else {
            // Nothing to commit, so nothing was speculative: the refusals stand on the snapshot itself.
            batch.owed.into_iter().for_each(|owed| answer(owed, snapshot.heads.newest()));
            self.refuse(batch.refused, &snapshot.heads).await;
            return;
        };
        match self.send(sealed, until(&batch)).await {
            (Fate::In(revision), own) => {
                let revision = if own.is_some() { revision } else { snapshot.heads.newest() };
                self.committed(batch, revision, (&snapshot, own.as_deref())).await;
            }
            (Fate::Lost(current), _) => self.lost(batch, &snapshot, &current).await,
            (Fate::Barred, _) => self.put_back(batch),
            (Fate::Failed(refusal), _) => self.failed(batch, &refusal),
            (Fate::Unknown, _) => self.failed(batch, &unknown()),
        }
    }

    /// Sends a batch, and has the mirror know of it in time.
    async fn send(&mut self, sealed: Sealed<S>, until: Instant) -> (Fate, Option<Arc<OwnCommit<S>>>) {
        let (store, service) = (self.mirror.store(), self.config.service);
        let Sealed { commit, own } = sealed;
        if let Some(own) = &own {
            self.mirror.send_own(Arc::clone(own));
        }
        let record = own.as_ref().map(|own| (&own.batch, &*own.record));
        let fate = Sending { store, service, record, until }.send(commit).await;
        if let Some(own) = &own {
            match &fate {
                Fate::In(revision) => {
                    self.mirror.take_own(Arc::clone(own), *revision);
                    self.figures.committed();
                }
                _ => self.mirror.drop_own(),
            }
        }
        (fate, own)
    }

    /// Plans what waits until the batch is full.
    fn plan(&mut self, snapshot: &Snapshot<S>) -> Batch<S> {
        let now = (self.config.clock)();
        self.batches = self.batches.wrapping_add(1);
        let id = BatchId::new(now, self.replica, self.batches);
        let bytes = self.mirror.store().limits().request_bytes.saturating_sub(SPARE_BYTES);
        let mut draft = Draft::new(self.config.service, snapshot.view.clone(), now, Room { records: self.config.batch, bytes });
        let (mut owed, mut refused) = (Vec::new(), Vec::new());
        let clock = Instant::now();
        while let Some(job) = self.waiting.pop_front() {
            if job.is_over(clock) {
                job.answer(Err(too_late()));
                continue;
            }
            match draft.plan(&job, snapshot) {
                Planned::Now(result) => job.answer(result),
                Planned::Answer { answer, repeated } => owed.push(Owed { job, answer, repeated }),
                Planned::Refused(refusal) => refused.push((job, refusal)),
                Planned::Later => {
                    job.stage.hold();
                    self.waiting.push_front(job);
                    break;
                }
            }
        }
        self.figures.planned(owed.len() + refused.len());
        let sealed = (!draft.is_empty()).then(|| draft.seal(id, snapshot));
        Batch { sealed, owed, refused }
    }

    async fn committed(&mut self, batch: Batch<S>, revision: Revision, (snapshot, own): (&Snapshot<S>, Option<&OwnCommit<S>>)) {
        let mut heads = snapshot.heads;
        own.iter().flat_map(|own| &own.touched).for_each(|domain| heads.set(*domain, Some(revision)));
        batch.owed.into_iter().for_each(|owed| answer(owed, revision));
        self.refuse(batch.refused, &heads).await;
    }

    /// A refusal is given only when the view it was planned on had everything that was committed before the request came. The
    /// requests for which that is not known yet are planned again on a view that has.
    async fn refuse(&mut self, refused: Vec<(Job<S>, Refusal)>, heads: &Heads) {
        let (sure, unsure): (Vec<_>, Vec<_>) = refused.into_iter().partition(|(job, _)| job.fresh);
        sure.into_iter().for_each(|(job, refusal)| job.answer(Err(refusal)));
        if unsure.is_empty() {
            return;
        }
        match self.mirror.stands(heads).await {
            Ok(None) => unsure.into_iter().for_each(|(job, refusal)| job.answer(Err(refusal))),
            Ok(Some(moved)) => {
                let within = self.config.deadline;
                match self.mirror.reach(moved, within).await {
                    Ok(_) => self.again(unsure.into_iter().map(|(job, _)| Job { fresh: true, ..job })),
                    Err(late) => unsure.into_iter().for_each(|(job, _)| job.answer(Err(late.clone()))),
                }
            }
            Err(error) => unsure.into_iter().for_each(|(job, _)| job.answer(Err(error.clone()))),
        }
    }

    /// Another replica was faster: catch up with it and plan again.
    async fn lost(&mut self, batch: Batch<S>, snapshot: &Snapshot<S>, current: &[(Bytes, Option<Revision>)]) {
        self.figures.conflict();
        let found = snapshot.heads.found(current);
        let within = until(&batch).saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        let caught_up = self.mirror.reach(found, within).await;
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for mut job in jobs(batch) {
            job.conflicts += 1;
            if caught_up.is_err() || job.conflicts > MOST_CONFLICTS { given_up.push(job) } else { again.push(job) }
        }
        given_up.into_iter().for_each(|job| {
            job.stage.hold();
            job.answer(Err(contended()));
        });
        self.again(again.into_iter());
    }

    fn put_back(&mut self, batch: Batch<S>) {
        self.again(jobs(batch).into_iter());
    }

    /// Puts requests back to the front of the queue, in their order.
    fn again(&mut self, jobs: impl DoubleEndedIterator<Item = Job<S>>) {
        for job in jobs.rev() {
            job.stage.hold();
            self.waiting.push_front(job);
        }
    }

    /// The store does not take commits: nobody who waits should wait for his own time-out.
    fn failed(&mut self, batch: Batch<S>, refusal: &Refusal) {
        self.figures.failed();
        jobs(batch).into_iter().for_each(|job| job.answer(Err(refusal.clone())));
        if refusal.reason != Reason::RequestTooLarge {
            let late = if refusal.reason == Reason::OutcomeUnknown { too_late() } else { refusal.clone() };
            self.waiting.drain(..).for_each(|job| job.answer(Err(late.clone())));
        }
    }
}

fn answer<S: Schema>(owed: Owed<S>, revision: Revision) {
    let committed = Committed { answer: owed.answer, revision, replayed: owed.repeated };
    owed.job.answer(Ok(committed));
}

fn jobs<S: Schema>(batch: Batch<S>) -> Vec<Job<S>> {
    batch.owed.into_iter().map(|owed| owed.job).chain(batch.refused.into_iter().map(|(job, _)| job)).collect()
}

/// The batch's last deadline: until then somebody waits for its outcome.
fn until<S: Schema>(batch: &Batch<S>) -> Instant {
    let owed = batch.owed.iter().map(|owed| owed.job.deadline);
    let refused = batch.refused.iter().map(|(job, _)| job.deadline);
    owed.chain(refused).max().unwrap_or_else(Instant::now)
}

/// What a caller is told whose request waited too long and was never sent.
pub(super) fn too_late() -> Refusal {
    let message = "The store did not take the request in time. Nothing was changed; try again.";
    Refusal::new(Reason::StoreUnavailable, message).retry_in(Duration::from_secs(1))
}

fn contended() -> Refusal {
    let message = "Other replicas changed the same part of the state again and again. Nothing was changed; try again.";
    Refusal::new(Reason::CommitContended, message).retry_in(Duration::from_millis(200))
}
