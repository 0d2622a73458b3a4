//! Record sets.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

fn at(field: &str) -> String {
    format!("record_set.{field}")
}

/// A set with every field set.
fn set(name: &str) -> Json {
    json!({"zone": "example.com", "name": name, "type": "A", "labels": {"tier": "front"}, "ttlSeconds": 60, "data": ["10.0.0.5"]})
}

fn data() -> Vec<Row> {
    let (data, first) = (at("data"), at("data[0]"));
    let wrong = ["", "x", "10.0.0", "10.0.0.5 x", "\"10.0.0.5\"", "fd00::5", "10.0.0.5 ; x", "(10.0.0.5)", "10.0.0.5\n", "\u{0}"];
    let mut rows: Vec<Row> = wrong.iter().map(|text| bad(&*data, list([*text]), Reason::RecordMalformed).naming(&*first)).collect();
    rows.extend([
        bad(&*data, To::Absent, Reason::FieldRequired),
        bad(&*data, list(["10.0.0.5", "10.0.0.05"]), Reason::RecordMalformed).naming(at("data[1]")),
        bad(&*data, list(["10.0.0.5", "10.0.0.5"]), Reason::DuplicateValue).naming(at("data[1]")),
        bad(&*data, many(1, |_| "x".repeat(1 << 17)), Reason::FieldTooLong).naming(&*first),
        bad(&*data, many(101, |nth| format!("10.0.0.{nth}")), Reason::CountOutOfBounds),
        good(&*data, many(100, |nth| format!("10.0.0.{nth}"))),
    ]);
    rows
}

fn draft() -> Vec<Row> {
    [zone_names(&at("zone")), owners(&at("name")), labels(&at("labels")), seconds(&at("ttl_seconds"), 86_400), data()].concat()
}

/// Zone, name and type of a set that is there.
fn key() -> Vec<Row> {
    let unknown = |field: &str, value: &str| refused(field, text(value), Code::NotFound, Reason::RecordSetNotFound);
    [
        zone_names("zone"),
        owners("name"),
        types("type"),
        vec![
            refused("zone", text("nobody.example"), Code::NotFound, Reason::ZoneNotFound),
            unknown("zone", "empty.example"),
            unknown("name", "nobody"),
            unknown("type", "AAAA"),
        ],
    ]
    .concat()
}

fn taken(name: &str, reason: Reason) -> Row {
    refused(at("name"), text(name), Code::FailedPrecondition, reason)
}

/// What sets of other types may not say, and where they may not stand.
fn others() -> Vec<Table> {
    let mail = json!({"zone": "example.com", "name": "@", "type": "MX", "data": ["10 mail"]});
    let server = json!({"zone": "example.com", "name": "far", "type": "NS", "data": ["ns.far"]});
    vec![
        table(
            "DnsService/CreateRecordSet",
            json!({"recordSet": mail}),
            [vec![
                taken("x.sub", Reason::NameDelegated),
                bad(at("data"), list(["10 mail.example.com"]), Reason::NameMalformed).naming(at("data[0]")),
                bad(at("data"), list(["10 a..b"]), Reason::NameMalformed).naming(at("data[0]")),
                bad(at("data"), list(["10 10.0.0.5"]), Reason::RecordMalformed).naming(at("data[0]")),
                refused(at("name"), text("alias"), Code::FailedPrecondition, Reason::CnameConflict),
            ]],
        ),
        // What is no type says nothing of the data.
        table("DnsService/CreateRecordSet", json!({"recordSet": set("new")}), [types(&at("type"))]),
        table("DnsService/UpdateRecordSet", json!({"recordSet": set("www")}), [types(&at("type"))]),
        table(
            "DnsService/CreateRecordSet",
            json!({"recordSet": server}),
            [vec![
                bad(at("name"), text("@"), Reason::ConflictingFields).naming(at("type")),
                bad(at("name"), text("*"), Reason::ConflictingFields).naming(at("type")),
                taken("x.sub", Reason::NameDelegated),
            ]],
        ),
    ]
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let needed = bad("record_set", To::Absent, Reason::FieldRequired);
    let no_zone = refused(at("zone"), text("nobody.example"), Code::NotFound, Reason::ZoneNotFound);
    let path = json!({"zone": "example.com", "name": "www", "type": "A"});
    let mut tables = vec![
        table(
            "DnsService/CreateRecordSet",
            json!({"recordSet": set("new")}),
            [
                draft(),
                request_ids(),
                vec![
                    needed.clone(),
                    no_zone.clone(),
                    refused(at("name"), text("www"), Code::AlreadyExists, Reason::AlreadyExists),
                    taken("alias", Reason::CnameConflict),
                    good(at("name"), text("ns.sub")),
                    good(at("name"), text("@")),
                ],
            ],
        ),
        table(
            "DnsService/UpdateRecordSet",
            json!({"recordSet": set("www")}),
            [
                draft(),
                etags(&at("etag")),
                masks(),
                request_ids(),
                vec![needed, no_zone, refused(at("name"), text("nobody"), Code::NotFound, Reason::RecordSetNotFound)],
            ],
        )
        // With a mask only the fields that it names count.
        .one_at_a_time(),
        table("DnsService/DeleteRecordSet", path.clone(), [key(), etags("etag"), request_ids()]),
        table("DnsService/GetRecordSet", path, [key()]),
        table(
            "DnsService/ListRecordSets",
            json!({"zone": "example.com"}),
            [
                zone_names("zone"),
                pages(),
                tokens([known.zones_token.as_str()]),
                vec![
                    refused("zone", text("nobody.example"), Code::NotFound, Reason::ZoneNotFound),
                    good("zone", text("cluster.local")),
                    good("page_token", text(&*known.sets_token)),
                ],
            ],
        ),
    ];
    tables.extend(others());
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_record_sets_are_refused() {
    judged(tables).await;
}
