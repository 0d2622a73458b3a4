//! The methods of `polder.lb.v1.AnnouncementService` that are about BGP peers and advertisements.

use polder_proto::convert::lb::bgp::{Creation, Deletion, Revision};
use polder_proto::lb::v1 as pb;
use polder_runtime::call::Call;
use polder_runtime::status::refuse;
use tonic::{Request, Response};

use super::{Answered, read};
use crate::bgp::{Bgp, Changed, Page};

/// The methods of one kind of record.
macro_rules! methods {
    (
        $field:ident: $record:ident, $records:ident;
        $create:ident($created:ident -> $creation:ident), $get:ident($asked:ident -> $answer:ident),
        $list:ident($listed:ident -> $list_answer:ident), $update:ident($updated:ident -> $update_answer:ident),
        $delete:ident($deleted:ident -> $deletion:ident)
    ) => {
        impl Bgp {
            pub(super) async fn $create(&self, request: Request<pb::$created>) -> Answered<pb::$creation> {
                let (call, message) = Call::of(stringify!($created), request);
                let creation = Creation::<pb::$record>::read(message.$field, &message.request_id, message.validate_only);
                let Changed { object, revision, impact } = self.create(&call, creation.map_err(refuse)?).await.map_err(refuse)?;
                Ok(Response::new(pb::$creation { $field: object, revision, impact }))
            }

            pub(super) fn $get(&self, request: &Request<pb::$asked>) -> Answered<pb::$answer> {
                let (snapshot, object) = self.get::<pb::$record>(&request.get_ref().name).map_err(refuse)?;
                Ok(read(&snapshot, pb::$answer { $field: Some(object) }))
            }

            pub(super) fn $list(&self, request: &Request<pb::$listed>) -> Answered<pb::$list_answer> {
                let pb::$listed { page_size, page_token, filter } = request.get_ref();
                let page = self.list::<pb::$record>((*page_size, page_token, filter)).map_err(refuse)?;
                let Page { objects: $records, next: next_page_token, snapshot } = page;
                let revision = snapshot.revision.0;
                Ok(read(&snapshot, pb::$list_answer { $records, next_page_token, revision }))
            }

            pub(super) async fn $update(&self, request: Request<pb::$updated>) -> Answered<pb::$update_answer> {
                let (call, message) = Call::of(stringify!($updated), request);
                let paths = message.update_mask.map(|mask| mask.paths).unwrap_or_default();
                let manner = (message.request_id.as_str(), message.validate_only);
                let revision = Revision::<pb::$record>::read(message.$field, paths, message.allow_missing, manner);
                let Changed { object, revision, impact } = self.update(&call, revision.map_err(refuse)?).await.map_err(refuse)?;
                Ok(Response::new(pb::$update_answer { $field: object, revision, impact }))
            }

            pub(super) async fn $delete(&self, request: Request<pb::$deleted>) -> Answered<pb::$deletion> {
                let (call, message) = Call::of(stringify!($deleted), request);
                let deletion = Deletion::read(&message.name, &message.etag, &message.request_id, message.validate_only);
                let Changed { revision, impact, .. } =
                    self.delete::<pb::$record>(&call, deletion.map_err(refuse)?).await.map_err(refuse)?;
                Ok(Response::new(pb::$deletion { revision, impact }))
            }
        }
    };
}

methods! {
    bgp_peer: BgpPeer, bgp_peers;
    create_peer(CreateBgpPeerRequest -> CreateBgpPeerResponse),
    get_peer(GetBgpPeerRequest -> GetBgpPeerResponse),
    list_peers(ListBgpPeersRequest -> ListBgpPeersResponse),
    update_peer(UpdateBgpPeerRequest -> UpdateBgpPeerResponse),
    delete_peer(DeleteBgpPeerRequest -> DeleteBgpPeerResponse)
}

methods! {
    bgp_advertisement: BgpAdvertisement, bgp_advertisements;
    create_advertisement(CreateBgpAdvertisementRequest -> CreateBgpAdvertisementResponse),
    get_advertisement(GetBgpAdvertisementRequest -> GetBgpAdvertisementResponse),
    list_advertisements(ListBgpAdvertisementsRequest -> ListBgpAdvertisementsResponse),
    update_advertisement(UpdateBgpAdvertisementRequest -> UpdateBgpAdvertisementResponse),
    delete_advertisement(DeleteBgpAdvertisementRequest -> DeleteBgpAdvertisementResponse)
}
