//! The web page: static files, part of the program.
//!
//! The page uses the public REST face and nothing else. Its files carry entity tags, and a policy under which no other origin's
//! code can run in it.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use rust_embed::Embed;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::error;
use crate::rest::answer::tagged;

/// The files of the page.
#[derive(Embed)]
#[folder = "ui/"]
struct Files;

/// The page that `/` gives.
const INDEX: &str = "index.html";

/// What every answer says to browsers: run only what this host serves, put it in no frame, guess no media type, and tell no
/// other host where a link was followed.
const POLICY: [(HeaderName, HeaderValue); 4] = [
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
];

/// The routes of the page's files.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { file(INDEX, &headers) }))
        .route("/ui/{*path}", get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }))
}

/// Puts the policy on every answer of `router`.
pub(crate) fn with_policy(router: Router) -> Router {
    POLICY.into_iter().fold(router, |router, (name, value)| router.layer(SetResponseHeaderLayer::overriding(name, value)))
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    match Files::get(path) {
        Some(file) => tagged(headers, media_type(path), file.data.into_owned().into()),
        None => error::no_such_path(path),
    }
}

fn media_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    })
}
