//! `WatchDataplane` beside the generated server, which would encode every message for every stream: here a message is encoded
//! once, whatever the number of nodes.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http::Request as HttpRequest;
use http::Response as HttpResponse;
use polder_core::id::Revision;
use polder_core::reason::{Refusal, Violations};
use polder_proto::convert::common::parsed;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_server::{DataplaneService, DataplaneServiceServer};
use polder_runtime::status::refuse;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tower_service::Service;

use crate::dataplane::{Encoded, EncodedCodec, Feed, Reader};

/// The path of the one method that is served here.
const WATCH: &str = "/polder.lb.v1.DataplaneService/WatchDataplane";

/// The whole service: the watch from here, the rest as it is generated.
pub(crate) struct DataplaneServer<T> {
    watching: Watching,
    rest: DataplaneServiceServer<T>,
}

impl<T: DataplaneService> DataplaneServer<T> {
    pub(crate) fn new(feed: Arc<Feed>, rest: T) -> Self {
        Self { watching: Watching { feed }, rest: DataplaneServiceServer::new(rest) }
    }
}

impl<T> Clone for DataplaneServer<T> {
    fn clone(&self) -> Self {
        Self { watching: self.watching.clone(), rest: self.rest.clone() }
    }
}

impl<T> NamedService for DataplaneServer<T> {
    const NAME: &'static str = DataplaneServiceServer::<T>::NAME;
}

impl<T: DataplaneService> Service<HttpRequest<Body>> for DataplaneServer<T> {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        if request.uri().path() != WATCH {
            return self.rest.call(request);
        }
        let watching = self.watching.clone();
        Box::pin(async move { Ok(Grpc::new(EncodedCodec).server_streaming(watching, request).await) })
    }
}

/// The method.
#[derive(Clone)]
struct Watching {
    feed: Arc<Feed>,
}

impl Watching {
    async fn open(self, request: pb::WatchDataplaneRequest) -> Result<Reader, Refusal> {
        let mut bad = Violations::new();
        let node = parsed(&request.node, "node", &mut bad);
        let uid = parsed(&request.node_uid, "node_uid", &mut bad);
        let (node, uid) = bad.finish(node.zip(uid))?;
        let after = (request.start_revision > 0).then_some(Revision(request.start_revision));
        Reader::open(self.feed, node, uid, after).await
    }
}

impl ServerStreamingService<pb::WatchDataplaneRequest> for Watching {
    type Response = Encoded;
    type ResponseStream = BoxStream<'static, Result<Encoded, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<pb::WatchDataplaneRequest>) -> Self::Future {
        let opening = self.clone().open(request.into_inner());
        Box::pin(async move {
            let reader = opening.await.map_err(refuse)?;
            Ok(Response::new(reader.messages().map_err(refuse).boxed()))
        })
    }
}
