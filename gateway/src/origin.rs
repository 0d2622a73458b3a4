//! Which web pages may call the gateway: its own, and those that the operator has named.
//!
//! A request with an `Origin` that is neither is refused, whatever its method, so that no page on another host can act through
//! the browser of somebody who can reach the gateway. Programs send no `Origin` and are not concerned.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use http::{Method, Uri};
use polder_core::reason::{Reason, Refusal, shown};
use tower_http::cors::CorsLayer;

use crate::error;

/// Headers that a page of another origin may send, and read in answers.
const GRPC_WEB_REQUEST: [HeaderName; 3] =
    [HeaderName::from_static("x-grpc-web"), HeaderName::from_static("x-user-agent"), HeaderName::from_static("grpc-timeout")];
const GRPC_WEB_ANSWER: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// The origins besides the gateway's own, as browsers write them: `https://console.example`.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedOrigins(Arc<[HeaderValue]>);

impl AllowedOrigins {
    /// Reads a list of origins.
    ///
    /// # Errors
    /// The first text that is no origin.
    pub(crate) fn parse(list: &[String]) -> Result<Self, String> {
        let origin = |text: &String| {
            let uri: Uri = text.parse().map_err(|_| text.clone())?;
            let whole = uri.scheme().is_some() && uri.authority().is_some() && uri.path() == "/" && !text.ends_with('/');
            if whole { HeaderValue::from_str(text).map_err(|_| text.clone()) } else { Err(text.clone()) }
        };
        list.iter().map(origin).collect::<Result<Vec<_>, _>>().map(|list| Self(list.into()))
    }

    /// The answers to browsers' preflight questions of the allowed origins.
    pub(crate) fn cors(&self) -> CorsLayer {
        CorsLayer::new()
            .allow_origin(self.0.to_vec())
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([&GRPC_WEB_REQUEST[..], &[CONTENT_TYPE]].concat())
            .expose_headers(GRPC_WEB_ANSWER)
    }
}

/// Lets requests pass that come from no page, from a page of this host, or from an allowed origin.
pub(crate) async fn guard(State(allowed): State<AllowedOrigins>, request: Request, next: Next) -> Response<Body> {
    match request.headers().get(ORIGIN) {
        Some(origin) if !allowed.0.contains(origin) && !is_own(origin, &request) => {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            let message = format!(
                "a page of {} may not call this gateway. The configuration key `allowed_origins` lists those that may.",
                shown(&origin)
            );
            error::refused(&Refusal::new(Reason::PermissionDenied, message).with("origin", shown(&origin)))
        }
        _ => next.run(request).await,
    }
}

fn is_own(origin: &HeaderValue, request: &Request) -> bool {
    let own = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let own = own.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let of_page = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    matches!((own, of_page), (Some(own), Some(page)) if own.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_origins_are_read() {
        assert!(AllowedOrigins::parse(&["https://console.example".to_owned(), "http://10.0.0.5:8080".to_owned()]).is_ok());
        for bad in ["console.example", "https://console.example/", "https://console.example/path", "null", ""] {
            assert_eq!(AllowedOrigins::parse(&[bad.to_owned()]).unwrap_err(), bad);
        }
    }

    #[test]
    fn the_own_host_is_told_from_others() {
        let origin = |text: &'static str| HeaderValue::from_static(text);
        let request = Request::builder().header(HOST, "10.0.0.5:7650").body(Body::empty()).unwrap();
        assert!(is_own(&origin("http://10.0.0.5:7650"), &request));
        for other in ["http://10.0.0.5", "http://10.0.0.5:7651", "http://evil.example", "null"] {
            assert!(!is_own(&origin(other), &request), "{other}");
        }
    }
}
