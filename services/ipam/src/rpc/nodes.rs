//! `polder.ipam.v1.NodeService`.

use std::sync::Arc;

use futures::stream::BoxStream;
use polder_core::cluster::Cluster;
use polder_core::id::Uid;
use polder_core::ipam::{Decision, Node as Stored, View, neighbors, node};
use polder_core::net::Name;
use polder_core::reason::Refusal;
use polder_proto::convert::common::show_time;
use polder_proto::convert::ipam::node::{self as convert, Renewal};
use polder_proto::ipam::v1::node_service_server::NodeService;
use polder_proto::ipam::v1::*;
use polder_runtime::node_stream::{NodeStream, answers};
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status, Streaming};

use super::fields::NodeOf;
use super::{Answered, answer, name, read};
use crate::call::Call;
use crate::leases::{Held, Leases};
use crate::page::{Page, filter};
use crate::service::{Service, after};
use crate::watch::{self, Nodes as WatchedNodes};

/// The gRPC service.
pub(crate) struct Nodes {
    service: Service,
}

impl Nodes {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }

    fn lease_ttl(&self) -> Option<prost_types::Duration> {
        prost_types::Duration::try_from(self.service.leases().ttl()).ok()
    }

    /// A node, with when this process heard of it last.
    fn with_heartbeat(&self, view: &View, node: &Stored) -> Node {
        let last_heartbeat_time = self.service.leases().heard(node).map(show_time);
        Node { last_heartbeat_time, ..convert::show(view, node) }
    }
}

/// One agent's stream of renewals. When the agent ends it, its lease runs out by itself, so that an agent that is merely started
/// anew is not lost meanwhile.
struct Renewing {
    leases: Leases,
    held: Held,
    lease_ttl: Option<prost_types::Duration>,
}

impl NodeStream for Renewing {
    type Request = KeepAliveRequest;
    type Said = Renewal;
    type Answer = KeepAliveResponse;

    const NODE: &'static str = "name";

    fn read(request: &KeepAliveRequest) -> Result<Renewal, Refusal> {
        convert::renewal(request)
    }

    fn node(renewal: &Renewal) -> (&Name, Uid) {
        (&renewal.name, renewal.uid)
    }

    async fn take(&mut self, Renewal { name, uid, sequence }: Renewal) -> Result<KeepAliveResponse, Refusal> {
        let node = self.leases.renew(&mut self.held, &name, uid).await?;
        Ok(KeepAliveResponse { sequence, lease_ttl: self.lease_ttl, draining: node.draining })
    }
}

/// A node as it stands after the decision, its addresses included.
fn shown(cluster: &Cluster, decision: &Decision<Arc<Stored>>) -> Option<Node> {
    Some(convert::show(&after(&cluster.ipam, &decision.changes), &decision.answer))
}

#[tonic::async_trait]
impl NodeService for Nodes {
    type KeepAliveStream = BoxStream<'static, Result<KeepAliveResponse, Status>>;
    type WatchNodesStream = watch::Stream<WatchNodesResponse>;

    async fn register_node(&self, request: Request<RegisterNodeRequest>) -> Answered<RegisterNodeResponse> {
        let (call, message) = Call::of("RegisterNode", request);
        let (call, wish) = call.wants(convert::register(&message).map_err(refuse)?);
        let lease_ttl = self.lease_ttl();
        let change = self.service.change(&call, move |cluster, context| {
            let decision = node::register(cluster, &wish, context)?;
            let node = shown(cluster, &decision);
            Ok(decision.map(|_| RegisterNodeResponse { node, lease_ttl, ..Default::default() }))
        });
        answer(change.await)
    }

    async fn keep_alive(&self, request: Request<Streaming<KeepAliveRequest>>) -> Answered<Self::KeepAliveStream> {
        let leases = self.service.leases().clone();
        let renewing = Renewing { leases, held: Held::default(), lease_ttl: self.lease_ttl() };
        Ok(Response::new(answers(request.into_inner(), renewing)))
    }

    async fn report_neighbors(&self, request: Request<ReportNeighborsRequest>) -> Answered<ReportNeighborsResponse> {
        let (call, message) = Call::of("ReportNeighbors", request);
        let (call, report) = call.wants(convert::report(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = neighbors::report(cluster, &report, context)?;
            Ok(decision.map(|()| ReportNeighborsResponse::default()))
        });
        answer(change.await)
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answered<GetNodeResponse> {
        let name: Name = name(&request.get_ref().name)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let node = node::find(&snapshot.view.ipam, &name).map_err(refuse)?;
        read(&snapshot, GetNodeResponse { node: Some(self.with_heartbeat(&snapshot.view.ipam, node)) })
    }

    async fn list_nodes(&self, request: Request<ListNodesRequest>) -> Answered<ListNodesResponse> {
        let request = request.into_inner();
        let page =
            Page::<Name>::read::<NodeOf>("nodes", request.page_size, &request.page_token, &request.filter).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let view = &snapshot.view.ipam;
        let later = view.nodes().filter(|node| page.after.as_ref().is_none_or(|after| node.name > *after));
        let (found, next_page_token) = page.take(later.map(|node| (node.name.clone(), NodeOf(Arc::clone(node)))));
        let nodes = found.iter().map(|node| self.with_heartbeat(view, &node.0)).collect();
        read(&snapshot, ListNodesResponse { nodes, next_page_token, revision: snapshot.revision.0 })
    }

    async fn update_node(&self, request: Request<UpdateNodeRequest>) -> Answered<UpdateNodeResponse> {
        let (call, message) = Call::of("UpdateNode", request);
        let (call, update) = call.wants(convert::update(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = node::update(cluster, &update, context)?;
            let node = shown(cluster, &decision);
            Ok(decision.map(|_| UpdateNodeResponse { node, ..Default::default() }))
        });
        answer(change.await)
    }

    async fn delete_node(&self, request: Request<DeleteNodeRequest>) -> Answered<DeleteNodeResponse> {
        let (call, message) = Call::of("DeleteNode", request);
        let (call, wish) = call.wants(convert::delete(&message).map_err(refuse)?);
        answer(self.service.delete_node(&call, &wish).await)
    }

    async fn drain_node(&self, request: Request<DrainNodeRequest>) -> Answered<DrainNodeResponse> {
        let (call, message) = Call::of("DrainNode", request);
        let (call, update) = call.wants(convert::drain(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = node::update(cluster, &update, context)?;
            let node = shown(cluster, &decision);
            Ok(decision.map(|_| DrainNodeResponse { node, ..Default::default() }))
        });
        answer(change.await)
    }

    async fn watch_nodes(&self, request: Request<WatchNodesRequest>) -> Answered<Self::WatchNodesStream> {
        let request = request.into_inner();
        let watched = WatchedNodes { filter: filter::<NodeOf>(&request.filter).map_err(refuse)? };
        answer(watch::follow(&self.service, request.start_revision, watched).await)
    }
}
