//! `polder.lb.v1.AnnouncementService`.

use futures::stream::BoxStream;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::announcement_service_server::AnnouncementService;
use tonic::{Request, Status, Streaming};

use super::{Answered, not_built};

const ANNOUNCING: &str = "Announcing external addresses";
const BGP: &str = "Advertising addresses by BGP";

/// See the module.
pub(crate) struct Announcements;

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
