//! BGP peers and advertisements: requests to decisions, decisions to answers.

mod advertisement;
mod peer;

use polder_core::cluster::Cluster;
use polder_core::lb::bgp::check::{MOST_SELECTORS, distinct};
use polder_core::lb::bgp::conditions::{Condition, Heard, Standing};
use polder_core::lb::bgp::{Decision, Record};
use polder_core::net::Label;
use polder_core::reason::{Reason, Refusal, Violations};
use prost::Message;

pub use super::super::common::Manner;
use super::super::common::{object, parsed, selector, show_time};
use super::super::ipam::values::few;
use super::super::mask;
use crate::types::v1 as types;

/// A record of BGP as the API has it.
pub trait Shown: Message + Default + Clone + 'static {
    /// The record.
    type Record: Record;
    /// What a change answers.
    type Changed: Message + Default;
    /// The full name of the message.
    const MESSAGE: &'static str;
    /// The field of requests that has it.
    const FIELD: &'static str;
    /// The fields that a caller may set.
    const SETTABLE: &'static [&'static str];

    /// Its name.
    fn name(&self) -> &str;
    /// The etag that the caller has seen.
    fn etag(&self) -> &str;
    /// Adds what nodes said last about the record; `heard` is `None` where they are not heard.
    fn observe(self, cluster: &Cluster, record: &Self::Record, heard: Option<&Heard>) -> Self;
    /// What a caller could have sent for the record, and its identity.
    fn asked(record: &Self::Record) -> Self;
    /// The record with everything that is true of it in this state.
    fn show(cluster: &Cluster, record: &Self::Record) -> Self;
    /// The record as it shall be; `said` are the fields that the caller speaks of, none for all.
    fn draft(self, said: &[String], bad: &mut Violations) -> Option<<Self::Record as Record>::Draft>;
    /// One line about the record.
    fn line(record: &Self::Record) -> String;
    /// An answer.
    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed;
    /// What an answer says.
    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>);
}

/// A record to be made.
#[derive(Debug, Clone)]
pub struct Creation<M: Shown> {
    /// The record.
    pub draft: <M::Record as Record>::Draft,
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
        let draft = required(message, &mut bad).and_then(|message| message.draft(&[], &mut bad));
        bad.finish(draft.map(|draft| Self { draft, manner }))
    }
}

/// A record to be changed.
#[derive(Debug, Clone)]
pub struct Revision<M: Shown> {
    /// Which one.
    pub name: Label,
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
        let field = format!("{}.name", M::FIELD);
        let name = match paths.is_empty() {
            true => incoming.clone().draft(&[], &mut bad).and_then(|_| incoming.name().parse().ok()),
            false => parsed(incoming.name(), field, &mut bad),
        };
        let etag = incoming.etag().to_owned();
        bad.finish(name.map(|name| Self { name, etag, allow_missing, manner, incoming, paths }))
    }

    /// The record as it shall be, where `current` is what there is now.
    ///
    /// # Errors
    /// Every bad field, when the mask makes one of them count only now.
    pub fn draft(&self, current: Option<&M::Record>) -> Result<<M::Record as Record>::Draft, Refusal> {
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
pub struct Deletion {
    /// Which one.
    pub name: Label,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// How.
    pub manner: Manner,
}

impl Deletion {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub fn read(name: &str, etag: &str, id: &str, validate_only: bool) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(id, validate_only, &mut bad);
        let name = parsed(name, "name", &mut bad);
        bad.finish(name.map(|name| Self { name, etag: etag.to_owned(), manner }))
    }
}

/// What a decision does to its record.
#[must_use]
pub fn impact<M: Shown>(decision: &Decision<M::Record>) -> Vec<types::Impact> {
    let (action, record) = match (&decision.before, &decision.after) {
        (None, Some(after)) => (types::ImpactAction::Create, after),
        (Some(before), None) => (types::ImpactAction::Delete, before),
        (Some(before), Some(after)) if before != after => (types::ImpactAction::Update, after),
        _ => return Vec::new(),
    };
    let reference = object(M::Record::KIND, "", record.name().as_str(), &record.meta().uid.to_string());
    vec![types::Impact { object: Some(reference), action: action.into(), description: M::line(record) }]
}

fn required<M: Shown>(message: Option<M>, bad: &mut Violations) -> Option<M> {
    if message.is_none() {
        bad.add(M::FIELD, Reason::FieldRequired, "it is required");
    }
    message
}

/// Selectors of which one must match.
fn selectors(given: &[types::LabelSelector], field: &str, bad: &mut Violations) -> polder_core::ipam::AnyOf {
    if !few(given.len(), MOST_SELECTORS, field, bad) {
        return polder_core::ipam::AnyOf::default();
    }
    let before = bad.count();
    let read: Vec<_> = given.iter().enumerate().map(|(at, one)| selector(Some(one), &format!("{field}[{at}]"), bad)).collect();
    // What could not be read would look like what is empty.
    match bad.count() == before {
        true => distinct(read, field, bad),
        false => polder_core::ipam::AnyOf(read),
    }
}

fn show_condition(condition: Condition) -> types::Condition {
    let (status, reason) = match condition.standing {
        Standing::Well => (types::ConditionStatus::True, ""),
        Standing::Wrong(reason) => (types::ConditionStatus::False, reason.as_str()),
        Standing::Unknown => (types::ConditionStatus::Unknown, ""),
    };
    types::Condition {
        r#type: condition.name.to_owned(),
        status: status.into(),
        reason: reason.to_owned(),
        message: condition.message,
        last_transition_time: condition.since.map(show_time),
    }
}

#[cfg(test)]
mod tests;
