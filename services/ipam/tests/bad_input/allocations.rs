//! Allocations: asked for, given back, changed, repaired.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, map, number, pairs, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

const NOBODY: &str = "0123456789abcdef0123456789abcdef";

fn wish() -> Json {
    let owner = json!({"namespace": "shop", "name": "p9", "node": "node-a", "interface": "eth0"});
    json!({"handle": "p9", "owner": owner, "labels": {"app": "web"}})
}

/// What is wrong with a wish by itself.
fn wished(at: &str) -> Vec<Row> {
    let f = |field: &str| format!("{at}.{field}");
    [
        handles(&f("handle")),
        owner(&f("owner")),
        labels(&f("labels")),
        address_lists(&f("addresses")),
        name_lists(&f("pools"), 100),
        names(&f("reservation")),
        dns_labels(&f("hostname")),
        dns_labels(&f("subdomain")),
        ports(&f("ports")),
        families(&f("families")),
        vec![
            bad(f("handle"), text(""), Reason::FieldRequired),
            bad(f("handle"), text("polder.dev/node/x"), Reason::NameMalformed),
            good(f("handle"), text("x ".repeat(126))),
            bad(f("count"), number(65), Reason::CountOutOfBounds),
            bad(f("count"), number(4_294_967_295), Reason::CountOutOfBounds),
            good(f("count"), number(64)),
            bad(f("addresses"), many(65, |at| format!("172.27.1.{at}")), Reason::CountOutOfBounds),
            bad(f("addresses"), list(["172.27.1.1", "172.27.1.1"]), Reason::DuplicateValue).naming(f("addresses[1]")),
            good(f("addresses"), list(["172.27.1.1", "172.27.1.2"])),
        ],
    ]
    .concat()
}

fn owner(at: &str) -> Vec<Row> {
    let f = |field: &str| format!("{at}.{field}");
    let kinds = [2, 3, 4, 5].map(|kind| bad(f("kind"), number(kind), Reason::ConflictingFields));
    [
        dns_labels(&f("namespace")),
        required_names(&f("name")),
        names(&f("node")),
        texts(&f("interface")),
        texts(&f("container_id")),
        texts(&f("uid")),
        kinds.into(),
        vec![
            bad(f("namespace"), text(""), Reason::FieldRequired),
            bad(f("kind"), number(99), Reason::InvalidArgument),
            good(f("kind"), number(6)),
        ],
    ]
    .concat()
}

fn ports(field: &str) -> Vec<Row> {
    let wrong = [0, 65_536, 4_294_967_295];
    let mut rows: Vec<Row> = wrong
        .into_iter()
        .map(|port| bad(field, map([("http", number(port))]), Reason::PortMalformed).naming(format!("{field}[http]")))
        .collect();
    for name in ["Http", "a b", "ä"] {
        rows.push(bad(field, map([(name, number(80))]), Reason::NameMalformed).naming(format!("{field}[{name}]")));
    }
    rows.push(bad(field, map([("", number(80))]), Reason::FieldRequired).naming(format!("{field}[]")));
    rows.push(bad(field, pairs(101, &number(80)), Reason::CountOutOfBounds));
    rows.push(good(field, pairs(100, &number(65_535))));
    rows
}

fn families(field: &str) -> Vec<Row> {
    let of = |numbers: &[u64]| To::List(numbers.iter().map(|at| number(*at)).collect());
    let named = |at: usize| format!("{field}[{at}]");
    vec![
        bad(field, of(&[0]), Reason::FieldRequired).naming(named(0)),
        bad(field, of(&[9]), Reason::InvalidArgument).naming(named(0)),
        bad(field, of(&[1, 1]), Reason::DuplicateValue).naming(named(1)),
        bad(field, of(&[1, 2, 1]), Reason::CountOutOfBounds),
    ]
}

/// What the state forbids.
fn forbidden() -> Vec<Row> {
    let f = |field: &str| format!("spec.{field}");
    vec![
        refused(f("handle"), text("p0"), Code::AlreadyExists, Reason::HandleInUse),
        refused(f("owner.node"), text("nobody"), Code::NotFound, Reason::NodeNotFound),
        refused(f("pools"), list(["nobody"]), Code::NotFound, Reason::PoolNotFound),
        refused(f("reservation"), text("nobody"), Code::NotFound, Reason::ReservationNotFound),
        bad(f("addresses"), list(["203.0.113.9"]), Reason::AddressNotInPool).naming("spec.addresses[0]"),
        bad(f("addresses"), list(["172.27.1.1", "224.0.0.1"]), Reason::AddressNotInPool).naming("spec.addresses[1]"),
        bad(f("addresses"), list(["::"]), Reason::AddressNotInPool).naming("spec.addresses[0]"),
    ]
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let update = json!({"allocation": {"uid": known.pod, "ready": true}});
    let by_handle = json!({"allocation": {"handle": "p0", "ready": true}});
    vec![
        table("AllocationService/AllocateAddresses", json!({"spec": wish()}), [wished("spec"), forbidden(), request_ids()]),
        table(
            "AllocationService/AllocateAddresses",
            reserved(),
            [vec![
                bad("spec.pools", list(["pod"]), Reason::ConflictingFields).naming("spec.reservation"),
                bad("spec.addresses", list(["172.27.1.1"]), Reason::ConflictingFields).naming("spec.reservation"),
            ]],
        ),
        table("AllocationService/ExplainAllocation", json!({"spec": wish()}), [wished("spec")]),
        table("AllocationService/BatchAllocateAddresses", json!({"specs": [wish()]}), [batch(), wished("specs[0]"), request_ids()]),
        table(
            "AllocationService/UpdateAllocation",
            update,
            [
                changed(),
                uids("allocation.uid"),
                vec![refused("allocation.uid", text(NOBODY), Code::NotFound, Reason::AllocationNotFound)],
                etags("allocation.etag"),
                masks(),
                ["addresses", "owner", "handle", "state"]
                    .map(|path| bad("update_mask", list([path]), Reason::InvalidArgument))
                    .into(),
                request_ids(),
            ],
        ),
        table(
            "AllocationService/UpdateAllocation",
            by_handle,
            [
                handles("allocation.handle"),
                vec![
                    bad("allocation.handle", text(""), Reason::FieldRequired).naming("allocation.uid"),
                    refused("allocation.handle", text("nobody"), Code::NotFound, Reason::AllocationNotFound),
                ],
            ],
        ),
        table("AllocationService/CheckConsistency", json!({"repair": true}), [reasons(), request_ids()]),
        table("AllocationService/CheckConsistency", json!({}), [reasons(), request_ids()]),
    ]
    .into_iter()
    .chain(releases(known))
    .collect()
}

fn reserved() -> Json {
    let mut spec = wish();
    spec["reservation"] = "pods".into();
    json!({"spec": spec})
}

fn batch() -> Vec<Row> {
    vec![
        bad("specs", To::Absent, Reason::FieldRequired),
        bad("specs", To::Times(2), Reason::DuplicateValue).naming("specs[1].handle"),
        bad("specs", To::Times(1001), Reason::CountOutOfBounds),
    ]
}

fn changed() -> Vec<Row> {
    let at = |field: &str| format!("allocation.{field}");
    [labels(&at("labels")), dns_labels(&at("hostname")), dns_labels(&at("subdomain")), ports(&at("ports"))].concat()
}

fn reasons() -> Vec<Row> {
    let mut rows: Vec<Row> = ["", "NOPE", "ADDRESS_IN_USE", "data_corrupt"]
        .map(|reason| bad("reasons", list([reason]), Reason::InvalidArgument).naming("reasons[0]"))
        .into();
    rows.push(bad("reasons", list(["DATA_CORRUPT"; 9]), Reason::CountOutOfBounds));
    rows.push(good("reasons", list(["DATA_CORRUPT"])));
    rows
}

fn releases(known: &Known) -> Vec<Table> {
    let method = "AllocationService/ReleaseAddresses";
    let claim = json!({"address": known.address, "uid": known.pod});
    let both = |field: &str, to| bad(field, to, Reason::ConflictingFields).naming("handle");
    let tables = [
        table(
            method,
            json!({"handle": "p0"}),
            [handles("handle"), request_ids(), vec![bad("handle", text(""), Reason::FieldRequired), both("uid", text(NOBODY))]],
        ),
        table(method, json!({"uid": known.pod}), [uids("uid"), vec![both("handle", text("p0"))]]),
        table(
            method,
            json!({"addresses": [claim]}),
            [
                addresses("addresses[0].address"),
                uids("addresses[0].uid"),
                vec![
                    bad("addresses[0].address", text(""), Reason::AddressMalformed),
                    bad("addresses[0].uid", text(""), Reason::FieldRequired),
                    bad("addresses", To::Times(1001), Reason::CountOutOfBounds),
                    bad("addresses", To::Times(2), Reason::DuplicateValue).naming("addresses[1]"),
                    both("handle", text("p0")),
                ],
            ],
        ),
    ];
    // A release takes one of its fields: with more of them that alone is wrong.
    tables.map(Table::one_at_a_time).into()
}

#[tokio::test]
async fn bad_allocations_are_refused() {
    judged(tables).await;
}
