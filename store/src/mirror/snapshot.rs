//! What a mirror shows: immutable, shared, replaced as a whole.

use std::time::Duration;

use bytes::Bytes;
use imbl::OrdMap;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Corrupt, Domain, Schema};
use tokio::time::Instant;

use super::heads::Heads;
use super::meaning::{Meaning, Move};
use crate::journal::Journal;

/// Which content a view has. Within one mirror, equal numbers mean equal views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Content(u64);

impl Content {
    /// The number after this one.
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The view at one moment.
pub struct Snapshot<S: Schema> {
    /// The view. It shows at least everything up to `revision`; commits of this process may be in it a moment earlier than the
    /// watch delivers them.
    pub view: S::View,
    /// The watch's position: the newest revision whose batch has been applied.
    pub revision: Revision,
    /// Where every domain stands in the view.
    pub heads: Heads,
    /// What the journal of the service answers whose journal this mirror follows; else empty.
    pub journal: Journal,
    /// Whether everything stored has been read once. Before that the view is empty and means nothing.
    pub synced: bool,
    /// Stored records that could not be read. They are missing in the view, so nothing may be decided on it.
    pub corrupt: OrdMap<Bytes, Corrupt>,
    pub(crate) fresh_at: Option<Instant>,
    pub(crate) content: Content,
}

impl<S: Schema> Clone for Snapshot<S> {
    fn clone(&self) -> Self {
        Self {
            view: self.view.clone(),
            revision: self.revision,
            heads: self.heads,
            journal: self.journal.clone(),
            synced: self.synced,
            corrupt: self.corrupt.clone(),
            fresh_at: self.fresh_at,
            content: self.content,
        }
    }
}

impl<S: Schema> Default for Snapshot<S> {
    fn default() -> Self {
        Self {
            view: S::View::default(),
            revision: Revision::default(),
            heads: Heads::default(),
            journal: Journal::default(),
            synced: false,
            corrupt: OrdMap::new(),
            fresh_at: None,
            content: Content::default(),
        }
    }
}

impl<S: Schema> Snapshot<S> {
    /// How old the view may be at most: everything committed longer ago than this is in it. `None` before the first word from
    /// the store.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.fresh_at.map(|at| at.elapsed())
    }

    /// Takes in the move of one key; of a domain only when `newer` says so of its revision, which a head that is gone has not.
    pub(super) fn take(&mut self, moved: &Move<S>, newer: impl FnOnce(Domain, Option<Revision>) -> bool) {
        match &moved.meaning {
            Meaning::Change(change) => {
                if newer(S::domain(change), Some(moved.revision)) {
                    S::apply(&mut self.view, change);
                }
                self.corrupt.remove(&moved.key);
            }
            Meaning::Journal(batch, record) => {
                match record {
                    Some(record) => self.journal.insert(batch, moved.revision, record),
                    None => self.journal.remove(batch),
                }
                self.corrupt.remove(&moved.key);
            }
            Meaning::Corrupt(corrupt) => {
                tracing::error!(key = corrupt.key, why = corrupt.why, "a stored record cannot be read");
                self.corrupt.insert(moved.key.clone(), corrupt.clone());
            }
            Meaning::Nothing => _ = self.corrupt.remove(&moved.key),
            Meaning::Head(domain, exists, ordinal) => {
                self.journal.note_ordinal(ordinal.unwrap_or_default());
                let head = exists.then_some(moved.revision);
                if newer(*domain, head) {
                    self.heads.set(*domain, head);
                }
            }
        }
    }

    /// Replaces the journal by that of another cut, which was read into it from the beginning.
    pub(super) fn take_journal(&mut self, read: Self) {
        // How far it has come the heads have said, and they are here.
        let ordinal = std::mem::replace(&mut self.journal, read.journal).ordinal();
        self.journal.note_ordinal(ordinal);
        self.corrupt.extend(read.corrupt);
    }

    /// Refuses to decide on a view that is not whole.
    ///
    /// # Errors
    /// [`Reason::NotSynced`] and [`Reason::DataCorrupt`].
    pub fn usable(&self) -> Result<(), Refusal> {
        if !self.synced {
            let message = "The store has not been read yet, so nothing can be said or changed. Try again in a moment.";
            return Err(Refusal::new(Reason::NotSynced, message).retry_in(Duration::from_secs(1)));
        }
        match self.corrupt.iter().next() {
            None => Ok(()),
            Some((_, corrupt)) => {
                let message = format!("{corrupt}. Nothing is changed while a record is unreadable; restore it, or delete its key.");
                Err(Refusal::new(Reason::DataCorrupt, message).with("key", &corrupt.key).with("count", self.corrupt.len()))
            }
        }
    }
}

/// What one revision changed, as subscribers get it: in the order of revisions, each once.
pub struct ChangeBatch<S: Schema> {
    /// The revision.
    pub revision: Revision,
    /// The changes that the schema knows, in order.
    pub changes: Vec<S::Change>,
    /// Where every domain stands after them.
    pub heads: Heads,
    /// The batch is the difference found by reading everything again, after a gap: several commits at once.
    pub relisted: bool,
}
