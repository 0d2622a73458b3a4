//! IPAM's messages to the domain's types, and back.
//!
//! Every function that reads a request names all bad fields, not only the first; every function that shows an object takes the
//! view it stands in, for what is computed and not stored.

pub mod allocation;
pub mod findings;
pub mod lookup;
pub mod namespace;
pub mod network;
pub mod node;
pub mod pool;
pub mod reservation;
pub(in crate::convert) mod values;

use polder_core::id::RequestId;
use polder_core::ipam::{Action, Eviction, Impact};
use polder_core::reason::{Refusal, Violations};

use crate::convert::common::{object, request_id};
use crate::types::v1 as types;

pub use self::values::show_count;

/// A request for a change, read: what is wanted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation<T> {
    /// The caller's id for the change.
    pub request_id: Option<RequestId>,
    /// Plan and answer, but change nothing.
    pub validate_only: bool,
    /// The plan that the change must still come to; empty: any.
    pub plan_etag: String,
    /// What is wanted.
    pub wish: T,
}

impl<T> Mutation<T> {
    /// Ends the reading of a request: the change, if nothing was bad.
    fn finish(id: &str, validate_only: bool, wish: Option<T>, mut bad: Violations) -> Result<Self, Refusal> {
        let request_id = request_id(id, &mut bad);
        bad.finish(wish).map(|wish| Self { request_id, validate_only, plan_etag: String::new(), wish })
    }

    /// The change, to be made only if it still comes to this plan.
    fn if_planned(self, plan_etag: &str) -> Self {
        Self { plan_etag: plan_etag.to_owned(), ..self }
    }
}

/// Whether a request lets holders lose their addresses.
const fn eviction(allowed: bool) -> Eviction {
    if allowed { Eviction::Allowed } else { Eviction::Refused }
}

/// What a change does to one object.
#[must_use]
pub fn show_impact(impact: &Impact) -> types::Impact {
    let action = match impact.action {
        Action::Create => types::ImpactAction::Create,
        Action::Update => types::ImpactAction::Update,
        Action::Delete => types::ImpactAction::Delete,
        Action::Evict => types::ImpactAction::Evict,
    };
    types::Impact {
        object: Some(object(impact.kind, &impact.namespace, &impact.name, "")),
        action: action.into(),
        description: impact.description.clone(),
    }
}

#[cfg(test)]
mod tests;
