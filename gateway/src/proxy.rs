//! gRPC and gRPC-Web at the gateway's own port, passed through to the service that a path names.
//!
//! A browser speaks gRPC-Web (over HTTP/1.1 or 2), which is translated; plain gRPC over HTTP/2 passes as it is, so that
//! `grpcurl` works at this port too. Messages are not decoded here: limits, deadlines and refusals are the service's.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, Version};
use prost_reflect::MethodDescriptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic_reflection::server as reflection;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};

use crate::descriptors::Api;
use crate::metadata;
use crate::upstream::{Streams, Upstreams};

/// Headers of one hop, or meant for the gateway alone.
const NOT_FORWARDED: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE];

/// The routes of every RPC of the services behind the gateway, and of reflection over them.
///
/// # Errors
/// Reflection cannot read the descriptors.
pub(crate) fn routes(api: &Api, upstreams: &Upstreams, stop: &CancellationToken) -> Result<Router, reflection::Error> {
    let mut router = Router::new();
    let mut names = Vec::new();
    for service in api.services() {
        let Some(link) = upstreams.of(service.package_name()) else { continue };
        let name = service.full_name();
        // Methods that this build does not know pass too; the service says what it thinks of them.
        router = router.route_service(&format!("/{name}/{{method}}"), forward(link.clone()));
        for method in service.methods().filter(MethodDescriptor::is_server_streaming) {
            let streams = Streams { inner: link.clone(), stop: stop.clone() };
            router = router.route_service(&format!("/{name}/{}", method.name()), forward(streams));
        }
        names.push(name.to_owned());
    }
    Ok(router.merge(reflection(names, stop)?))
}

/// Reflection, v1 and v1alpha: what lets `grpcurl` call without the proto files.
fn reflection(names: Vec<String>, stop: &CancellationToken) -> Result<Router, reflection::Error> {
    let builder = || {
        let known = reflection::Builder::configure().register_encoded_file_descriptor_set(polder_proto::FILE_DESCRIPTOR_SET);
        names.iter().fold(known, |known, name| known.with_service_name(name.clone()))
    };
    let v1 = Streams { inner: builder().build_v1()?, stop: stop.clone() };
    let v1alpha = Streams { inner: builder().build_v1alpha()?, stop: stop.clone() };
    Ok(Router::new()
        .route_service("/grpc.reflection.v1.ServerReflection/{method}", forward(v1))
        .route_service("/grpc.reflection.v1alpha.ServerReflection/{method}", forward(v1alpha)))
}

fn forward<S: Upstream>(upstream: S) -> GrpcWebService<Forward<S>> {
    GrpcWebLayer::new().layer(Forward(upstream))
}

/// What a call can be sent to.
trait Upstream: Service<Request<Body>, Response = Response<Body>, Error = Infallible> {}

impl<S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>> Upstream for S {}

/// Sends a gRPC request on. What cannot be sent is answered with a status: links have no errors.
#[derive(Clone)]
struct Forward<S>(S);

impl<S: Upstream> Service<Request<Body>> for Forward<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = S::Future;

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
