//! Says how far this server has come, so that whoever changes something can wait until names answer with it.
//!
//! While it lives the server has the key `/polder/dns/serving/<server>` on a lease of the store, with the newest revision of any
//! change that it serves. The key is in no domain and no record: it moves no head, so that it is no change that anybody follows.
//! A crash leaves it until its lease ends. A flood of changes is told ten times a second.

use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_proto::stored::ForNames;
use polder_proto::stored::dns::serving::{SERVING, Serving, encode};
use polder_runtime::clock;
use polder_store::backend::LeaseId;
use polder_store::{Commit, Error, Mirror, Store, Write};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::names::Names;

/// How long a server that is gone counts as one.
const TTL: Duration = Duration::from_secs(6);
/// The shortest time between two words.
const PACE: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Progress {
    names: Arc<Names>,
    mirror: Mirror<ForNames>,
    server: String,
}

/// What has been said, on which lease.
#[derive(Debug, Clone, Copy)]
struct Told {
    lease: LeaseId,
    revision: Revision,
}

impl Progress {
    pub(crate) const fn new(names: Arc<Names>, mirror: Mirror<ForNames>, server: String) -> Self {
        Self { names, mirror, server }
    }

    /// Tells until the stop; then takes the word back.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut told = None;
        stop.run_until_cancelled(self.work(&mut told)).await;
        if let Some(Told { lease, .. }) = told {
            drop(self.mirror.store().revoke(lease).await);
        }
    }

    async fn work(&self, told: &mut Option<Told>) {
        let mut position = self.names.position();
        let mut renewal = clock::monotonic();
        loop {
            let due = clock::monotonic() >= renewal;
            if due {
                renewal = clock::monotonic() + TTL / 3;
            }
            if let Some(revision) = self.served()
                && let Err(error) = self.tell(told, revision, due).await
            {
                *told = told.filter(|_| !matches!(error, Error::LeaseGone(_)));
                tracing::debug!(%error, "how far names are served could not be told; it will be tried again");
            }
            sleep(PACE).await;
            if !wait(&mut position, renewal).await {
                return;
            }
        }
    }

    /// The newest revision of any change, if everything up to it is served.
    fn served(&self) -> Option<Revision> {
        let newest = self.mirror.snapshot().heads.newest();
        (self.names.ready().is_ok() && self.names.position().borrow().revision >= newest).then_some(newest)
    }

    async fn tell(&self, told: &mut Option<Told>, revision: Revision, due: bool) -> Result<(), Error> {
        let store = self.mirror.store();
        let lease = match *told {
            Some(old) if old.revision == revision && !due => return Ok(()),
            Some(old) => {
                if due {
                    store.keep_alive(old.lease).await?;
                }
                if old.revision == revision && self.stands(store, old.lease).await? {
                    return Ok(());
                }
                old.lease
            }
            None => store.grant(TTL).await?.id,
        };
        // Noted before it is put: a lease that was granted has to be given back in any case.
        *told = Some(Told { lease, revision: told.map_or(Revision(0), |old| old.revision) });
        self.put(store, lease, revision).await?;
        *told = Some(Told { lease, revision });
        Ok(())
    }

    /// Whether the word stands as it was put. A process that this one took the place of takes back what it said under the same name.
    async fn stands(&self, store: &Store, lease: LeaseId) -> Result<bool, Error> {
        let (found, _) = store.get(format!("{SERVING}{}", self.server).as_bytes()).await?;
        Ok(found.is_some_and(|entry| entry.lease == Some(lease)))
    }

    async fn put(&self, store: &Store, lease: LeaseId, revision: Revision) -> Result<(), Error> {
        let serving = Serving { server: self.server.clone(), revision, since: clock::now() };
        let (key, value) = encode(&serving);
        let write = Write::Put { key: key.into(), value: value.into(), lease: Some(lease) };
        store.commit(Commit { guards: Vec::new(), writes: vec![write] }).await.map(drop)
    }
}

/// Waits for a move, at most until `renewal`. False when there will be none any more.
async fn wait(position: &mut tokio::sync::watch::Receiver<crate::names::Position>, renewal: Instant) -> bool {
    match timeout_at(renewal, position.changed()).await {
        Ok(Ok(())) | Err(_) => true,
        Ok(Err(_)) => false,
    }
}
