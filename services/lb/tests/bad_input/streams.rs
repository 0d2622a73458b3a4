//! Streams of nodes: what they hold, what they report, what they watch.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::agent::uid_of;
use crate::rows::*;
use crate::site;
use crate::world::{Known, QUIET, World, judged};

/// A message of the node that has nothing to answer for, so that hearing of it changes nothing.
fn of_quiet(more: &Json) -> Json {
    let mut message = json!({"node": QUIET, "nodeUid": uid_of(QUIET).to_string(), "sequence": 1});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

/// Whose message it is: a name and an identity.
fn identity() -> Vec<Row> {
    let none = [bad("node", text(""), Reason::FieldRequired), bad("node_uid", text(""), Reason::FieldRequired)];
    [names_in("node", "node", |name| json!(name)), uids("node_uid"), none.into()].concat()
}

/// A node that does not exist, or is another by now.
fn unknown_node() -> Vec<Row> {
    vec![
        refused("node", text("nobody"), Code::NotFound, Reason::NodeNotFound),
        refused("node_uid", text(uid_of("node-a").to_string()), Code::Aborted, Reason::NodeUidMismatch),
    ]
}

/// A node that the stream is not for, whether it exists or not.
fn another_node() -> Vec<Row> {
    vec![
        bad("node", text("node-a"), Reason::ConflictingFields),
        bad("node", text("nobody"), Reason::ConflictingFields),
        bad("node_uid", text(uid_of("node-a").to_string()), Reason::ConflictingFields).naming("node"),
    ]
}

/// Rights that a node holds, wants or has given up.
fn claims(field: &str) -> Vec<Row> {
    let one = |part: &str| format!("{field}[0].{part}");
    let rest = [
        bad(one("address"), text(""), Reason::AddressMalformed),
        bad(one("epoch"), number(0), Reason::FieldRequired),
        good(one("epoch"), number(u64::MAX)),
        bad(field, To::Times(65_537), Reason::CountOutOfBounds),
    ];
    [addresses(&one("address")), rest.into()].concat()
}

/// A table of the first message of a stream, and one of the second.
fn both<const N: usize>(method: &'static str, message: &Json, rows: [Vec<Row>; N]) -> [Table; 2] {
    let rows = rows.concat();
    let first = table(method, message.clone(), [identity(), unknown_node(), rows.clone()]);
    let later = table(method, message.clone(), [identity(), another_node(), rows]).after([message.clone()]);
    [first, later]
}

fn holding() -> [Table; 2] {
    let claim = json!({"address": "10.0.0.13", "epoch": 1, "held": false});
    let message = of_quiet(&json!({"claims": [claim], "released": [claim]}));
    both("AnnouncementService/HoldAnnouncements", &message, [claims("claims"), claims("released")])
}

fn reporting() -> [Table; 2] {
    let finding = json!({"message": "no room in the kernel"});
    let seen = json!({"address": "10.0.0.13", "kind": "OBSERVATION_KIND_NO_ANSWER"});
    let session = json!({"peer": "tor", "state": "Established"});
    let message = of_quiet(&json!({"findings": [finding], "observations": [seen], "bgpSessions": [session]}));
    let observation = |part: &str| format!("observations[0].{part}");
    let kinds = [0, 99].map(|kind| bad(observation("kind"), number(kind), Reason::FieldRequired));
    let counts = ["findings", "observations"]
        .into_iter()
        .flat_map(|list| [bad(list, To::Times(101), Reason::CountOutOfBounds), good(list, To::Times(100))])
        .collect();
    let seen =
        [bad(observation("address"), text(""), Reason::AddressMalformed), good(observation("mac"), text("00:15:5D:01:02:03"))];
    let session = |part: &str| format!("bgp_sessions[0].{part}");
    let sessions = [
        bad(session("peer"), text(""), Reason::FieldRequired),
        bad(session("state"), text(""), Reason::InvalidArgument),
        bad(session("state"), text("established"), Reason::InvalidArgument),
        good(session("state"), text("OpenConfirm")),
        bad("bgp_sessions", To::Times(2), Reason::ConflictingFields).naming("bgp_sessions[1].peer"),
    ];
    let peers = names_in(&session("peer"), &session("peer"), |name| json!(name));
    let rows = [
        counts,
        kinds.into(),
        addresses(&observation("address")),
        seen.into(),
        macs(&observation("mac")),
        peers,
        sessions.into(),
        times(&session("since")),
    ];
    both("DataplaneService/ReportDataplane", &message, rows)
}

fn watching() -> Table {
    let message = json!({"node": QUIET, "nodeUid": uid_of(QUIET).to_string()});
    let revisions = vec![
        refused("start_revision", number(1), Code::OutOfRange, Reason::ResumeTokenCompacted),
        // A replica that lags behind may not have it yet: it waits, and says so.
        refused("start_revision", number(u64::MAX), Code::Unavailable, Reason::StoreUnavailable),
    ];
    table("DataplaneService/WatchDataplane", message, [identity(), unknown_node(), revisions])
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    [&holding()[..], &reporting()[..], &[watching()]].concat()
}

#[tokio::test]
async fn bad_messages_of_nodes_are_refused() {
    judged(tables).await;
}

#[tokio::test]
async fn a_stream_is_of_one_node() {
    let world = World::new().await;
    let this = of_quiet(&json!({}));
    let other = json!({"node": "node-a", "nodeUid": uid_of("node-a").to_string()});
    for method in ["AnnouncementService/HoldAnnouncements", "DataplaneService/ReportDataplane"] {
        world.client.ask_after(method, &other, &other).await.unwrap();
        let (_, refusal) = site::refused(world.client.ask_after(method, &this, &other).await);
        let named: Vec<_> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
        assert_eq!(named, [("node", Reason::ConflictingFields)], "{refusal:?}");
    }
    world.stop().await;
}
