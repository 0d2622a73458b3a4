//! The handle that everything above holds: a backend with deadlines, spans and figures.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use polder_core::id::Revision;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::backend::{Backend, Batch, Commit, Entry, KeyRange, Lease, LeaseId, Limits, Outcome, Page};
use crate::embedded::Embedded;
use crate::error::Error;
use crate::etcd::Etcd;
use crate::metrics::{Call, Metrics};
use crate::url::StoreUrl;

/// How long one call may take unless the handle is told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// A store: cheap to clone, every clone counts into the same [`Metrics`].
///
/// Every call ends within the deadline. A commit that is cut off by it is [`Error::OutcomeUnknown`], any other call is
/// [`Error::Unavailable`].
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    metrics: Arc<Metrics>,
    deadline: Duration,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Store {
    /// A handle on a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, metrics: Arc::default(), deadline: DEADLINE }
    }

    /// Opens the store that `url` names: see [`StoreUrl`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that names no store; what opening the backend can fail with.
    pub async fn open(url: &str) -> Result<Self, Error> {
        match url.parse()? {
            StoreUrl::Embedded(folder) => {
                let opened = tokio::task::spawn_blocking(move || Embedded::open(&folder)).await;
                let embedded = opened.map_err(|error| Error::Unavailable(error.to_string()))??;
                Ok(Self::new(Arc::new(embedded)))
            }
            StoreUrl::Etcd(config) => Ok(Self::new(Arc::new(Etcd::open(&config).await?))),
        }
    }

    /// The same store with another deadline per call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The counters of this handle and its clones.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What one commit may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.backend.limits()
    }

    /// Whether others than this process can write to it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// One page of a range: see [`Backend::range`].
    ///
    /// # Errors
    /// As the backend's; [`Error::Unavailable`] at the deadline.
    pub async fn range(&self, keys: KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        self.timed(Call::Range, self.backend.range(keys, limit, at)).await
    }

    /// A whole range, page by page, all of it at one revision.
    #[must_use]
    pub fn pages(&self, keys: KeyRange, size: usize) -> Pages<'_> {
        Pages { store: self, rest: Some(keys), size, at: None }
    }

    /// One key as it is now, with the revision at which it was looked at.
    ///
    /// # Errors
    /// As [`Store::range`].
    pub async fn get(&self, key: &[u8]) -> Result<(Option<Entry>, Revision), Error> {
        let page = self.range(KeyRange::key(key), 1, None).await?;
        Ok((page.entries.into_iter().next(), page.revision))
    }

    /// Guards and writes, all or nothing: see [`Backend::commit`].
    ///
    /// # Errors
    /// As the backend's; [`Error::OutcomeUnknown`] at the deadline.
    pub async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        // A check without writes cannot be half done: cut off, it has simply failed.
        let writes = commit.writes.len();
        let outcome = match self.timed(Call::Commit, self.backend.commit(commit)).await {
            Err(Error::Unavailable(why)) if why == CUT_OFF && writes > 0 => Err(Error::OutcomeUnknown(why)),
            Err(Error::OutcomeUnknown(why)) if writes == 0 => Err(Error::Unavailable(why)),
            outcome => outcome,
        };
        if matches!(outcome, Ok(Outcome::Conflict { .. })) {
            self.metrics.count_conflict();
        }
        outcome
    }

    /// A watch: see [`Backend::watch`]. The deadline holds for its opening only.
    ///
    /// # Errors
    /// As the backend's; [`Error::Unavailable`] at the deadline.
    pub async fn watch(&self, keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error> {
        self.timed(Call::Watch, self.backend.watch(keys, after)).await
    }

    /// Grants a lease: see [`Backend::grant`].
    ///
    /// # Errors
    /// As the backend's; [`Error::Unavailable`] at the deadline.
    pub async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        self.timed(Call::Lease, self.backend.grant(ttl)).await
    }

    /// Renews a lease: see [`Backend::keep_alive`].
    ///
    /// # Errors
    /// As the backend's; [`Error::Unavailable`] at the deadline.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.timed(Call::Lease, self.backend.keep_alive(lease)).await
    }

    /// Ends a lease: see [`Backend::revoke`].
    ///
    /// # Errors
    /// As the backend's; [`Error::Unavailable`] at the deadline.
    pub async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.timed(Call::Lease, self.backend.revoke(lease)).await
    }

    async fn timed<T>(&self, call: Call, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let span = tracing::debug_span!("store", call = call.as_str());
        let begun = Instant::now();
        // An in-process store may answer without ever waiting; without a budget a loop of such calls starves the runtime.
        tokio::task::coop::consume_budget().await;
        let result = match tokio::time::timeout(self.deadline, work.instrument(span)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable(CUT_OFF.to_owned())),
        };
        self.metrics.count(call, begun.elapsed(), result.is_ok());
        result
    }
}

/// The pages of a range: see [`Store::pages`].
#[derive(Debug)]
pub struct Pages<'a> {
    store: &'a Store,
    rest: Option<KeyRange>,
    size: usize,
    /// The revision of the first page, and so of all.
    at: Option<Revision>,
}

impl Pages<'_> {
    /// The next page; `None` behind the last one. After an error the same page is read again.
    ///
    /// # Errors
    /// As [`Store::range`].
    pub async fn next(&mut self) -> Result<Option<Page>, Error> {
        let Some(keys) = &self.rest else { return Ok(None) };
        let page = self.store.range(keys.clone(), self.size, self.at).await?;
        self.at.get_or_insert(page.revision);
        self.rest = page.entries.last().filter(|_| page.more).map(|last| keys.after(&last.key));
        Ok(Some(page))
    }
}

/// What a call says that was cut off by its deadline.
const CUT_OFF: &str = "no answer within the deadline";
