//! The columns of every kind that `polder get` lists.

use polder_core::time::Timestamp;
use serde_json::Value;

use super::age;

/// One column: its header, whether only `-o wide` shows it, and how a cell is made of an object.
#[derive(Clone, Copy)]
pub struct Column {
    /// The header, in capitals.
    pub header: &'static str,
    /// Only with `-o wide`.
    pub wide: bool,
    /// The cell.
    pub cell: fn(&Value, Timestamp) -> String,
}

const fn column(header: &'static str, cell: fn(&Value, Timestamp) -> String) -> Column {
    Column { header, wide: false, cell }
}

const fn wide(header: &'static str, cell: fn(&Value, Timestamp) -> String) -> Column {
    Column { header, wide: true, cell }
}

/// The value at a path of keys.
#[must_use]
pub fn at<'a>(object: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(object, |value, key| &value[*key])
}

/// The text at a path, `<none>` when there is none; numbers in text form too.
#[must_use]
pub fn text(object: &Value, path: &[&str]) -> String {
    match at(object, path) {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => "<none>".to_owned(),
    }
}

/// The values of a list joined by commas, `<none>` when there are none.
#[must_use]
pub fn joined<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let texts: Vec<&str> = values.into_iter().filter_map(Value::as_str).collect();
    if texts.is_empty() { "<none>".to_owned() } else { texts.join(",") }
}

/// The items of a list at a path.
pub fn items<'a>(object: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> {
    at(object, path).as_array().into_iter().flatten()
}

/// An enum value without its prefix, in lower case: `POOL_STATE_ENABLED` is `enabled`.
#[must_use]
pub fn word(object: &Value, path: &[&str], prefix: &str) -> String {
    let text = text(object, path);
    text.strip_prefix(prefix).map_or_else(|| text.clone(), |rest| rest.to_lowercase().replace('_', "-"))
}

fn count(object: &Value, path: &[&str]) -> String {
    let value = at(object, path);
    let number = value["value"].as_str().or_else(|| value.as_str());
    let number = number.map_or_else(|| value.as_u64().unwrap_or(0).to_string(), str::to_owned);
    if value["saturated"].as_bool() == Some(true) { format!(">{number}") } else { number }
}

fn age_of(object: &Value, now: Timestamp) -> String {
    let created = at(object, &["createTime"]).as_str().and_then(age::parse);
    created.map_or_else(|| "<unknown>".to_owned(), |then| age::since(then, now))
}

fn labels(object: &Value, _: Timestamp) -> String {
    let pairs = at(object, &["labels"]).as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

fn name(object: &Value, _: Timestamp) -> String {
    text(object, &["name"])
}

/// Pools: how full each is.
pub const POOLS: &[Column] = &[
    column("NAME", name),
    column("PURPOSE", |pool, _| word(pool, &["purpose"], "POOL_PURPOSE_")),
    column("RANGES", |pool, _| joined(items(pool, &["ranges"]))),
    column("USED", |pool, _| count(pool, &["usage", "used"])),
    column("FREE", |pool, _| count(pool, &["usage", "free"])),
    column("TOTAL", |pool, _| count(pool, &["usage", "total"])),
    column("STATE", |pool, _| word(pool, &["state"], "POOL_STATE_")),
    column("AGE", age_of),
    wide("RESERVED", |pool, _| count(pool, &["usage", "reserved"])),
    wide("COOLING", |pool, _| count(pool, &["usage", "cooling"])),
    wide("QUARANTINED", |pool, _| count(pool, &["usage", "quarantined"])),
    wide("BLOCKS", |pool, _| count(pool, &["usage", "inBlocks"])),
    wide("FULL IN", |pool, _| match at(pool, &["usage", "forecast", "timeToFull"]).as_str().and_then(age::duration) {
        Some(left) => age::length(left),
        None => "<unknown>".to_owned(),
    }),
    wide("PRIORITY", |pool, _| text(pool, &["priority"])),
    wide("LABELS", labels),
];

/// Nodes.
pub const NODES: &[Column] = &[
    column("NAME", name),
    column("STATE", |node, _| word(node, &["state"], "NODE_STATE_")),
    column("ADDRESSES", |node, _| joined(items(node, &["addresses"]))),
    column("BLOCKS", |node, _| joined(items(node, &["blocks"]))),
    column("PODS", |node, _| count(node, &["allocations"])),
    column("AGE", age_of),
    wide("ZONE", |node, _| text(node, &["zone"])),
    wide("AGENT", |node, _| text(node, &["agentVersion"])),
    wide("LABELS", labels),
];

/// Namespaces.
pub const NAMESPACES: &[Column] = &[
    column("NAME", name),
    column("PODS", |namespace, _| count(namespace, &["usage", "podAddresses"])),
    column("SERVICES", |namespace, _| count(namespace, &["usage", "services"])),
    column("AGE", age_of),
    wide("LABELS", labels),
];

/// Reservations.
pub const RESERVATIONS: &[Column] = &[
    column("NAME", name),
    column("RANGES", |reservation, _| joined(items(reservation, &["ranges"]))),
    column("OWNER", |reservation, _| text(reservation, &["owner"])),
    column("AGE", age_of),
];

fn allocation_addresses(allocation: &Value, _: Timestamp) -> String {
    joined(items(allocation, &["addresses"]).map(|held| &held["address"]))
}

/// Allocations.
pub const ALLOCATIONS: &[Column] = &[
    column("NAMESPACE", |allocation, _| text(allocation, &["owner", "namespace"])),
    column("OWNER", |allocation, _| text(allocation, &["owner", "name"])),
    column("KIND", |allocation, _| word(allocation, &["owner", "kind"], "OWNER_KIND_")),
    column("ADDRESSES", allocation_addresses),
    column("NODE", |allocation, _| text(allocation, &["owner", "node"])),
    column("READY", |allocation, _| at(allocation, &["ready"]).as_bool().unwrap_or(false).to_string()),
    column("AGE", age_of),
    wide("POOL", |allocation, _| joined(items(allocation, &["addresses"]).map(|held| &held["pool"]))),
    wide("HANDLE", |allocation, _| text(allocation, &["handle"])),
    wide("LABELS", labels),
];

fn service_type(service: &Value, _: Timestamp) -> String {
    match word(service, &["spec", "type"], "SERVICE_TYPE_").as_str() {
        "load-balancer" => "LoadBalancer".to_owned(),
        "external-name" => "ExternalName".to_owned(),
        "node-port" => "NodePort".to_owned(),
        _ => "ClusterIP".to_owned(),
    }
}

fn cluster_ip(service: &Value, now: Timestamp) -> String {
    let held = joined(items(service, &["status", "clusterVips"]).map(|vip| &vip["address"]));
    match (held.as_str(), service_type(service, now).as_str(), at(service, &["spec", "headless"]).as_bool()) {
        (_, _, Some(true)) => "None".to_owned(),
        ("<none>", "ExternalName", _) => "<none>".to_owned(),
        ("<none>", _, _) => "<pending>".to_owned(),
        _ => held,
    }
}

fn external_ip(service: &Value, now: Timestamp) -> String {
    let held = joined(items(service, &["status", "externalVips"]).map(|vip| &vip["address"]));
    match (held.as_str(), service_type(service, now).as_str()) {
        ("<none>", "LoadBalancer") => "<pending>".to_owned(),
        ("<none>", "ExternalName") => text(service, &["spec", "externalName"]),
        _ => held,
    }
}

fn ports(service: &Value, _: Timestamp) -> String {
    let port = |port: &Value| format!("{}/{}", text(port, &["port"]), protocol(port));
    let ports: Vec<String> = items(service, &["spec", "ports"]).map(port).collect();
    if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
}

fn protocol(port: &Value) -> String {
    match word(port, &["protocol"], "PROTOCOL_").to_uppercase().as_str() {
        "<NONE>" | "UNSPECIFIED" => "TCP".to_owned(),
        known => known.to_owned(),
    }
}

fn selector(service: &Value, _: Timestamp) -> String {
    let pairs = at(service, &["spec", "selector"]).as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// Services: the columns of `kubectl get services`.
pub const SERVICES: &[Column] = &[
    column("NAME", name),
    column("TYPE", service_type),
    column("CLUSTER-IP", cluster_ip),
    column("EXTERNAL-IP", external_ip),
    column("PORT(S)", ports),
    column("AGE", age_of),
    wide("SELECTOR", selector),
    wide("ENDPOINTS", |service, _| {
        let number = |key| at(service, &["status", key]).as_u64().unwrap_or(0);
        format!("{}/{}", number("readyEndpoints"), number("totalEndpoints"))
    }),
    wide("CONDITIONS", |service, _| {
        let reasons: Vec<String> = items(service, &["status", "conditions"])
            .filter(|condition| at(condition, &["status"]).as_str() != Some("CONDITION_STATUS_TRUE"))
            .map(|condition| text(condition, &["reason"]))
            .collect();
        if reasons.is_empty() { "<none>".to_owned() } else { reasons.join(",") }
    }),
];

/// Zones, stored and computed.
pub const ZONES: &[Column] = &[
    column("NAME", name),
    column("KIND", |zone, _| if at(zone, &["system"]).as_bool() == Some(true) { "computed" } else { "stored" }.to_owned()),
    column("RECORD SETS", |zone, _| count(zone, &["recordSets"])),
    column("SERIAL", |zone, _| text(zone, &["serial"])),
    column("AGE", age_of),
    wide("TTL", |zone, _| text(zone, &["defaultTtlSeconds"])),
    wide("NAME SERVERS", |zone, _| joined(items(zone, &["nameServers"]))),
    wide("LABELS", labels),
];

mod bgp;

pub use bgp::{ANNOUNCEMENTS, BGP_ADVERTISEMENTS, BGP_PEERS};

#[cfg(test)]
mod tests;
