//! One node's stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use polder_core::id::{Revision, Uid};
use polder_core::ipam::liveness;
use polder_core::lb::dataplane::Key;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_proto::types::v1::WatchEventType;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::encoded::{Body, Encoded};
use super::feed::Feed;
use super::image::Image;
use super::ring::{Delta, Found, Own};

/// The longest silence.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A node's place in the feed.
pub(crate) struct Reader {
    feed: Arc<Feed>,
    node: Name,
    uid: Uid,
    /// What is left of the snapshot: its image, and the last key that was told.
    snapshot: Option<(Image, Option<Key>)>,
    /// What is left of a delta that made this another node.
    rest: Option<Rest>,
    /// The revision that the node has resumed from, until something is told.
    resumed: Option<Revision>,
    place: u64,
    woken: watch::Receiver<u64>,
    ready: VecDeque<Encoded>,
    beat: Instant,
}

/// A delta after which every object of the node's own may look different.
struct Rest {
    delta: Arc<Delta>,
    exact: bool,
    /// The last key that was looked at.
    last: Option<Key>,
}

impl Reader {
    /// Begins with a snapshot, or after a revision.
    ///
    /// # Errors
    /// `NODE_NOT_FOUND`, `NODE_UID_MISMATCH`, `NOT_SYNCED`, `RESUME_TOKEN_COMPACTED`, `STORE_UNAVAILABLE`.
    pub(crate) async fn open(feed: Arc<Feed>, node: Name, uid: Uid, after: Option<Revision>) -> Result<Self, Refusal> {
        let (snapshot, place) = match after {
            None => {
                let (image, place) = feed.start(&node, uid).await?;
                (Some((image, None)), place)
            }
            Some(revision) => (None, feed.resume(&node, uid, revision).await?),
        };
        let (woken, ready, beat) = (feed.woken(), VecDeque::new(), Instant::now() + HEARTBEAT);
        Ok(Self { feed, node, uid, snapshot, rest: None, resumed: after, place, woken, ready, beat })
    }

    /// The messages of the watch, until the node goes, is another by now, or falls too far behind.
    pub(crate) fn messages(self) -> impl Stream<Item = Result<Encoded, Refusal>> {
        stream::try_unfold(self, |mut reader| async move {
            let message = reader.next().await?;
            Ok(Some((message, reader)))
        })
    }

    async fn next(&mut self) -> Result<Encoded, Refusal> {
        let message = loop {
            if let Some(message) = self.ready.pop_front() {
                break message;
            }
            if self.more_of_snapshot() || self.more_of_rest() {
                // A piece that has nothing for this node is work all the same.
                tokio::task::yield_now().await;
                continue;
            }
            self.woken.mark_unchanged();
            match self.feed.at(self.place) {
                Found::Delta(delta) => {
                    self.place += 1;
                    self.tell(delta)?;
                }
                Found::Gone => return Err(lagged()),
                Found::Nothing(revision) => match timeout_at(self.beat, self.woken.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => {
                        return Err(Refusal::new(Reason::ShuttingDown, "The process is shutting down. Ask another replica."));
                    }
                    Err(_) => break Encoded::mark(WatchEventType::Heartbeat, revision),
                },
            }
        };
        self.beat = Instant::now() + HEARTBEAT;
        Ok(message)
    }

    /// Makes the next messages of the snapshot ready, if it is not all told.
    fn more_of_snapshot(&mut self) -> bool {
        let Some((image, last)) = &mut self.snapshot else { return false };
        let revision = image.revision;
        match image.piece(&self.node, last.as_ref()) {
            Some((bodies, end)) => {
                *last = Some(end);
                let messages = bodies.iter().map(|body| Encoded::of(WatchEventType::Snapshot, revision, body));
                self.ready.extend(messages);
            }
            None => {
                self.ready.push_back(Encoded::mark(WatchEventType::Synced, revision));
                self.snapshot = None;
            }
        }
        true
    }

    /// Makes the messages of a delta ready, and the mark that they are all: a node programs a revision when it has it in full.
    fn tell(&mut self, delta: Arc<Delta>) -> Result<(), Refusal> {
        if let Some(own) = delta.own.as_ref().filter(|own| own.whom.names(&self.node)) {
            liveness::renewing(&own.after.cluster.ipam, &self.node, self.uid)?;
        }
        // Another replica may have cut the changes at other revisions: what the node has is then in the middle of this delta.
        let exact = self.resumed.take().is_none_or(|revision| revision <= delta.floor);
        self.ready.extend(delta.messages.iter().cloned());
        if let Some(own) = &delta.own {
            self.ready.extend(differences(own, &self.node, &own.keys, exact, delta.revision));
            if own.is_new_to(&self.node, exact) {
                self.rest = Some(Rest { delta, exact, last: None });
                return Ok(());
            }
        }
        self.end(&delta);
        Ok(())
    }

    /// Makes the next messages of a delta ready that made this another node, if there is one.
    fn more_of_rest(&mut self) -> bool {
        let Some(mut rest) = self.rest.take() else { return false };
        let piece = rest.delta.own.as_ref().and_then(|own| Some((own, own.after.piece_by_node(rest.last.as_ref())?)));
        match piece {
            Some((own, (mut keys, last))) => {
                // Those have been told. What came or went is among them.
                keys.retain(|key| own.keys.binary_search(key).is_err());
                self.ready.extend(differences(own, &self.node, &keys, rest.exact, rest.delta.revision));
                rest.last = Some(last);
                self.rest = Some(rest);
            }
            None => self.end(&rest.delta),
        }
        true
    }

    /// The mark that a delta is all told; also where nothing of it is for this node: whoever waits for the revision hears at once that
    /// the node has it.
    fn end(&mut self, delta: &Delta) {
        self.ready.push_back(Encoded::mark(WatchEventType::Heartbeat, delta.revision));
    }
}

/// How objects of the node's own look now, where that is new to the node; whatever it knows, when `exact` is false.
fn differences(own: &Own, node: &Name, keys: &[Key], exact: bool, revision: Revision) -> Vec<Encoded> {
    let (was, is) = (own.before.receiver(node), own.after.receiver(node));
    let told = keys.iter().filter_map(|key| match own.after.body(&is, key) {
        after if exact && own.before.body(&was, key) == after => None,
        Some(body) => Some(Encoded::of(WatchEventType::Put, revision, &body)),
        None => Some(Encoded::of(WatchEventType::Delete, revision, &Body::bare(key))),
    });
    told.collect()
}

fn lagged() -> Refusal {
    Refusal::new(Reason::WatchLagged, "The reader fell behind by more than is kept. Start again from a snapshot.")
}
