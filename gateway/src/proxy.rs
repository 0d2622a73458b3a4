//! gRPC and gRPC-Web at the gateway's own port, passed through to the service that a path names.
//!
//! A browser speaks gRPC-Web (over HTTP/1.1 or 2), which is translated; plain gRPC over HTTP/2 passes as it is, so that
//! `grpcurl` works at this port too. Messages are not decoded here: limits, deadlines and refusals are the service's.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::any_service;
use futures::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, Version};
use polder_runtime::link::Link;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service};

use crate::descriptors::Api;
use crate::metadata;
use crate::upstream::Upstreams;

/// Headers of one hop, or meant for the gateway alone.
const NOT_FORWARDED: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE];

/// The routes of every RPC of the services behind the gateway.
pub(crate) fn routes(api: &Api, upstreams: &Upstreams) -> Router {
    let mut router = Router::new();
    for service in api.services() {
        if let Some(link) = upstreams.of(service.package_name()) {
            let path = format!("/{}/{{method}}", service.full_name());
            router = router.route_service(&path, any_service(GrpcWebLayer::new().layer(Forward(link.clone()))));
        }
    }
    router
}

/// Sends a gRPC request on. What cannot be sent is answered with a status: links have no errors.
#[derive(Clone)]
struct Forward(Link);

impl Service<Request<Body>> for Forward {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        for name in &NOT_FORWARDED {
            head.headers.remove(name);
        }
        head.version = Version::HTTP_2;
        metadata::name_caller(&mut head.headers, &head.extensions);
        self.0.call(Request::from_parts(head, body))
    }
}
