//! Polder's gateway: the same services for browsers and for programs without gRPC.
//!
//! It owns nothing and stores nothing; a crash loses the requests in flight and no more. All it serves is derived from the
//! descriptors of the API and from links to the services:
//!
//! | Path | What |
//! |---|---|
//! | `/v1/…` | the REST face, from the `google.api.http` annotations |
//! | `/openapi.json` | its description, OpenAPI 3.1 |
//! | `/polder.*.v1.*Service/*` | gRPC-Web, and gRPC over HTTP/2, with reflection |
//! | `/`, `/ui/…` | the web page |
//!
//! A new RPC shows up in all of them without a line here.

pub mod config;
mod descriptors;
mod error;
mod metadata;
mod openapi;
mod origin;
mod page;
mod proxy;
mod rest;
mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::HeaderMap;
use polder_runtime::component::Component;
use tokio_util::sync::CancellationToken;

use crate::descriptors::Api;
use crate::origin::AllowedOrigins;
use crate::rest::RestFace;
use crate::rest::answer::tagged;

pub use rest::bindings::AnnotationError;
pub use upstream::Upstreams;

/// What a gateway can be told besides where its services are.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest body of a REST request, in bytes.
    pub body_limit: usize,
    /// Origins of web pages, besides the gateway's own, that may call it: `https://console.example`.
    pub allowed_origins: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { body_limit: 4 << 20, allowed_origins: Vec::new() }
    }
}

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The descriptors of this program are damaged.
    #[error("the API's descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// An RPC's annotation cannot be served.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// Reflection cannot be offered.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// An entry of [`Options::allowed_origins`] is no origin.
    #[error("`{0}` is no origin; write it as https://console.example, without a path")]
    Origin(String),
}

/// The gateway as a component, with calls going to `upstreams`. Its streams end when `stop` is cancelled.
///
/// # Errors
/// [`BuildError`]: the options are wrong, or the API is.
pub fn build(options: &Options, upstreams: &Upstreams, stop: &CancellationToken) -> Result<Component, BuildError> {
    Ok(Component::new("gateway").http(router(options, upstreams, stop)?))
}

/// Everything that the gateway serves.
fn router(options: &Options, upstreams: &Upstreams, stop: &CancellationToken) -> Result<Router, BuildError> {
    let api = Arc::new(Api::decode(polder_proto::FILE_DESCRIPTOR_SET)?);
    let allowed = AllowedOrigins::parse(&options.allowed_origins).map_err(BuildError::Origin)?;
    let document = openapi::document(&api)?;
    let face = Arc::new(RestFace::new(Arc::clone(&api), upstreams.clone(), stop.clone(), options.body_limit)?);
    let serve_rest = move |request: Request| {
        let face = Arc::clone(&face);
        async move { face.serve(request).await }
    };
    let router = Router::new()
        .merge(page::routes())
        .merge(proxy::routes(&api, upstreams, stop)?)
        .route("/openapi.json", get(|headers: HeaderMap| async move { tagged(&headers, error::JSON, document) }))
        .fallback(serve_rest)
        .layer(allowed.cors())
        .layer(from_fn_with_state(allowed, origin::guard));
    Ok(page::with_policy(router))
}
