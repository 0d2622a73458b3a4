//! The store inside the process: durable, for one machine.
//!
//! It owns a folder: `polder.redb` (see `embedded/disk.rs`) and `LOCK`. All keys live in memory; the file is read once, at the start, and
//! then only written, by one thread, one fsync for everyone who waits (see `embedded/writer.rs`). A crash at any moment leaves whole
//! groups of commits, every acknowledged one among them. After a start the revision goes on where it was; older revisions are
//! compacted, because the history is not stored.

mod disk;
mod draft;
mod feed;
mod leases;
mod lock;
mod state;
mod writer;

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use polder_core::id::Revision;
use tokio::sync::{Semaphore, oneshot, watch};

use self::disk::Disk;
use self::leases::Leases;
use self::lock::FolderLock;
use self::state::{Keep, State};
use self::writer::{Op, Work, Writer};
use crate::backend::{Backend, Batch, Commit, KeyRange, Lease, LeaseId, Limits, Outcome, Page};
use crate::error::Error;

/// How much history watches can go back.
const KEEP: Keep = Keep { commits: 10_000, bytes: 64 << 20 };
/// The most operations that wait for the writer; the next caller waits for a place.
const QUEUE: usize = 1024;

/// What the writer shares with readers.
pub(crate) struct Shared {
    state: RwLock<State>,
    leases: Mutex<Leases>,
    revision: watch::Sender<Revision>,
}

impl Shared {
    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The embedded backend. Dropping it waits for the writer to end and lets the folder go.
pub struct Embedded {
    shared: Arc<Shared>,
    ops: Option<Sender<Op>>,
    places: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
    _lock: FolderLock,
}

impl Embedded {
    /// Opens the store in `folder`, which is made if it does not exist. Blocks while the file is read.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it open, [`Error::Corrupt`] when the file cannot be read,
    /// [`Error::Unavailable`] when the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_keeping(folder, KEEP)
    }

    fn open_keeping(folder: &Path, keep: Keep) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Unavailable(format!("`{}`: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = FolderLock::take(folder)?;
        let (disk, loaded) = Disk::open(&folder.join("polder.redb"))?;
        let mut leases = Leases::default();
        for (lease, ttl) in loaded.leases {
            leases.insert(lease, Duration::from_secs(ttl));
        }
        let shared = Arc::new(Shared {
            state: RwLock::new(State::loaded(loaded.revision, loaded.entries, keep)),
            leases: Mutex::new(leases),
            revision: watch::Sender::new(loaded.revision),
        });
        let (ops, waiting) = mpsc::channel();
        let writer = Writer { disk, shared: Arc::clone(&shared), last_lease: loaded.last_lease, broken: None };
        let thread = std::thread::Builder::new().name("polder-store".to_owned());
        let writer = thread.spawn(move || writer.run(&waiting)).map_err(failed)?;
        Ok(Self { shared, ops: Some(ops), places: Arc::new(Semaphore::new(QUEUE)), writer: Some(writer), _lock: lock })
    }

    async fn ask<T>(&self, work: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Work) -> Result<T, Error> {
        let closed = || Error::Unavailable("the store was closed".to_owned());
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        self.ops.as_ref().ok_or_else(closed)?.send(Op { work: work(reply), permit }).map_err(|_| closed())?;
        answer.await.map_err(|_| Error::OutcomeUnknown("the store's writer ended".to_owned()))?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.ops = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the embedded store's writer ended by a panic");
        }
    }
}

#[async_trait]
impl Backend for Embedded {
    fn limits(&self) -> Limits {
        Limits::ETCD
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn range(&self, keys: KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        if keys.start().is_empty() {
            return Err(Error::Invalid("a key is empty".to_owned()));
        }
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner).range(&keys, limit, at)
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, Error> {
        commit.check(Limits::ETCD)?;
        self.ask(|reply| Work::Commit(commit, reply)).await
    }

    async fn watch(&self, keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error> {
        if keys.start().is_empty() {
            return Err(Error::Invalid("a key is empty".to_owned()));
        }
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner).since(after, 0)?;
        Ok(feed::feed(&self.shared, keys, after))
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        let ttl = leases::granted_ttl(ttl);
        self.ask(|reply| Work::Grant(ttl, reply)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        self.shared.leases().renew(lease).ok_or(Error::LeaseGone(lease))
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.ask(|reply| Work::Revoke(lease, reply)).await
    }
}
