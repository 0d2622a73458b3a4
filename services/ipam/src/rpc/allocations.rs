//! `polder.ipam.v1.AllocationService`.

use std::sync::Arc;

use futures::{StreamExt, stream};
use polder_core::cluster::Cluster;
use polder_core::dns::zones;
use polder_core::id::{Entropy, Uid};
use polder_core::ipam::view::Term;
use polder_core::ipam::{Allocation as Stored, allocate, audit, lookup, release, repair};
use polder_core::lb;
use polder_core::net::{Label, Selector};
use polder_core::reason::{Refusal, Violations};
use polder_core::schema::PlanContext;
use polder_proto::convert::common::{optional, selector};
use polder_proto::convert::ipam::allocation as convert;
use polder_proto::convert::ipam::{findings, lookup as convert_lookup};
use polder_proto::ipam::v1::allocation_service_server::AllocationService;
use polder_proto::ipam::v1::*;
use polder_runtime::clock;
use polder_runtime::status::{code, refuse};
use tonic::Request;

use super::fields::AllocationOf;
use super::{Answered, answer, read};
use crate::call::Call;
use crate::history;
use crate::page::{Page, filter};
use crate::service::Service;
use crate::watch::{self, Allocations as WatchedAllocations};

/// How many items of a batch wait at once.
const BATCH_WINDOW: usize = 120;
/// The most records that one repair mends.
const MOST_REPAIRED: usize = 100;
/// The most findings of one answer.
const MOST_FINDINGS: usize = 1000;

/// The gRPC service.
pub(crate) struct Allocations {
    service: Service,
}

impl Allocations {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }

    async fn allocate(&self, call: Call, message: &AllocateAddressesRequest) -> Result<AllocateAddressesResponse, Refusal> {
        let (call, wish) = call.wants(convert::allocate(message)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = allocate::plan(cluster, &wish, context)?;
            Ok(decision.map(|given| convert::show_allocated(&cluster.ipam, &given)))
        });
        change.await
    }

    async fn item(&self, call: &Call, message: AllocateAddressesRequest) -> Result<AllocateAddressesResponse, Refusal> {
        self.allocate(call.item(&message), &message).await
    }

    /// What the items of a batch would get, each besides what the ones before it would have taken.
    async fn preview(&self, items: Vec<AllocateAddressesRequest>) -> Result<BatchAllocateAddressesResponse, Refusal> {
        let (outcomes, revision) = self
            .service
            .preview_in_turn(items, |cluster, item, context| {
                let decision = allocate::plan(cluster, &convert::allocate(&item)?.wish, context)?;
                Ok(decision.map(|given| convert::show_allocated(&cluster.ipam, &given)))
            })
            .await?;
        Ok(BatchAllocateAddressesResponse { results: outcomes.into_iter().map(result).collect(), revision: revision.0 })
    }
}

/// How one item of a batch went.
fn result(outcome: Result<AllocateAddressesResponse, Refusal>) -> BatchAllocateAddressesResult {
    use batch_allocate_addresses_result::Result as Outcome;
    let result = match outcome {
        Ok(given) => given.allocation.map(Outcome::Allocation),
        Err(refusal) => Some(Outcome::Refusal(convert::show_refusal(&refusal, number(&refusal)))),
    };
    BatchAllocateAddressesResult { result }
}

/// The number of the gRPC code of a refusal.
fn number(refusal: &Refusal) -> u32 {
    code(refusal.kind()) as u32
}

/// The page that is asked for, and the namespace and the selector that the list is narrowed by.
fn narrowed(request: &ListAllocationsRequest) -> Result<(Page<Uid>, Option<Label>, Selector), Refusal> {
    let mut bad = Violations::new();
    let namespace = optional(&request.namespace, "namespace", &mut bad);
    let selector = selector(request.selector.as_ref(), "selector", &mut bad);
    let (list, said) = (["allocations", &request.namespace, &selector.to_string()], (request.page_size, &*request.page_token));
    let page = Page::of::<AllocationOf<'_>>(&list, (said.0, said.1, &request.filter), &mut bad);
    bad.finish(page.map(|page| (page, namespace, selector)))
}

/// What the audits of addresses, of services and of zones say of a state.
fn checked(cluster: &Cluster) -> CheckConsistencyResponse {
    let audited = audit::audit(cluster);
    let (services, zones) = (lb::audit(cluster), zones::audit(cluster));
    CheckConsistencyResponse {
        findings: audited.findings.iter().chain(&services).chain(&zones).take(MOST_FINDINGS).map(findings::show).collect(),
        total: (audited.findings.len() + services.len() + zones.len()) as u64,
        checked: (audited.checked + cluster.lb.services().count() + cluster.dns.all_sets().count()) as u64,
        ..Default::default()
    }
}

#[tonic::async_trait]
impl AllocationService for Allocations {
    type WatchAllocationsStream = watch::Stream<WatchAllocationsResponse>;

    async fn allocate_addresses(&self, request: Request<AllocateAddressesRequest>) -> Answered<AllocateAddressesResponse> {
        let (call, message) = Call::of("AllocateAddresses", request);
        answer(self.allocate(call, &message).await)
    }

    async fn batch_allocate_addresses(
        &self,
        request: Request<BatchAllocateAddressesRequest>,
    ) -> Answered<BatchAllocateAddressesResponse> {
        let (call, message) = Call::of("BatchAllocateAddresses", request);
        let items = convert::batch(&message).map_err(refuse)?;
        if message.validate_only {
            return answer(self.preview(items).await);
        }
        let outcomes: Vec<_> = stream::iter(items).map(|item| self.item(&call, item)).buffered(BATCH_WINDOW).collect().await;
        let revision = outcomes.iter().flatten().map(|given| given.revision).max().unwrap_or_default();
        let results = outcomes.into_iter().map(result).collect();
        answer(Ok(BatchAllocateAddressesResponse { results, revision }))
    }

    async fn release_addresses(&self, request: Request<ReleaseAddressesRequest>) -> Answered<ReleaseAddressesResponse> {
        let (call, message) = Call::of("ReleaseAddresses", request);
        let (call, wish) = call.wants(convert::release(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = release::release(cluster, &wish, context)?;
            Ok(decision.map(|released| convert::show_released(&released)))
        });
        answer(change.await)
    }

    async fn get_allocation(&self, request: Request<GetAllocationRequest>) -> Answered<GetAllocationResponse> {
        let request = request.into_inner();
        let key = convert::key(&request.uid, &request.handle).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let found = release::find(&snapshot.view.ipam, &key).map_err(refuse)?;
        let allocation = Some(convert::show(&snapshot.view.ipam, found));
        read(&snapshot, GetAllocationResponse { allocation })
    }

    async fn list_allocations(&self, request: Request<ListAllocationsRequest>) -> Answered<ListAllocationsResponse> {
        let request = request.into_inner();
        let (page, namespace, selector) = narrowed(&request).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let view = &snapshot.view.ipam;
        let mut terms = AllocationOf::terms(&page.filter);
        terms.extend(namespace.map(|name| vec![Term::Namespace(name)]));
        let objects = view.walk(terms, page.after).filter(|one| selector.matches(&one.labels));
        let (found, next_page_token) = page.take(objects.map(|one| (one.meta.uid, AllocationOf { view, record: Arc::clone(one) })));
        let allocations = found.iter().map(|one| convert::show(view, &one.record)).collect();
        read(&snapshot, ListAllocationsResponse { allocations, next_page_token, revision: snapshot.revision.0 })
    }

    async fn update_allocation(&self, request: Request<UpdateAllocationRequest>) -> Answered<UpdateAllocationResponse> {
        let (call, message) = Call::of("UpdateAllocation", request);
        let (call, update) = call.wants(convert::update(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = release::update(cluster, &update, context)?;
            let shown = |changed: Arc<Stored>| Some(convert::show(&cluster.ipam, &changed));
            Ok(decision.map(|changed| UpdateAllocationResponse { allocation: shown(changed), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn watch_allocations(&self, request: Request<WatchAllocationsRequest>) -> Answered<Self::WatchAllocationsStream> {
        let request = request.into_inner();
        let watched = WatchedAllocations { filter: filter::<AllocationOf<'_>>(&request.filter).map_err(refuse)? };
        answer(watch::follow(&self.service, request.start_revision, watched).await)
    }

    async fn explain_allocation(&self, request: Request<ExplainAllocationRequest>) -> Answered<ExplainAllocationResponse> {
        let wish = convert::explain(request.get_ref()).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        // Nothing is made, so the identity of what would be made does not matter.
        let context = PlanContext { now: clock::now(), entropy: Entropy(0) };
        let explained = allocate::explain(&snapshot.view, &wish, context);
        let shown = convert::show_explanation(&snapshot.view.ipam, &explained, number);
        read(&snapshot, ExplainAllocationResponse { revision: snapshot.revision.0, ..shown })
    }

    async fn lookup_address(&self, request: Request<LookupAddressRequest>) -> Answered<LookupAddressResponse> {
        let (address, at) = convert_lookup::read(request.get_ref()).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        if let Some(at) = at.filter(|at| *at < clock::now()) {
            return answer(history::lookup_at(&self.service, address, at).await);
        }
        let found = lookup::lookup(&snapshot.view, address, clock::now());
        let shown = convert_lookup::show(&snapshot.view.ipam, &found);
        read(&snapshot, LookupAddressResponse { revision: snapshot.revision.0, ..shown })
    }

    async fn list_address_history(&self, request: Request<ListAddressHistoryRequest>) -> Answered<ListAddressHistoryResponse> {
        answer(history::list(&self.service, request.get_ref()).await)
    }

    async fn check_consistency(&self, request: Request<CheckConsistencyRequest>) -> Answered<CheckConsistencyResponse> {
        let (call, message) = Call::of("CheckConsistency", request);
        let (call, reasons) = call.wants(convert::repair(&message).map_err(refuse)?);
        if message.repair {
            let change = self.service.change(&call, move |cluster, context| {
                let found = checked(cluster);
                let decision = repair::repair(cluster, &reasons, MOST_REPAIRED, context);
                Ok(decision.map(|repaired| CheckConsistencyResponse { repaired: repaired as u64, ..found }))
            });
            return answer(change.await);
        }
        let snapshot = self.service.view().map_err(refuse)?;
        read(&snapshot, CheckConsistencyResponse { revision: snapshot.revision.0, ..checked(&snapshot.view) })
    }
}
