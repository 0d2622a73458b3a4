//! Services that answer with what they were asked, so that a test sees what arrived.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use polder_core::reason::{Reason, Refusal, Violations};
use polder_proto::ipam::v1::namespace_service_server::{NamespaceService, NamespaceServiceServer};
use polder_proto::ipam::v1::node_service_server::{NodeService, NodeServiceServer};
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::WatchEventType;
use polder_runtime::component::Component;
use polder_runtime::context::RequestContext;
use polder_runtime::status;
use tonic::{Request, Response, Status, Streaming};

/// More than a double can hold: it must come out as it went in.
pub(crate) const LARGE: u64 = u64::MAX - 1;

pub(crate) fn component() -> Component {
    Component::new("fakes").grpc(NamespaceServiceServer::new(Namespaces)).grpc(NodeServiceServer::new(Nodes))
}

#[derive(Clone)]
struct Namespaces;

fn labels<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[tonic::async_trait]
impl NamespaceService for Namespaces {
    async fn create_namespace(
        &self,
        request: Request<CreateNamespaceRequest>,
    ) -> Result<Response<CreateNamespaceResponse>, Status> {
        let request = request.into_inner();
        let mut namespace = request.namespace.unwrap_or_default();
        if namespace.name == "taken" {
            let refusal = Refusal::new(Reason::AlreadyExists, "`taken` exists").about("namespace", "taken");
            return Err(status::refuse(refusal));
        }
        if namespace.name.is_empty() {
            let mut bad = Violations::new();
            bad.add("namespace.name", Reason::FieldRequired, "a namespace needs a name");
            bad.add("namespace.labels", Reason::FieldRequired, "and labels");
            return bad.finish(None).map_err(status::refuse);
        }
        namespace.uid = format!("request_id={} validate_only={}", request.request_id, request.validate_only);
        Ok(Response::new(CreateNamespaceResponse { namespace: Some(namespace), revision: LARGE, impact: Vec::new() }))
    }

    async fn get_namespace(&self, request: Request<GetNamespaceRequest>) -> Result<Response<GetNamespaceResponse>, Status> {
        let context = RequestContext::of(&request);
        let name = request.into_inner().name;
        if name == "missing" {
            return Err(status::refuse(Refusal::missing(Reason::NamespaceNotFound, "namespace", name)));
        }
        let labels = labels([
            ("actor", context.actor.clone()),
            ("trace", context.trace_id.clone()),
            ("request", context.request_id.clone().unwrap_or_default()),
            ("deadline", context.deadline.is_some().to_string()),
        ]);
        Ok(Response::new(GetNamespaceResponse { namespace: Some(Namespace { name, labels, ..Namespace::default() }) }))
    }

    async fn list_namespaces(&self, request: Request<ListNamespacesRequest>) -> Result<Response<ListNamespacesResponse>, Status> {
        let request = request.into_inner();
        let labels = labels([("size", request.page_size.to_string()), ("token", request.page_token)]);
        let namespaces = vec![Namespace { name: request.filter, labels, ..Namespace::default() }];
        Ok(Response::new(ListNamespacesResponse { namespaces, next_page_token: String::new(), revision: 7 }))
    }

    async fn update_namespace(
        &self,
        request: Request<UpdateNamespaceRequest>,
    ) -> Result<Response<UpdateNamespaceResponse>, Status> {
        let request = request.into_inner();
        let mut namespace = request.namespace.unwrap_or_default();
        namespace.uid = request.update_mask.unwrap_or_default().paths.join(",");
        Ok(Response::new(UpdateNamespaceResponse { namespace: Some(namespace), revision: 8, impact: Vec::new() }))
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<DeleteNamespaceResponse>, Status> {
        let request = request.into_inner();
        let revision = if request.name == "shop" && request.etag == "e1" { 9 } else { 0 };
        Ok(Response::new(DeleteNamespaceResponse { revision, impact: Vec::new() }))
    }
}

#[derive(Clone)]
struct Nodes;

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(status::refuse(Refusal::new(Reason::NotImplemented, "not in this test")))
}

fn event(kind: WatchEventType, revision: u64) -> WatchNodesResponse {
    WatchNodesResponse { r#type: kind.into(), revision, node: None }
}

fn compacted() -> Status {
    status::refuse(Refusal::new(Reason::ResumeTokenCompacted, "start again from 0"))
}

#[tonic::async_trait]
impl NodeService for Nodes {
    type KeepAliveStream = BoxStream<'static, Result<KeepAliveResponse, Status>>;
    type WatchNodesStream = BoxStream<'static, Result<WatchNodesResponse, Status>>;

    async fn register_node(&self, request: Request<RegisterNodeRequest>) -> Result<Response<RegisterNodeResponse>, Status> {
        let RegisterNodeRequest { name, labels, zone, interfaces, .. } = request.into_inner();
        let node = Node { name, labels, zone, interfaces, ..Node::default() };
        Ok(Response::new(RegisterNodeResponse { node: Some(node), ..RegisterNodeResponse::default() }))
    }

    async fn keep_alive(&self, _: Request<Streaming<KeepAliveRequest>>) -> Result<Response<Self::KeepAliveStream>, Status> {
        not_here()
    }

    async fn report_neighbors(&self, _: Request<ReportNeighborsRequest>) -> Result<Response<ReportNeighborsResponse>, Status> {
        not_here()
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Result<Response<GetNodeResponse>, Status> {
        let name = request.into_inner().name;
        Ok(Response::new(GetNodeResponse { node: Some(Node { name, ..Node::default() }) }))
    }

    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Result<Response<ListNodesResponse>, Status> {
        not_here()
    }

    async fn update_node(&self, _: Request<UpdateNodeRequest>) -> Result<Response<UpdateNodeResponse>, Status> {
        not_here()
    }

    async fn delete_node(&self, _: Request<DeleteNodeRequest>) -> Result<Response<DeleteNodeResponse>, Status> {
        not_here()
    }

    async fn drain_node(&self, request: Request<DrainNodeRequest>) -> Result<Response<DrainNodeResponse>, Status> {
        let node = Node { name: request.into_inner().name, draining: true, ..Node::default() };
        Ok(Response::new(DrainNodeResponse { node: Some(node), ..DrainNodeResponse::default() }))
    }

    /// The filter says what shall happen; the start revision is sent back.
    async fn watch_nodes(&self, request: Request<WatchNodesRequest>) -> Result<Response<Self::WatchNodesStream>, Status> {
        let request = request.into_inner();
        let begin = [Ok(event(WatchEventType::Snapshot, request.start_revision)), Ok(event(WatchEventType::Synced, LARGE))];
        let events = match request.filter.as_str() {
            "refuse" => return Err(compacted()),
            "refuse-later" => boxed(stream::iter([Err(compacted())])),
            "break" => boxed(stream::iter(begin).chain(stream::iter([Err(compacted())]))),
            "endless" => boxed(stream::iter(begin).chain(stream::pending())),
            _ => boxed(stream::iter(begin)),
        };
        Ok(Response::new(events))
    }
}

fn boxed<T>(events: impl Stream<Item = Result<T, Status>> + Send + 'static) -> BoxStream<'static, Result<T, Status>> {
    events.boxed()
}
