//! A gRPC status as the REST face gives it: an HTTP status and `{"error": google.rpc.Status}` (AIP-193).

use http::StatusCode;
use polder_core::reason::Refusal;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetails, ErrorInfo, PreconditionFailure, QuotaFailure, ResourceInfo, RetryInfo, StatusExt};

use super::http_status;

/// The HTTP status and the JSON body for a failed call.
#[must_use]
pub fn error(status: &Status) -> (StatusCode, Value) {
    let http = http_status(status.code());
    let mut body = rpc_status(status);
    // Google's convention for HTTP: `code` is the HTTP status, `status` the name of the gRPC code.
    body.insert("code".to_owned(), json!(http.as_u16()));
    body.insert("status".to_owned(), json!(code_name(status.code())));
    (http, json!({ "error": body }))
}

/// `google.rpc.Status` in proto3 JSON: what `-o json` prints for an error.
#[must_use]
pub fn rpc_status(status: &Status) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(i32::from(status.code())));
    body.insert("message".to_owned(), json!(status.message()));
    body.insert("details".to_owned(), Value::Array(details(&status.get_error_details())));
    body
}

/// The name of a code as `google.rpc.Code` writes it: `NOT_FOUND`.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn details(details: &ErrorDetails) -> Vec<Value> {
    let mut list = Vec::new();
    if let Some(info) = details.error_info() {
        list.push(json!({ "@type": ErrorInfo::TYPE_URL, "reason": info.reason, "domain": info.domain, "metadata": info.metadata }));
    }
    if let Some(bad) = details.bad_request() {
        let fields: Vec<_> = bad
            .field_violations
            .iter()
            .map(|field| json!({ "field": field.field, "reason": field.reason, "description": field.description }))
            .collect();
        list.push(json!({ "@type": BadRequest::TYPE_URL, "fieldViolations": fields }));
    }
    if let Some(failure) = details.precondition_failure() {
        let entries: Vec<_> = failure
            .violations
            .iter()
            .map(|entry| json!({ "type": entry.r#type, "subject": entry.subject, "description": entry.description }))
            .collect();
        list.push(json!({ "@type": PreconditionFailure::TYPE_URL, "violations": entries }));
    }
    if let Some(failure) = details.quota_failure() {
        let entries: Vec<_> =
            failure.violations.iter().map(|entry| json!({ "subject": entry.subject, "description": entry.description })).collect();
        list.push(json!({ "@type": QuotaFailure::TYPE_URL, "violations": entries }));
    }
    if let Some(info) = details.resource_info() {
        list.push(json!({
            "@type": ResourceInfo::TYPE_URL, "resourceType": info.resource_type, "resourceName": info.resource_name,
        }));
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        list.push(json!({ "@type": RetryInfo::TYPE_URL, "retryDelay": format!("{}s", delay.as_secs_f64()) }));
    }
    list
}

/// The answer to a request that the REST face itself refuses.
#[must_use]
pub fn refusal(refusal: &Refusal) -> (StatusCode, Value) {
    error(&super::encode(refusal))
}
