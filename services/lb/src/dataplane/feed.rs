//! The one task of a replica that finds out what nodes have to be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::id::{Revision, Uid};
use polder_core::ipam::liveness;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_proto::stored::Stored;
use polder_store::Mirror;
use polder_store::mirror::{ChangeBatch, Changes};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::image::Image;
use super::ring::{Found, Ring};

/// The shortest time between two deltas: a flood of changes wakes every stream a hundred times a second and no more often. A change
/// that comes alone is told at once.
const PACE: Duration = Duration::from_millis(10);
/// How long a stream waits for a revision that its node has heard of, and for the first view.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How long one wait for the first view takes.
const WAIT: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Feed {
    mirror: Mirror<Stored>,
    domain: Arc<str>,
    ring: Mutex<Ring>,
    /// The place after the last delta.
    end: watch::Sender<u64>,
    /// The revision of the image; `None` before the first one.
    position: watch::Sender<Option<Revision>>,
    /// Somebody wants to be told: before that nothing is computed.
    wanted: Notify,
}

impl Feed {
    pub(crate) fn new(mirror: Mirror<Stored>, domain: &str) -> Self {
        let (end, position) = (watch::Sender::new(0), watch::Sender::new(None));
        Self { mirror, domain: domain.into(), ring: Mutex::new(Ring::new()), end, position, wanted: Notify::new() }
    }

    /// Works from the first stream on until `stop`, or until the mirror ends.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        self.wanted.notified().await;
        loop {
            if self.mirror.synced(WAIT).await.is_err() {
                continue;
            }
            match self.follow().await {
                // More happened than could be kept up with: it begins anew, and so do all streams.
                Err(lost) if lost.reason == Reason::WatchLagged => {}
                Err(_) => return,
                Ok(never) => match never {},
            }
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, Refusal> {
        let (start, mut changes) = self.mirror.subscribe();
        let mut image = Image::of(&start, Arc::clone(&self.domain)).await;
        drop(start);
        self.ring().begin(image.clone());
        self.moved(image.revision);
        let mut next = Instant::now();
        loop {
            let first = changes.next().await?;
            sleep_until(next).await;
            // The view and the batches that lead to it are published together: what is not in `batches` is not in the view.
            let newest = self.mirror.subscribe().0;
            let batches = until(newest.revision, first, &mut changes).await?;
            let (moved, delta) = image.after(&batches, &newest).await;
            image = moved;
            if delta.is_some() {
                next = Instant::now() + PACE;
            }
            self.ring().push(image.clone(), delta);
            self.moved(image.revision);
        }
    }

    fn moved(&self, revision: Revision) {
        let end = self.ring().end();
        self.position.send_replace(Some(revision));
        self.end.send_if_modified(|last| std::mem::replace(last, end) != end);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes when there is a delta more.
    pub(super) fn woken(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    pub(super) fn at(&self, place: u64) -> Found {
        self.ring().at(place)
    }

    /// Whether a node that has everything up to `has` lacks something of what there was at `wanted`; also when that is not known.
    pub(crate) fn owes(&self, has: Revision, wanted: Revision) -> bool {
        self.ring().owes(has, wanted)
    }

    /// What there is now, and the place of what comes after it.
    ///
    /// # Errors
    /// [`Reason::NotSynced`] when nothing has been read yet.
    pub(super) async fn start(&self, node: &Name, uid: Uid) -> Result<(Image, u64), Refusal> {
        self.reach(Revision(0)).await?;
        self.know(node, uid).await?;
        let ring = self.ring();
        ring.image().map(|image| (image.clone(), ring.end())).ok_or_else(unread)
    }

    /// The place of everything after a revision.
    ///
    /// # Errors
    /// [`Reason::ResumeTokenCompacted`] when the revision is too far back, [`Reason::NotSynced`] when nothing has been read yet,
    /// [`Reason::StoreUnavailable`] when this replica does not get to the revision.
    pub(super) async fn resume(&self, node: &Name, uid: Uid, after: Revision) -> Result<u64, Refusal> {
        self.reach(after).await?;
        self.know(node, uid).await?;
        self.ring().after(after)
    }

    /// Waits until the image is at a revision, or past it.
    async fn reach(&self, revision: Revision) -> Result<(), Refusal> {
        self.wanted.notify_one();
        let mut position = self.position.subscribe();
        let reached = timeout(CATCH_UP, position.wait_for(|at| at.is_some_and(|at| at >= revision))).await;
        match reached {
            Ok(_) => Ok(()),
            Err(_) if self.ring().image().is_none() => Err(unread()),
            Err(_) => {
                let message = format!("This replica has not seen revision {revision} within {CATCH_UP:?}. Try again.");
                Err(Refusal::new(Reason::StoreUnavailable, message).retry_in(Duration::from_secs(1)))
            }
        }
    }

    /// Refuses a node that does not exist, or that another has taken the name of; it may have been registered a moment ago.
    async fn know(&self, node: &Name, uid: Uid) -> Result<(), Refusal> {
        let known = |image: Option<&Image>| -> Result<(), Refusal> {
            let image = image.ok_or_else(unread)?;
            liveness::renewing(&image.cluster.ipam, node, uid).map(drop)
        };
        let refused = known(self.ring().image());
        if refused.is_ok() {
            return Ok(());
        }
        let newest = self.mirror.latest(CATCH_UP).await?;
        self.reach(newest.revision).await?;
        known(self.ring().image())
    }
}

fn unread() -> Refusal {
    let message = "The store has not been read yet, so nothing can be said. Try again in a moment.";
    Refusal::new(Reason::NotSynced, message).retry_in(Duration::from_secs(1))
}

/// The batch in hand and those behind it, up to a revision that has been published.
async fn until(
    revision: Revision,
    first: Arc<ChangeBatch<Stored>>,
    changes: &mut Changes<Stored>,
) -> Result<Vec<Arc<ChangeBatch<Stored>>>, Refusal> {
    let mut last = first.revision;
    let mut batches = vec![first];
    while last < revision {
        let next = changes.next().await?;
        last = next.revision;
        batches.push(next);
    }
    Ok(batches)
}
