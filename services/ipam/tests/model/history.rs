//! What happened, as the store tells it: every commit from the first revision on, and what was sent by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_core::reason::Refusal;
use polder_core::time::Timestamp;
use polder_store::backend::{Backend, Batch};
use polder_store::{Error, KeyRange};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::calls::{Ask, Reply};

/// Follows the store's own watch from its beginning.
pub(crate) struct Recorder {
    batches: Arc<Mutex<Vec<Batch>>>,
    position: watch::Receiver<Revision>,
    _task: AbortOnDropHandle<()>,
}

impl Recorder {
    /// A recorder of a store in which there is nothing yet.
    #[expect(clippy::disallowed_methods, reason = "aborted with the recorder")]
    pub(crate) async fn of(store: Arc<dyn Backend>) -> Self {
        let empty = store.range(KeyRange::prefix(""), 1, None).await.unwrap();
        assert_eq!(empty.entries, []);
        let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
        let (moved, position) = watch::channel(empty.revision);
        let task = tokio::spawn(record(store, Arc::clone(&batches), moved));
        Self { batches, position, _task: AbortOnDropHandle::new(task) }
    }

    /// The newest revision it has seen: the store is there or further.
    pub(crate) fn position(&self) -> Revision {
        *self.position.borrow()
    }

    /// Waits until it has seen a revision.
    pub(crate) async fn reach(&self, revision: Revision) {
        let mut position = self.position.clone();
        let reached = position.wait_for(|at| *at >= revision);
        tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the watch falls silent").unwrap();
    }

    /// What it has seen since it was asked last.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap())
    }
}

/// A watch that breaks off is opened again where it ended.
async fn record(store: Arc<dyn Backend>, batches: Arc<Mutex<Vec<Batch>>>, moved: watch::Sender<Revision>) {
    loop {
        let after = *moved.borrow();
        match store.watch(KeyRange::prefix("/polder/"), after).await {
            Err(Error::Compacted { at }) => panic!("the test compacted {at}, which its own watch at {after} still needs"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(mut stream) => {
                while let Some(Ok(batch)) = stream.next().await {
                    let revision = batch.revision;
                    batches.lock().unwrap().push(batch);
                    moved.send_replace(revision);
                }
            }
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing, as far as the caller can tell.
    Lost,
    Answered(Box<Reply>),
    Refused(Box<Refusal>),
}

/// One request that was sent once.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) actor: String,
    pub(crate) ask: Arc<Ask>,
    /// The store was at this revision or further when it was sent, and at this time.
    pub(crate) began: (Revision, Timestamp),
    /// The store was at this revision at most when the answer came, and that was at this time.
    pub(crate) ended: (Revision, Timestamp),
    pub(crate) outcome: Outcome,
}

impl Sent {
    /// Times between the question and the answer: the clock leaps meanwhile.
    pub(crate) fn times(&self) -> impl Iterator<Item = Timestamp> {
        const STEPS: u64 = 8;
        let (from, to) = (self.began.1.0, self.ended.1.0);
        (0..=STEPS).map(move |step| Timestamp(from + (to - from) / STEPS * step))
    }
}

/// Everything that callers know.
#[derive(Default)]
pub(crate) struct Log {
    asks: Mutex<BTreeMap<String, Arc<Ask>>>,
    sent: Mutex<Vec<Sent>>,
    strangers: Mutex<BTreeSet<Revision>>,
}

impl Log {
    /// Notes that a request is about to be sent; the actor under which it is.
    pub(crate) fn begin(&self, ask: &Arc<Ask>) -> String {
        let mut asks = self.asks.lock().unwrap();
        let actor = format!("caller-{}", asks.len());
        asks.insert(actor.clone(), Arc::clone(ask));
        actor
    }

    /// Notes what became of it.
    pub(crate) fn end(&self, sent: Sent) {
        self.sent.lock().unwrap().push(sent);
    }

    /// What an actor sent.
    pub(crate) fn ask(&self, actor: &str) -> Option<Arc<Ask>> {
        self.asks.lock().unwrap().get(actor).cloned()
    }

    /// Everything that has ended since it was asked last.
    pub(crate) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Somebody who is not Polder wrote a revision.
    pub(crate) fn stranger(&self, revision: Revision) {
        self.strangers.lock().unwrap().insert(revision);
    }

    pub(crate) fn is_strangers(&self, revision: Revision) -> bool {
        self.strangers.lock().unwrap().contains(&revision)
    }
}
