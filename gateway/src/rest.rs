//! The REST face: every RPC with a `google.api.http` annotation, as HTTP and proto3 JSON.
//!
//! Nothing here knows any RPC. [`bindings`] reads the annotations, [`routes`] finds the one that a request means,
//! [`transcode`] makes the request message, a link carries it to the service, and [`answer`] writes what came back.

pub(crate) mod answer;
pub(crate) mod bindings;
pub(crate) mod json;
mod mask;
mod query;
mod routes;
pub(crate) mod template;
mod transcode;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use polder_core::reason::{Reason, Refusal};
use polder_proto::dynamic::DynamicCodec;
use prost_reflect::DynamicMessage;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::client::Grpc;

use self::bindings::{AnnotationError, Binding};
use self::routes::{Found, RouteTable};
use crate::descriptors::Api;
use crate::error;
use crate::metadata;
use crate::upstream::{Streams, Upstreams};

/// Serves every annotated RPC.
pub(crate) struct RestFace {
    api: Arc<Api>,
    routes: RouteTable,
    upstreams: Upstreams,
    /// Ends streams.
    stop: CancellationToken,
    /// The largest body of a request, in bytes.
    body_limit: usize,
}

impl RestFace {
    /// The face of `api`, with calls going to `upstreams`.
    ///
    /// # Errors
    /// An annotation cannot be served.
    pub(crate) fn new(
        api: Arc<Api>,
        upstreams: Upstreams,
        stop: CancellationToken,
        body_limit: usize,
    ) -> Result<Self, AnnotationError> {
        let bindings: Vec<_> = bindings::all(api.pool())?.into_iter().map(Arc::new).collect();
        Ok(Self { routes: RouteTable::new(&bindings)?, api, upstreams, stop, body_limit })
    }

    /// Answers one request.
    pub(crate) async fn serve(&self, request: Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        // HEAD is GET whose body the server leaves out.
        let verb = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
        let (binding, variables) = match self.routes.find(&verb, path) {
            Found::Binding(binding, variables) => (binding, variables),
            Found::OtherVerbs(others) => return error::method_not_allowed(&verb, path, &others),
            Found::Nothing => return error::no_such_path(path),
        };
        let body = match self.body(&head.headers, body).await {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        };
        let parts = transcode::Parts { path: &variables, query: head.uri.query().unwrap_or_default(), body: &body };
        let message = match transcode::request(&self.api, &binding, &parts) {
            Ok(message) => message,
            Err(refusal) => return error::refused(&refusal),
        };
        let request = metadata::carry(&head, message);
        self.call(&binding, &head.headers, request).await.unwrap_or_else(error::failed)
    }

    async fn call(
        &self,
        binding: &Binding,
        headers: &HeaderMap,
        request: tonic::Request<DynamicMessage>,
    ) -> Result<Response, Status> {
        let link = self.upstreams.of(binding.rpc.parent_service().package_name()).ok_or_else(|| not_connected(binding))?;
        let codec = DynamicCodec { answer: binding.rpc.output() };
        let path = binding.grpc_path.clone();
        if binding.rpc.is_server_streaming() {
            let mut client = Grpc::new(Streams { inner: link.clone(), stop: self.stop.clone() });
            client.ready().await.unwrap_or_else(|never| match never {});
            let answers = client.server_streaming(request, path, codec).await?;
            return Ok(answer::many(headers, answers.into_inner()).await);
        }
        let mut client = Grpc::new(link.clone());
        client.ready().await.unwrap_or_else(|never| match never {});
        let answer = client.unary(metadata::with_deadline(request), path, codec).await?;
        Ok(answer::single(&binding.verb, headers, answer.get_ref()))
    }

    async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Box<Response>> {
        let body = match Limited::new(body, self.body_limit).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Box::new(error::too_large(self.body_limit))),
            Err(error) => {
                let refusal = Refusal::new(Reason::InvalidArgument, format!("the body did not arrive: {error}"));
                return Err(Box::new(error::refused(&refusal)));
            }
        };
        if body.is_empty() || is_json(headers) {
            return Ok(body);
        }
        let refusal = Refusal::new(Reason::InvalidArgument, "a body must be JSON, and say so: `Content-Type: application/json`");
        Err(Box::new(error::refused(&refusal)))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}

fn not_connected(binding: &Binding) -> Status {
    Status::unimplemented(format!("this gateway is not connected to {}", binding.rpc.parent_service().full_name()))
}
