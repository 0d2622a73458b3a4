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
    ("polder.lb.v1.HoldAnnouncementsRequest.sequence", "it is only carried back"),
    ("polder.lb.v1.ReportDataplaneRequest.sequence", "it is only carried back"),
    ("polder.lb.v1.ReportDataplaneRequest.programmed_revision", "a node says what its kernel has"),
    ("polder.type.v1.Finding.message", "it is only shown, as one line, and cut where it is too long"),
    ("polder.lb.v1.BgpSessionStatus.last_error", "it is only shown, as one line, and cut where it is too long"),
    ("polder.lb.v1.BgpSessionStatus.advertised_prefixes", "it is only shown"),
];

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: Why = &[
    ("CreateServiceRequest.service.etag", "there is no object yet whose version it could be"),
    ("CreateBgpPeerRequest.bgp_peer.etag", "there is no object yet whose version it could be"),
    ("CreateBgpAdvertisementRequest.bgp_advertisement.etag", "there is no object yet whose version it could be"),
    ("ReportDataplaneRequest.findings.severity", "what cannot be programmed is told by its message"),
    ("ReportDataplaneRequest.findings.reason", "what cannot be programmed is told by its message"),
    ("ReportDataplaneRequest.findings.field", "what cannot be programmed is told by its message"),
    ("ReportDataplaneRequest.findings.suggestion", "what cannot be programmed is told by its message"),
    ("ReportDataplaneRequest.findings.objects", "what cannot be programmed is told by its message"),
    ("ReportDataplaneRequest.observations.time", "an observation counts from when it is reported"),
    ("ReportDataplaneRequest.observations.interface", "an observation is about an address, wherever it was made"),
    ("ReportDataplaneRequest.programming_time", "nothing is decided from it"),
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
        crate::streams::tables(&known),
    ];
    let methods = ["ServiceCatalogService", "AnnouncementService", "DataplaneService"].into_iter().flat_map(|service| {
        let service = descriptors().get_service_by_name(&format!("{PACKAGE}.{service}")).unwrap();
        service.methods().collect::<Vec<_>>()
    });
    let methods = methods.collect();
    Complete { package: PACKAGE, methods, tables: tables.concat(), any: ANY, unread: UNREAD }.assert(190);
}
