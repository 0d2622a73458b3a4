//! Services: requests to decisions, decisions to answers.

pub mod announcement;
pub mod bgp;
mod bound;
pub mod dataplane;
mod health;
mod parse;
pub mod report;
mod show;

use std::time::Duration;

use polder_core::id::RequestId;
use polder_core::lb::{Draft, Service, ServiceKey, Wishes};
use polder_core::reason::{Reason, Refusal, Violations, shown};

pub use self::health::health_check;
use self::parse::draft;
pub use self::show::{dns_name, endpoint, explanation, impact, service};
use super::common::request_id;
use super::mask;
use crate::lb::v1 as pb;

/// How a change is to be made, apart from what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// The caller's id for it.
    pub request_id: Option<RequestId>,
    /// Plan only.
    pub validate_only: bool,
    /// What becomes of wishes that cannot be met now.
    pub wishes: Wishes,
    /// How long to wait until nodes and name servers have it; `None`: not at all.
    pub wait: Option<Duration>,
}

/// A service to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The service.
    pub draft: Draft,
    /// How.
    pub manner: Manner,
}

/// A service to be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Which service.
    pub key: ServiceKey,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// Make it when there is none.
    pub allow_missing: bool,
    /// How.
    pub manner: Manner,
    incoming: pb::Service,
    paths: Vec<String>,
}

impl Revision {
    /// The service as it shall be, where `current` is what there is now.
    ///
    /// # Errors
    /// Every bad field, when the mask makes one of them count only now.
    pub fn draft(&self, current: Option<&Service>) -> Result<Draft, Refusal> {
        let merged = match (current, self.paths.is_empty()) {
            (Some(current), false) => {
                let merged = mask::replace("polder.lb.v1.Service", &show::asked(current), &self.incoming, &self.paths)?;
                bound::drop(current, merged, &self.paths)
            }
            (None, _) | (_, true) => self.incoming.clone(),
        };
        let mut bad = Violations::new();
        let draft = draft(merged, &mut bad);
        bad.finish(draft)
    }
}

/// A service to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Which service.
    pub key: ServiceKey,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// The caller's id for it.
    pub request_id: Option<RequestId>,
    /// Plan only.
    pub validate_only: bool,
    /// How long to wait until nodes and name servers have it; `None`: not at all.
    pub wait: Option<Duration>,
}

/// Reads a request for a new service.
///
/// # Errors
/// Every bad field.
pub fn creation(request: pb::CreateServiceRequest) -> Result<Creation, Refusal> {
    let mut bad = Violations::new();
    let manner = manner(&request.request_id, request.validate_only, request.allow_pending, request.wait, &mut bad);
    let draft = required(request.service, &mut bad).and_then(|service| draft(service, &mut bad));
    bad.finish(draft.map(|draft| Creation { draft, manner }))
}

/// Reads a request for a changed service.
///
/// # Errors
/// Every bad field.
pub fn revision(request: pb::UpdateServiceRequest) -> Result<Revision, Refusal> {
    let mut bad = Violations::new();
    let manner = manner(&request.request_id, request.validate_only, request.allow_pending, request.wait, &mut bad);
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let Some(incoming) = required(request.service, &mut bad) else { return bad.finish(None) };
    let key = match paths.is_empty() {
        true => draft(incoming.clone(), &mut bad).map(|draft| draft.key),
        false => parse::key(&incoming.namespace, &incoming.name, "service.", &mut bad),
    };
    if bad.is_empty() && !paths.is_empty() {
        // The paths are judged now, whether or not there is something to merge with.
        check_paths(&paths)?;
        mask::replace("polder.lb.v1.Service", &pb::Service::default(), &incoming, &paths)?;
    }
    let revision =
        key.map(|key| Revision { key, etag: incoming.etag.clone(), allow_missing: request.allow_missing, manner, incoming, paths });
    bad.finish(revision)
}

/// Reads a request for a service's end.
///
/// # Errors
/// Every bad field.
pub fn deletion(request: &pb::DeleteServiceRequest) -> Result<Deletion, Refusal> {
    let mut bad = Violations::new();
    let request_id = request_id(&request.request_id, &mut bad);
    let key = parse::key(&request.namespace, &request.name, "", &mut bad);
    let wait = report::wait(request.wait, &mut bad);
    let (etag, validate_only) = (request.etag.clone(), request.validate_only);
    bad.finish(key.map(|key| Deletion { key, etag, request_id, validate_only, wait }))
}

/// Reads the name of a service.
///
/// # Errors
/// Every bad field.
pub fn key(namespace: &str, name: &str) -> Result<ServiceKey, Refusal> {
    let mut bad = Violations::new();
    let key = parse::key(namespace, name, "", &mut bad);
    bad.finish(key)
}

/// A caller changes labels, annotations and the specification, or parts of it; all else is Polder's to say.
fn check_paths(paths: &[String]) -> Result<(), Refusal> {
    let mut bad = Violations::new();
    for path in paths.iter().take(mask::MOST_PATHS) {
        let first = path.split('.').next().unwrap_or_default();
        if !["labels", "annotations", "spec"].contains(&first) {
            let text = format!("`{}` cannot be changed; name labels, annotations, spec, or a field of spec", shown(path));
            bad.add("update_mask", Reason::InvalidArgument, text);
        }
    }
    bad.finish(Some(()))
}

fn manner(id: &str, validate_only: bool, allow_pending: bool, wait: Option<prost_types::Duration>, bad: &mut Violations) -> Manner {
    let wishes = if allow_pending { Wishes::MayWait } else { Wishes::MetOrRefused };
    Manner { request_id: request_id(id, bad), validate_only, wishes, wait: report::wait(wait, bad) }
}

fn required(service: Option<pb::Service>, bad: &mut Violations) -> Option<pb::Service> {
    if service.is_none() {
        bad.add("service", Reason::FieldRequired, "a service is required");
    }
    service
}

#[cfg(test)]
mod tests;
