//! A watch: a place in the history that moves forward. It holds nothing of its own, so a reader that is too slow costs no
//! memory; it finds its place compacted, as with etcd.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

use futures::stream::{self, BoxStream, StreamExt as _};
use polder_core::id::Revision;
use tokio::sync::watch;

use super::Shared;
use super::state::Applied;
use crate::backend::{Batch, Event, KeyRange};
use crate::error::Error;

/// The most commits that one look at the history takes.
const LOOK: usize = 256;

struct Feed {
    shared: Weak<Shared>,
    revisions: watch::Receiver<Revision>,
    keys: KeyRange,
    after: Revision,
    ready: VecDeque<Batch>,
    over: bool,
}

/// Every batch of `keys` after `after`.
pub(super) fn feed(shared: &Arc<Shared>, keys: KeyRange, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
    let revisions = shared.revision.subscribe();
    let feed = Feed { shared: Arc::downgrade(shared), revisions, keys, after, ready: VecDeque::new(), over: false };
    stream::unfold(feed, |mut feed| async move {
        let item = feed.next().await?;
        Some((item, feed))
    })
    .boxed()
}

impl Feed {
    async fn next(&mut self) -> Option<Result<Batch, Error>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.look().await {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// Waits for the next commits and takes what concerns this watch.
    async fn look(&mut self) -> Result<(), Error> {
        let after = self.after;
        let closed = || Error::Unavailable("the store was closed".to_owned());
        self.revisions.wait_for(|revision| *revision > after).await.map_err(|_| closed())?;
        let shared = self.shared.upgrade().ok_or_else(closed)?;
        let found = shared.state.read().unwrap_or_else(PoisonError::into_inner).since(after, LOOK)?;
        for applied in found {
            self.after = applied.revision;
            self.ready.extend(batch(&applied, &self.keys));
        }
        Ok(())
    }
}

fn batch(applied: &Applied, keys: &KeyRange) -> Option<Batch> {
    let events: Vec<Event> = applied
        .moves
        .iter()
        .filter(|moved| keys.contains(&moved.key))
        .map(|moved| Event { key: moved.key.clone(), value: moved.after.as_ref().map(|stored| stored.value.clone()) })
        .collect();
    (!events.is_empty()).then_some(Batch { revision: applied.revision, events })
}
