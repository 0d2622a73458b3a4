//! The leases that nodes' agents renew.
//!
//! A node that lives has the key `/polder/ipam/alive/<node>` with its uid, on a lease of the store: whichever replica takes the
//! renewals, the key goes by itself when they end. Renewing a lease writes nothing. The key is no record and belongs to no
//! domain; what follows from it is decided elsewhere: here, that the node lives ([`liveness::seen`]), by the undertaker that it
//! is lost. A crash of this process leaves the key until its lease ends; the agent goes to another replica meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::id::Uid;
use polder_core::ipam::{Liveness, Node, liveness};
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_store::backend::LeaseId;
use polder_store::{Commit, Error, KeyRange, Ledger, Outcome, Store, Write};

use crate::own;

/// Where the keys of living nodes lie.
const ALIVE: &str = "/polder/ipam/alive/";

/// Keys read at once.
const PAGE: usize = 1000;

/// How long a renewal waits for a view that knows a node registered elsewhere.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The leases of nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Leases {
    ledger: Ledger<Stored>,
    ttl: Duration,
    /// When this process heard of which node last; nodes that are heard of elsewhere are not in it.
    heard: Arc<Mutex<BTreeMap<Name, (Uid, Timestamp)>>>,
}

/// One agent's lease, as one stream holds it.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<LeaseId>);

impl Leases {
    pub(crate) fn new(ledger: Ledger<Stored>, ttl: Duration) -> Self {
        Self { ledger, ttl, heard: Arc::default() }
    }

    /// How long a node counts as living after a renewal.
    pub(crate) const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// When this process heard of the node last.
    pub(crate) fn heard(&self, node: &Node) -> Option<Timestamp> {
        self.heard_of().get(&node.name).filter(|(uid, _)| *uid == node.meta.uid).map(|(_, at)| *at)
    }

    /// Takes a renewal. The node as it stands.
    ///
    /// # Errors
    /// `NODE_NOT_FOUND`, `NODE_UID_MISMATCH`; `STORE_UNAVAILABLE` when the lease cannot be renewed.
    pub(crate) async fn renew(&self, held: &mut Held, name: &Name, uid: Uid) -> Result<Arc<Node>, Refusal> {
        let node = self.node(name, uid).await?;
        self.keep(held, name, uid).await?;
        if !matches!(node.liveness, Liveness::Alive(_)) {
            self.seen(name, uid).await?;
        }
        self.heard_of().insert(name.clone(), (uid, clock::now()));
        Ok(node)
    }

    /// The node; another replica may have registered it a moment ago.
    async fn node(&self, name: &Name, uid: Uid) -> Result<Arc<Node>, Refusal> {
        let mirror = self.ledger.mirror();
        if let Ok(node) = liveness::renewing(&mirror.snapshot().view.ipam, name, uid) {
            return Ok(Arc::clone(node));
        }
        let snapshot = mirror.latest(CATCH_UP).await?;
        liveness::renewing(&snapshot.view.ipam, name, uid).map(Arc::clone)
    }

    async fn keep(&self, held: &mut Held, name: &Name, uid: Uid) -> Result<(), Refusal> {
        if let Some(lease) = held.0 {
            match self.store().keep_alive(lease).await {
                Ok(_) => return Ok(()),
                // It ran out: the agent or this process was held up for too long.
                Err(Error::LeaseGone(_)) => held.0 = None,
                Err(error) => return Err(error.into()),
            }
        }
        let lease = self.store().grant(self.ttl).await?.id;
        let write = Write::Put { key: key(name).into(), value: uid.to_string().into(), lease: Some(lease) };
        match self.store().commit(Commit { guards: Vec::new(), writes: vec![write] }).await? {
            Outcome::Committed { .. } => held.0 = Some(lease),
            Outcome::Conflict { .. } => return Err(Refusal::new(Reason::Internal, "a commit without guards met a conflict")),
        }
        Ok(())
    }

    /// Notes in the state that the node lives.
    async fn seen(&self, name: &Name, uid: Uid) -> Result<(), Refusal> {
        let name = name.clone();
        let decide = move |cluster: &Cluster, context| Ok(liveness::seen(cluster, &name, uid, context)?.map(|()| Vec::new()));
        own::commit(&self.ledger, "KeepAlive", decide).await.map(drop)
    }

    /// The nodes whose leases run now.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn running(&self) -> Result<BTreeSet<(Name, Uid)>, Refusal> {
        let (mut running, mut keys, mut at) = (BTreeSet::new(), KeyRange::prefix(ALIVE), None);
        loop {
            let page = self.store().range(keys.clone(), PAGE, at).await?;
            at.get_or_insert(page.revision);
            running.extend(page.entries.iter().filter_map(|entry| read(&entry.key, &entry.value)));
            match page.entries.last() {
                Some(last) if page.more => keys = keys.after(&last.key),
                _ => return Ok(running),
            }
        }
    }

    /// Forgets when it heard of nodes that are not in the view.
    pub(crate) fn forget_strangers(&self) {
        let snapshot = self.ledger.mirror().snapshot();
        self.heard_of().retain(|name, (uid, _)| liveness::renewing(&snapshot.view.ipam, name, *uid).is_ok());
    }

    fn store(&self) -> &Store {
        self.ledger.mirror().store()
    }

    fn heard_of(&self) -> MutexGuard<'_, BTreeMap<Name, (Uid, Timestamp)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(node: &Name) -> String {
    format!("{ALIVE}{node}")
}

fn read(key: &[u8], value: &[u8]) -> Option<(Name, Uid)> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let name = text(key)?.strip_prefix(ALIVE)?.parse().ok()?;
    Some((name, text(value)?.parse().ok()?))
}
