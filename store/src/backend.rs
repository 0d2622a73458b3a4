//! The contract with a store: seven calls in bytes, with etcd's nouns and etcd's limits.
//!
//! A backend is linearizable: a call that begins after a commit was acknowledged sees that commit, whichever process asks.
//! Every commit that changes something moves the revision by exactly one; revisions never repeat. Guards are single keys only:
//! a ranged compare does not notice deletes, so a decision that rests on many keys is guarded by one head key that moves with
//! each of them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use polder_core::id::Revision;

use crate::error::Error;

/// What one commit may hold. Both backends answer the same numbers, which are etcd's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most guards in one commit, and the most writes; each list is counted for itself.
    pub ops: usize,
    /// The most bytes of one commit as etcd counts them: keys, values and a few bytes of framing for each.
    pub request_bytes: usize,
}

impl Limits {
    /// etcd's defaults: `--max-txn-ops=128`, `--max-request-bytes=1572864`.
    pub const ETCD: Self = Self { ops: 128, request_bytes: 1_572_864 };
    /// The shortest time to live of a lease; shorter wishes are raised to it.
    pub const LEAST_TTL: Duration = Duration::from_secs(2);
}

/// The keys from `start` up to, not including, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    end: Option<Bytes>,
}

impl KeyRange {
    /// Exactly one key.
    #[must_use]
    pub fn key(key: impl AsRef<[u8]>) -> Self {
        let key = key.as_ref();
        let mut end = Vec::with_capacity(key.len() + 1);
        end.extend_from_slice(key);
        end.push(0);
        Self { start: Bytes::copy_from_slice(key), end: Some(end.into()) }
    }

    /// Every key that begins with `prefix`; an empty prefix is every key.
    #[must_use]
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        // etcd knows no empty key: the smallest key is one zero byte.
        let start = if prefix.is_empty() { Bytes::from_static(&[0]) } else { Bytes::copy_from_slice(prefix) };
        Self { start, end: after_prefix(prefix) }
    }

    /// The keys from `start` up to, not including, `end`.
    #[must_use]
    pub fn span(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// The first key.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The first key beyond the range; `None` when the range has no end.
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether `key` lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// What is left of the range behind `key`.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        let mut start = Vec::with_capacity(key.len() + 1);
        start.extend_from_slice(key);
        start.push(0);
        Self { start: start.into(), end: self.end.clone() }
    }

    /// Whether no key can lie inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The first key that is greater than every key with the prefix; `None` when there is none.
fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end.into())
}

/// A lease: keys attached to it are deleted together when it expires or is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A lease as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Its time to live, which may be longer than asked for: see [`Limits::LEAST_TTL`].
    pub ttl: Duration,
}

/// One stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The revision at which the key came to be, since it was last absent.
    pub created: Revision,
    /// The revision of the last put.
    pub modified: Revision,
    /// The lease it is attached to.
    pub lease: Option<LeaseId>,
}

/// A part of a range, all of it at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries in the order of their keys.
    pub entries: Vec<Entry>,
    /// The revision that the page shows. A watch after it misses nothing and repeats nothing.
    pub revision: Revision,
    /// Whether more keys follow. A page may be shorter than its limit and still have more behind it.
    pub more: bool,
}

/// What must hold for a commit to happen. Guards name single keys: see the module's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The key does not exist.
    Absent(Bytes),
    /// The key exists and was last put at this revision.
    Unchanged(Bytes, Revision),
}

impl Guard {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Absent(key) | Self::Unchanged(key, _) => key,
        }
    }

    /// The guard that a key still is as it was seen: `None` for absent.
    #[must_use]
    pub fn seen(key: impl Into<Bytes>, modified: Option<Revision>) -> Self {
        match modified {
            Some(revision) => Self::Unchanged(key.into(), revision),
            None => Self::Absent(key.into()),
        }
    }

    /// Whether the guard holds when the key's last put is at `modified`.
    #[must_use]
    pub fn holds(&self, modified: Option<Revision>) -> bool {
        match self {
            Self::Absent(_) => modified.is_none(),
            Self::Unchanged(_, revision) => modified == Some(*revision),
        }
    }
}

/// One write of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Puts a value. Without a lease the key is attached to none, even if it was before.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// The lease to attach it to.
        lease: Option<LeaseId>,
    },
    /// Deletes a key; deleting an absent key is fine and changes nothing.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Write {
    /// A put without lease.
    #[must_use]
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: None }
    }

    /// A delete.
    #[must_use]
    pub fn delete(key: impl Into<Bytes>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Guards and writes, all or nothing. Without writes it is a linearizable check of the guards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What then happens, in this order; at most one write per key.
    pub writes: Vec<Write>,
}

impl Commit {
    /// The bytes of the commit, counted a little more generously than etcd does.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let guards: usize = self.guards.iter().map(|guard| guard.key().len() + Self::FRAMING).sum();
        let writes = self.writes.iter().map(|write| {
            Self::FRAMING
                + match write {
                    Write::Put { key, value, .. } => key.len() + value.len(),
                    Write::Delete { key } => key.len(),
                }
        });
        guards + writes.sum::<usize>()
    }

    /// The most framing that one operation needs on the wire: four nested lengths, tags and a lease id.
    pub const FRAMING: usize = 32;

    /// Refuses what etcd would refuse, before anything is sent.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`].
    pub fn check(&self, limits: Limits) -> Result<(), Error> {
        if self.guards.len() > limits.ops || self.writes.len() > limits.ops {
            let (guards, writes, most) = (self.guards.len(), self.writes.len(), limits.ops);
            return Err(Error::TooLarge(format!("{guards} guards and {writes} writes, at most {most} each")));
        }
        let bytes = self.bytes();
        if bytes > limits.request_bytes {
            return Err(Error::TooLarge(format!("{bytes} bytes, at most {}", limits.request_bytes)));
        }
        if self.guards.iter().any(|guard| guard.key().is_empty()) || self.writes.iter().any(|write| write.key().is_empty()) {
            return Err(Error::Invalid("a key is empty".to_owned()));
        }
        let mut keys: Vec<&Bytes> = self.writes.iter().map(Write::key).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::Invalid(format!("the key `{}` is written twice in one commit", pair[0].escape_ascii()))),
            None => Ok(()),
        }
    }
}

/// What became of a commit.
#[must_use = "a commit that met a conflict has changed nothing"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every guard held and every write is durable.
    Committed {
        /// The revision of the commit; of the store when nothing was written.
        revision: Revision,
    },
    /// A guard did not hold, and nothing happened.
    Conflict {
        /// The revision at which the guards were looked at.
        revision: Revision,
        /// For every guarded key, in the order of the guards, when it was last put; `None` for an absent key.
        current: Vec<(Bytes, Option<Revision>)>,
    },
}

/// One key's change as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: Bytes,
    /// The new value; `None` when it was deleted.
    pub value: Option<Bytes>,
}

/// Exactly one commit, as far as it touches the watched range; never half of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision of the commit.
    pub revision: Revision,
    /// The changes, in the order of the commit's writes.
    pub events: Vec<Event>,
}

/// A store of revisioned keys.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What one commit may hold.
    fn limits(&self) -> Limits;

    /// Whether others than this process can write to it.
    fn is_shared(&self) -> bool;

    /// Up to `limit` entries of `keys` in key order, as they were at the revision `at`, or as they are now.
    ///
    /// # Errors
    /// [`Error::Compacted`] when `at` is too old, [`Error::Invalid`] when it is in the future.
    async fn range(&self, keys: KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error>;

    /// Does every write if every guard holds, and nothing otherwise. Acknowledged means durable.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Invalid`], [`Error::LeaseGone`], [`Error::NoSpace`]: nothing has changed.
    /// [`Error::OutcomeUnknown`]: it may be in.
    async fn commit(&self, commit: Commit) -> Result<Outcome, Error>;

    /// Every commit after the revision `after` that touches `keys`, in order. The stream ends after its first error. A revision
    /// from the future is waited for in silence.
    ///
    /// # Errors
    /// [`Error::Compacted`], here or in the stream, when a batch that is owed is no longer kept.
    async fn watch(&self, keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error>;

    /// Grants a lease of at least `ttl`, in whole seconds, not below [`Limits::LEAST_TTL`].
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn grant(&self, ttl: Duration) -> Result<Lease, Error>;

    /// Renews a lease and answers the time it has now. A restart of the store renews every lease.
    ///
    /// # Errors
    /// [`Error::LeaseGone`] when it has expired.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error>;

    /// Ends a lease and deletes its keys in one commit.
    ///
    /// # Errors
    /// [`Error::LeaseGone`] when it has ended before.
    async fn revoke(&self, lease: LeaseId) -> Result<(), Error>;
}
