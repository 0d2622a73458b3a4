//! Which node answers for an external address: moving one, and moving all away from a node.

use serde_json::{Map, Value, json};

use super::change::done;
use super::{Context, object};
use crate::failure::Failure;
use crate::output::columns::{items, text};

/// `polder move announcement ADDRESS [--to NODE]`.
///
/// # Errors
/// [`Failure::Usage`] for another kind; what the server refused.
pub async fn shift(context: &Context, kind: &str, address: &str, to: Option<&str>) -> Result<String, Failure> {
    if !matches!(kind, "announcement" | "announcements") {
        return Err(Failure::Usage(format!("`move` knows announcements, not `{kind}`")));
    }
    let answer = context.client.change("lb.AnnouncementService/MoveAnnouncement", move_request(address, to)).await?;
    done(context, &answer, || moved(&answer["announcement"], address))
}

fn move_request(address: &str, to: Option<&str>) -> Map<String, Value> {
    object([("address", json!(address)), ("node", json!(to))])
}

fn moved(announcement: &Value, address: &str) -> String {
    let (node, epoch) = (text(announcement, &["node"]), text(announcement, &["epoch"]));
    let stays = if announcement["pinned"].as_bool() == Some(true) { ", and stays there while it can" } else { "" };
    match node.as_str() {
        "<none>" => {
            format!("announcement/{address}: no node answers for it now; `polder get announcements {address} -o yaml` says why\n")
        }
        node => format!("announcement/{address} is on node/{node}{stays} (epoch {epoch})\n"),
    }
}

/// `polder drain NODE --announcements [--end]`.
///
/// # Errors
/// What the server refused.
pub async fn drain(context: &Context, node: &str, end: bool) -> Result<String, Failure> {
    let request = object([("node", json!(node)), ("end", json!(end))]);
    let answer = context.client.change("lb.AnnouncementService/DrainAnnouncements", request).await?;
    done(context, &answer, || drained(&answer, node, end))
}

fn drained(answer: &Value, node: &str, end: bool) -> String {
    if end {
        return format!("node/{node} may answer for external addresses again\n");
    }
    let mut text = match items(answer, &["announcements"]).count() {
        0 => format!("node/{node} answers for no external address, and gets none\n"),
        1 => format!("node/{node} gets no external address; 1 was moved away:\n"),
        many => format!("node/{node} gets no external address; {many} were moved away:\n"),
    };
    for announcement in items(answer, &["announcements"]) {
        let address = announcement["address"].as_str().unwrap_or_default();
        text.push_str(&moved(announcement, address));
    }
    text
}

#[cfg(test)]
mod tests {
    use polder_proto::dynamic;
    use prost_reflect::{DeserializeOptions, DynamicMessage};

    use super::*;

    #[test]
    fn requests_are_those_of_the_api() {
        let fits = |method: &str, request: Map<String, Value>| {
            let input = dynamic::method("polder.lb.v1.AnnouncementService", method).unwrap().input();
            let options = DeserializeOptions::new().deny_unknown_fields(true);
            DynamicMessage::deserialize_with_options(input, Value::Object(request), &options).unwrap();
        };
        assert_eq!(move_request("10.0.0.13", None).len(), 1, "without a node Polder chooses");
        fits("MoveAnnouncement", move_request("10.0.0.13", Some("node-b")));
        fits("DrainAnnouncements", object([("node", json!("node-a")), ("end", json!(true))]));
    }

    #[test]
    fn what_was_moved_is_said() {
        let here = json!({ "address": "10.0.0.13", "node": "node-b", "epoch": "7", "pinned": true });
        assert_eq!(moved(&here, "10.0.0.13"), "announcement/10.0.0.13 is on node/node-b, and stays there while it can (epoch 7)\n");
        assert!(moved(&json!({}), "10.0.0.13").contains("no node answers for it now"));
        let answer = json!({ "announcements": [here, { "address": "10.0.0.14", "node": "node-c", "epoch": "2" }] });
        let text = drained(&answer, "node-a", false);
        assert!(
            text.starts_with("node/node-a gets no external address; 2 were moved away:\n")
                && text.contains("10.0.0.14 is on node/node-c (epoch 2)"),
            "{text}"
        );
        assert_eq!(drained(&json!({}), "node-a", false), "node/node-a answers for no external address, and gets none\n");
        assert_eq!(drained(&json!({}), "node-a", true), "node/node-a may answer for external addresses again\n");
    }
}
