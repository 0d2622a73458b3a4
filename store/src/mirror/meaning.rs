//! What stored keys mean, read without any state, so that a listing can be read wherever there is room.

use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::{Corrupt, Domain, Schema};
use prost::Message as _;

use super::heads::domain_of;
use crate::journal::{BatchId, JournalRecord, batch_of, ordinal};

/// One stored key's meaning.
pub(super) enum Meaning<S: Schema> {
    Change(S::Change),
    /// A head that exists or does not, and the journal's ordinal that it carries when its journal is followed.
    Head(Domain, bool, Option<u64>),
    /// A record of the followed journal, without what was changed.
    Journal(BatchId, Option<JournalRecord>),
    Corrupt(Corrupt),
    Nothing,
}

/// One move of a stored key, ready to be applied to both cuts.
pub(super) struct Move<S: Schema> {
    pub(super) key: Bytes,
    pub(super) revision: Revision,
    pub(super) meaning: Meaning<S>,
}

/// Reads keys and values. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    journal_prefix: Option<Arc<str>>,
}

impl Reader {
    /// A reader that follows the journal with this prefix.
    pub(super) fn new(journal_prefix: Option<String>) -> Self {
        Self { journal_prefix: journal_prefix.map(Arc::from) }
    }

    /// The prefix of the followed journal.
    pub(super) fn journal_prefix(&self) -> Option<&str> {
        self.journal_prefix.as_deref()
    }

    pub(super) fn read<S: Schema>(&self, key: Bytes, value: Option<Bytes>, revision: Revision) -> Move<S> {
        let meaning = self.meaning(&key, value);
        Move { key, revision, meaning }
    }

    fn meaning<S: Schema>(&self, key: &Bytes, value: Option<Bytes>) -> Meaning<S> {
        if let Some(domain) = domain_of(key) {
            let told = value.as_ref().filter(|_| self.is_followed(domain)).and_then(|value| ordinal(value));
            return Meaning::Head(domain, value.is_some(), told);
        }
        if let Some(prefix) = self.journal_prefix().filter(|prefix| key.starts_with(prefix.as_bytes())) {
            let Some(batch) = batch_of(prefix, key) else { return Meaning::Nothing };
            return match value.map(JournalRecord::decode).transpose() {
                Ok(record) => Meaning::Journal(batch, record.map(answers_only)),
                Err(error) => Meaning::Corrupt(corrupt(key, &error.to_string())),
            };
        }
        match S::decode(key, value.as_deref()) {
            Ok(Some(change)) => Meaning::Change(change),
            Ok(None) => Meaning::Nothing,
            // A key that never was readable is not in the view; its end mends what its value broke.
            Err(_) if value.is_none() => Meaning::Nothing,
            Err(corrupt) => Meaning::Corrupt(corrupt),
        }
    }

    /// Whether the domain belongs to the service whose journal is followed.
    fn is_followed(&self, domain: Domain) -> bool {
        let service = self.journal_prefix().and_then(|prefix| prefix.strip_suffix("journal/"));
        service.is_some_and(|service| domain.head_key().starts_with(service))
    }
}

/// A record without what nobody keeps in memory: of a whole day there may be very much of it.
fn answers_only(mut record: JournalRecord) -> JournalRecord {
    record.entries.retain(|entry| !entry.request_id.is_empty());
    record.entries.iter_mut().for_each(|entry| entry.changes = Vec::new());
    record
}

fn corrupt(key: &Bytes, why: &str) -> Corrupt {
    Corrupt { key: key.escape_ascii().to_string(), why: why.to_owned() }
}
