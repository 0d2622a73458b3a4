//! The two cuts of a mirror and how batches move them.
//!
//! `ordered` is exactly what the watch has delivered: a consistent cut at one revision. `early` is the same plus the commits of
//! this process that the watch still owes; the ledger applies them at once, so that the next batch is planned on them. An own
//! commit at R was guarded by its domains' heads, so in those domains nothing is missing before R. Therefore a batch from the
//! watch moves a domain of `early` only when it is newer than the head `early` has for it: views never go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_core::id::Revision;
use polder_core::schema::{Domain, Schema};

use super::heads::{Heads, domain_of};
use super::meaning::{Meaning, Move, Reader};
use super::own::{OwnCommit, OwnCommits};
use super::snapshot::{ChangeBatch, Content, Snapshot};
use crate::backend::Batch;

/// Everything stored under the prefix, read at one revision.
pub(super) struct Listing<S: Schema> {
    pub(super) moves: Vec<Move<S>>,
    pub(super) revision: Revision,
    /// How many own commits had been applied before the first page was asked for: the listing must show those.
    pub(super) covers: u64,
}

/// See the module's header.
pub(super) struct State<S: Schema> {
    ordered: Snapshot<S>,
    early: Option<Snapshot<S>>,
    own: OwnCommits<S>,
    /// The last content number given.
    contents: Content,
    /// Every known key outside the journal with the revision of its last put, to find the difference to a listing.
    known: BTreeMap<Box<[u8]>, Revision>,
    reader: Reader,
}

impl<S: Schema> State<S> {
    pub(super) fn new(journal_prefix: Option<String>) -> Self {
        Self {
            ordered: Snapshot::default(),
            early: None,
            own: OwnCommits::default(),
            contents: Content::default(),
            known: BTreeMap::new(),
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

    pub(super) const fn known(&self) -> &BTreeMap<Box<[u8]>, Revision> {
        &self.known
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
        for event in batch.events.iter().filter(|event| !self.reader.is_journal(&event.key)) {
            match &event.value {
                Some(_) => self.known.insert(event.key.as_ref().into(), revision),
                None => self.known.remove(event.key.as_ref()),
            };
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

    /// Takes in a whole listing and answers how it differs from what was known.
    pub(super) fn take_listing(&mut self, listing: Listing<S>) -> ChangeBatch<S> {
        let mut before = std::mem::take(&mut self.known);
        self.ordered.journal = crate::journal::Journal::default();
        let mut known = Vec::with_capacity(listing.moves.len());
        let mut moves = listing.moves;
        moves.retain(|moved| {
            if self.reader.is_journal(&moved.key) {
                return true;
            }
            let was = before.remove(moved.key.as_ref());
            known.push((Box::from(moved.key.as_ref()), moved.revision));
            // The journal starts anew, and heads are cheap; records that did not move are left alone.
            was != Some(moved.revision) || domain_of(&moved.key).is_some()
        });
        // All at once: a tree that grows key by key is half empty.
        self.known = known.into_iter().collect();
        moves.extend(before.into_keys().map(|key| self.reader.read(key.into(), None, listing.revision)));
        // Own commits that were acknowledged before the listing began are in it. If they are not, the store was set back.
        self.own.listed(listing.revision, listing.covers);
        self.ordered.synced = true;
        if self.own.all_delivered() {
            self.early = None;
        }
        self.move_both(listing.revision, &moves);
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
        // Heads and journals move without the view.
        let contents = moves.iter().any(|moved| matches!(moved.meaning, Meaning::Change(_))).then(|| (self.fresh(), self.fresh()));
        apply(&mut self.ordered, moves, |_, _| true);
        for (domain, head) in heads_of(moves) {
            self.ordered.heads.set(domain, head);
        }
        self.ordered.revision = revision;
        if let Some((ordered, _)) = contents {
            self.ordered.content = ordered;
        }
        let Some(early) = &mut self.early else { return };
        if let Some((_, moved)) = contents {
            early.content = moved;
        }
        let stands = early.heads;
        apply(early, moves, |domain, moved| Some(moved) > stands.get(domain));
        for (domain, head) in heads_of(moves).filter(|(domain, head)| *head > stands.get(*domain)) {
            early.heads.set(domain, head);
        }
        early.revision = revision;
        early.synced = true;
    }
}

/// Applies moves to one cut; a change counts only where `newer` says so of its domain and revision.
fn apply<S: Schema>(cut: &mut Snapshot<S>, moves: &[Move<S>], newer: impl Fn(Domain, Revision) -> bool) {
    for moved in moves {
        match &moved.meaning {
            Meaning::Change(change) => {
                if newer(S::domain(change), moved.revision) {
                    S::apply(&mut cut.view, change);
                }
                cut.corrupt.remove(&moved.key);
            }
            Meaning::Journal(batch, record) => {
                match record {
                    Some(record) => cut.journal.insert(batch, moved.revision, record),
                    None => cut.journal.remove(batch),
                }
                cut.corrupt.remove(&moved.key);
            }
            Meaning::Corrupt(corrupt) => {
                tracing::error!(key = corrupt.key, why = corrupt.why, "a stored record cannot be read");
                cut.corrupt.insert(moved.key.clone(), corrupt.clone());
            }
            Meaning::Nothing => _ = cut.corrupt.remove(&moved.key),
            Meaning::Head(_, _, ordinal) => cut.journal.note_ordinal(ordinal.unwrap_or_default()),
        }
    }
}

fn heads_of<S: Schema>(moves: &[Move<S>]) -> impl Iterator<Item = (Domain, Option<Revision>)> {
    moves.iter().filter_map(|moved| match moved.meaning {
        Meaning::Head(domain, exists, _) => Some((domain, exists.then_some(moved.revision))),
        _ => None,
    })
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
