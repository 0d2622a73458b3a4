//! The names being served: one snapshot for all readers, replaced whole, and the task that follows the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use polder_core::cluster::Cluster;
use polder_core::dns::{Settings, Snapshot, Source, touched};
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_runtime::tasks::Failure;
use polder_store::Mirror;
use polder_store::mirror::{ChangeBatch, Changes};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::PublishMetrics;

/// The most batches applied under one publication, so that a flood does not hold up what has come already.
const MOST_BATCHES: usize = 256;
/// How long one wait for the first view takes.
const WAIT: Duration = Duration::from_secs(60);

/// How far this server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// Everything up to this revision is served.
    pub(crate) revision: Revision,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// What is served. With the store gone it stays as it is, for ever.
pub(crate) struct Names {
    current: ArcSwap<Snapshot>,
    position: watch::Sender<Position>,
    metrics: PublishMetrics,
}

impl Names {
    pub(crate) fn new(settings: Settings, metrics: PublishMetrics) -> Self {
        let nothing = Snapshot::unsynced(Arc::new(settings));
        Self { current: ArcSwap::from_pointee(nothing), position: watch::Sender::default(), metrics }
    }

    /// The snapshot, for readers that look at it once in a while; the UDP threads keep a cache over this.
    pub(crate) const fn current(&self) -> &ArcSwap<Snapshot> {
        &self.current
    }

    /// Moves whenever something newer is served.
    pub(crate) fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Whether there is anything to serve. Stale names are served: they do not make the server unready.
    pub(crate) fn ready(&self) -> Result<(), Refusal> {
        if self.current.load().is_synced() {
            return Ok(());
        }
        Err(Refusal::new(Reason::NotSynced, "The store has not been read yet: all queries get SERVFAIL."))
    }

    /// Follows a mirror until `stop`.
    ///
    /// # Errors
    /// When the mirror has ended by itself.
    pub(crate) async fn follow(&self, mirror: &Mirror<Stored>, stop: CancellationToken) -> Result<(), Failure> {
        let following = async {
            loop {
                // What is served meanwhile stays.
                if mirror.synced(WAIT).await.is_ok() {
                    self.follow_once(mirror).await?;
                }
            }
        };
        stop.run_until_cancelled(following).await.unwrap_or(Ok(()))
    }

    /// Builds every name, then applies batch after batch; returns when a batch is missing or stands for a gap.
    async fn follow_once(&self, mirror: &Mirror<Stored>) -> Result<(), Refusal> {
        let (start, mut changes) = mirror.subscribe();
        let mut cluster = start.view.clone();
        let settings = Arc::new(self.current.load().settings().clone());
        let mut names = Snapshot::build(settings, &cluster, start.heads.newest());
        self.publish(&names, start.revision);
        drop(start);
        loop {
            let first = match changes.next().await {
                Err(lost) if lost.reason == Reason::WatchLagged => return Ok(()),
                first => first?,
            };
            let began = clock::monotonic();
            let Some(batches) = waiting(first, &mut changes) else { return Ok(()) };
            let newest = batches.iter().map(|batch| batch.revision).max().unwrap_or_default();
            apply(&mut names, &mut cluster, &batches);
            self.publish(&names, newest);
            self.metrics.published(began.elapsed());
        }
    }

    fn publish(&self, names: &Snapshot, revision: Revision) {
        self.current.store(Arc::new(names.clone()));
        self.metrics.serving(names);
        self.position.send_replace(Position { revision, since: clock::now() });
    }
}

/// Moves the names by some batches.
fn apply(names: &mut Snapshot, cluster: &mut Cluster, batches: &[Arc<ChangeBatch<Stored>>]) {
    let mut sources = BTreeSet::<Source>::new();
    let mut revision = names.revision();
    for batch in batches {
        for change in &batch.changes {
            touched(cluster, change, &mut sources);
            cluster.apply(change);
        }
        // A commit that changes nothing here must not move the serial: a server that starts later would not count it.
        if !batch.changes.is_empty() {
            revision = batch.revision;
        }
    }
    names.update(cluster, &sources, revision);
}

/// The batch in hand and those that wait behind it; `None` when one is lost or stands for a gap: then all is to be built anew.
fn waiting(first: Arc<ChangeBatch<Stored>>, changes: &mut Changes<Stored>) -> Option<Vec<Arc<ChangeBatch<Stored>>>> {
    let mut batches = vec![first];
    while batches.len() < MOST_BATCHES {
        match changes.next().now_or_never() {
            Some(next) => batches.push(next.ok()?),
            None => break,
        }
    }
    (!batches.iter().any(|batch| batch.relisted)).then_some(batches)
}
