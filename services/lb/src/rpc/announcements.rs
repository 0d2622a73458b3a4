//! `polder.lb.v1.AnnouncementService`.

use futures::stream::{self, BoxStream, StreamExt as _};
use polder_core::id::Uid;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, Violations};
use polder_proto::convert::lb::announcement as convert;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_server::AnnouncementService;
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status, Streaming};

use super::{Answered, not_built, read};
use crate::announcing::Announcing;
use crate::call::Call;
use crate::list::AnnouncementPage;

const BGP: &str = "Advertising addresses by BGP";

/// See the module.
pub(crate) struct Announcements {
    announcing: Announcing,
}

impl Announcements {
    pub(crate) const fn new(announcing: Announcing) -> Self {
        Self { announcing }
    }

    fn list(&self, request: &pb::ListAnnouncementsRequest) -> Result<Response<pb::ListAnnouncementsResponse>, Refusal> {
        let page = AnnouncementPage::read(request)?;
        let snapshot = self.announcing.view()?;
        let (announcements, next_page_token) = page.of(&snapshot.view, |address| self.announcing.observed(address));
        let revision = snapshot.revision.0;
        Ok(read(&snapshot, pb::ListAnnouncementsResponse { announcements, next_page_token, revision }))
    }
}

/// One node's stream of renewals.
struct Holding {
    announcing: Announcing,
    requests: Streaming<pb::HoldAnnouncementsRequest>,
    /// The node that the stream is for, as its first message says.
    node: Option<(Name, Uid)>,
}

impl Holding {
    /// Takes the next renewal and answers it; `None` when the node has ended its stream. Its rights run out by themselves.
    async fn next(&mut self) -> Option<Result<pb::HoldAnnouncementsResponse, Status>> {
        match self.requests.message().await {
            Ok(request) => Some(self.renew(&request?).await.map_err(refuse)),
            Err(status) => Some(Err(status)),
        }
    }

    async fn renew(&mut self, request: &pb::HoldAnnouncementsRequest) -> Result<pb::HoldAnnouncementsResponse, Refusal> {
        let renewal = convert::renewal(request)?;
        let this = (renewal.node.clone(), renewal.uid);
        if self.node.as_ref().is_some_and(|node| *node != this) {
            let mut bad = Violations::new();
            let why = format!("this stream is for another node than `{}`; open a stream for each node", this.0);
            bad.add("node", Reason::ConflictingFields, why);
            return bad.finish(None);
        }
        let answer = self.announcing.renew(&renewal).await?;
        self.node = Some(this);
        Ok(answer)
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
        request: Request<Streaming<pb::HoldAnnouncementsRequest>>,
    ) -> Answered<Self::HoldAnnouncementsStream> {
        let holding = Holding { announcing: self.announcing.clone(), requests: request.into_inner(), node: None };
        let answers = stream::unfold(Some(holding), |state| async move {
            let mut holding = state?;
            match holding.next().await? {
                Ok(answer) => Some((Ok(answer), Some(holding))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(answers.boxed()))
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

    unbuilt! { BGP;
        create_bgp_peer CreateBgpPeerRequest CreateBgpPeerResponse;
        get_bgp_peer GetBgpPeerRequest GetBgpPeerResponse;
        list_bgp_peers ListBgpPeersRequest ListBgpPeersResponse;
        update_bgp_peer UpdateBgpPeerRequest UpdateBgpPeerResponse;
        delete_bgp_peer DeleteBgpPeerRequest DeleteBgpPeerResponse;
        create_bgp_advertisement CreateBgpAdvertisementRequest CreateBgpAdvertisementResponse;
        get_bgp_advertisement GetBgpAdvertisementRequest GetBgpAdvertisementResponse;
        list_bgp_advertisements ListBgpAdvertisementsRequest ListBgpAdvertisementsResponse;
        update_bgp_advertisement UpdateBgpAdvertisementRequest UpdateBgpAdvertisementResponse;
        delete_bgp_advertisement DeleteBgpAdvertisementRequest DeleteBgpAdvertisementResponse;
    }
}
