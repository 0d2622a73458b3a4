//! What of an HTTP request's head travels on to the service.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap};
use polder_runtime::context::{ACTOR_HEADER, Peer, REQUEST_ID_HEADER};
use tonic::Request;
use tonic::metadata::MetadataMap;

/// How long a single answer may take when the caller sets no `grpc-timeout` of its own.
const DEADLINE: Duration = Duration::from_secs(30);

/// gRPC's own deadline header, which HTTP callers may send as well.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const ACTOR: HeaderName = HeaderName::from_static(ACTOR_HEADER);

/// Headers that mean the same to the service as to the gateway.
const CARRIED: [HeaderName; 7] = [
    ACTOR,
    HeaderName::from_static(REQUEST_ID_HEADER),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    GRPC_TIMEOUT,
    AUTHORIZATION,
    USER_AGENT,
];

/// A call with the metadata that the head of an HTTP request gives it.
pub(crate) fn carry<T>(head: &Parts, message: T) -> Request<T> {
    let mut kept = HeaderMap::new();
    for name in CARRIED {
        if let Some(value) = head.headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    name_caller(&mut kept, &head.extensions);
    let mut request = Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(kept);
    request
}

/// Names a caller from elsewhere by its address, unless it has named itself: to the service the call comes from the gateway.
pub(crate) fn name_caller(headers: &mut HeaderMap, extensions: &Extensions) {
    if headers.contains_key(&ACTOR) {
        return;
    }
    if let Some(Peer::Tcp { address, .. }) = extensions.get::<Peer>()
        && !address.ip().is_loopback()
        && let Ok(name) = HeaderValue::try_from(format!("anonymous@{}", address.ip()))
    {
        headers.insert(ACTOR, name);
    }
}

/// The call with the usual deadline, unless it has one.
pub(crate) fn with_deadline<T>(mut request: Request<T>) -> Request<T> {
    if !request.metadata().contains_key(GRPC_TIMEOUT.as_str()) {
        request.set_timeout(DEADLINE);
    }
    request
}
