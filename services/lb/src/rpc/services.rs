//! `polder.lb.v1.ServiceCatalogService`.

use std::pin::Pin;

use futures::{Stream, TryStreamExt};
use polder_core::id::Revision;
use polder_core::lb::{explain, plan};
use polder_core::reason::{Refusal, Violations};
use polder_proto::convert::lb as convert;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::service_catalog_service_server::ServiceCatalogService;
use polder_runtime::call::Call;
use polder_runtime::clock;
use polder_runtime::status::refuse;
use tonic::{Request, Response};

use super::{Answered, read};
use crate::list::{ServicePage, endpoint_page, service_filter};
use crate::service::Catalog;
use crate::watch::Watch;

/// See the module.
pub(crate) struct Services {
    catalog: Catalog,
}

impl Services {
    pub(crate) const fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    fn get(&self, request: &pb::GetServiceRequest) -> Result<Response<pb::GetServiceResponse>, Refusal> {
        let key = convert::key(&request.namespace, &request.name)?;
        let snapshot = self.catalog.view()?;
        let service = convert::service(&snapshot.view, plan::find(&snapshot.view, &key)?, self.catalog.domain());
        Ok(read(&snapshot, pb::GetServiceResponse { service: Some(service) }))
    }

    fn list(&self, request: &pb::ListServicesRequest) -> Result<Response<pb::ListServicesResponse>, Refusal> {
        let page = ServicePage::read(request)?;
        let snapshot = self.catalog.view()?;
        let (services, next_page_token) = page.of(&snapshot.view, self.catalog.domain());
        Ok(read(&snapshot, pb::ListServicesResponse { services, next_page_token, revision: snapshot.revision.0 }))
    }

    fn endpoints(&self, request: &pb::ListEndpointsRequest) -> Result<Response<pb::ListEndpointsResponse>, Refusal> {
        let snapshot = self.catalog.view()?;
        let (endpoints, next_page_token) = endpoint_page(&snapshot.view, request)?;
        Ok(read(&snapshot, pb::ListEndpointsResponse { endpoints, next_page_token, revision: snapshot.revision.0 }))
    }

    async fn explain(&self, request: &pb::ExplainServiceRequest) -> Result<Response<pb::ExplainServiceResponse>, Refusal> {
        let key = convert::key(&request.namespace, &request.name)?;
        let snapshot = self.catalog.view()?;
        let explanation = explain(&snapshot.view, &key, clock::now())?;
        let service = plan::find(&snapshot.view, &key)?;
        let (mut steps, pools) = convert::explanation(service, &explanation);
        steps.extend(self.catalog.arrival(service, &snapshot).await);
        let service = Some(convert::service(&snapshot.view, service, self.catalog.domain()));
        Ok(read(&snapshot, pb::ExplainServiceResponse { service, steps, pools, revision: snapshot.heads.newest().0 }))
    }

    async fn watch(&self, request: &pb::WatchServicesRequest) -> Result<Watch, Refusal> {
        let mut bad = Violations::new();
        let filter = service_filter(&request.filter, &mut bad);
        let filter = bad.finish(Some(filter))?;
        let after = (request.start_revision > 0).then_some(Revision(request.start_revision));
        Watch::open(&self.catalog, after, filter).await
    }
}

#[tonic::async_trait]
impl ServiceCatalogService for Services {
    type WatchServicesStream = Pin<Box<dyn Stream<Item = Result<pb::WatchServicesResponse, tonic::Status>> + Send>>;

    async fn create_service(&self, request: Request<pb::CreateServiceRequest>) -> Answered<pb::CreateServiceResponse> {
        let (call, message) = Call::of("CreateService", request);
        let creation = convert::creation(message).map_err(refuse)?;
        let pb::UpdateServiceResponse { service, revision, impact, convergence } =
            self.catalog.create(&call, creation).await.map_err(refuse)?;
        Ok(Response::new(pb::CreateServiceResponse { service, revision, impact, convergence }))
    }

    async fn get_service(&self, request: Request<pb::GetServiceRequest>) -> Answered<pb::GetServiceResponse> {
        self.get(request.get_ref()).map_err(refuse)
    }

    async fn list_services(&self, request: Request<pb::ListServicesRequest>) -> Answered<pb::ListServicesResponse> {
        self.list(request.get_ref()).map_err(refuse)
    }

    async fn update_service(&self, request: Request<pb::UpdateServiceRequest>) -> Answered<pb::UpdateServiceResponse> {
        let (call, message) = Call::of("UpdateService", request);
        let revision = convert::revision(message).map_err(refuse)?;
        self.catalog.update(&call, revision).await.map(Response::new).map_err(refuse)
    }

    async fn delete_service(&self, request: Request<pb::DeleteServiceRequest>) -> Answered<pb::DeleteServiceResponse> {
        let (call, message) = Call::of("DeleteService", request);
        let deletion = convert::deletion(&message).map_err(refuse)?;
        let pb::UpdateServiceResponse { revision, impact, convergence, .. } =
            self.catalog.delete(&call, deletion).await.map_err(refuse)?;
        Ok(Response::new(pb::DeleteServiceResponse { revision, impact, convergence }))
    }

    async fn explain_service(&self, request: Request<pb::ExplainServiceRequest>) -> Answered<pb::ExplainServiceResponse> {
        self.explain(request.get_ref()).await.map_err(refuse)
    }

    async fn list_endpoints(&self, request: Request<pb::ListEndpointsRequest>) -> Answered<pb::ListEndpointsResponse> {
        self.endpoints(request.get_ref()).map_err(refuse)
    }

    async fn watch_services(&self, request: Request<pb::WatchServicesRequest>) -> Answered<Self::WatchServicesStream> {
        let watch = self.watch(request.get_ref()).await.map_err(refuse)?;
        Ok(Response::new(Box::pin(watch.messages().map_err(refuse))))
    }
}
