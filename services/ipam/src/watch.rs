//! Watches: a snapshot, a mark that it is whole, then every change in the order of revisions.
//!
//! The stream keeps the view that its reader has seen and moves it batch by batch. The snapshot is sent in pieces from that
//! immutable view, so a watch costs no memory that grows with the number of objects. A reader that falls behind by more than the
//! mirror keeps is told so and starts again.

mod kinds;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use polder_core::cluster::Change;
use polder_core::id::Revision;
use polder_core::ipam::{self, View};
use polder_core::reason::Refusal;
use polder_proto::stored::Stored;
use polder_proto::types::v1::WatchEventType;
use polder_runtime::status::refuse;
use polder_store::mirror::{ChangeBatch, Changes};
use tokio::time::Instant;
use tonic::Status;

pub(crate) use self::kinds::{Allocations, Nodes, Pools};

use crate::service::Service;

/// What a watch answers with.
pub(crate) type Stream<M> = BoxStream<'static, Result<M, Status>>;

/// The longest silence.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Objects of a snapshot that are made at once.
const PIECE: usize = 256;

/// A kind of object that can be watched.
pub(crate) trait Watched: Send + Sync + 'static {
    /// What orders the objects.
    type Key: Ord + Clone + Send + Sync;
    /// One object as the API shows it.
    type Object: Send;
    /// One message of the watch.
    type Message: Send + 'static;

    /// Up to so many keys after `after`, in order.
    fn keys(&self, view: &View, after: Option<&Self::Key>, most: usize) -> Vec<Self::Key>;

    /// The keys of the objects that a change touches, seen from the view before it.
    fn touched(&self, before: &View, change: &ipam::Change) -> Vec<Self::Key>;

    /// The object, if there is one and the filter lets it through.
    fn show(&self, view: &View, key: &Self::Key) -> Option<Self::Object>;

    /// An object of which only the key is known.
    fn bare(key: &Self::Key) -> Self::Object;

    /// A message of the watch.
    fn message(kind: WatchEventType, revision: Revision, object: Option<Self::Object>) -> Self::Message;
}

/// Starts a watch after a revision; after 0 with a snapshot.
///
/// # Errors
/// `RESUME_TOKEN_COMPACTED` when the revision is too far back, `NOT_SYNCED`, `STORE_UNAVAILABLE`.
pub(crate) async fn follow<W: Watched>(service: &Service, start: u64, watched: W) -> Result<Stream<W::Message>, Refusal> {
    let mirror = service.ledger().mirror();
    let start = Revision(start);
    let (next, changes, snapshot) = if start.0 == 0 {
        service.view()?;
        let (snapshot, changes) = mirror.subscribe();
        (Next::Snapshot(None), changes, snapshot)
    } else {
        service.view_from(start).await?;
        let changes = mirror.subscribe_after(start)?;
        (Next::Changes, changes, mirror.subscribe().0)
    };
    let following = Following {
        watched,
        seen: snapshot.view.ipam.clone(),
        exact_after: snapshot.revision,
        revision: snapshot.revision.max(start),
        next,
        changes,
        ready: VecDeque::new(),
        beat: Instant::now() + HEARTBEAT,
    };
    Ok(stream::unfold(Some(following), |state| async move {
        let mut following = state?;
        match following.next().await {
            Ok(message) => Some((Ok(message), Some(following))),
            Err(refusal) => Some((Err(refuse(refusal)), None)),
        }
    })
    .boxed())
}

/// What comes next.
enum Next<K> {
    /// The snapshot, after this key.
    Snapshot(Option<K>),
    /// The changes.
    Changes,
}

/// One reader's watch.
struct Following<W: Watched> {
    watched: W,
    /// What the reader has seen, or more than that while batches come that a resumed watch replays.
    seen: View,
    /// Batches up to this revision are in `seen` already.
    exact_after: Revision,
    revision: Revision,
    next: Next<W::Key>,
    changes: Changes<Stored>,
    ready: VecDeque<W::Message>,
    beat: Instant,
}

impl<W: Watched> Following<W> {
    async fn next(&mut self) -> Result<W::Message, Refusal> {
        let message = loop {
            if let Some(message) = self.ready.pop_front() {
                break message;
            }
            if let Next::Snapshot(after) = &self.next {
                let keys = self.watched.keys(&self.seen, after.as_ref(), PIECE);
                self.snapshot(keys);
                continue;
            }
            match tokio::time::timeout_at(self.beat, self.changes.next()).await {
                Ok(batch) => self.batch(&batch?),
                Err(_) => break W::message(WatchEventType::Heartbeat, self.revision, None),
            }
        };
        self.beat = Instant::now() + HEARTBEAT;
        Ok(message)
    }

    /// One piece of the snapshot, or the mark that it is whole.
    fn snapshot(&mut self, keys: Vec<W::Key>) {
        let Some(last) = keys.last().cloned() else {
            self.ready.push_back(W::message(WatchEventType::Synced, self.revision, None));
            self.next = Next::Changes;
            return;
        };
        let objects = keys.iter().filter_map(|key| self.watched.show(&self.seen, key));
        self.ready.extend(objects.map(|object| W::message(WatchEventType::Snapshot, self.revision, Some(object))));
        self.next = Next::Snapshot(Some(last));
    }

    /// The messages of one batch: each object once, as it stands after it.
    fn batch(&mut self, batch: &Arc<ChangeBatch<Stored>>) {
        let own = batch.changes.iter().filter_map(|change| match change {
            Change::Ipam(change) => Some(change),
            Change::Lb(_) | Change::Dns(_) => None,
        });
        let before = self.seen.clone();
        let mut touched: Vec<W::Key> = own.clone().flat_map(|change| self.watched.touched(&before, change)).collect();
        touched.sort_unstable();
        touched.dedup();
        let replayed = batch.revision <= self.exact_after;
        if !replayed {
            own.for_each(|change| self.seen.apply(change));
        }
        for key in touched {
            let gone = || if replayed { Some(W::bare(&key)) } else { self.watched.show(&before, &key) };
            let message = match self.watched.show(&self.seen, &key) {
                Some(object) => Some((WatchEventType::Put, object)),
                None => gone().map(|object| (WatchEventType::Delete, object)),
            };
            self.ready.extend(message.map(|(kind, object)| W::message(kind, batch.revision, Some(object))));
        }
        self.revision = batch.revision.max(self.revision);
    }
}
