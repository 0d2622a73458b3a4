//! BGP peers.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

const NO_MATTER: u64 = u32::MAX as u64;

/// A peer with every field set.
fn peer(name: &str) -> Json {
    json!({
        "name": name,
        "peerAddress": "10.0.9.1",
        "peerAsn": 64_999,
        "localAsn": 64_512,
        "sourceAddress": "10.0.9.2",
        "routerId": "10.0.9.3",
        "holdTime": "90s",
        "keepaliveTime": "30s",
        "ebgpMultihop": true,
        "nodeSelectors": [a_selector()],
        "bfd": {"transmitIntervalMs": 300, "receiveIntervalMs": 300, "detectMultiplier": 3, "minimumTtl": 250},
    })
}

fn at(field: &str) -> String {
    format!("bgp_peer.{field}")
}

/// What is wrong with a peer by itself.
fn draft() -> Vec<Row> {
    [
        required_labels_of_dns(&at("name")),
        labels(&at("labels")),
        selector_lists(&at("node_selectors")),
        router(),
        autonomous_systems(),
        timers(),
        bfd(),
        vec![
            bad(at("peer_port"), number(65_536), Reason::PortMalformed),
            bad(at("peer_port"), number(NO_MATTER), Reason::PortMalformed),
            good(at("peer_port"), number(65_535)),
            bad(at("password"), text("x".repeat(81)), Reason::FieldTooLong),
            bad(at("password"), text("a\nb"), Reason::InvalidArgument),
            bad(at("password"), text("\u{0}"), Reason::InvalidArgument),
            good(at("password"), text("ü".repeat(40))),
        ],
    ]
    .concat()
}

fn router() -> Vec<Row> {
    let nobody = ["::", "224.0.0.5", "ff02::5", "255.255.255.255"];
    let mut rows = Vec::new();
    for field in ["peer_address", "source_address"] {
        rows.extend(nobody.map(|address| bad(at(field), text(address), Reason::AddressMalformed)));
    }
    rows.extend([
        bad(at("peer_address"), text("fe80::1"), Reason::AddressMalformed),
        bad(at("peer_address"), text(""), Reason::FieldRequired),
        bad(at("peer_address"), text("2001:db8::1"), Reason::FamilyMismatch).naming(at("source_address")),
        bad(at("source_address"), text("2001:db8::1"), Reason::FamilyMismatch),
        bad(at("interface"), text("eth0"), Reason::ConflictingFields),
        bad(at("router_id"), text("2001:db8::1"), Reason::FamilyMismatch),
        good(at("router_id"), text("224.0.0.1")),
    ]);
    [hosts(&at("peer_address")), hosts(&at("source_address")), hosts(&at("router_id")), rows].concat()
}

/// A router behind an interface.
fn behind() -> Vec<Row> {
    let long = "e".repeat(16);
    let mut rows: Vec<Row> =
        ["a b", "a/b", ".", "..", "ä", "\u{0}", "a\n"].map(|name| bad(at("interface"), text(name), Reason::NameMalformed)).into();
    rows.extend([
        bad(at("interface"), text(long), Reason::FieldTooLong),
        bad(at("interface"), text(""), Reason::FieldRequired).naming(at("peer_address")),
        good(at("interface"), text("e".repeat(15))),
        bad(at("source_address"), text("10.0.9.2"), Reason::ConflictingFields),
        bad(at("ebgp_multihop"), number(1), Reason::ConflictingFields),
    ]);
    rows
}

fn autonomous_systems() -> Vec<Row> {
    let bounds = ["peer_asn", "local_asn"].map(|field| {
        vec![
            bad(at(field), number(0), Reason::FieldRequired),
            bad(at(field), number(4_294_967_295), Reason::CountOutOfBounds),
            good(at(field), number(4_294_967_294)),
            good(at(field), number(1)),
        ]
    });
    let internal = vec![
        bad(at("peer_asn"), number(64_512), Reason::ConflictingFields).naming(at("ebgp_multihop")),
        bad(at("local_asn"), number(64_999), Reason::ConflictingFields).naming(at("ebgp_multihop")),
    ];
    [bounds.concat(), internal].concat()
}

fn timers() -> Vec<Row> {
    let (hold, keepalive) = (at("hold_time"), at("keepalive_time"));
    let short = [1, 2].map(|seconds| bad(&*hold, To::Time(seconds, 0), Reason::CountOutOfBounds));
    let rows = vec![
        bad(&*hold, To::Time(0, 0), Reason::ConflictingFields).naming(&keepalive),
        bad(&*hold, To::Time(29, 0), Reason::ConflictingFields).naming(&keepalive),
        good(&*hold, To::Time(30, 0)),
        good(&*hold, To::Time(65_535, 0)),
        good(&*hold, To::Absent),
        bad(&*keepalive, To::Time(0, 0), Reason::CountOutOfBounds),
        bad(&*keepalive, To::Time(91, 0), Reason::ConflictingFields),
        good(&*keepalive, To::Time(90, 0)),
        good(&*keepalive, To::Time(1, 0)),
        good(&*keepalive, To::Absent),
    ];
    [seconds(&hold), seconds(&keepalive), short.into(), rows].concat()
}

fn bfd() -> Vec<Row> {
    let bounds = [
        ("transmit_interval_ms", 10, 60_000),
        ("receive_interval_ms", 10, 60_000),
        ("detect_multiplier", 2, 255),
        ("minimum_ttl", 1, 254),
    ];
    let rows = bounds.map(|(field, least, most)| {
        let field = at(&format!("bfd.{field}"));
        let mut rows = vec![
            bad(&*field, number(most + 1), Reason::CountOutOfBounds),
            bad(&*field, number(NO_MATTER), Reason::CountOutOfBounds),
            good(&*field, number(most)),
            good(&*field, number(least)),
            good(&*field, number(0)),
        ];
        rows.extend((least > 1).then(|| bad(&*field, number(least - 1), Reason::CountOutOfBounds)));
        rows
    });
    let ttl = bad(at("ebgp_multihop"), number(0), Reason::ConflictingFields).naming(at("bfd.minimum_ttl"));
    [rows.concat(), vec![ttl]].concat()
}

pub(crate) fn tables(known: &Known) -> Vec<Table> {
    let behind_eth0 = json!({"name": "new", "interface": "eth0", "peerAsn": 1, "localAsn": 2});
    let taken = |field: &str, value: &str, reason| refused(at(field), text(value), Code::FailedPrecondition, reason);
    let others = [known.advertisements_token.as_str()];
    vec![
        table(
            "AnnouncementService/CreateBgpPeer",
            json!({"bgpPeer": peer("new")}),
            [
                draft(),
                request_ids(),
                vec![
                    bad("bgp_peer", To::Absent, Reason::FieldRequired),
                    refused(at("name"), text("tor"), Code::AlreadyExists, Reason::AlreadyExists),
                    good(at("name"), text("x".repeat(63))),
                ],
            ],
        ),
        table("AnnouncementService/CreateBgpPeer", json!({"bgpPeer": behind_eth0}), [behind()]),
        table(
            "AnnouncementService/CreateBgpPeer",
            json!({"bgpPeer": {"name": "new", "peerAddress": "10.0.9.1", "peerAsn": 64_512, "localAsn": 64_512}}),
            [vec![
                taken("peer_address", "10.0.0.1", Reason::BgpPeerDuplicate),
                bad(at("ebgp_multihop"), number(1), Reason::ConflictingFields),
            ]],
        ),
        table(
            "AnnouncementService/UpdateBgpPeer",
            json!({"bgpPeer": peer("edge")}),
            [
                draft(),
                etags(&at("etag")),
                masks(),
                request_ids(),
                vec![
                    bad("bgp_peer", To::Absent, Reason::FieldRequired),
                    refused(at("name"), text("nobody"), Code::NotFound, Reason::BgpPeerNotFound),
                    taken("peer_address", "10.0.0.1", Reason::BgpPeerDuplicate),
                ],
            ],
        ),
        table(
            "AnnouncementService/DeleteBgpPeer",
            json!({"name": "edge"}),
            [
                required_labels_of_dns("name"),
                etags("etag"),
                request_ids(),
                vec![
                    refused("name", text("nobody"), Code::NotFound, Reason::BgpPeerNotFound),
                    refused("name", text("tor"), Code::FailedPrecondition, Reason::BgpPeerInUse),
                ],
            ],
        ),
        table(
            "AnnouncementService/GetBgpPeer",
            json!({"name": "tor"}),
            [required_labels_of_dns("name"), vec![refused("name", text("nobody"), Code::NotFound, Reason::BgpPeerNotFound)]],
        ),
        table(
            "AnnouncementService/ListBgpPeers",
            json!({}),
            [pages(), tokens(["00ff"]), vec![good("page_token", text(&*known.peers_token))]],
        ),
        table("AnnouncementService/ListBgpPeers", json!({"filter": "name:o"}), [vec![good("page_token", text(others[0]))]]),
    ]
}

#[tokio::test]
async fn bad_peers_are_refused() {
    judged(tables).await;
}
