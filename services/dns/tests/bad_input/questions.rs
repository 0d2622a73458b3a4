//! Questions about what is served.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

/// A name to ask for.
fn names() -> Vec<Row> {
    let wrong = ["a..b", ".a", "a\\", "a\\999"].map(str::to_owned).into_iter().chain(["x".repeat(64), "x".repeat(1 << 16)]);
    let wrong = wrong.map(|name| bad("name", text(name), Reason::NameMalformed));
    wrong.chain([bad("name", text(""), Reason::FieldRequired), good("name", text("."))]).collect()
}

/// How many are wanted.
fn limits(most: u64) -> Vec<Row> {
    let wrong = [0, most + 1, u64::from(u32::MAX)].map(|limit| bad("limit", To::Number(limit), Reason::CountOutOfBounds));
    wrong.into_iter().chain([1, most].map(|limit| good("limit", To::Number(limit)))).collect()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let ask = json!({"name": "web.shop.svc.cluster.local", "type": "A", "namespace": "shop"});
    let types = ["B", "TYPE65536", "AXFR", "IXFR", "OPT"].map(|kind| bad("type", text(kind), Reason::RecordMalformed));
    let namespaces = ["Shop", "a.b", "-"].map(|name| bad("namespace", text(name), Reason::NameMalformed));
    let no_zone = refused("zone", text("nobody.example"), Code::NotFound, Reason::ZoneNotFound);
    vec![
        table(
            "DnsService/Resolve",
            ask,
            [names(), types.into(), namespaces.into(), vec![bad("client", text("nowhere"), Reason::AddressMalformed)]],
        ),
        table(
            "DnsService/ListRecords",
            json!({"zone": "example.com"}),
            [pages(), tokens([]), vec![no_zone.clone(), bad("zone", text("a..b"), Reason::NameMalformed), good("zone", text(""))]],
        ),
        table("DnsService/ExportZone", json!({"zone": "example.com"}), [zone_names("zone"), vec![no_zone]]),
        table("DnsService/GetTopNames", json!({}), [limits(500)]),
        table("DnsService/GetRecentFailures", json!({}), [limits(256)]),
        table(
            "DnsService/WaitForRevision",
            json!({"revision": "1"}),
            [vec![
                bad("timeout", To::Time(-1, 0), Reason::CountOutOfBounds),
                bad("timeout", To::Time(301, 0), Reason::CountOutOfBounds),
                good("timeout", To::Time(300, 0)),
            ]],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_refused() {
    judged(tables).await;
}
