//! What the embedded store holds in memory: every key as of the last durable commit, and the recent commits with what they
//! replaced, so that a watch can resume and a range can look back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::Revision;

use crate::backend::{Entry, KeyRange, LeaseId, Page};
use crate::error::Error;

/// The value of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) value: Bytes,
    pub(super) created: Revision,
    pub(super) modified: Revision,
    pub(super) lease: Option<LeaseId>,
}

impl Stored {
    fn entry(&self, key: &Bytes) -> Entry {
        Entry { key: key.clone(), value: self.value.clone(), created: self.created, modified: self.modified, lease: self.lease }
    }
}

/// One key's move in one commit.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) key: Bytes,
    pub(super) before: Option<Stored>,
    pub(super) after: Option<Stored>,
}

/// One commit that changed something.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) revision: Revision,
    pub(super) moves: Vec<Moved>,
}

impl Applied {
    fn bytes(&self) -> usize {
        let value = |stored: &Option<Stored>| stored.as_ref().map_or(0, |stored| stored.value.len());
        self.moves.iter().map(|moved| 2 * moved.key.len() + value(&moved.before) + value(&moved.after)).sum()
    }
}

/// The bounds of the history that watches and old reads can use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) commits: usize,
    pub(super) bytes: usize,
}

/// All keys at `revision`, and the commits after `floor`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) revision: Revision,
    entries: BTreeMap<Bytes, Stored>,
    leased: HashMap<LeaseId, BTreeSet<Bytes>>,
    history: VecDeque<Arc<Applied>>,
    history_bytes: usize,
    /// The newest revision whose commit is no longer in the history: the oldest that a range can show.
    floor: Revision,
    keep: Keep,
}

impl State {
    /// The state after a start: what was loaded, and no history.
    pub(super) fn loaded(revision: Revision, entries: BTreeMap<Bytes, Stored>, keep: Keep) -> Self {
        let mut leased: HashMap<LeaseId, BTreeSet<Bytes>> = HashMap::new();
        for (key, stored) in &entries {
            if let Some(lease) = stored.lease {
                leased.entry(lease).or_default().insert(key.clone());
            }
        }
        Self { revision, entries, leased, history: VecDeque::new(), history_bytes: 0, floor: revision, keep }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Stored> {
        self.entries.get(key)
    }

    /// The keys attached to a lease.
    pub(super) fn leased(&self, lease: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.leased.get(&lease).into_iter().flatten()
    }

    /// Takes in one durable commit.
    pub(super) fn apply(&mut self, applied: Arc<Applied>) {
        for moved in &applied.moves {
            if let Some(lease) = moved.before.as_ref().and_then(|stored| stored.lease)
                && let Some(keys) = self.leased.get_mut(&lease)
            {
                keys.remove(&moved.key);
                if keys.is_empty() {
                    self.leased.remove(&lease);
                }
            }
            match &moved.after {
                Some(stored) => {
                    if let Some(lease) = stored.lease {
                        self.leased.entry(lease).or_default().insert(moved.key.clone());
                    }
                    self.entries.insert(moved.key.clone(), stored.clone());
                }
                None => {
                    self.entries.remove(&moved.key);
                }
            }
        }
        self.revision = applied.revision;
        self.history_bytes += applied.bytes();
        self.history.push_back(applied);
        while self.history.len() > self.keep.commits || self.history_bytes > self.keep.bytes {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= oldest.bytes();
            self.floor = oldest.revision;
        }
    }

    /// Up to `most` commits after `after`, oldest first.
    pub(super) fn since(&self, after: Revision, most: usize) -> Result<Vec<Arc<Applied>>, Error> {
        if after < self.floor {
            return Err(Error::Compacted { at: self.floor });
        }
        let from = self.history.partition_point(|applied| applied.revision <= after);
        Ok(self.history.iter().skip(from).take(most).cloned().collect())
    }

    /// A page of the keys as they were at `at`.
    pub(super) fn range(&self, keys: &KeyRange, limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        let at = at.unwrap_or(self.revision);
        if at > self.revision {
            return Err(Error::Invalid(format!("revision {at} is in the future: the store is at {}", self.revision)));
        }
        if at < self.floor {
            return Err(Error::Compacted { at: self.floor });
        }
        let mut page = Page { entries: Vec::new(), revision: self.revision, more: false };
        if keys.is_empty() {
            return Ok(page);
        }
        let undone = self.undone(keys, at);
        let mut now = self.entries.range::<[u8], _>(bounds(keys)).peekable();
        let mut then = undone.into_iter().peekable();
        loop {
            // Both sides are sorted; where they meet, the past is what counts.
            let next = match (now.peek(), then.peek()) {
                (None, None) => break,
                (Some((key, _)), Some((old, _))) if *key < *old => now.next().map(|(key, stored)| stored.entry(key)),
                (Some(_), None) => now.next().map(|(key, stored)| stored.entry(key)),
                (current, Some((old, _))) => {
                    if current.is_some_and(|(key, _)| *key == *old) {
                        now.next();
                    }
                    then.next().and_then(|(key, stored)| stored.map(|stored| stored.entry(key)))
                }
            };
            let Some(entry) = next else { continue };
            if page.entries.len() == limit {
                page.more = true;
                break;
            }
            page.entries.push(entry);
        }
        Ok(page)
    }

    /// What the keys that moved after `at` were at `at`.
    fn undone(&self, keys: &KeyRange, at: Revision) -> BTreeMap<&Bytes, Option<&Stored>> {
        let mut undone = BTreeMap::new();
        for applied in self.history.iter().rev().take_while(|applied| applied.revision > at) {
            for moved in applied.moves.iter().filter(|moved| keys.contains(&moved.key)) {
                undone.insert(&moved.key, moved.before.as_ref());
            }
        }
        undone
    }
}

fn bounds(keys: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(keys.start()), keys.end().map_or(Bound::Unbounded, Bound::Excluded))
}
