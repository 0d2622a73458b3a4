//! `polder.ipam.v1.PoolService`: pools and reservations.

use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::ipam::{Pool as StoredPool, pool, reservation};
use polder_core::net::Name;
use polder_proto::convert::ipam::pool as convert;
use polder_proto::convert::ipam::reservation as convert_reservation;
use polder_proto::ipam::v1::pool_service_server::PoolService;
use polder_proto::ipam::v1::*;
use polder_runtime::clock;
use polder_runtime::status::refuse;
use tonic::Request;

use super::fields::{PoolOf, ReservationOf};
use super::{Answered, answer, name, read};
use crate::call::Call;
use crate::page::{Page, filter};
use crate::service::Service;
use crate::watch::{self, Pools as WatchedPools};

/// The gRPC service.
pub(crate) struct Pools {
    service: Service,
}

impl Pools {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }

    /// A pool as it stands now, with how fast it fills.
    fn show(&self, cluster: &Cluster, pool: &StoredPool) -> Pool {
        convert::show_now(cluster, pool, self.service.forecasts().growth(pool), clock::now())
    }
}

#[tonic::async_trait]
impl PoolService for Pools {
    type WatchPoolsStream = watch::Stream<WatchPoolsResponse>;

    async fn create_pool(&self, request: Request<CreatePoolRequest>) -> Answered<CreatePoolResponse> {
        let (call, message) = Call::of("CreatePool", request);
        let (call, draft) = call.wants(convert::create(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = pool::create(cluster, &draft, context)?;
            Ok(decision.map(|pool| CreatePoolResponse { pool: Some(convert::show(&pool)), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn get_pool(&self, request: Request<GetPoolRequest>) -> Answered<GetPoolResponse> {
        let name = name(&request.get_ref().name)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let pool = pool::find(&snapshot.view.ipam, &name).map_err(refuse)?;
        let pool = Some(self.show(&snapshot.view, pool));
        read(&snapshot, GetPoolResponse { pool })
    }

    async fn list_pools(&self, request: Request<ListPoolsRequest>) -> Answered<ListPoolsResponse> {
        let request = request.into_inner();
        let page =
            Page::<Name>::read::<PoolOf>("pools", request.page_size, &request.page_token, &request.filter).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let later = snapshot.view.ipam.pools().filter(|pool| page.after.as_ref().is_none_or(|after| pool.name > *after));
        let (found, next_page_token) = page.take(later.map(|pool| (pool.name.clone(), PoolOf(Arc::clone(pool)))));
        let pools = found.iter().map(|pool| self.show(&snapshot.view, &pool.0)).collect();
        read(&snapshot, ListPoolsResponse { pools, next_page_token, revision: snapshot.revision.0 })
    }

    async fn update_pool(&self, request: Request<UpdatePoolRequest>) -> Answered<UpdatePoolResponse> {
        let (call, message) = Call::of("UpdatePool", request);
        let (call, update) = call.wants(convert::update(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = pool::update(cluster, &update, context)?;
            Ok(decision.map(|pool| UpdatePoolResponse { pool: Some(convert::show(&pool)), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn delete_pool(&self, request: Request<DeletePoolRequest>) -> Answered<DeletePoolResponse> {
        let (call, message) = Call::of("DeletePool", request);
        let (call, (name, etag)) = call.wants(convert::delete(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            pool::delete(cluster, &name, &etag, context).map(|decision| decision.map(|()| DeletePoolResponse::default()))
        });
        answer(change.await)
    }

    async fn apply_pools(&self, request: Request<ApplyPoolsRequest>) -> Answered<ApplyPoolsResponse> {
        let (call, message) = Call::of("ApplyPools", request);
        let (call, (changes, eviction)) = call.wants(convert::apply(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = pool::apply(cluster, &changes, eviction, context)?;
            let shown = |pools: Vec<Arc<_>>| pools.iter().map(|pool| convert::show(pool)).collect();
            Ok(decision.map(|pools| ApplyPoolsResponse { pools: shown(pools), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn get_pool_usage(&self, request: Request<GetPoolUsageRequest>) -> Answered<GetPoolUsageResponse> {
        let (name, most) = convert::usage(request.get_ref()).map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let pool = pool::find(&snapshot.view.ipam, &name).map_err(refuse)?;
        let usage = convert::show_pool_usage(&snapshot.view, pool, self.service.forecasts().growth(pool), (most, clock::now()));
        read(&snapshot, GetPoolUsageResponse { revision: snapshot.revision.0, ..usage })
    }

    async fn watch_pools(&self, request: Request<WatchPoolsRequest>) -> Answered<Self::WatchPoolsStream> {
        let request = request.into_inner();
        let watched = WatchedPools { filter: filter::<PoolOf>(&request.filter).map_err(refuse)? };
        answer(watch::follow(&self.service, request.start_revision, watched).await)
    }

    async fn create_reservation(&self, request: Request<CreateReservationRequest>) -> Answered<CreateReservationResponse> {
        let (call, message) = Call::of("CreateReservation", request);
        let (call, draft) = call.wants(convert_reservation::create(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = reservation::create(cluster, &draft, context)?;
            let shown = |kept: Arc<_>| Some(convert_reservation::show(&kept));
            Ok(decision.map(|kept| CreateReservationResponse { reservation: shown(kept), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn get_reservation(&self, request: Request<GetReservationRequest>) -> Answered<GetReservationResponse> {
        let name = name(&request.get_ref().name)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let kept = reservation::find(&snapshot.view.ipam, &name).map_err(refuse)?;
        read(&snapshot, GetReservationResponse { reservation: Some(convert_reservation::show(kept)) })
    }

    async fn list_reservations(&self, request: Request<ListReservationsRequest>) -> Answered<ListReservationsResponse> {
        let request = request.into_inner();
        let page = Page::<Name>::read::<ReservationOf>("reservations", request.page_size, &request.page_token, &request.filter)
            .map_err(refuse)?;
        let snapshot = self.service.view().map_err(refuse)?;
        let later = snapshot.view.ipam.reservations().filter(|kept| page.after.as_ref().is_none_or(|after| kept.name > *after));
        let (found, next_page_token) = page.take(later.map(|kept| (kept.name.clone(), ReservationOf(Arc::clone(kept)))));
        let reservations = found.iter().map(|kept| convert_reservation::show(&kept.0)).collect();
        read(&snapshot, ListReservationsResponse { reservations, next_page_token, revision: snapshot.revision.0 })
    }

    async fn update_reservation(&self, request: Request<UpdateReservationRequest>) -> Answered<UpdateReservationResponse> {
        let (call, message) = Call::of("UpdateReservation", request);
        let (call, update) = call.wants(convert_reservation::update(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, context| {
            let decision = reservation::update(cluster, &update, context)?;
            let shown = |kept: Arc<_>| Some(convert_reservation::show(&kept));
            Ok(decision.map(|kept| UpdateReservationResponse { reservation: shown(kept), ..Default::default() }))
        });
        answer(change.await)
    }

    async fn delete_reservation(&self, request: Request<DeleteReservationRequest>) -> Answered<DeleteReservationResponse> {
        let (call, message) = Call::of("DeleteReservation", request);
        let (call, (name, etag)) = call.wants(convert_reservation::delete(&message).map_err(refuse)?);
        let change = self.service.change(&call, move |cluster, _| {
            reservation::delete(cluster, &name, &etag).map(|decision| decision.map(|()| DeleteReservationResponse::default()))
        });
        answer(change.await)
    }
}
