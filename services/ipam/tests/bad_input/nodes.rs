//! Nodes.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

const NOBODY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let unknown = |field: &str| vec![refused(field, text("nobody"), Code::NotFound, Reason::NodeNotFound)];
    vec![
        table("NodeService/RegisterNode", registration(), [registered(), wished(), request_ids()]),
        table(
            "NodeService/UpdateNode",
            json!({"node": {"name": "node-a", "zone": "rack-1"}}),
            [
                required_names("node.name"),
                labels("node.labels"),
                texts("node.zone"),
                vec![bad("allow_missing", polder_testing::bad_input::number(1), Reason::ConflictingFields)],
                ["draining", "state", "interfaces", "addresses"]
                    .map(|path| bad("update_mask", list([path]), Reason::InvalidArgument))
                    .into(),
                unknown("node.name"),
                etags("node.etag"),
                masks(),
                request_ids(),
            ],
        ),
        table(
            "NodeService/DeleteNode",
            json!({"name": "node-b"}),
            [
                required_names("name"),
                unknown("name"),
                vec![refused("name", text("node-a"), Code::FailedPrecondition, Reason::NodeInUse)],
                etags("etag"),
                request_ids(),
            ],
        ),
        table(
            "NodeService/DrainNode",
            json!({"name": "node-a"}),
            [required_names("name"), unknown("name"), etags("etag"), request_ids()],
        ),
        table("NodeService/KeepAlive", renewal(known), [identity(), unknown_node()]),
        table("NodeService/KeepAlive", renewal(known), [identity(), another_node()]).after([renewal(known)]),
        table("NodeService/ReportNeighbors", report(&known.node), [identity(), unknown_node(), neighbors(), request_ids()]),
    ]
}

fn renewal(known: &Known) -> serde_json::Value {
    json!({"name": "node-a", "uid": known.node})
}

/// Whose message it is: a name and an identity.
fn identity() -> Vec<Row> {
    [required_names("name"), uids("uid"), vec![bad("uid", text(""), Reason::FieldRequired)]].concat()
}

/// A node that does not exist, or is another by now.
fn unknown_node() -> Vec<Row> {
    vec![
        refused("name", text("nobody"), Code::NotFound, Reason::NodeNotFound),
        refused("uid", text(NOBODY), Code::Aborted, Reason::NodeUidMismatch),
    ]
}

/// A node that the stream is not for, whether it exists or not.
fn another_node() -> Vec<Row> {
    vec![
        bad("name", text("node-b"), Reason::ConflictingFields),
        bad("name", text("nobody"), Reason::ConflictingFields),
        bad("uid", text(NOBODY), Reason::ConflictingFields).naming("name"),
    ]
}

fn registration() -> serde_json::Value {
    let interface = json!({
        "name": "eth0",
        "addresses": ["10.0.0.10/24"],
        "mac": "00:15:5d:01:02:03",
        "mtu": 1500,
        "gateways": ["10.0.0.1"],
        "up": true,
    });
    let route = json!({"destination": "10.1.0.0/16", "gateway": "10.0.0.1", "interface": "eth0"});
    json!({"name": "node-a", "interfaces": [interface], "routes": [route], "tunnelMac": "00:15:5d:01:02:04"})
}

fn registered() -> Vec<Row> {
    let interface = |field: &str| format!("interfaces[0].{field}");
    let route = |field: &str| format!("routes[0].{field}");
    [
        required_names("name"),
        labels("labels"),
        texts("zone"),
        texts("agent_version"),
        macs("tunnel_mac"),
        texts(&interface("name")),
        hardware(&interface("mac")),
        prefixes(&interface("addresses"), &interface("addresses[0]"), |prefix| list([prefix])),
        address_lists(&interface("gateways")),
        prefixes(&route("destination"), &route("destination"), text),
        addresses(&route("gateway")),
        texts(&route("interface")),
        vec![
            bad("interfaces", To::Times(101), Reason::CountOutOfBounds),
            bad("interfaces", To::Times(2), Reason::DuplicateValue).naming("interfaces[1].name"),
            bad(interface("name"), text(""), Reason::FieldRequired),
            bad(interface("addresses"), many(101, |at| format!("10.1.0.{at}/24")), Reason::CountOutOfBounds),
            good(interface("addresses"), many(100, |at| format!("10.1.0.{at}/24"))),
            bad(interface("gateways"), list(["10.0.0.1", "10.0.0.2", "fd00::1"]), Reason::CountOutOfBounds),
            bad(interface("gateways"), list(["10.0.0.1", "10.0.0.2"]), Reason::DuplicateValue).naming(interface("gateways[1]")),
            bad(interface("gateways"), list(["10.0.0.1", "10.0.0.1"]), Reason::DuplicateValue).naming(interface("gateways[1]")),
            good(interface("gateways"), list(["10.0.0.1", "fd00::1"])),
            bad("routes", To::Times(1001), Reason::CountOutOfBounds),
            good("routes", To::Times(1000)),
        ],
    ]
    .concat()
}

fn prefixes(field: &str, named: &str, to: impl Fn(&'static str) -> To) -> Vec<Row> {
    let wrong = [
        ("", Reason::AddressMalformed),
        ("x", Reason::AddressMalformed),
        ("10.0.0.0/33", Reason::RangeMalformed),
        ("fd00::/129", Reason::RangeMalformed),
        ("10.0.0.0/24/8", Reason::RangeMalformed),
        ("10.0.0.1-10.0.0.2", Reason::AddressMalformed),
        ("::ffff:10.0.0.1/120", Reason::AddressMalformed),
        ("10.0.0.1/24\u{0}", Reason::RangeMalformed),
    ];
    wrong.into_iter().map(|(prefix, reason)| bad(field, to(prefix), reason).naming(named)).collect()
}

/// The addresses that a node wants.
fn wished() -> Vec<Row> {
    let taken = refused("addresses", list(["10.0.0.11"]), Code::AlreadyExists, Reason::AddressInUse);
    let foreign = ["10.0.0.25", "203.0.113.9", "224.0.0.1"]
        .map(|address| bad("addresses", list([address]), Reason::AddressNotInPool).naming("addresses[0]"));
    [
        address_lists("addresses"),
        foreign.into(),
        vec![
            taken,
            bad("addresses", list(["10.0.0.12", "10.0.0.12"]), Reason::DuplicateValue).naming("addresses[1]"),
            bad("addresses", list(["10.0.0.12", "10.0.0.13", "10.0.0.14"]), Reason::CountOutOfBounds),
            good("addresses", list(["10.0.0.12"])),
        ],
    ]
    .concat()
}

fn report(uid: &str) -> serde_json::Value {
    json!({"name": "node-a", "uid": uid, "neighbors": [{"address": "10.0.0.25", "mac": "00:15:5d:01:02:09"}]})
}

fn neighbors() -> Vec<Row> {
    [
        addresses("neighbors[0].address"),
        macs("neighbors[0].mac"),
        vec![
            bad("neighbors[0].address", text(""), Reason::AddressMalformed),
            bad("neighbors[0].mac", text(""), Reason::InvalidArgument),
            bad("neighbors", To::Times(1025), Reason::CountOutOfBounds),
        ],
    ]
    .concat()
}

#[tokio::test]
async fn bad_nodes_are_refused() {
    judged(tables).await;
}
