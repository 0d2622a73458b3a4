//! `polder.ipam.v1.NamespaceService`.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::ipam::{Decision, namespace};
use polder_core::net::Label;
use polder_core::reason::{Reason, Refusal};
use polder_proto::convert::ipam::namespace as convert;
use polder_proto::ipam::v1::namespace_service_server::NamespaceService;
use polder_proto::ipam::v1::*;
use polder_runtime::status::refuse;
use tonic::Request;

use super::fields::NamespaceOf;
use super::{Answered, answer, name, read};
use crate::call::Call;
use crate::page::Page;
use crate::service::{Service, after};

/// The gRPC service.
pub(crate) struct Namespaces {
    service: Service,
}

impl Namespaces {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }
}

/// Every namespace after `after` that is stored or that an object names, by name.
fn namespaces(cluster: &Cluster, after: Option<&Label>) -> impl Iterator<Item = (Label, NamespaceOf)> {
    let stored = cluster.ipam.namespaces().map(|record| record.name.clone());
    let pods = cluster.ipam.namespaces_in_use().cloned();
    let services = cluster.lb.services().map(|service| service.key.namespace.clone());
    let all: BTreeSet<Label> = stored.chain(pods).chain(services).collect();
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let names: Vec<Label> = all.range::<Label, _>((from, Bound::Unbounded)).cloned().collect();
    names.into_iter().map(|name| {
        let record = cluster.ipam.namespace(&name).cloned();
        let labels = cluster.ipam.namespace_labels(&name);
        (name.clone(), NamespaceOf { name, record, labels })
    })
}

fn show(cluster: &Cluster, found: &NamespaceOf) -> Namespace {
    convert::show(cluster, &found.name, found.record.as_deref())
}

/// A stored namespace as it stands after the decision.
fn shown(cluster: &Cluster, decision: &Decision<Arc<polder_core::ipam::Namespace>>) -> Namespace {
    let mut then = cluster.clone();
    then.ipam = after(&cluster.ipam, &decision.changes);
    convert::show(&then, &decision.answer.name, Some(&decision.answer))
}

#[tonic::async_trait]
impl NamespaceService for Namespaces {
    async fn create_namespace(&self, request: Request<CreateNamespaceRequest>) -> Answered<CreateNamespaceResponse> {
        let (call, message) = Call::of("CreateNamespace", request);
        let (call, draft) = call.wants(convert::create(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = namespace::create(cluster, &draft, context)?;
            let namespace = Some(shown(cluster, &decision));
            Ok(decision.map(|_| CreateNamespaceResponse { namespace, ..Default::default() }))
        });
        answer(change.await)
    }

    async fn get_namespace(&self, request: Request<GetNamespaceRequest>) -> Answered<GetNamespaceResponse> {
        let name: Label = name(&request.get_ref().name)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let cluster = &snapshot.view;
        let record = cluster.ipam.namespace(&name);
        if record.is_none() && !namespace::in_use(cluster, &name) {
            return Err(refuse(Refusal::missing(Reason::NamespaceNotFound, "namespace", name)));
        }
        let namespace = Some(convert::show(cluster, &name, record.map(AsRef::as_ref)));
        read(&snapshot, GetNamespaceResponse { namespace })
    }

    async fn list_namespaces(&self, request: Request<ListNamespacesRequest>) -> Answered<ListNamespacesResponse> {
        let request = request.into_inner();
        let page = Page::<Label>::read::<NamespaceOf>("namespaces", request.page_size, &request.page_token, &request.filter)
            .map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let (found, next_page_token) = page.take(namespaces(&snapshot.view, page.after.as_ref()));
        let namespaces = found.iter().map(|found| show(&snapshot.view, found)).collect();
        read(&snapshot, ListNamespacesResponse { namespaces, next_page_token, revision: snapshot.revision.0 })
    }

    async fn update_namespace(&self, request: Request<UpdateNamespaceRequest>) -> Answered<UpdateNamespaceResponse> {
        let (call, message) = Call::of("UpdateNamespace", request);
        let (call, update) = call.wants(convert::update(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = namespace::update(cluster, &update, context)?;
            let namespace = Some(shown(cluster, &decision));
            Ok(decision.map(|_| UpdateNamespaceResponse { namespace, ..Default::default() }))
        });
        answer(change.await)
    }

    async fn delete_namespace(&self, request: Request<DeleteNamespaceRequest>) -> Answered<DeleteNamespaceResponse> {
        let (call, message) = Call::of("DeleteNamespace", request);
        let (call, (name, etag)) = call.wants(convert::delete(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, _| {
            namespace::delete(cluster, &name, &etag).map(|decision| decision.map(|()| DeleteNamespaceResponse::default()))
        });
        answer(change.await)
    }
}
