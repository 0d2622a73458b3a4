//! The view of everything stored, kept current by one watch.
//!
//! A mirror reads `/polder/` once, at one revision, and then applies every batch in order. Readers get an immutable
//! [`Snapshot`] without waiting for anybody. With the store gone the snapshot stays and grows old, which
//! [`Snapshot::age`] says; with the store back the mirror catches up by itself, by the watch where it can and by reading
//! everything again where it must.

mod audit;
mod changes;
mod check;
mod follow;
mod heads;
mod known;
mod list;
mod meaning;
mod own;
mod reading;
mod snapshot;
mod state;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::Schema;
use polder_core::time::Timestamp;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::changes::Changes;
use self::check::Standing;
pub use self::heads::Heads;
use self::known::Known;
use self::meaning::Reader;
pub(crate) use self::own::OwnCommit;
use self::reading::Listing;
pub use self::snapshot::{ChangeBatch, Snapshot};
use self::state::State;
use crate::backend::Batch;
use crate::handle::Store;
use crate::journal;

/// Everything that Polder stores lies under this.
pub const PREFIX: &str = "/polder/";
/// Batches that a slow reader may be behind, and that a resuming one may go back.
const RECENT: usize = 4096;

/// Tells the time; never read inside a planner.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Which journal a mirror keeps in memory.
#[derive(Clone)]
pub struct FollowJournal {
    /// The service: `ipam`, `lb` or `dns`.
    pub service: &'static str,
    /// Tells how far back to read.
    pub clock: Clock,
    /// How long request ids are answered again.
    pub ids: Duration,
}

impl FollowJournal {
    fn since(&self) -> Timestamp {
        let back = u64::try_from(self.ids.as_micros()).unwrap_or(u64::MAX);
        Timestamp((self.clock)().0.saturating_sub(back))
    }
}

/// How a mirror works.
#[derive(Clone)]
pub struct MirrorConfig {
    /// The journal to keep; a mirror under a ledger keeps that service's.
    pub journal: Option<FollowJournal>,
    /// The time between two questions to the store whether the view is current.
    pub check_every: Duration,
    /// The time between two pages of the slow round that compares everything stored with the view.
    pub audit_every: Duration,
}

impl Default for MirrorConfig {
    fn default() -> Self {
        Self { journal: None, check_every: Duration::from_secs(1), audit_every: Duration::from_secs(1) }
    }
}

impl MirrorConfig {
    /// A mirror for the ledger of `service`: request ids are kept for 24 hours.
    #[must_use]
    pub fn for_service(service: &'static str, clock: Clock) -> Self {
        let ids = Duration::from_secs(24 * 3600);
        Self { journal: Some(FollowJournal { service, clock, ids }), ..Self::default() }
    }
}

struct Core<S: Schema> {
    store: Store,
    config: MirrorConfig,
    state: Mutex<State<S>>,
    early: ArcSwap<Snapshot<S>>,
    ordered: ArcSwap<Snapshot<S>>,
    position: watch::Sender<Revision>,
    /// Ticks whenever a snapshot was replaced, also by an own commit.
    moved: watch::Sender<()>,
    feed: broadcast::Sender<Arc<ChangeBatch<S>>>,
    recent: Mutex<VecDeque<Arc<ChangeBatch<S>>>>,
    poke: Notify,
}

/// A mirror: cheap to clone. The last clone to go ends its task.
pub struct Mirror<S: Schema> {
    core: Arc<Core<S>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _last: Arc<DropGuard>,
}

impl<S: Schema> Clone for Mirror<S> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), tasks: self.tasks.clone(), stop: self.stop.clone(), _last: Arc::clone(&self._last) }
    }
}

impl<S: Schema> Mirror<S> {
    /// Starts a mirror. It returns at once; [`Mirror::synced`] waits for the first view. Must be called inside a runtime.
    #[must_use]
    pub fn open(store: Store, config: MirrorConfig) -> Self {
        let prefix = config.journal.as_ref().map(|follow| journal::prefix(follow.service));
        let core = Arc::new(Core {
            store,
            config,
            state: Mutex::new(State::new(prefix)),
            early: ArcSwap::default(),
            ordered: ArcSwap::default(),
            position: watch::Sender::new(Revision::default()),
            moved: watch::Sender::new(()),
            feed: broadcast::Sender::new(RECENT),
            recent: Mutex::new(VecDeque::new()),
            poke: Notify::new(),
        });
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let running = Arc::clone(&core);
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(follow::run(running)).await });
        tasks.close();
        Self { core, tasks, _last: Arc::new(stop.clone().drop_guard()), stop }
    }

    /// Ends the task and waits for it. Snapshots stay readable.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// The newest view, with the own commits of this process in it as soon as they are acknowledged.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot<S>> {
        self.core.early()
    }

    /// The newest view for a read: whole, however old it is.
    ///
    /// # Errors
    /// What keeps it from being whole: [`Reason::NotSynced`], [`Reason::DataCorrupt`].
    pub fn readable(&self) -> Result<Arc<Snapshot<S>>, Refusal> {
        let snapshot = self.snapshot();
        if !snapshot.synced {
            snapshot.usable()?;
        }
        Ok(snapshot)
    }

    /// Wakes on every move of the watch and carries its position.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<Revision> {
        self.core.position.subscribe()
    }

    /// A consistent view at exactly its revision, and everything that comes after it. Own commits appear when the watch brings
    /// them, so revisions only rise. Before the first view there is nothing to follow: see [`Mirror::synced`].
    #[must_use]
    pub fn subscribe(&self) -> (Arc<Snapshot<S>>, Changes<S>) {
        // Batches are sent under this lock: none can slip between the two.
        let _recent = self.core.recent();
        let snapshot = self.core.ordered.load_full();
        let is_whole = snapshot.synced;
        (snapshot, Changes { replay: VecDeque::new(), live: self.core.feed.subscribe(), is_whole })
    }

    /// Everything after a revision that a reader has already.
    ///
    /// # Errors
    /// [`Reason::ResumeTokenCompacted`] when the revision is too far back, or lies before a gap in the watch.
    pub fn subscribe_after(&self, after: Revision) -> Result<Changes<S>, Refusal> {
        let recent = self.core.recent();
        let snapshot = self.core.ordered.load_full();
        let known = snapshot.synced && after <= snapshot.revision;
        // The oldest batch at hand says nothing of what came before it, unless the reader is there already.
        let reaches = after == snapshot.revision || recent.front().is_some_and(|oldest| after >= oldest.revision);
        let replay: VecDeque<_> = recent.iter().filter(|batch| batch.revision > after).map(Arc::clone).collect();
        if !known || !reaches || replay.iter().any(|batch| batch.relisted) {
            let message = format!("Changes after revision {after} are not kept any more. Start again from a snapshot.");
            return Err(Refusal::new(Reason::ResumeTokenCompacted, message).with("revision", after));
        }
        Ok(Changes { replay, live: self.core.feed.subscribe(), is_whole: true })
    }

    /// Waits for the first view.
    ///
    /// # Errors
    /// [`Reason::NotSynced`] when the store could not be read `within` that time.
    pub async fn synced(&self, within: Duration) -> Result<Arc<Snapshot<S>>, Refusal> {
        self.until(within, Reason::NotSynced, |snapshot| snapshot.synced).await
    }

    /// Waits until the watch has delivered everything up to `revision`.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when it did not get there `within` that time.
    pub async fn wait_for(&self, revision: Revision, within: Duration) -> Result<Arc<Snapshot<S>>, Refusal> {
        self.until(within, Reason::StoreUnavailable, |snapshot| snapshot.synced && snapshot.revision >= revision).await
    }

    /// A view that has everything that was committed before this call, by whomever: one round trip to the store.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when the store cannot be asked, or the view did not get there `within` that time.
    pub async fn latest(&self, within: Duration) -> Result<Arc<Snapshot<S>>, Refusal> {
        let snapshot = self.snapshot();
        match self.stands(&snapshot.heads).await? {
            None => Ok(snapshot),
            Some(moved) => self.reach(moved, within).await,
        }
    }

    /// The store that the mirror reads.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    pub(crate) fn journal_of(&self) -> Option<&'static str> {
        self.core.config.journal.as_ref().map(|follow| follow.service)
    }

    /// Waits until every domain stands at least at `heads`, and has the watch looked after meanwhile.
    pub(crate) async fn reach(&self, heads: Heads, within: Duration) -> Result<Arc<Snapshot<S>>, Refusal> {
        let quick = within.min(Duration::from_millis(50));
        if let Ok(snapshot) = self.until(quick, Reason::StoreUnavailable, |snapshot| snapshot.heads.reach(&heads)).await {
            return Ok(snapshot);
        }
        self.core.poke.notify_one();
        self.until(within, Reason::StoreUnavailable, |snapshot| snapshot.heads.reach(&heads)).await
    }

    /// Asks the store whether `heads` are the current ones; else the ones that are.
    pub(crate) async fn stands(&self, heads: &Heads) -> Result<Option<Heads>, Refusal> {
        Ok(match check::check(&self.core.store, heads).await? {
            Standing::Current => None,
            Standing::Moved(moved) => Some(moved),
        })
    }

    /// A commit of this process is about to be sent: whether the store's answer or the watch comes first, it is recognised.
    pub(crate) fn send_own(&self, own: Arc<OwnCommit<S>>) {
        self.core.state().send_own(own);
    }

    /// The commit that was sent is not in, or nobody knows: the watch will tell.
    pub(crate) fn drop_own(&self) {
        self.core.state().drop_own();
    }

    /// The commit that was sent is in: it is shown before the watch brings it.
    pub(crate) fn take_own(&self, own: Arc<OwnCommit<S>>, revision: Revision) {
        let mut state = self.core.state();
        if state.take_own(own, revision) {
            self.core.publish(&state);
        }
    }

    async fn until(&self, within: Duration, or: Reason, holds: impl Fn(&Snapshot<S>) -> bool) -> Result<Arc<Snapshot<S>>, Refusal> {
        let mut moved = self.core.moved.subscribe();
        let wait = async {
            loop {
                let snapshot = self.snapshot();
                if holds(&snapshot) {
                    return snapshot;
                }
                if moved.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, wait).await.map_err(|_| {
            let message = format!("The view did not catch up with the store within {within:?}. Try again.");
            Refusal::new(or, message).retry_in(Duration::from_secs(1))
        })
    }
}

impl<S: Schema> Core<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Arc<ChangeBatch<S>>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ordered(&self) -> Arc<Snapshot<S>> {
        self.ordered.load_full()
    }

    fn early(&self) -> Arc<Snapshot<S>> {
        self.early.load_full()
    }

    fn position(&self) -> Revision {
        self.state().ordered().revision
    }

    /// What a reading of everything needs: how to read, and what was known before.
    fn reading(&self) -> (Reader, Option<Arc<Known>>) {
        let state = self.state();
        (state.reader().clone(), state.before())
    }

    fn own_commits(&self) -> u64 {
        self.state().own_commits()
    }

    /// The known keys from `start` to `end` that were put at `at` or before, as a difference to a store that lacks them all.
    fn known(&self, start: &[u8], end: Option<&[u8]>, at: Revision) -> audit::Difference {
        let state = self.state();
        let mut known = state.known().from(start);
        let mut difference = audit::Difference::new();
        while let Some((key, revision)) = known.get().filter(|(key, _)| end.is_none_or(|end| *key < end)) {
            if revision <= at {
                difference.insert(Bytes::copy_from_slice(key), (None, Some(revision)));
            }
            known.advance();
        }
        difference
    }

    fn mark_fresh(&self, at: Instant) {
        let mut state = self.state();
        state.mark_fresh(at);
        self.publish(&state);
    }

    fn take_batch(&self, batch: Batch) {
        let mut state = self.state();
        let changes = state.take_batch(batch);
        self.announce(&state, changes);
    }

    fn take_listing(&self, listing: Listing<S>, asked: Instant) {
        let mut state = self.state();
        let changes = state.take_listing(listing);
        state.mark_fresh(asked);
        self.announce(&state, changes);
    }

    fn announce(&self, state: &State<S>, changes: ChangeBatch<S>) {
        let changes = Arc::new(changes);
        let mut recent = self.recent();
        if changes.relisted {
            recent.clear();
            // Nobody may go back before it, so that what it changed is not kept: that may be everything there is.
            recent.push_back(Arc::new(ChangeBatch { changes: Vec::new(), ..*changes }));
        } else {
            recent.push_back(Arc::clone(&changes));
        }
        if recent.len() > RECENT {
            recent.pop_front();
        }
        self.publish(state);
        // Nobody listening is no failure.
        _ = self.feed.send(changes);
        drop(recent);
        self.position.send_replace(state.ordered().revision);
    }

    fn publish(&self, state: &State<S>) {
        let ordered = Arc::new(state.ordered().clone());
        let early = state.early().map_or_else(|| Arc::clone(&ordered), |early| Arc::new(early.clone()));
        self.ordered.store(ordered);
        self.early.store(early);
        self.moved.send_replace(());
    }
}
