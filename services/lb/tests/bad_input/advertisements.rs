//! BGP advertisements.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

/// An advertisement of whole addresses of certain services.
fn advertisement(name: &str) -> Json {
    json!({
        "name": name,
        "pools": ["external"],
        "poolSelectors": [a_selector()],
        "serviceSelectors": [a_selector()],
        "nodeSelectors": [a_selector()],
        "peers": ["tor"],
        "localPref": 100,
        "communities": ["65000:100"],
    })
}

fn at(field: &str) -> String {
    format!("bgp_advertisement.{field}")
}

/// What is wrong with an advertisement by itself, or with what it names.
fn draft() -> Vec<Row> {
    let lists = ["pool_selectors", "service_selectors", "node_selectors"];
    [
        required_labels_of_dns(&at("name")),
        labels(&at("labels")),
        lists.iter().flat_map(|list| selector_lists(&at(list))).collect(),
        name_lists(&at("pools"), 64),
        name_lists(&at("peers"), 64),
        lengths(),
        communities(),
        vec![
            bad(at("peers"), list(["a.b"]), Reason::NameMalformed).naming(at("peers[0]")),
            bad(at("pools"), list(["service"]), Reason::ConflictingFields).naming(at("pools[0]")),
            refused(at("pools"), list(["external", "nowhere"]), Code::NotFound, Reason::PoolNotFound),
            refused(at("peers"), list(["tor", "nobody"]), Code::NotFound, Reason::BgpPeerNotFound),
            // The local preference would be heard by nobody.
            bad(at("peers"), list(["edge"]), Reason::ConflictingFields).naming(at("local_pref")),
            good(at("peers"), list(["edge", "tor"])),
            good(at("peers"), To::Absent),
            good(at("pools"), To::Absent),
        ],
    ]
    .concat()
}

/// Lengths beside service selectors, with which nothing is aggregated.
fn lengths() -> Vec<Row> {
    let bounds = [("aggregation_length_v4", 32), ("aggregation_length_v6", 128)];
    let rows = bounds.map(|(field, most)| {
        vec![
            bad(at(field), number(most + 1), Reason::CountOutOfBounds),
            bad(at(field), number(256), Reason::CountOutOfBounds),
            bad(at(field), number(u32::MAX.into()), Reason::CountOutOfBounds),
            bad(at(field), number(most - 1), Reason::ConflictingFields),
            good(at(field), number(most)),
        ]
    });
    rows.concat()
}

fn communities() -> Vec<Row> {
    let field = at("communities");
    let wrong = [
        "",
        "x",
        "1",
        "1:",
        ":1",
        "65536:1",
        "1:65536",
        "+1:1",
        "1:2:3",
        "large:1:2",
        "large:1:2:4294967296",
        "Large:1:2:3",
        "large:1:2:3:4",
        "no export",
        "ä:1",
        "\u{0}",
    ];
    let mut rows: Vec<Row> =
        wrong.iter().map(|text| bad(&*field, list([*text]), Reason::InvalidArgument).naming(format!("{field}[0]"))).collect();
    let second = format!("{field}[1]");
    rows.extend([
        bad(&*field, list(["1:1", "1:1"]), Reason::DuplicateValue).naming(&second),
        bad(&*field, list(["no-export", "65535:65281"]), Reason::DuplicateValue).naming(&second),
        bad(&*field, many(65, |at| format!("1:{at}")), Reason::CountOutOfBounds),
        good(&*field, many(64, |at| format!("1:{at}"))),
        good(&*field, list(["65535:65535", "large:0:4294967295:1", "blackhole", "GRACEFUL_SHUTDOWN"])),
    ]);
    rows
}

/// What is wrong beside the advertisement `all`, and with aggregates.
fn plain() -> Vec<Row> {
    let (v4, v6) = (at("aggregation_length_v4"), at("aggregation_length_v6"));
    vec![
        refused(at("local_pref"), number(7), Code::FailedPrecondition, Reason::BgpAdvertisementConflict),
        refused(at("local_pref"), number(0), Code::FailedPrecondition, Reason::BgpAdvertisementConflict),
        good(at("local_pref"), number(100)),
        // The pool is 10.0.0.13 to 10.0.0.20, whose widest prefix is 10.0.0.16/30.
        bad(&*v4, number(29), Reason::CountOutOfBounds),
        bad(&*v4, number(1), Reason::CountOutOfBounds),
        good(&*v4, number(30)),
        good(&*v4, number(0)),
        good(&*v6, number(1)),
    ]
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let whole = json!({"name": "new", "pools": ["external"], "peers": ["tor"], "localPref": 100});
    let outside = json!({"name": "new", "peers": ["edge"]});
    vec![
        table(
            "AnnouncementService/CreateBgpAdvertisement",
            json!({"bgpAdvertisement": advertisement("new")}),
            [
                draft(),
                request_ids(),
                vec![
                    bad("bgp_advertisement", To::Absent, Reason::FieldRequired),
                    refused(at("name"), text("all"), Code::AlreadyExists, Reason::AlreadyExists),
                    good(at("name"), text("x".repeat(63))),
                ],
            ],
        ),
        table("AnnouncementService/CreateBgpAdvertisement", json!({"bgpAdvertisement": whole}), [plain()]),
        table(
            "AnnouncementService/CreateBgpAdvertisement",
            json!({"bgpAdvertisement": outside}),
            [vec![bad(at("local_pref"), number(1), Reason::ConflictingFields)]],
        ),
        table(
            "AnnouncementService/UpdateBgpAdvertisement",
            json!({"bgpAdvertisement": advertisement("spare")}),
            [
                draft(),
                etags(&at("etag")),
                masks(),
                request_ids(),
                vec![
                    bad("bgp_advertisement", To::Absent, Reason::FieldRequired),
                    refused(at("name"), text("nobody"), Code::NotFound, Reason::BgpAdvertisementNotFound),
                ],
            ],
        ),
        table(
            "AnnouncementService/UpdateBgpAdvertisement",
            json!({"bgpAdvertisement": {"name": "spare", "pools": ["external"], "peers": ["tor"], "localPref": 100}}),
            [plain()],
        ),
        table(
            "AnnouncementService/DeleteBgpAdvertisement",
            json!({"name": "spare"}),
            [
                required_labels_of_dns("name"),
                etags("etag"),
                request_ids(),
                vec![refused("name", text("nobody"), Code::NotFound, Reason::BgpAdvertisementNotFound)],
            ],
        ),
        table(
            "AnnouncementService/GetBgpAdvertisement",
            json!({"name": "all"}),
            [
                required_labels_of_dns("name"),
                vec![refused("name", text("nobody"), Code::NotFound, Reason::BgpAdvertisementNotFound)],
            ],
        ),
        table(
            "AnnouncementService/ListBgpAdvertisements",
            json!({}),
            [pages(), tokens(["00ff"]), vec![good("page_token", text(&*known.advertisements_token))]],
        ),
    ]
}

#[tokio::test]
async fn bad_advertisements_are_refused() {
    judged(tables).await;
}
