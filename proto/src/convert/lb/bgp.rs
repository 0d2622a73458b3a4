//! BGP peers and advertisements: requests to decisions, decisions to answers.

mod advertisement;
mod peer;

use polder_core::cluster::Cluster;
use polder_core::lb::bgp::check::{MOST_SELECTORS, distinct};
use polder_core::lb::bgp::conditions::{Condition, Heard, Standing};
use polder_core::lb::bgp::{Decision, Record};
use polder_core::net::Label;
use polder_core::reason::Violations;
use prost::Message;

use super::super::common::{object, selector, show_time};
use super::super::ipam::values::few;
use super::super::written::Written;
use crate::types::v1 as types;

/// A record of BGP as the API has it.
pub trait Shown: Written<Record: Record<Draft = <Self as Written>::Draft>, Key = Label, Draft: Send + 'static> {
    /// What a change answers.
    type Changed: Message + Default;

    /// Adds what nodes said last about the record; `heard` is `None` where they are not heard.
    fn observe(self, cluster: &Cluster, record: &Self::Record, heard: Option<&Heard>) -> Self;
    /// The record with everything that is true of it in this state.
    fn show(cluster: &Cluster, record: &Self::Record) -> Self;
    /// One line about the record.
    fn line(record: &Self::Record) -> String;
    /// An answer.
    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed;
    /// What an answer says.
    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>);
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
