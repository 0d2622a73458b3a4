//! The names being served: one snapshot for all readers, replaced whole, and the task that follows the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use polder_core::cluster::Cluster;
use polder_core::dns::skydns::View;
use polder_core::dns::{Heads, Settings, Snapshot, Source, touched};
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_proto::stored::ForNames;
use polder_runtime::clock;
use polder_runtime::tasks::Failure;
use polder_store::Mirror;
use polder_store::mirror::{ChangeBatch, Changes};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::metrics::PublishMetrics;
use crate::saved::SavedFile;
use crate::skydns::Imported;

/// The most batches applied under one publication, so that a flood does not hold up what has come already.
const MOST_BATCHES: usize = 256;
/// How long one wait for the first view takes.
const WAIT: Duration = Duration::from_secs(60);
/// How long the store may take to be read before what was saved is served. With many services reading it takes longer, and names
/// that are a few seconds old are better than none.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long what other programs store may take to be read before the other names are served without.
const IMPORTS: Duration = Duration::from_secs(1);

/// How far this server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// Everything up to this revision is served.
    pub(crate) revision: Revision,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// The state that the names follow from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) cluster: Cluster,
    /// Where its parts stand.
    pub(crate) heads: Heads,
    pub(crate) revision: Revision,
    /// What other programs store, from which names follow too.
    pub(crate) imported: Imported,
    /// Whether it was read from the store, and not from a file.
    pub(crate) is_read: bool,
}

/// What is served. With the store gone it stays as it is, for ever.
pub(crate) struct Names {
    current: ArcSwap<Snapshot>,
    state: ArcSwap<State>,
    position: watch::Sender<Position>,
    metrics: PublishMetrics,
}

impl Names {
    pub(crate) fn new(settings: Settings, metrics: PublishMetrics) -> Self {
        let nothing = Snapshot::unsynced(Arc::new(settings));
        let unread = State {
            cluster: Cluster::default(),
            heads: Heads::default(),
            revision: Revision::default(),
            imported: Imported::default(),
            is_read: false,
        };
        let (current, state) = (ArcSwap::from_pointee(nothing), ArcSwap::from_pointee(unread));
        Self { current, state, position: watch::Sender::default(), metrics }
    }

    /// The snapshot, for readers that look at it once in a while; the UDP threads keep a cache over this.
    pub(crate) const fn current(&self) -> &ArcSwap<Snapshot> {
        &self.current
    }

    /// The state that the names follow from; it is there before they are.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
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

    /// Follows a mirror, and what other programs store, until `stop`; as long as the store is not read, what was saved in the file is
    /// served.
    ///
    /// # Errors
    /// When the mirror has ended by itself.
    pub(crate) async fn follow(
        &self,
        mirror: &Mirror<ForNames>,
        file: Option<SavedFile>,
        mut imports: watch::Receiver<Imported>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let following = async {
            if let Some(file) = file
                && mirror.synced(PATIENCE).await.is_err()
            {
                self.recall(mirror, &file).await?;
            }
            loop {
                // What is served meanwhile stays.
                if mirror.synced(WAIT).await.is_ok() {
                    // Without them names that they have get SERVFAIL.
                    drop(timeout(IMPORTS, imports.wait_for(|imported| imported.view.is_read())).await);
                    self.follow_once(mirror, &mut imports).await?;
                }
            }
        };
        stop.run_until_cancelled(following).await.unwrap_or(Ok(()))
    }

    /// Serves what was saved, unless the store has been read meanwhile.
    async fn recall(&self, mirror: &Mirror<ForNames>, file: &SavedFile) -> Result<(), Refusal> {
        let Some(saved) = file.load().await.filter(|_| mirror.readable().is_err()) else { return Ok(()) };
        // Names that are made are served, even when the store has been read meanwhile: making them of it takes as long again.
        let names = self.build(&saved.cluster, &saved.imported, saved.heads).await?;
        let (revision, age) = (saved.revision, clock::now().since(saved.at));
        tracing::warn!(%revision, ?age, "the store is not read yet; names are served as they were saved");
        let imported = Imported { view: saved.imported, at: saved.heads.zones() };
        self.publish(&names, State { cluster: saved.cluster, heads: saved.heads, revision, imported, is_read: false });
        Ok(())
    }

    /// All names of a state, on a thread where nobody else waits: with many services that takes a while.
    async fn build(&self, cluster: &Cluster, imported: &View, heads: Heads) -> Result<Snapshot, Refusal> {
        let (settings, cluster, imported) = (self.settings(), cluster.clone(), imported.clone());
        let building = tokio::task::spawn_blocking(move || Snapshot::build_with(settings, &cluster, imported, heads)).await;
        building.map_err(|error| Refusal::new(Reason::Internal, format!("The names could not be made: {error}.")))
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::new(self.current.load().settings().clone())
    }

    /// Builds every name, then applies batch after batch; returns when a batch is missing or stands for a gap, or what other programs
    /// store has been read for the first time.
    async fn follow_once(&self, mirror: &Mirror<ForNames>, imports: &mut watch::Receiver<Imported>) -> Result<(), Refusal> {
        let (start, mut changes) = mirror.subscribe();
        let imported = imports.borrow_and_update().clone();
        let heads = Heads::of(|domain| start.heads.get(domain)).with_imports(imported.at);
        let mut names = self.build(&start.view, &imported.view, heads).await?;
        let mut state = State { cluster: start.view.clone(), heads, revision: start.revision, imported, is_read: true };
        drop(start);
        self.publish(&names, state.clone());
        loop {
            let first = tokio::select! {
                first = changes.next() => first,
                Ok(()) = imports.changed() => {
                    let imported = imports.borrow_and_update().clone();
                    if imported.view.is_read() != state.imported.view.is_read() {
                        return Ok(());
                    }
                    import(&mut names, &mut state, imported);
                    self.publish(&names, state.clone());
                    continue;
                }
            };
            let first = match first {
                Err(lost) if lost.reason == Reason::WatchLagged => return Ok(()),
                first => first?,
            };
            let began = clock::monotonic();
            let Some(batches) = waiting(first, &mut changes) else { return Ok(()) };
            apply(&mut names, &mut state, &batches);
            self.publish(&names, state.clone());
            self.metrics.published(began.elapsed());
        }
    }

    fn publish(&self, names: &Snapshot, state: State) {
        let revision = state.revision;
        self.state.store(Arc::new(state));
        self.current.store(Arc::new(names.clone()));
        self.metrics.serving(names);
        self.position.send_replace(Position { revision, since: clock::now() });
    }
}

/// Moves the names by some batches.
fn apply(names: &mut Snapshot, state: &mut State, batches: &[Arc<ChangeBatch<ForNames>>]) {
    let mut sources = BTreeSet::<Source>::new();
    for change in batches.iter().flat_map(|batch| &batch.changes) {
        touched(&state.cluster, change, &mut sources);
        state.cluster.apply(change);
    }
    // A commit that moves no head, such as the renewal of a lease, moves no serial number.
    let heads = Heads::of(|domain| batches.last()?.heads.get(domain)).with_imports(state.imported.at);
    let stored = sources.iter().any(|source| matches!(source, Source::Zone(_) | Source::RecordSet(_)));
    if stored && heads.zones() <= state.heads.zones() {
        // What other programs store has taken this number already.
        state.imported.at = after(state.heads.zones());
    }
    state.heads = heads.with_imports(state.imported.at);
    state.revision = batches.iter().map(|batch| batch.revision).max().unwrap_or_default();
    names.update(&state.cluster, &sources, state.heads);
}

/// Moves the names by what other programs have stored. The two are followed apart, so that this may come after newer changes of zones:
/// the serial number moves in any case.
fn import(names: &mut Snapshot, state: &mut State, imported: Imported) {
    if imported.view == state.imported.view {
        return;
    }
    state.imported = Imported { at: imported.at.max(after(state.heads.zones())), ..imported };
    state.heads = state.heads.with_imports(state.imported.at);
    names.import(&state.cluster, state.imported.view.clone(), state.heads);
}

const fn after(revision: Revision) -> Revision {
    Revision(revision.0 + 1)
}

/// The batch in hand and those that wait behind it; `None` when one is lost or stands for a gap: then all is to be built anew.
fn waiting(first: Arc<ChangeBatch<ForNames>>, changes: &mut Changes<ForNames>) -> Option<Vec<Arc<ChangeBatch<ForNames>>>> {
    let mut batches = vec![first];
    while batches.len() < MOST_BATCHES {
        match changes.next().now_or_never() {
            Some(next) => batches.push(next.ok()?),
            None => break,
        }
    }
    (!batches.iter().any(|batch| batch.relisted)).then_some(batches)
}
