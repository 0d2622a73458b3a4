//! The two cuts of a mirror and how batches move them.
//!
//! `ordered` is exactly what the watch has delivered: a consistent cut at one revision. `early` is the same plus the commits of
//! this process that the watch still owes; the ledger applies them at once, so that the next batch is planned on them. An own
//! commit at R was guarded by its domains' heads, so in those domains nothing is missing before R. Therefore a batch from the
//! watch moves a domain of `early` only when it is newer than the head `early` has for it: views never go back.
//!
//! When everything was read again, `ordered` is moved by what is different, and `early` is made anew of it and of what is owed still.

use std::sync::Arc;

use polder_core::id::Revision;
use polder_core::schema::Schema;

use super::heads::Heads;
use super::known::Known;
use super::list::is_in_journal;
use super::meaning::{Meaning, Move, Reader};
use super::own::{OwnCommit, OwnCommits};
use super::reading::{Found, Listing};
use super::snapshot::{ChangeBatch, Content, Snapshot};
use crate::backend::Batch;
use crate::journal::Journal;

/// See the module's header.
pub(super) struct State<S: Schema> {
    ordered: Snapshot<S>,
    early: Option<Snapshot<S>>,
    own: OwnCommits<S>,
    /// The last content number given.
    contents: Content,
    /// Every known key outside the journals, to find the difference to a listing. A reading shares it, and while there is one nothing
    /// changes it.
    known: Arc<Known>,
    reader: Reader,
}

impl<S: Schema> State<S> {
    pub(super) fn new(journal_prefix: Option<String>) -> Self {
        Self {
            ordered: Snapshot::default(),
            early: None,
            own: OwnCommits::default(),
            contents: Content::default(),
            known: Arc::default(),
            reader: Reader::new(journal_prefix),
        }
    }

    pub(super) const fn ordered(&self) -> &Snapshot<S> {
        &self.ordered
    }

    /// The other cut, as long as it differs.
    pub(super) const fn early(&self) -> Option<&Snapshot<S>> {
        self.early.as_ref()
    }

    pub(super) const fn own_commits(&self) -> u64 {
        self.own.count()
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// What a reading compares the store with; `None` before the first one.
    pub(super) fn before(&self) -> Option<Arc<Known>> {
        self.ordered.synced.then(|| Arc::clone(&self.known))
    }

    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Notes that the ordered cut had everything at `at`.
    pub(super) fn mark_fresh(&mut self, at: tokio::time::Instant) {
        self.ordered.fresh_at = self.ordered.fresh_at.max(Some(at));
        if let Some(early) = &mut self.early {
            early.fresh_at = self.ordered.fresh_at;
        }
    }

    /// Takes in one batch of the watch.
    pub(super) fn take_batch(&mut self, batch: Batch) -> ChangeBatch<S> {
        let revision = batch.revision;
        let own = self.own.delivered(&batch, self.reader.journal_prefix());
        if self.own.all_delivered() {
            self.early = None;
        }
        let known = Arc::make_mut(&mut self.known);
        for event in batch.events.iter().filter(|event| !is_in_journal(&event.key)) {
            match &event.value {
                Some(_) => known.insert(&event.key, revision),
                None => known.remove(&event.key),
            }
        }
        match own {
            Some((own, after)) if self.ordered.corrupt.is_empty() => self.take_delivered(&own, after, revision),
            _ => {
                let events = batch.events.into_iter();
                let moves: Vec<_> = events.map(|event| self.reader.read(event.key, event.value, revision)).collect();
                self.move_both(revision, &moves);
                changes_of((revision, self.ordered.heads), moves, false)
            }
        }
    }

    /// The watch brings an own commit: there is nothing to be read, and mostly nothing to be applied again.
    fn take_delivered(&mut self, own: &OwnCommit<S>, after: Option<Content>, revision: Revision) -> ChangeBatch<S> {
        let fresh = self.fresh();
        own.apply(&mut self.ordered, revision, (after.unwrap_or(fresh), fresh));
        self.ordered.revision = revision;
        if let Some(early) = &mut self.early {
            // It has the commit since the store's answer.
            early.revision = revision;
        }
        own.told(revision, self.ordered.heads)
    }

    /// Takes in a whole listing and answers how it differs from what was known; of the first one nothing, since nobody had a view.
    pub(super) fn take_listing(&mut self, listing: Listing<S>) -> ChangeBatch<S> {
        self.known = Arc::new(listing.known);
        let moves = match listing.found {
            Found::Whole(cut) => {
                self.ordered = Snapshot { content: self.fresh(), fresh_at: self.ordered.fresh_at, synced: true, ..*cut };
                Vec::new()
            }
            Found::Moves(moves) => {
                // The journal starts anew.
                self.ordered.journal = Journal::default();
                let corrupt = std::mem::take(&mut self.ordered.corrupt).into_iter();
                self.ordered.corrupt = corrupt.filter(|(key, _)| !is_in_journal(key)).collect();
                moves
            }
        };
        self.move_ordered(listing.revision, &moves);
        self.ordered.take_journal(listing.journal);
        // Own commits that were acknowledged before the listing began are in it. If they are not, the store was set back.
        self.own.listed(listing.revision, listing.covers);
        self.early = self.own.over(&self.ordered, &mut self.contents);
        changes_of((listing.revision, self.ordered.heads), moves, true)
    }

    /// An own commit is about to be sent.
    pub(super) fn send_own(&mut self, own: Arc<OwnCommit<S>>) {
        self.own.send(own);
    }

    /// The own commit that was sent is not in.
    pub(super) fn drop_own(&mut self) {
        self.own.answered(false);
    }

    /// Takes in an own commit as soon as it is acknowledged. False when the watch was faster and nothing has changed.
    pub(super) fn take_own(&mut self, own: Arc<OwnCommit<S>>, revision: Revision) -> bool {
        self.own.answered(true);
        if revision <= self.ordered.revision {
            return false;
        }
        let after = self.fresh();
        let early = self.early.get_or_insert_with(|| self.ordered.clone());
        own.apply(early, revision, (after, after));
        self.own.owe(own, revision, after);
        true
    }

    const fn fresh(&mut self) -> Content {
        self.contents = self.contents.next();
        self.contents
    }

    fn move_both(&mut self, revision: Revision, moves: &[Move<S>]) {
        self.move_ordered(revision, moves);
        let content = self.content_after(moves);
        let Some(early) = &mut self.early else { return };
        early.content = content.unwrap_or(early.content);
        let stands = early.heads;
        moves.iter().for_each(|moved| early.take(moved, |domain, head| head > stands.get(domain)));
        early.revision = revision;
    }

    fn move_ordered(&mut self, revision: Revision, moves: &[Move<S>]) {
        self.ordered.content = self.content_after(moves).unwrap_or(self.ordered.content);
        moves.iter().for_each(|moved| self.ordered.take(moved, |_, _| true));
        self.ordered.revision = revision;
    }

    /// The number of what a cut has after some moves. Heads and journals move without the view.
    fn content_after(&mut self, moves: &[Move<S>]) -> Option<Content> {
        moves.iter().any(|moved| matches!(moved.meaning, Meaning::Change(_))).then(|| self.fresh())
    }
}

fn changes_of<S: Schema>((revision, heads): (Revision, Heads), moves: Vec<Move<S>>, relisted: bool) -> ChangeBatch<S> {
    let changes = moves.into_iter().filter_map(|moved| match moved.meaning {
        Meaning::Change(change) => Some(change),
        _ => None,
    });
    ChangeBatch { revision, changes: changes.collect(), heads, relisted }
}

#[cfg(test)]
mod tests;
