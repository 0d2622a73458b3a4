//! `polder.lb.v1.AnnouncementService`.

use futures::stream::BoxStream;
use polder_core::id::Uid;
use polder_core::net::Name;
use polder_core::reason::Refusal;
use polder_proto::convert::lb::announcement::{self as convert, Renewal};
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_server::AnnouncementService;
use polder_runtime::call::Call;
use polder_runtime::node_stream::{NodeStream, answers};
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status, Streaming};

use super::{Answered, read};
use crate::announcing::Announcing;
use crate::bgp::Bgp;
use crate::list::AnnouncementPage;

/// See the module.
pub(crate) struct Announcements {
    announcing: Announcing,
    bgp: Bgp,
}

impl Announcements {
    pub(crate) const fn new(announcing: Announcing, bgp: Bgp) -> Self {
        Self { announcing, bgp }
    }

    fn list(&self, request: &pb::ListAnnouncementsRequest) -> Result<Response<pb::ListAnnouncementsResponse>, Refusal> {
        let page = AnnouncementPage::read(request)?;
        let snapshot = self.announcing.view()?;
        let (announcements, next_page_token) = page.of(&snapshot.view, |address| self.announcing.observed(address));
        let revision = snapshot.revision.0;
        Ok(read(&snapshot, pb::ListAnnouncementsResponse { announcements, next_page_token, revision }))
    }
}

/// One node's stream of renewals. When the node ends it, its rights run out by themselves.
struct Holding {
    announcing: Announcing,
}

impl NodeStream for Holding {
    type Request = pb::HoldAnnouncementsRequest;
    type Said = Renewal;
    type Answer = pb::HoldAnnouncementsResponse;

    const NODE: &'static str = "node";

    fn read(request: &Self::Request) -> Result<Renewal, Refusal> {
        convert::renewal(request)
    }

    fn node(renewal: &Renewal) -> (&Name, Uid) {
        (&renewal.node, renewal.uid)
    }

    async fn take(&mut self, renewal: Renewal) -> Result<Self::Answer, Refusal> {
        self.announcing.renew(&renewal).await
    }
}

#[tonic::async_trait]
impl AnnouncementService for Announcements {
    type HoldAnnouncementsStream = BoxStream<'static, Result<pb::HoldAnnouncementsResponse, Status>>;

    async fn hold_announcements(
        &self,
        request: Request<Streaming<pb::HoldAnnouncementsRequest>>,
    ) -> Answered<Self::HoldAnnouncementsStream> {
        let holding = Holding { announcing: self.announcing.clone() };
        Ok(Response::new(answers(request.into_inner(), holding)))
    }

    async fn list_announcements(&self, request: Request<pb::ListAnnouncementsRequest>) -> Answered<pb::ListAnnouncementsResponse> {
        self.list(request.get_ref()).map_err(refuse)
    }

    async fn move_announcement(&self, request: Request<pb::MoveAnnouncementRequest>) -> Answered<pb::MoveAnnouncementResponse> {
        let (call, message) = Call::of("MoveAnnouncement", request);
        let wish = convert::moving(&message).map_err(refuse)?;
        self.announcing.move_to(&call, wish).await.map(Response::new).map_err(refuse)
    }

    async fn drain_announcements(
        &self,
        request: Request<pb::DrainAnnouncementsRequest>,
    ) -> Answered<pb::DrainAnnouncementsResponse> {
        let (call, message) = Call::of("DrainAnnouncements", request);
        let wish = convert::draining(&message).map_err(refuse)?;
        self.announcing.drain(&call, wish).await.map(Response::new).map_err(refuse)
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
