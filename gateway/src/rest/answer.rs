//! What an RPC answered, as HTTP.
//!
//! A single answer is JSON with an entity tag, so that a page which asks again gets 304 when nothing has changed. A stream is
//! one JSON object per line, or server-sent events for those who ask for `text/event-stream`. A stream that fails ends with the
//! error, in the form that other errors have: as its last line, or as an event of the type `error`.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Method, StatusCode};
use polder_runtime::status;
use prost_reflect::DynamicMessage;
use tonic::{Status, Streaming};

use super::json;
use crate::error;

/// How long the answer's head waits for the first message of a stream. A stream that is refused is refused within this time,
/// and then has a proper HTTP status.
const FIRST_MESSAGE_WAIT: Duration = Duration::from_millis(250);

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamForm {
    Lines,
    Events,
}

/// A single answer.
pub(crate) fn single(verb: &Method, headers: &HeaderMap, message: &DynamicMessage) -> Response {
    let text = match json::write(message) {
        Ok(text) => text,
        Err(problem) => return error::failed(Status::internal(problem)),
    };
    if verb != Method::GET {
        return ([(CONTENT_TYPE, error::JSON)], Body::from(text)).into_response();
    }
    tagged(headers, error::JSON, text)
}

/// A body that can be asked for again by its tag: 304 when `headers` name the tag.
pub(crate) fn tagged(headers: &HeaderMap, kind: HeaderValue, text: Bytes) -> Response {
    let mut hasher = DefaultHasher::new();
    hasher.write(&text);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    let not_modified = known.map(str::trim).any(|known| known == tag);
    let caching = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag)];
    if not_modified {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    ([(CONTENT_TYPE, kind)], caching, Body::from(text)).into_response()
}

/// A stream of answers.
pub(crate) async fn many(headers: &HeaderMap, mut messages: Streaming<DynamicMessage>) -> Response {
    let form = StreamForm::wanted(headers);
    let first = match tokio::time::timeout(FIRST_MESSAGE_WAIT, messages.message()).await {
        Ok(Err(refused)) => return error::failed(refused),
        Ok(Ok(None)) => return form.response(Body::empty()),
        Ok(Ok(Some(message))) => Some(Ok(message)),
        Err(_) => None,
    };
    let frames = stream::iter(first).chain(messages).map(move |message| Ok::<_, Infallible>(form.frame(message)));
    form.response(Body::from_stream(frames))
}

impl StreamForm {
    fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.into_iter().any(|list| list.contains("text/event-stream")) { Self::Events } else { Self::Lines }
    }

    fn response(self, body: Body) -> Response {
        let kind = match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        };
        ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response()
    }

    fn frame(self, message: Result<DynamicMessage, Status>) -> Bytes {
        let written = message.and_then(|message| json::write(&message).map_err(Status::internal));
        let (event, text) = match written {
            Ok(text) => ("", text),
            Err(failure) => ("event: error\n", status::rest::error(&status::explained(failure)).1.to_string().into()),
        };
        let text = String::from_utf8_lossy(&text);
        match self {
            Self::Lines => format!("{text}\n").into(),
            Self::Events => format!("{event}data: {text}\n\n").into(),
        }
    }
}
