//! The typed details of a refusal, cut to what fits into a response header.

use std::collections::HashMap;
use std::time::Duration;

use polder_core::reason::{Reason, Refusal};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, QuotaViolation};

use super::DOMAIN;

/// The most bytes of a message. It travels twice: as `grpc-message`, and inside the details.
pub(super) const MESSAGE_BYTES: usize = 768;
const METADATA_BYTES: usize = 1024;
const VALUE_BYTES: usize = 256;
const LIST_BYTES: usize = 2048;

/// What is left to spend on entries, and how many did not fit.
struct Budget {
    bytes: usize,
    omitted: usize,
}

impl Budget {
    const fn new(bytes: usize) -> Self {
        Self { bytes, omitted: 0 }
    }

    fn take(&mut self, parts: [&str; 3]) -> bool {
        // Eight bytes for the tags and lengths of the entry and its fields.
        let cost = parts.iter().map(|part| part.len()).sum::<usize>() + 8;
        // Once one entry is left out, all later ones are: the list stays a prefix of the whole.
        if self.omitted > 0 || cost > self.bytes {
            self.omitted += 1;
            return false;
        }
        self.bytes -= cost;
        true
    }
}

/// The details of `refusal`, with at least `ErrorInfo`.
pub(super) fn of(refusal: &Refusal, retry_after: Option<Duration>) -> ErrorDetails {
    let mut budget = Budget::new(LIST_BYTES);
    let mut details = ErrorDetails::new();
    let fields = fields(refusal, &mut budget);
    if !fields.is_empty() {
        details.set_bad_request(fields);
    }
    if matches!(refusal.reason, Reason::QuotaExceeded | Reason::BlockLimit | Reason::Overloaded) {
        details.set_quota_failure(quotas(refusal, &mut budget));
    } else if !refusal.obstacles.is_empty() {
        details.set_precondition_failure(preconditions(refusal, &mut budget));
    }
    if let Some((kind, name)) = &refusal.resource {
        details.set_resource_info(shortened(kind, VALUE_BYTES), shortened(name, VALUE_BYTES), "", "");
    }
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    details.set_error_info(refusal.reason.as_str(), DOMAIN, metadata(refusal, budget.omitted));
    details
}

fn fields(refusal: &Refusal, budget: &mut Budget) -> Vec<FieldViolation> {
    let mut fields = Vec::new();
    for violation in &refusal.violations {
        let description = shortened(&violation.description, VALUE_BYTES);
        let field = shortened(&violation.field, VALUE_BYTES);
        if budget.take([&field, &description, violation.reason.as_str()]) {
            let mut entry = FieldViolation::new(field, description);
            violation.reason.as_str().clone_into(&mut entry.reason);
            fields.push(entry);
        }
    }
    fields
}

fn preconditions(refusal: &Refusal, budget: &mut Budget) -> Vec<PreconditionViolation> {
    let mut entries = Vec::new();
    for obstacle in &refusal.obstacles {
        let description = shortened(&obstacle.description, VALUE_BYTES);
        let subject = shortened(&obstacle.subject, VALUE_BYTES);
        if budget.take([obstacle.reason.as_str(), &subject, &description]) {
            entries.push(PreconditionViolation::new(obstacle.reason.as_str(), subject, description));
        }
    }
    entries
}

fn quotas(refusal: &Refusal, budget: &mut Budget) -> Vec<QuotaViolation> {
    let mut entries = Vec::new();
    for obstacle in &refusal.obstacles {
        let description = shortened(&obstacle.description, VALUE_BYTES);
        let subject = shortened(&obstacle.subject, VALUE_BYTES);
        if budget.take(["", &subject, &description]) {
            entries.push(QuotaViolation::new(subject, description));
        }
    }
    if refusal.obstacles.is_empty() {
        // A quota failure names at least the thing that is full.
        let subject = refusal.resource.as_ref().map_or_else(|| "process".to_owned(), |(kind, name)| format!("{kind}s/{name}"));
        entries.push(QuotaViolation::new(shortened(&subject, VALUE_BYTES), shortened(&refusal.message, VALUE_BYTES)));
    }
    entries
}

fn metadata(refusal: &Refusal, mut omitted: usize) -> HashMap<String, String> {
    let mut budget = Budget::new(METADATA_BYTES);
    let mut metadata = HashMap::new();
    for (key, value) in &refusal.metadata {
        let value = shortened(value, VALUE_BYTES);
        if budget.take([key, &value, ""]) {
            metadata.insert(key.clone(), value);
        }
    }
    omitted += budget.omitted;
    if omitted > 0 {
        metadata.insert("omitted_details".to_owned(), omitted.to_string());
    }
    metadata
}

/// `text`, or as much of it as fits into `bytes` with an ellipsis at the end.
pub(super) fn shortened(text: &str, bytes: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let most = bytes.saturating_sub(ELLIPSIS.len());
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}{ELLIPSIS}", &text[..end])
}
