//! The tables are complete.

use polder_proto::dynamic::descriptors;
use polder_testing::bad_input::{Complete, Why};

use crate::world::{Known, PACKAGE};

/// Fields of which no value is wrong, wherever they stand.
const ANY: Why = &[
    ("polder.type.v1.ObjectRef.kind", "a pod is refused as a whole"),
    ("polder.type.v1.ObjectRef.namespace", "a pod is refused as a whole"),
    ("polder.type.v1.ObjectRef.uid", "a pod is refused as a whole"),
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
        crate::peers::tables(&known),
        crate::questions::tables(&known),
        crate::services::tables(&known),
    ];
    // Of announcements, those about BGP.
    let methods = ["ServiceCatalogService", "AnnouncementService"].map(|service| {
        let service = descriptors().get_service_by_name(&format!("{PACKAGE}.{service}")).unwrap();
        service.methods().collect::<Vec<_>>()
    });
    let [catalogue, announcements] = methods;
    let about_bgp = announcements.into_iter().filter(|method| method.name().contains("Bgp"));
    let methods = catalogue.into_iter().chain(about_bgp).collect();
    Complete { package: PACKAGE, methods, tables: tables.concat(), any: ANY, unread: UNREAD }.assert(160);
}
