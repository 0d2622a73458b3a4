//! `polder.lb.v1.AnnouncementService`.

use futures::stream::BoxStream;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_server::AnnouncementService;
use tonic::{Request, Status, Streaming};

use super::{Answered, not_built};
use crate::bgp::Bgp;

const ANNOUNCING: &str = "Announcing external addresses";

/// See the module.
pub(crate) struct Announcements {
    bgp: Bgp,
}

impl Announcements {
    pub(crate) const fn new(bgp: Bgp) -> Self {
        Self { bgp }
    }
}

/// Unary methods that answer that `what` is not built.
macro_rules! unbuilt {
    ($what:expr; $($method:ident $request:ident $response:ident;)*) => {
        $(
            fn $method<'a: 'f, 'f>(
                &'a self,
                _: Request<pb::$request>,
            ) -> futures::future::BoxFuture<'f, Answered<pb::$response>>
            where
                Self: 'f,
            {
                Box::pin(async { Err(not_built($what)) })
            }
        )*
    };
}

#[tonic::async_trait]
impl AnnouncementService for Announcements {
    type HoldAnnouncementsStream = BoxStream<'static, Result<pb::HoldAnnouncementsResponse, Status>>;

    async fn hold_announcements(
        &self,
        _: Request<Streaming<pb::HoldAnnouncementsRequest>>,
    ) -> Answered<Self::HoldAnnouncementsStream> {
        Err(not_built(ANNOUNCING))
    }

    unbuilt! { ANNOUNCING;
        list_announcements ListAnnouncementsRequest ListAnnouncementsResponse;
        move_announcement MoveAnnouncementRequest MoveAnnouncementResponse;
        drain_announcements DrainAnnouncementsRequest DrainAnnouncementsResponse;
    }

    async fn create_bgp_peer(&self, request: Request<pb::CreateBgpPeerRequest>) -> Answered<pb::CreateBgpPeerResponse> {
        self.bgp.create_peer(request).await
    }

    async fn get_bgp_peer(&self, request: Request<pb::GetBgpPeerRequest>) -> Answered<pb::GetBgpPeerResponse> {
        self.bgp.get_peer(&request)
    }

    async fn list_bgp_peers(&self, request: Request<pb::ListBgpPeersRequest>) -> Answered<pb::ListBgpPeersResponse> {
        self.bgp.list_peers(&request)
    }

    async fn update_bgp_peer(&self, request: Request<pb::UpdateBgpPeerRequest>) -> Answered<pb::UpdateBgpPeerResponse> {
        self.bgp.update_peer(request).await
    }

    async fn delete_bgp_peer(&self, request: Request<pb::DeleteBgpPeerRequest>) -> Answered<pb::DeleteBgpPeerResponse> {
        self.bgp.delete_peer(request).await
    }

    async fn create_bgp_advertisement(
        &self,
        request: Request<pb::CreateBgpAdvertisementRequest>,
    ) -> Answered<pb::CreateBgpAdvertisementResponse> {
        self.bgp.create_advertisement(request).await
    }

    async fn get_bgp_advertisement(
        &self,
        request: Request<pb::GetBgpAdvertisementRequest>,
    ) -> Answered<pb::GetBgpAdvertisementResponse> {
        self.bgp.get_advertisement(&request)
    }

    async fn list_bgp_advertisements(
        &self,
        request: Request<pb::ListBgpAdvertisementsRequest>,
    ) -> Answered<pb::ListBgpAdvertisementsResponse> {
        self.bgp.list_advertisements(&request)
    }

    async fn update_bgp_advertisement(
        &self,
        request: Request<pb::UpdateBgpAdvertisementRequest>,
    ) -> Answered<pb::UpdateBgpAdvertisementResponse> {
        self.bgp.update_advertisement(request).await
    }

    async fn delete_bgp_advertisement(
        &self,
        request: Request<pb::DeleteBgpAdvertisementRequest>,
    ) -> Answered<pb::DeleteBgpAdvertisementResponse> {
        self.bgp.delete_advertisement(request).await
    }
}
