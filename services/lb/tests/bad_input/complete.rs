//! The tables are complete.

use polder_proto::dynamic::descriptors;
use polder_testing::bad_input::{Complete, Why};

use crate::world::{Known, PACKAGE};

/// Fields of which no value is wrong, wherever they stand.
const ANY: Why = &[
    ("polder.type.v1.ObjectRef.kind", "a pod is refused as a whole"),
    ("polder.type.v1.ObjectRef.namespace", "a pod is refused as a whole"),
    ("polder.type.v1.ObjectRef.uid", "a pod is refused as a whole"),
    ("polder.lb.v1.GetConvergenceRequest.revision", "a revision of the future has come nowhere yet"),
];

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: Why = &[
    ("CreateServiceRequest.service.etag", "there is no object yet whose version it could be"),
    ("CreateBgpPeerRequest.bgp_peer.etag", "there is no object yet whose version it could be"),
    ("CreateBgpAdvertisementRequest.bgp_advertisement.etag", "there is no object yet whose version it could be"),
];

#[test]
fn every_field_has_a_row_or_a_reason() {
    let known = Known::default();
    let tables = [
        crate::advertisements::tables(&known),
        crate::announcements::tables(&known),
        crate::peers::tables(&known),
        crate::questions::tables(&known),
        crate::services::tables(&known),
    ];
    let methods = ["ServiceCatalogService", "AnnouncementService", "DataplaneService"].into_iter().flat_map(|service| {
        let service = descriptors().get_service_by_name(&format!("{PACKAGE}.{service}")).unwrap();
        service.methods().collect::<Vec<_>>()
    });
    // What nodes stream, and are streamed, has tests of its own in the suite.
    let methods = methods.filter(|method| !method.is_client_streaming() && method.name() != "WatchDataplane").collect();
    Complete { package: PACKAGE, methods, tables: tables.concat(), any: ANY, unread: UNREAD }.assert(160);
}
