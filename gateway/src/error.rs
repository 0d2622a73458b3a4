//! Refusals of the gateway itself, and those of the services behind it, as HTTP answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use polder_core::reason::{Reason, Refusal, shown};
use polder_runtime::status;
use serde_json::Value as Json;
use tonic::Status;

/// The media type of JSON answers.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer that tells of a failed call.
pub(crate) fn failed(failure: Status) -> Response {
    let (code, body) = status::rest::error(&status::explained(failure));
    answer(code, &body)
}

/// The answer that tells of a refusal.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let (code, body) = status::rest::refusal(refusal);
    answer(code, &body)
}

/// 404: no RPC and no page has this path.
pub(crate) fn no_such_path(path: &str) -> Response {
    let message = format!("nothing is served at `{}`. /openapi.json lists every path.", shown(path));
    with_code(StatusCode::NOT_FOUND, &Refusal::new(Reason::NotImplemented, message).with("path", shown(path)))
}

/// 405: the path is served for other methods.
pub(crate) fn method_not_allowed(verb: &Method, path: &str, others: &[Method]) -> Response {
    let allowed = others.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("`{}` takes {allowed}, not {verb}", shown(path));
    let refusal = Refusal::new(Reason::NotImplemented, message).with("allowed", &allowed);
    let mut answer = with_code(StatusCode::METHOD_NOT_ALLOWED, &refusal);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}

/// 413: the body is larger than `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Response {
    let message = format!("the body is larger than {limit} bytes");
    with_code(StatusCode::PAYLOAD_TOO_LARGE, &Refusal::new(Reason::RequestTooLarge, message).with("limit", limit))
}

/// A refusal under an HTTP status that gRPC codes do not have.
fn with_code(code: StatusCode, refusal: &Refusal) -> Response {
    let (_, mut body) = status::rest::refusal(refusal);
    if let Some(error) = body.get_mut("error").and_then(Json::as_object_mut) {
        error.insert("code".to_owned(), Json::from(code.as_u16()));
    }
    answer(code, &body)
}

fn answer(code: StatusCode, body: &Json) -> Response {
    (code, [(CONTENT_TYPE, JSON)], Body::from(body.to_string())).into_response()
}
