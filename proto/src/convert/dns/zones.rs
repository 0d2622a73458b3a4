//! Zones and record sets: requests to decisions, decisions to answers. Both go the same ways.

use std::fmt::Display;

use polder_core::cluster::Cluster;
use polder_core::dns::zones::{Decision, Move, RecordSet, Zone};
use polder_core::meta::Meta;
use prost::Message;

use super::super::common::object;
use super::super::written::Written;
pub use super::set::key as set_key;
use crate::types::v1 as types;

/// A stored record as the API has it.
pub trait Shown: Written<Record: Send + Sync + 'static, Key: Display + Send + Sync + 'static, Draft: Send + 'static> {
    /// What a change answers.
    type Changed: Message + Default;
    /// What it is called in references and refusals.
    const KIND: &'static str;

    /// The record with everything that is true of it in this state.
    fn show(cluster: &Cluster, record: &Self::Record) -> Self;
    /// Its identity, version and times.
    fn meta(record: &Self::Record) -> &Meta;
    /// What is decided about the record.
    fn main(decision: &Decision) -> Option<&Move<Self::Record>>;
    /// An answer.
    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed;
    /// What an answer says.
    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>);
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
