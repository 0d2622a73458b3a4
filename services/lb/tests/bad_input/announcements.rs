//! Announcements, and how far a revision has come.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, bad, good, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

/// The name of a node, one that there is not among them.
fn node(wrap: impl Fn(&str) -> Json) -> Vec<Row> {
    let unknown = refused("node", text("nobody"), Code::NotFound, Reason::NodeNotFound);
    [names_in("node", "node", wrap), vec![unknown]].concat()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let plain = |name: &str| json!(name);
    let unheld = refused("address", text("10.0.0.20"), Code::NotFound, Reason::AnnouncementNotFound);
    let inside = refused("address", text("172.28.0.1"), Code::NotFound, Reason::AnnouncementNotFound);
    let none = bad("address", text(""), Reason::AddressMalformed);
    // Nobody answers for the address yet, so there is no version that could have been seen.
    let etag = refused("etag", text("nonsense"), Code::FailedPrecondition, Reason::NotAnnounced);
    let waits = [("-1s", Reason::InvalidArgument), ("301s", Reason::CountOutOfBounds)];
    let waits = waits.map(|(wait, reason)| bad("wait", wait, reason)).into();
    // What has not happened has come nowhere, which is an answer.
    let future = good("revision", number(u64::from(u32::MAX)));
    vec![
        table("AnnouncementService/ListAnnouncements", json!({}), [pages(), tokens(["73686f70"])]),
        table(
            "AnnouncementService/MoveAnnouncement",
            json!({"address": "10.0.0.13", "node": "node-a"}),
            [addresses("address"), vec![unheld, inside, none, etag], node(plain), request_ids()],
        ),
        table(
            "AnnouncementService/DrainAnnouncements",
            json!({"node": "node-a"}),
            [node(plain), vec![bad("node", text(""), Reason::FieldRequired)], request_ids()],
        ),
        table("DataplaneService/GetConvergence", json!({}), [waits, vec![future]]),
    ]
}

#[tokio::test]
async fn bad_input_about_announcements_is_refused() {
    judged(tables).await;
}
