//! Commits of this process, which need not be read back: what the ledger planned is what the watch will bring.
//!
//! A commit is known from the moment it is sent, so that it is recognised by its batch id whether the store's answer or the watch
//! comes first. It carries the view that its plan left. A cut whose content is still the one it was planned on takes that view
//! over as it is; only a cut that has seen something else since applies the changes again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::{Domain, Schema};

use super::heads::Heads;
use super::snapshot::{ChangeBatch, Content, Snapshot};
use crate::backend::{Batch, Event};
use crate::journal::{BatchId, JournalRecord};

/// A commit of this process, as the ledger planned it.
pub(crate) struct OwnCommit<S: Schema> {
    pub(crate) batch: BatchId,
    /// The content of the snapshot that it was planned on.
    pub(crate) base: Content,
    /// That snapshot's view with the changes applied.
    pub(crate) view: S::View,
    pub(crate) changes: Vec<S::Change>,
    pub(crate) touched: Vec<Domain>,
    pub(crate) record: Arc<JournalRecord>,
    /// The record as it is written.
    pub(crate) encoded: Bytes,
}

impl<S: Schema> OwnCommit<S> {
    /// Whether the watch brings this commit. Its key alone would not tell: a batch whose outcome was unknown may have been barred,
    /// and the bar lies under the same key.
    fn is(&self, batch: &Batch, journal: &str) -> bool {
        let is_record = |event: &Event| self.batch.has_key(journal, &event.key) && event.value.as_ref() == Some(&self.encoded);
        batch.events.iter().any(is_record)
    }

    /// Moves a cut by this commit, which is in at `revision`. `after` names the content that a cut has which held nothing but the
    /// base before; `fresh` the one that any other cut gets.
    pub(super) fn apply(&self, cut: &mut Snapshot<S>, revision: Revision, (after, fresh): (Content, Content)) {
        if cut.content == self.base {
            cut.view.clone_from(&self.view);
            cut.content = after;
        } else {
            self.changes.iter().for_each(|change| S::apply(&mut cut.view, change));
            cut.content = fresh;
        }
        self.touched.iter().for_each(|domain| cut.heads.set(*domain, Some(revision)));
        cut.journal.insert(&self.batch, revision, &self.record);
    }

    /// What subscribers are told of it, now that the domains stand at `heads`.
    pub(super) fn told(&self, revision: Revision, heads: Heads) -> ChangeBatch<S> {
        ChangeBatch { revision, changes: self.changes.clone(), heads, relisted: false }
    }
}

/// An acknowledged commit that the watch has not brought yet.
struct Owed<S: Schema> {
    revision: Revision,
    number: u64,
    own: Arc<OwnCommit<S>>,
    after: Content,
}

/// The own commits on their way.
pub(super) struct OwnCommits<S: Schema> {
    sending: Option<Arc<OwnCommit<S>>>,
    owed: VecDeque<Owed<S>>,
    count: u64,
}

impl<S: Schema> Default for OwnCommits<S> {
    fn default() -> Self {
        Self { sending: None, owed: VecDeque::new(), count: 0 }
    }
}

impl<S: Schema> OwnCommits<S> {
    /// How many have been acknowledged.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether the watch owes none.
    pub(super) fn all_delivered(&self) -> bool {
        self.owed.is_empty()
    }

    /// One is about to be sent.
    pub(super) fn send(&mut self, own: Arc<OwnCommit<S>>) {
        self.sending = Some(own);
    }

    /// The one that was sent has an outcome.
    pub(super) fn answered(&mut self, acknowledged: bool) {
        self.sending = None;
        self.count += u64::from(acknowledged);
    }

    /// It is in, and the watch is still to bring it.
    pub(super) fn owe(&mut self, own: Arc<OwnCommit<S>>, revision: Revision, after: Content) {
        self.owed.push_back(Owed { revision, number: self.count, own, after });
    }

    /// A cut with everything in it that the watch still owes; `None` when that is nothing.
    pub(super) fn over(&self, cut: &Snapshot<S>, contents: &mut Content) -> Option<Snapshot<S>> {
        let mut over = (!self.all_delivered()).then(|| cut.clone())?;
        for owed in &self.owed {
            *contents = contents.next();
            owed.own.apply(&mut over, owed.revision, (*contents, *contents));
        }
        Some(over)
    }

    /// The watch has come to this batch. The own commit that it is, if it is one, with the content that it was given already.
    ///
    /// The revision alone would not tell: in a store that was set back it is given a second time, to another commit.
    pub(super) fn delivered(&mut self, batch: &Batch, journal: Option<&str>) -> Option<(Arc<OwnCommit<S>>, Option<Content>)> {
        let is_it = |own: &OwnCommit<S>| journal.is_some_and(|journal| own.is(batch, journal));
        let mut found = None;
        while self.owed.front().is_some_and(|owed| owed.revision <= batch.revision) {
            found = self.owed.pop_front().filter(|owed| is_it(&owed.own)).map(|owed| (owed.own, Some(owed.after)));
        }
        found.or_else(|| self.sending.clone().filter(|own| is_it(own)).map(|own| (own, None)))
    }

    /// Everything was read at a revision, after `covers` own commits had been acknowledged: those are in it, or the store was
    /// set back and they are gone.
    pub(super) fn listed(&mut self, revision: Revision, covers: u64) {
        self.owed.retain(|owed| owed.revision > revision && owed.number > covers);
    }
}
