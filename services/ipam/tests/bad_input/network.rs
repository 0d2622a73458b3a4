//! The compute network.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let network = json!({
        "interface": "eth0",
        "nodeRange": ["10.0.0.10-10.0.0.19"],
        "externalRange": ["10.0.0.20-10.0.0.29"],
        "podSubnet": ["172.27.0.0/16"],
        "serviceSubnet": ["172.28.0.0/16"],
        "subnet": "10.0.0.0/24",
        "gateway": "10.0.0.1",
    });
    vec![table(
        "ComputeNetworkService/ApplyComputeNetwork",
        json!({"network": network}),
        [
            ranges("network.node_range"),
            ranges("network.external_range"),
            texts("network.interface"),
            addresses("network.gateway"),
            prefixes("network.subnet", "network.subnet", text),
            prefixes("network.pod_subnet", "network.pod_subnet[0]", |prefix| list([prefix])),
            prefixes("network.service_subnet", "network.service_subnet[0]", |prefix| list([prefix])),
            on_the_whole(),
            etags("network.etag"),
            etags("plan_etag"),
            request_ids(),
        ],
    )]
}

fn prefixes(field: &str, named: &str, to: impl Fn(&'static str) -> To) -> Vec<Row> {
    let malformed = ["x", "10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0-10.0.0.9", "10.0.0.0/24/8", "10.0.0.0/24\u{0}"];
    let mut rows: Vec<Row> = malformed.iter().map(|prefix| bad(field, to(prefix), Reason::RangeMalformed).naming(named)).collect();
    rows.push(bad(field, to("::ffff:10.0.0.0/120"), Reason::AddressMalformed).naming(named));
    rows
}

/// What only the whole can tell.
fn on_the_whole() -> Vec<Row> {
    let findings = [
        ("network.node_range", list(["10.0.0.10"]), Reason::RangeTooSmall),
        ("network.node_range", To::Absent, Reason::RangeTooSmall),
        ("network.node_range", list(["10.0.0.10-10.0.0.20"]), Reason::RangeOverlap),
        ("network.node_range", list(["10.0.0.10-10.0.0.19", "10.0.0.12"]), Reason::RangeOverlap),
        ("network.external_range", list(["10.0.1.20-10.0.1.29"]), Reason::RangeOutsideSubnet),
        ("network.external_range", list(["10.0.0.0/30"]), Reason::RangeHasNetworkOrBroadcast),
        ("network.external_range", list(["10.0.0.1-10.0.0.9"]), Reason::RangeHasGateway),
        ("network.pod_subnet", list(["172.29.0.0/16"]), Reason::FieldLocked),
        ("network.service_subnet", list(["172.30.0.0/30"]), Reason::RangeTooSmall),
        ("network.service_subnet", list(["10.7.0.0/16"]), Reason::RangeOverlap),
    ];
    let mut rows: Vec<Row> =
        findings.into_iter().map(|(field, to, reason)| refused(field, to, Code::FailedPrecondition, reason)).collect();
    for field in ["network.pod_subnet", "network.service_subnet"] {
        let second = format!("{field}[1]");
        rows.push(bad(field, list(["172.27.0.0/16", "10.1.0.0/16"]), Reason::DuplicateValue).naming(&second));
    }
    rows.extend([
        bad("network.gateway", text("10.0.1.1"), Reason::ConflictingFields),
        bad("network.gateway", text("fd00::1"), Reason::FamilyMismatch),
        good("network.gateway", text("")),
        bad("accepted_reasons", list(["NOPE"]), Reason::InvalidArgument).naming("accepted_reasons[0]"),
        bad("accepted_reasons", list(["POOL_IN_USE"]), Reason::InvalidArgument).naming("accepted_reasons[0]"),
        bad("accepted_reasons", list([""]), Reason::InvalidArgument).naming("accepted_reasons[0]"),
        bad("accepted_reasons", list(["ADDRESS_ANSWERS_ARP"; 9]), Reason::CountOutOfBounds),
        good("accepted_reasons", list(["ADDRESS_ANSWERS_ARP"])),
    ]);
    rows
}

#[tokio::test]
async fn bad_networks_are_refused() {
    judged(tables).await;
}
