//! Objects that callers make, change and delete: what all such requests have in common.

use std::fmt::Debug;

use polder_core::reason::{Reason, Refusal, Violations};
use prost::Message;

use super::common::Manner;
use super::mask;

/// An object that callers make and change, as the API has it.
pub trait Written: Message + Default + Clone + 'static {
    /// The record.
    type Record;
    /// What names one.
    type Key: Clone + Debug;
    /// What a caller may say about one.
    type Draft: Clone + Debug;
    /// The full name of the message.
    const MESSAGE: &'static str;
    /// The field of requests that has it.
    const FIELD: &'static str;
    /// The fields that a caller may set.
    const SETTABLE: &'static [&'static str];

    /// Which one it is.
    fn key(&self, bad: &mut Violations) -> Option<Self::Key>;
    /// The etag that the caller has seen.
    fn etag(&self) -> &str;
    /// What a caller could have sent for the record, and its identity.
    fn asked(record: &Self::Record) -> Self;
    /// The record as it shall be; `said` are the fields that the caller speaks of, none for all.
    fn draft(self, said: &[String], bad: &mut Violations) -> Option<Self::Draft>;
}

/// A record to be made.
#[derive(Debug, Clone)]
pub struct Creation<M: Written> {
    /// The record.
    pub draft: M::Draft,
    /// How.
    pub manner: Manner,
}

impl<M: Written> Creation<M> {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(message: Option<M>, id: &str, validate_only: bool) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let draft = required(message, &mut bad).and_then(|message| message.draft(&[], &mut bad));
        bad.finish(draft.map(|draft| Self { draft, manner }))
    }
}

/// A record to be changed.
#[derive(Debug, Clone)]
pub struct Revision<M: Written> {
    /// Which one.
    pub key: M::Key,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// Make it when there is none.
    pub allow_missing: bool,
    /// How.
    pub manner: Manner,
    incoming: M,
    paths: Vec<String>,
}

impl<M: Written> Revision<M> {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(
        message: Option<M>,
        paths: Vec<String>,
        allow_missing: bool,
        (id, validate_only): (&str, bool),
    ) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        mask::check::<M>(M::MESSAGE, M::SETTABLE, &paths, &mut bad);
        let Some(incoming) = required(message, &mut bad) else { return bad.finish(None) };
        let key = match paths.is_empty() {
            // The fields are read for what is bad in them; the key, which is among them, is read once more.
            true => incoming.clone().draft(&[], &mut bad).and_then(|_| incoming.key(&mut Violations::new())),
            false => incoming.key(&mut bad),
        };
        let etag = incoming.etag().to_owned();
        bad.finish(key.map(|key| Self { key, etag, allow_missing, manner, incoming, paths }))
    }

    /// The record as it shall be, where `current` is what there is now.
    ///
    /// # Errors
    /// Every bad field, when the mask makes one of them count only now.
    pub fn draft(&self, current: Option<&M::Record>) -> Result<M::Draft, Refusal> {
        // A new record is made of everything that was sent.
        let (merged, said) = match current {
            Some(current) if !self.paths.is_empty() => {
                let merged = mask::replace(M::MESSAGE, &M::asked(current), &self.incoming, &self.paths)?;
                (merged, self.paths.as_slice())
            }
            _ => (self.incoming.clone(), [].as_slice()),
        };
        let mut bad = Violations::new();
        let draft = merged.draft(said, &mut bad);
        bad.finish(draft)
    }
}

/// A record to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion<K> {
    /// Which one.
    pub key: K,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// How.
    pub manner: Manner,
}

impl<K> Deletion<K> {
    /// Reads a request; `key` reads which record it is about.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(
        key: impl FnOnce(&mut Violations) -> Option<K>,
        etag: &str,
        (id, validate_only): (&str, bool),
    ) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let key = key(&mut bad);
        bad.finish(key.map(|key| Self { key, etag: etag.to_owned(), manner }))
    }
}

fn required<M: Written>(message: Option<M>, bad: &mut Violations) -> Option<M> {
    if message.is_none() {
        bad.add(M::FIELD, Reason::FieldRequired, "it is required");
    }
    message
}
