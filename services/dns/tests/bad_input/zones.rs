//! Zones and zone files.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

fn at(field: &str) -> String {
    format!("zone.{field}")
}

/// A zone with every field set.
fn zone(name: &str) -> Json {
    json!({
        "name": name,
        "labels": {"site": "12"},
        "primaryNameServer": "ns1.example.org.",
        "mailbox": "it@example.org",
        "nameServers": ["ns1.example.org."],
        "defaultTtlSeconds": 300,
        "negativeTtlSeconds": 30,
        "refreshSeconds": 7200,
        "retrySeconds": 1800,
        "expireSeconds": 86_400,
        "transferTo": ["192.0.2.0/24"],
        "notify": ["127.0.0.1:9"],
    })
}

fn hosts() -> Vec<Row> {
    let (servers, first) = (at("name_servers"), at("name_servers[0]"));
    let wrong = ["a..b", "10.0.0.5", "fd00::5", ".", "a\\"];
    let mut rows: Vec<Row> = wrong.iter().map(|host| bad(at("primary_name_server"), text(*host), Reason::NameMalformed)).collect();
    rows.extend(wrong.iter().map(|host| bad(&*servers, list([*host]), Reason::NameMalformed).naming(&*first)));
    rows.extend([
        bad(&*servers, list([""]), Reason::FieldRequired).naming(&*first),
        bad(&*servers, list(["a.example", "A.example."]), Reason::DuplicateValue).naming(at("name_servers[1]")),
        bad(&*servers, many(17, |nth| format!("ns{nth}.example")), Reason::CountOutOfBounds),
        good(&*servers, many(16, |nth| format!("ns{nth}.example"))),
    ]);
    rows.extend(
        ["it", "@example.org", "it@", "i t@example.org", "it@a..b"]
            .map(|mail| bad(at("mailbox"), text(mail), Reason::NameMalformed)),
    );
    rows
}

fn secondaries() -> Vec<Row> {
    let (networks, servers) = (at("transfer_to"), at("notify"));
    let (network, server) = (at("transfer_to[0]"), at("notify[0]"));
    let network_of = |text: &str, reason| bad(&*networks, list([text]), reason).naming(&*network);
    let server_of = |text: &str, reason| bad(&*servers, list([text]), reason).naming(&*server);
    let mut rows: Vec<Row> = ["x/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "fd00::/129", "10.0.0.1/24"]
        .map(|text| network_of(text, Reason::RangeMalformed))
        .into();
    rows.extend(
        ["", "x", "10.0.0", "::ffff:10.0.0.1", "any", "10.0.0.1-10.0.0.9"].map(|text| network_of(text, Reason::AddressMalformed)),
    );
    let hosts = ["", "x", "ns1.example", "10.0.0.1:65536", "0.0.0.0", "224.0.0.1", "[::]:53", "10.0.0.0/24", "fd00::1:x"];
    rows.extend(hosts.map(|text| server_of(text, Reason::AddressMalformed)));
    rows.extend([
        server_of("10.0.0.1:0", Reason::PortMalformed),
        refused(&*servers, list(["tls://10.0.0.1"]), Code::Unimplemented, Reason::NotImplemented).naming(&*server),
        bad(&*networks, list(["10.0.0.1", "10.0.0.1/32"]), Reason::DuplicateValue).naming(at("transfer_to[1]")),
        bad(&*servers, list(["10.0.0.1", "10.0.0.1:53"]), Reason::DuplicateValue).naming(at("notify[1]")),
        bad(&*networks, many(17, |nth| format!("10.0.{nth}.0/24")), Reason::CountOutOfBounds),
        bad(&*servers, many(17, |nth| format!("10.0.0.{}", nth + 1)), Reason::CountOutOfBounds),
        good(&*networks, many(16, |nth| format!("10.0.{nth}.0/24"))),
        good(&*servers, many(16, |nth| format!("127.0.0.{}:9", nth + 1))),
        good(&*networks, list(["0.0.0.0/0", "::/0", "fd00::7"])),
    ]);
    rows
}

fn draft() -> Vec<Row> {
    let expire = at("expire_seconds");
    [
        zone_names(&at("name")),
        labels(&at("labels")),
        hosts(),
        secondaries(),
        seconds(&at("default_ttl_seconds"), 86_400),
        seconds(&at("negative_ttl_seconds"), 3600),
        seconds(&at("retry_seconds"), 2_419_200),
        vec![
            bad(at("refresh_seconds"), number(2_419_201), Reason::CountOutOfBounds),
            bad(at("refresh_seconds"), number(86_400), Reason::ConflictingFields).naming(&*expire),
            bad(&*expire, number(2_419_201), Reason::CountOutOfBounds),
            bad(&*expire, number(7200), Reason::ConflictingFields),
            good(&*expire, number(2_419_200)),
            good(&*expire, number(7201)),
        ],
    ]
    .concat()
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let overlap = |name: &str| refused(at("name"), text(name), Code::FailedPrecondition, Reason::ZoneOverlap);
    let unknown = |field: &str| refused(field, text("nobody.example"), Code::NotFound, Reason::ZoneNotFound);
    let needed = bad("zone", To::Absent, Reason::FieldRequired);
    let file = json!({"zone": "empty.example", "text": "www A 10.0.0.5\n"});
    let lines = ["www A 10.0.0", "$INCLUDE x", "a CNAME", "a TXT \"", "x SOA a b 1 2 3 4 5"];
    let conflicts = ["@ CNAME x", "x A 10.0.0.1\nx CNAME y", "x CNAME y\nx CNAME z"];
    vec![
        table(
            "DnsService/CreateZone",
            json!({"zone": zone("new.example")}),
            [
                draft(),
                request_ids(),
                vec![
                    needed.clone(),
                    refused(at("name"), text("example.com"), Code::AlreadyExists, Reason::AlreadyExists),
                    refused(at("name"), text("a.example@nobody"), Code::NotFound, Reason::ViewNotFound),
                    overlap("cluster.local"),
                    overlap("local"),
                    overlap("X.Cluster.Local."),
                    good(at("name"), text("sub.example.com")),
                ],
            ],
        ),
        table(
            "DnsService/UpdateZone",
            json!({"zone": zone("empty.example")}),
            [draft(), etags(&at("etag")), masks(), request_ids(), vec![needed, unknown(&at("name"))]],
        )
        // With a mask only the fields that it names count.
        .one_at_a_time(),
        table(
            "DnsService/DeleteZone",
            json!({"name": "empty.example"}),
            [
                zone_names("name"),
                etags("etag"),
                request_ids(),
                vec![unknown("name"), refused("name", text("example.com"), Code::FailedPrecondition, Reason::ZoneNotEmpty)],
            ],
        ),
        table("DnsService/GetZone", json!({"name": "example.com"}), [zone_names("name"), vec![unknown("name")]]),
        table("DnsService/ListZones", json!({}), [pages(), tokens([]), vec![good("page_token", text(&*known.zones_token))]]),
        table(
            "DnsService/ImportZone",
            file,
            [
                zone_names("zone"),
                etags("etag"),
                request_ids(),
                lines.map(|line| bad("text", text(line), Reason::RecordMalformed)).into(),
                conflicts.map(|lines| refused("text", text(lines), Code::FailedPrecondition, Reason::CnameConflict)).into(),
                vec![
                    bad("text", text(""), Reason::FieldRequired),
                    bad("text", text("\u{0} A 10.0.0.1"), Reason::NameMalformed),
                    bad("text", text("www.example.org. A 10.0.0.1"), Reason::NameMalformed),
                    refused("zone", text("cluster.local"), Code::FailedPrecondition, Reason::ZoneOverlap),
                ],
            ],
        )
        .one_at_a_time(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_zones_are_refused() {
    judged(tables).await;
}
