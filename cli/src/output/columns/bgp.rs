//! The columns of announcements, on the local network and by BGP.

use polder_core::time::Timestamp;
use serde_json::Value;

use super::{Column, age_of, at, column, items, joined, labels, name, text, wide};
use crate::output::age;

fn flag(object: &Value, key: &str) -> String {
    at(object, &[key]).as_bool().unwrap_or(false).to_string()
}

/// The selectors of a list as text; `<all>` for none, since no selector leaves nobody out.
fn selected(object: &Value, key: &str) -> String {
    let one = |selector: &Value| match selector["expression"].as_str().unwrap_or_default() {
        "" => "<any>".to_owned(),
        expression => expression.to_owned(),
    };
    let texts: Vec<String> = items(object, &[key]).map(one).collect();
    if texts.is_empty() { "<all>".to_owned() } else { texts.join(" or ") }
}

fn peer_address(peer: &Value, _: Timestamp) -> String {
    match (text(peer, &["peerAddress"]).as_str(), text(peer, &["interface"]).as_str()) {
        ("<none>", "<none>") => "<none>".to_owned(),
        ("<none>", interface) => format!("%{interface}"),
        (address, _) => address.to_owned(),
    }
}

/// Whether its sessions stand, as the condition `Established` says it.
fn session(peer: &Value, _: Timestamp) -> String {
    let condition = items(peer, &["conditions"]).find(|condition| condition["type"] == "Established");
    match condition.map(|condition| (text(condition, &["status"]), text(condition, &["reason"]))) {
        Some((status, _)) if status == "CONDITION_STATUS_TRUE" => "established".to_owned(),
        Some((_, reason)) if reason != "<none>" => reason,
        _ => "<unknown>".to_owned(),
    }
}

/// BGP peers.
pub const BGP_PEERS: &[Column] = &[
    column("NAME", name),
    column("ADDRESS", peer_address),
    column("PEER AS", |peer, _| text(peer, &["peerAsn"])),
    column("LOCAL AS", |peer, _| text(peer, &["localAsn"])),
    column("STATE", session),
    column("AGE", age_of),
    wide("NODES", |peer, _| selected(peer, "nodeSelectors")),
    wide("PORT", |peer, _| match at(peer, &["peerPort"]).as_u64() {
        None | Some(0) => "179".to_owned(),
        Some(port) => port.to_string(),
    }),
    wide("HOLD", |peer, _| match text(peer, &["holdTime"]).as_str() {
        "<none>" => "90s".to_owned(),
        given => given.to_owned(),
    }),
    wide("BFD", |peer, _| at(peer, &["bfd"]).is_object().to_string()),
    wide("PASSWORD", |peer, _| flag(peer, "hasPassword")),
    wide("LABELS", labels),
];

/// The pools that an advertisement is of.
fn advertised(advertisement: &Value, _: Timestamp) -> String {
    let named = items(advertisement, &["pools"]).filter_map(Value::as_str).map(str::to_owned);
    let chosen = items(advertisement, &["poolSelectors"]).next().map(|_| selected(advertisement, "poolSelectors"));
    let all: Vec<String> = named.chain(chosen).collect();
    if all.is_empty() { "<all>".to_owned() } else { all.join(",") }
}

fn length(advertisement: &Value, key: &str, usual: u64) -> u64 {
    at(advertisement, &[key]).as_u64().filter(|length| *length > 0).unwrap_or(usual)
}

/// BGP advertisements.
pub const BGP_ADVERTISEMENTS: &[Column] = &[
    column("NAME", name),
    column("POOLS", advertised),
    column("PEERS", |advertisement, _| match joined(items(advertisement, &["peers"])).as_str() {
        "<none>" => "<all>".to_owned(),
        peers => peers.to_owned(),
    }),
    column("COMMUNITIES", |advertisement, _| joined(items(advertisement, &["communities"]))),
    column("AGE", age_of),
    wide("LENGTH", |advertisement, _| {
        let (v4, v6) = (length(advertisement, "aggregationLengthV4", 32), length(advertisement, "aggregationLengthV6", 128));
        format!("/{v4},/{v6}")
    }),
    wide("LOCAL PREF", |advertisement, _| text(advertisement, &["localPref"])),
    wide("NODES", |advertisement, _| selected(advertisement, "nodeSelectors")),
    wide("SERVICES", |advertisement, _| selected(advertisement, "serviceSelectors")),
    wide("LABELS", labels),
];

/// Announcements. The age is that of the last change of node.
pub const ANNOUNCEMENTS: &[Column] = &[
    column("ADDRESS", |announcement, _| text(announcement, &["address"])),
    column("NODE", |announcement, _| match at(announcement, &["bgpOnly"]).as_bool() {
        Some(true) => "<bgp>".to_owned(),
        _ => text(announcement, &["node"]),
    }),
    column("EPOCH", |announcement, _| text(announcement, &["epoch"])),
    column("SERVICES", |announcement, _| {
        let title = |service: &Value| format!("{}/{}", text(service, &["namespace"]), text(service, &["name"]));
        let titles: Vec<String> = items(announcement, &["services"]).map(title).collect();
        if titles.is_empty() { "<none>".to_owned() } else { titles.join(",") }
    }),
    column("AGE", |announcement, now| {
        let changed = at(announcement, &["updateTime"]).as_str().and_then(age::parse);
        changed.map_or_else(|| "<none>".to_owned(), |then| age::since(then, now))
    }),
    wide("PREVIOUS", |announcement, _| text(announcement, &["previousNode"])),
    wide("PINNED", |announcement, _| flag(announcement, "pinned")),
    wide("CANDIDATES", |announcement, _| joined(items(announcement, &["candidates"]))),
];
