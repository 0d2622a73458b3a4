//! The one place where a refusal becomes a gRPC status, and a status a refusal or an HTTP answer again.
//!
//! Every status that leaves a process carries `google.rpc.ErrorInfo` with a reason of [`Reason`] and the domain
//! [`DOMAIN`]. What else it carries follows from the refusal:
//!
//! | In the refusal | Detail |
//! |---|---|
//! | `violations` | `BadRequest` |
//! | `obstacles` | `PreconditionFailure`, or `QuotaFailure` for quotas, block limits and overload |
//! | `resource` | `ResourceInfo` |
//! | `retry_after`, or the kind `Unavailable` | `RetryInfo` |
//!
//! Details travel in an HTTP/2 header, and common clients refuse headers above 8 KiB, so the lists are cut to a budget; the
//! number of entries left out is in `ErrorInfo.metadata` under `omitted_details`.

mod code;
mod details;
pub mod rest;

use std::time::Duration;

use polder_core::reason::{Kind, Obstacle, Reason, Refusal, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub use code::{code, fallback_reason, http_status};

/// The domain of every reason, as `google.rpc.ErrorInfo.domain`.
pub const DOMAIN: &str = "polder.dev";

/// How long a caller should wait before it tries again when the refusal itself does not say.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);
const RETRY_OVERLOADED: Duration = Duration::from_millis(200);

/// The status that tells a caller of `refusal`.
#[must_use]
pub fn encode(refusal: &Refusal) -> Status {
    let message = details::shortened(&refusal.message, details::MESSAGE_BYTES);
    Status::with_error_details(code(refusal.kind()), message, details::of(refusal, retry_after(refusal)))
}

/// As [`encode`], by value: `result.map_err(status::refuse)`.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub fn refuse(refusal: Refusal) -> Status {
    encode(&refusal)
}

/// What a status says, as a refusal again.
///
/// A status without our `ErrorInfo` (made by a proxy, by a transport, by an older or newer peer) gets the reason nearest to its
/// code; a reason text that this build does not know is kept in the metadata under `reason`.
#[must_use]
pub fn decode(status: &Status) -> Refusal {
    let details = status.get_error_details();
    let mut refusal = Refusal::new(fallback_reason(status.code()), status.message());
    if let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) {
        refusal.metadata.extend(info.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
        match info.reason.parse() {
            Ok(reason) => refusal.reason = reason,
            Err(()) => {
                refusal.metadata.insert("reason".to_owned(), info.reason.clone());
            }
        }
    }
    fill_from(&mut refusal, &details);
    refusal
}

/// Whether a status carries one of our reasons already.
#[must_use]
pub fn is_explained(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == DOMAIN)
}

/// Gives a status that somebody else made (a codec, a router, a transport) the reason nearest to its code.
#[must_use]
pub fn explained(status: Status) -> Status {
    if status.code() == Code::Ok || is_explained(&status) {
        return status;
    }
    let refusal = decode(&status);
    // The code stays as it was: CANCELLED, say, has no kind of its own.
    let details = details::of(&refusal, retry_after(&refusal));
    Status::with_error_details(status.code(), status.message(), details)
}

fn retry_after(refusal: &Refusal) -> Option<Duration> {
    let usual = match (refusal.kind(), refusal.reason) {
        (Kind::Unavailable, _) => Some(RETRY_UNAVAILABLE),
        (_, Reason::Overloaded) => Some(RETRY_OVERLOADED),
        _ => None,
    };
    refusal.retry_after.or(usual)
}

fn fill_from(refusal: &mut Refusal, details: &ErrorDetails) {
    let main = refusal.reason;
    let known = |text: &str, other: Reason| text.parse().unwrap_or(other);
    if let Some(bad) = details.bad_request() {
        refusal.violations = bad
            .field_violations
            .iter()
            .map(|violation| Violation {
                field: violation.field.clone(),
                reason: known(&violation.reason, main),
                description: violation.description.clone(),
            })
            .collect();
    }
    if let Some(failure) = details.precondition_failure() {
        refusal.obstacles.extend(failure.violations.iter().map(|violation| Obstacle {
            reason: known(&violation.r#type, main),
            subject: violation.subject.clone(),
            description: violation.description.clone(),
        }));
    }
    if let Some(failure) = details.quota_failure() {
        refusal.obstacles.extend(failure.violations.iter().map(|violation| Obstacle {
            reason: main,
            subject: violation.subject.clone(),
            description: violation.description.clone(),
        }));
    }
    refusal.resource = details.resource_info().map(|info| (info.resource_type.clone(), info.resource_name.clone()));
    refusal.retry_after = details.retry_info().and_then(|info| info.retry_delay);
}

#[cfg(test)]
mod tests;
