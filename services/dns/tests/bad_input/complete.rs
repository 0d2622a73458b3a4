//! The tables are complete.

use polder_proto::dynamic::descriptors;
use polder_testing::bad_input::{Complete, Why};

use crate::world::{Known, PACKAGE};

/// Fields of which no value is wrong, wherever they stand.
const ANY: Why = &[
    ("polder.dns.v1.WaitForRevisionRequest.revision", "a revision of the future is waited for"),
    ("polder.dns.v1.WaitForRevisionRequest.everywhere", "one server or all"),
];

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: Why = &[
    ("CreateZoneRequest.zone.etag", "there is no object yet whose version it could be"),
    ("CreateRecordSetRequest.record_set.etag", "there is no object yet whose version it could be"),
];

#[test]
fn every_field_has_a_row_or_a_reason() {
    let known = Known::default();
    let tables =
        [crate::questions::tables(&known), crate::sets::tables(&known), crate::zones::tables(&known), crate::resolver::tables()];
    let service = descriptors().get_service_by_name(&format!("{PACKAGE}.DnsService")).unwrap();
    Complete { package: PACKAGE, methods: service.methods().collect(), tables: tables.concat(), any: ANY, unread: UNREAD }
        .assert(50);
}
