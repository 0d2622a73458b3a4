//! Pools.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

fn pool(name: &str, ranges: &str) -> Json {
    json!({
        "name": name,
        "purpose": "POOL_PURPOSE_EXTERNAL_SERVICE",
        "ranges": [ranges],
        "nodeSelectors": [a_selector()],
        "namespaceSelectors": [a_selector()],
        "ownerSelectors": [a_selector()],
    })
}

/// What is wrong with a pool by itself, wherever it stands.
fn draft(at: &str) -> Vec<Row> {
    let f = |field: &str| format!("{at}.{field}");
    let lists = ["node_selectors", "namespace_selectors", "owner_selectors"];
    let unicast = ["0.0.0.0/8", "0.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.0/4", "0.0.0.0/0", "::", "::/0", "ff02::1"];
    let unicast = unicast.map(|range| bad(f("ranges"), list([range]), Reason::RangeMalformed).naming(f("ranges[0]")));
    [
        ranges(&f("ranges")),
        unicast.into(),
        required_names(&f("name")),
        labels(&f("labels")),
        texts(&f("description")),
        durations(&f("cooldown"), 24 * 3600),
        lists.iter().flat_map(|list| selector_lists(&f(list))).collect(),
        name_lists(&f("namespaces"), 100),
        enums(at),
        vec![
            bad(f("ranges"), To::Absent, Reason::FieldRequired),
            bad(f("ranges"), list(["10.9.0.0/24", "10.9.0.128/25"]), Reason::DuplicateValue).naming(f("ranges[1]")),
            bad(f("ranges"), list(["10.9.0.1", "10.9.0.1"]), Reason::DuplicateValue).naming(f("ranges[1]")),
            refused(f("ranges"), list(["10.0.0.29-10.0.0.40"]), Code::FailedPrecondition, Reason::PoolOverlap),
            refused(f("ranges"), list(["172.27.3.0/24"]), Code::FailedPrecondition, Reason::PoolOverlap),
            good(f("ranges"), many(256, |at| format!("10.9.{at}.1"))),
            good(f("ranges"), list(["10.9.0.1 - 10.9.0.3", "fd09::/64"])),
            bad(f("announce_interfaces"), many(33, |at| format!("eth{at}")), Reason::CountOutOfBounds),
            bad(f("announce_interfaces"), list(["eth0", ""]), Reason::FieldRequired).naming(f("announce_interfaces[1]")),
            bad(f("announce_interfaces"), list(["eth0", "eth0"]), Reason::DuplicateValue).naming(f("announce_interfaces[1]")),
            bad(f("announce_interfaces"), list(["eth\u{0}"]), Reason::InvalidArgument).naming(f("announce_interfaces[0]")),
            bad(f("announce_interfaces"), list([&*"e".repeat(1025)]), Reason::FieldTooLong).naming(f("announce_interfaces[0]")),
            good(f("announce_interfaces"), many(32, |at| format!("eth{at}"))),
        ],
    ]
    .concat()
}

/// Numbers that are no value of an enum.
fn enums(at: &str) -> Vec<Row> {
    ["purpose", "state", "order"].map(|field| bad(format!("{at}.{field}"), number(99), Reason::InvalidArgument)).into()
}

/// Block lengths out of bounds.
fn lengths(at: &str) -> Vec<Row> {
    let f = |field: &str| format!("{at}.{field}");
    let mut rows = Vec::new();
    let lengths =
        [("block_prefix_length_v4", [19, 33, 256, 4_294_967_295]), ("block_prefix_length_v6", [111, 129, 256, 4_294_967_295])];
    for (field, wrong) in lengths {
        rows.extend(wrong.map(|length| bad(f(field), number(length), Reason::CountOutOfBounds)));
    }
    rows
}

fn block_lengths() -> Vec<Row> {
    let v4 = [20, 32].map(|length| good("pool.block_prefix_length_v4", number(length)));
    let v6 = [112, 128].map(|length| good("pool.block_prefix_length_v6", number(length)));
    [v4, v6].concat()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let not_external = json!({"pool": {"name": "new", "purpose": "POOL_PURPOSE_POD", "ranges": ["10.9.0.0/24"]}});
    let create = vec![
        bad("pool.purpose", number(0), Reason::FieldRequired),
        refused("pool.name", text("external"), Code::AlreadyExists, Reason::AlreadyExists),
        good("pool.name", text(format!("{}.{}", "x".repeat(63), "y".repeat(63)))),
    ];
    let announced = vec![
        bad("pool.announce_interfaces", list(["eth0"]), Reason::ConflictingFields),
        bad("pool.bgp_only", number(1), Reason::ConflictingFields),
    ];
    let update = vec![
        bad("pool.purpose", number(1), Reason::FieldImmutable),
        bad("pool.block_prefix_length_v4", number(27), Reason::FieldImmutable),
        bad("pool.block_prefix_length_v6", number(123), Reason::FieldImmutable),
        refused("pool.name", text("nobody"), Code::NotFound, Reason::PoolNotFound),
    ];
    vec![
        table(
            "PoolService/CreatePool",
            json!({"pool": pool("new", "10.9.0.0/24")}),
            [draft("pool"), lengths("pool"), create, block_lengths(), request_ids()],
        ),
        table("PoolService/CreatePool", not_external, [announced]),
        table(
            "PoolService/UpdatePool",
            json!({"pool": pool("own", "10.7.0.0/24")}),
            [draft("pool"), update, etags("pool.etag"), etags("plan_etag"), masks(), request_ids()],
        ),
        table(
            "PoolService/DeletePool",
            json!({"name": "own"}),
            [
                required_names("name"),
                vec![refused("name", text("nobody"), Code::NotFound, Reason::PoolNotFound)],
                vec![refused("name", text("pod"), Code::FailedPrecondition, Reason::PoolInUse)],
                etags("etag"),
                request_ids(),
            ],
        ),
        table("PoolService/ApplyPools", changes(), [changed(), etags("changes[0].put.etag"), etags("plan_etag"), request_ids()]),
    ]
}

fn changes() -> Json {
    let rename = json!({"from": "third", "to": "moved"});
    json!({"changes": [{"put": pool("own", "10.7.0.0/24")}, {"delete": "spare"}, {"rename": rename}]})
}

fn changed() -> Vec<Row> {
    let not_found = |field: &str| refused(field, text("nobody"), Code::NotFound, Reason::PoolNotFound);
    [
        draft("changes[0].put"),
        lengths("changes[0].put"),
        required_names("changes[1].delete"),
        required_names("changes[2].rename.from"),
        required_names("changes[2].rename.to"),
        vec![
            bad("changes", To::Absent, Reason::FieldRequired),
            bad("changes", To::Times(101), Reason::CountOutOfBounds),
            bad("changes[0].put", To::Absent, Reason::FieldRequired).naming("changes[0]"),
            bad("changes[0].put.block_prefix_length_v4", number(27), Reason::FieldImmutable),
            bad("changes[1].delete", text("own"), Reason::DuplicateValue).naming("changes[1]"),
            bad("changes[2].rename.to", text("spare"), Reason::DuplicateValue).naming("changes[2]"),
            not_found("changes[1].delete"),
            not_found("changes[2].rename.from"),
            refused("changes[2].rename.to", text("pod"), Code::AlreadyExists, Reason::AlreadyExists),
        ],
    ]
    .concat()
}

#[tokio::test]
async fn bad_pools_are_refused() {
    judged(tables).await;
}
