//! Zones and record sets: requests to decisions, decisions to answers. Both go the same ways.

use std::fmt::{Debug, Display};

use polder_core::cluster::Cluster;
use polder_core::dns::zones::{Decision, Move, RecordSet, RecordSetKey, Zone, ZoneName};
use polder_core::meta::Meta;
use polder_core::reason::{Reason, Refusal, Violations};
use prost::Message;

use super::super::common::{Manner, object, parsed};
use super::super::mask;
pub use super::set::key as set_key;
use crate::types::v1 as types;

/// A stored record as the API has it.
pub trait Shown: Message + Default + Clone + 'static {
    /// The record.
    type Record: Send + Sync + 'static;
    /// What names one.
    type Key: Clone + Debug + Display + Send + Sync + 'static;
    /// What a caller may say about one.
    type Draft: Clone + Debug + Send + 'static;
    /// What a change answers.
    type Changed: Message + Default;
    /// The full name of the message.
    const MESSAGE: &'static str;
    /// The field of requests that has it.
    const FIELD: &'static str;
    /// What it is called in references and refusals.
    const KIND: &'static str;
    /// The fields that a caller may set.
    const SETTABLE: &'static [&'static str];

    /// Which one it is.
    fn key(&self, bad: &mut Violations) -> Option<Self::Key>;
    /// The etag that the caller has seen.
    fn etag(&self) -> &str;
    /// What a caller could have sent for the record, and its identity.
    fn asked(record: &Self::Record) -> Self;
    /// The record with everything that is true of it in this state.
    fn show(cluster: &Cluster, record: &Self::Record) -> Self;
    /// The record as it shall be.
    fn draft(self, bad: &mut Violations) -> Option<Self::Draft>;
    /// Its identity, version and times.
    fn meta(record: &Self::Record) -> &Meta;
    /// What is decided about the record.
    fn main(decision: &Decision) -> Option<&Move<Self::Record>>;
    /// An answer.
    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed;
    /// What an answer says.
    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>);
}

/// A record to be made.
#[derive(Debug, Clone)]
pub struct Creation<M: Shown> {
    /// The record.
    pub draft: M::Draft,
    /// How.
    pub manner: Manner,
}

impl<M: Shown> Creation<M> {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(message: Option<M>, id: &str, validate_only: bool) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let draft = required(message, &mut bad).and_then(|message| message.draft(&mut bad));
        bad.finish(draft.map(|draft| Self { draft, manner }))
    }
}

/// A record to be changed.
#[derive(Debug, Clone)]
pub struct Revision<M: Shown> {
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

impl<M: Shown> Revision<M> {
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
            true => incoming.clone().draft(&mut bad).and_then(|_| incoming.key(&mut Violations::new())),
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
        let merged = match current {
            Some(current) if !self.paths.is_empty() => mask::replace(M::MESSAGE, &M::asked(current), &self.incoming, &self.paths)?,
            _ => self.incoming.clone(),
        };
        let mut bad = Violations::new();
        let draft = merged.draft(&mut bad);
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

impl Deletion<ZoneName> {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn of_zone(name: &str, etag: &str, id: &str, validate_only: bool) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let key = parsed(name, "name", &mut bad);
        bad.finish(key.map(|key| Self { key, etag: etag.to_owned(), manner }))
    }
}

impl Deletion<RecordSetKey> {
    /// Reads a request about a set, which is named by zone, name and type.
    ///
    /// # Errors
    /// Every bad field.
    pub fn of_set(path: [&str; 3], etag: &str, id: &str, validate_only: bool) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let key = set_key(path, "", &mut bad);
        bad.finish(key.map(|key| Self { key, etag: etag.to_owned(), manner }))
    }
}

fn required<M: Shown>(message: Option<M>, bad: &mut Violations) -> Option<M> {
    if message.is_none() {
        bad.add(M::FIELD, Reason::FieldRequired, "it is required");
    }
    message
}

/// What a decision does.
#[must_use]
pub fn impact(decision: &Decision) -> Vec<types::Impact> {
    let zone = decision.zone.iter().filter_map(|zone| one(zone, Zone::describe));
    zone.chain(decision.sets.iter().filter_map(|set| one(set, RecordSet::describe))).collect()
}

/// What an impact says of a record: kind, name, uid, and one line.
trait Described {
    fn describe(&self) -> (&'static str, String, String, String);
}

impl Described for Zone {
    fn describe(&self) -> (&'static str, String, String, String) {
        ("zone", self.name.to_string(), self.meta.uid.to_string(), format!("zone {}", self.name))
    }
}

impl Described for RecordSet {
    fn describe(&self) -> (&'static str, String, String, String) {
        let (key, count) = (&self.key, self.data.len());
        let first = self.data.first().map(ToString::to_string).unwrap_or_default();
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let line = format!("{} {} {}{more}", key.domain(), key.rtype(), polder_core::reason::shown(&first));
        ("record-set", key.to_string(), self.meta.uid.to_string(), line)
    }
}

fn one<T: PartialEq>(record: &Move<T>, describe: impl Fn(&T) -> (&'static str, String, String, String)) -> Option<types::Impact> {
    let action = match (&record.before, &record.after) {
        (None, Some(_)) => types::ImpactAction::Create,
        (Some(_), None) => types::ImpactAction::Delete,
        _ => types::ImpactAction::Update,
    };
    let (kind, name, uid, description) = describe(record.record().filter(|_| record.moves())?);
    Some(types::Impact { object: Some(object(kind, "", &name, &uid)), action: action.into(), description })
}
