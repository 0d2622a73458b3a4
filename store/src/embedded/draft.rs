//! A group of commits before it is durable: each is judged against the state and everything earlier in the group.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::Revision;

use super::state::{Applied, Moved, State, Stored};
use crate::backend::{Commit, LeaseId, Outcome, Write};
use crate::error::Error;

/// What a group would change.
#[derive(Debug)]
pub(super) struct Draft {
    revision: Revision,
    overlay: HashMap<Bytes, Option<Stored>>,
    applied: Vec<Arc<Applied>>,
    granted: Vec<(LeaseId, u64)>,
    ended: Vec<LeaseId>,
}

impl Draft {
    /// An empty group on top of a state at `revision`.
    pub(super) fn new(revision: Revision) -> Self {
        Self { revision, overlay: HashMap::new(), applied: Vec::new(), granted: Vec::new(), ended: Vec::new() }
    }

    /// The revision after the group.
    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    /// The last value of every key that the group moves.
    pub(super) fn overlay(&self) -> impl Iterator<Item = (&Bytes, Option<&Stored>)> {
        self.overlay.iter().map(|(key, stored)| (key, stored.as_ref()))
    }

    /// The leases that the group grants, with their time to live in seconds, in the order of their ids.
    pub(super) fn granted(&self) -> &[(LeaseId, u64)] {
        &self.granted
    }

    /// The leases that the group ends.
    pub(super) fn ended(&self) -> &[LeaseId] {
        &self.ended
    }

    /// Whether nothing has to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.granted.is_empty() && self.ended.is_empty()
    }

    /// The commits of the group, in order.
    pub(super) fn into_applied(self) -> Vec<Arc<Applied>> {
        self.applied
    }

    /// Judges one commit; `alive` tells whether a lease exists.
    pub(super) fn commit(&mut self, state: &State, commit: Commit, alive: impl Fn(LeaseId) -> bool) -> Result<Outcome, Error> {
        let current: Vec<_> = commit
            .guards
            .iter()
            .map(|guard| (guard.key().clone(), self.get(state, guard.key()).map(|stored| stored.modified)))
            .collect();
        if commit.guards.iter().zip(&current).any(|(guard, (_, modified))| !guard.holds(*modified)) {
            return Ok(Outcome::Conflict { revision: self.revision, current });
        }
        for write in &commit.writes {
            if let Write::Put { lease: Some(lease), .. } = write
                && (self.ended.contains(lease) || !alive(*lease))
            {
                return Err(Error::LeaseGone(*lease));
            }
        }
        self.write(state, commit.writes);
        Ok(Outcome::Committed { revision: self.revision })
    }

    /// Notes a lease that was granted.
    pub(super) fn grant(&mut self, lease: LeaseId, ttl_seconds: u64) {
        self.granted.push((lease, ttl_seconds));
    }

    /// Ends a lease: all its keys go in one commit, in key order.
    pub(super) fn end(&mut self, state: &State, lease: LeaseId) {
        let mut keys: Vec<Bytes> = state.leased(lease).cloned().collect();
        keys.extend(self.overlay.keys().cloned());
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.get(state, key).is_some_and(|stored| stored.lease == Some(lease)));
        self.write(state, keys.into_iter().map(|key| Write::Delete { key }).collect());
        self.ended.push(lease);
    }

    fn get<'a>(&'a self, state: &'a State, key: &[u8]) -> Option<&'a Stored> {
        self.overlay.get(key).map_or_else(|| state.get(key), Option::as_ref)
    }

    /// Writes that change nothing leave the revision alone, as in etcd.
    fn write(&mut self, state: &State, writes: Vec<Write>) {
        let revision = Revision(self.revision.0 + 1);
        let mut moves = Vec::with_capacity(writes.len());
        for write in writes {
            let (key, put) = match write {
                Write::Put { key, value, lease } => (key, Some((value, lease))),
                Write::Delete { key } => (key, None),
            };
            let before = self.get(state, &key).cloned();
            if before.is_none() && put.is_none() {
                continue;
            }
            let created = before.as_ref().map_or(revision, |stored| stored.created);
            let after = put.map(|(value, lease)| Stored { value, created, modified: revision, lease });
            self.overlay.insert(key.clone(), after.clone());
            moves.push(Moved { key, before, after });
        }
        if !moves.is_empty() {
            self.revision = revision;
            self.applied.push(Arc::new(Applied { revision, moves }));
        }
    }
}
