//! The journal: one record per batch, written in the batch's own commit, so that a change and its record exist together or not
//! at all.
//!
//! Records lie at `/polder/<service>/journal/<batch id>`, oldest first. [`Journal`] is what a mirror keeps of them in memory:
//! the answers to request ids, and how far the count has come. It is a value like the view: persistent, cheap to clone, moved by
//! the same batches, so view and answers always show the same revision. What changed is read from the store when it is asked for.

mod record;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use imbl::{HashMap, OrdSet};
use polder_core::id::{RequestId, Revision};
use polder_core::time::Timestamp;

pub use record::{BatchId, JournalChange, JournalEntry, JournalRecord, VERSION};
pub(crate) use record::{batch_of, first_key, head, key, ordinal, prefix};

/// The most answers to request ids kept in memory; the oldest go first.
const MOST_ANSWERS: usize = 1_000_000;

/// One record with the revision of its commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The revision at which everything in the record happened.
    pub revision: Revision,
    /// The record.
    pub record: Arc<JournalRecord>,
}

impl Logged {
    /// When the batch was planned.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.record.at_micros)
    }
}

/// The answer that a request id was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The digest of the request that was answered.
    pub digest: Bytes,
    /// The encoded answer.
    pub answer: Bytes,
    /// The revision of its commit.
    pub revision: Revision,
    batch: BatchId,
}

/// The recent part of one service's journal.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    answers: HashMap<String, Arc<Answered>>,
    /// The request ids by batch: oldest first, and findable when their record is trimmed.
    ids: OrdSet<(BatchId, String)>,
    ordinal: u64,
}

impl Journal {
    /// The answer that a request id was given before, if it is still kept.
    #[must_use]
    pub fn answered(&self, id: &RequestId) -> Option<&Answered> {
        self.answers.get(id.as_str()).map(Arc::as_ref)
    }

    /// Entries of this journal since it began, as far as it is known here.
    #[must_use]
    pub const fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// Takes in what a record answers.
    pub(crate) fn insert(&mut self, batch: &BatchId, revision: Revision, record: &JournalRecord) {
        self.ordinal = self.ordinal.max(record.ordinal);
        if record.barred {
            return;
        }
        for entry in record.entries.iter().filter(|entry| !entry.request_id.is_empty()) {
            // Copies: as slices of the record they would keep all of it in memory.
            let answered = Answered {
                digest: Bytes::copy_from_slice(&entry.digest),
                answer: Bytes::copy_from_slice(&entry.answer),
                revision,
                batch: batch.clone(),
            };
            self.answers.insert(entry.request_id.clone(), Arc::new(answered));
            self.ids.insert((batch.clone(), entry.request_id.clone()));
        }
        while self.answers.len() > MOST_ANSWERS {
            let Some(oldest) = self.ids.get_min().cloned() else { break };
            self.forget(&oldest);
        }
    }

    /// Notes how far the journal has come, as a head tells it: the newest record may be too old to be in memory.
    pub(crate) fn note_ordinal(&mut self, ordinal: u64) {
        self.ordinal = self.ordinal.max(ordinal);
    }

    pub(crate) fn remove(&mut self, batch: &BatchId) {
        let from = (batch.clone(), String::new());
        let ids: Vec<_> = self.ids.range(from..).take_while(|(of, _)| of == batch).cloned().collect();
        ids.iter().for_each(|id| self.forget(id));
    }

    fn forget(&mut self, id: &(BatchId, String)) {
        self.ids.remove(id);
        // The id may have been given again in a later batch, after its first answer had been trimmed.
        if self.answers.get(&id.1).is_some_and(|answered| answered.batch == id.0) {
            self.answers.remove(&id.1);
        }
    }
}

/// Records found between two times, oldest first, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The records, oldest first.
    pub records: VecDeque<Arc<Logged>>,
    /// Whether more lie behind the last one.
    pub more: bool,
}
