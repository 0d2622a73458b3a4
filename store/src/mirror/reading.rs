//! What a reading of everything has found so far.
//!
//! The first reading makes the view as the pages come: nobody sees it before it is whole, and one that fails is thrown away with it.
//! A later one finds how the store differs from what is known: a record whose revision is known is not even decoded. Meanwhile no
//! batch of the watch is taken in, so that what is known stays as it is. The followed journal is read from its beginning each time.

use std::sync::Arc;

use polder_core::id::Revision;
use polder_core::schema::Schema;

use super::heads::domain_of;
use super::known::{Builder, Known};
use super::meaning::{Move, Reader};
use super::snapshot::Snapshot;
use crate::backend::Entry;

/// Everything stored under the prefix, read at one revision.
pub(super) struct Listing<S: Schema> {
    pub(super) found: Found<S>,
    /// Every key outside the journals.
    pub(super) known: Known,
    /// A cut with the followed journal in it, and nothing else.
    pub(super) journal: Snapshot<S>,
    pub(super) revision: Revision,
    /// How many own commits had been applied before the first page was asked for: the listing must show those.
    pub(super) covers: u64,
}

/// What was found outside the journals.
pub(super) enum Found<S: Schema> {
    /// Everything, as a cut: nothing was known.
    Whole(Box<Snapshot<S>>),
    /// How it differs from what was known, and the heads, which are cheap.
    Moves(Vec<Move<S>>),
}

/// See the module's header.
pub(super) struct Reading<S: Schema> {
    reader: Reader,
    revision: Revision,
    before: Arc<Known>,
    /// The first key that was not read yet.
    next: Vec<u8>,
    known: Builder,
    found: Found<S>,
}

impl<S: Schema> Reading<S> {
    /// A reading at a revision. `before` is what was known; `None` when nothing was read before.
    pub(super) fn new(reader: Reader, before: Option<Arc<Known>>, revision: Revision) -> Self {
        let found = before.as_ref().map_or_else(|| Found::Whole(Box::default()), |_| Found::Moves(Vec::new()));
        let (before, next, known) = (before.unwrap_or_default(), Vec::new(), Builder::default());
        Self { reader, revision, before, next, known, found }
    }

    /// Takes in the next page outside the journals.
    pub(super) fn take(&mut self, entries: Vec<Entry>) {
        let before = Arc::clone(&self.before);
        let mut known = before.from(&self.next);
        for entry in entries {
            let mut was = None;
            while let Some((key, revision)) = known.get().filter(|(key, _)| *key <= &entry.key[..]) {
                if key == &entry.key[..] {
                    was = Some(revision);
                } else {
                    self.is_gone(key);
                }
                known.advance();
            }
            self.next.clear();
            self.next.extend_from_slice(&entry.key);
            self.next.push(0);
            self.known.push(&entry.key, entry.modified);
            if was != Some(entry.modified) || domain_of(&entry.key).is_some() {
                let moved = self.reader.read(entry.key, Some(entry.value), entry.modified);
                self.found(moved);
            }
        }
    }

    /// Everything has been read, the journal into a cut of its own.
    pub(super) fn finish(mut self, journal: Snapshot<S>, covers: u64) -> Listing<S> {
        let before = Arc::clone(&self.before);
        let mut known = before.from(&self.next);
        while let Some((key, _)) = known.get() {
            self.is_gone(key);
            known.advance();
        }
        Listing { found: self.found, known: self.known.finish(), journal, revision: self.revision, covers }
    }

    fn is_gone(&mut self, key: &[u8]) {
        let moved = self.reader.read(key.to_vec().into(), None, self.revision);
        self.found(moved);
    }

    fn found(&mut self, moved: Move<S>) {
        match &mut self.found {
            Found::Whole(cut) => cut.take(&moved, |_, _| true),
            Found::Moves(moves) => moves.push(moved),
        }
    }
}
