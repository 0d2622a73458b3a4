//! Calico's own objects: IPPool and IPReservation, under `projectcalico.org/v3` and, as stored in Kubernetes,
//! `crd.projectcalico.org/v1`.
//!
//! A pool for workloads becomes a pod pool, one for load balancers a pool of external addresses. What Calico calls disabled is
//! what Polder calls draining: nothing new is given, what is held stays.

mod selector;

use serde_json::{Map, Value, json};

use super::document::Document;
use super::notes::leftovers;
use super::{Intent, Kind};
use crate::failure::Failure;

const POOL_FIELDS: [&str; 14] = [
    "metadata.name",
    "metadata.labels",
    "metadata.annotations",
    "spec.cidr",
    "spec.blockSize",
    "spec.disabled",
    "spec.allowedUses",
    "spec.assignmentMode",
    "spec.nodeSelector",
    "spec.namespaceSelector",
    // Polder routes pods by itself; each of these says how Calico does.
    "spec.ipipMode",
    "spec.vxlanMode",
    "spec.natOutgoing",
    "spec.disableBGPExport",
];

/// The intent of one of Calico's documents; `None` for a kind that Polder does not take.
pub fn intent(document: &Document) -> Option<Result<Intent, Failure>> {
    match document.kind.as_str() {
        "IPPool" => Some(pool(document)),
        "IPReservation" => Some(reservation(document)),
        _ => None,
    }
}

fn pool(document: &Document) -> Result<Intent, Failure> {
    let name = document.name()?;
    let mut notes = leftovers(document, &POOL_FIELDS);
    let cidr = document.at(&["spec", "cidr"]).and_then(Value::as_str).ok_or_else(|| document.wrong("spec.cidr", "is required"))?;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    object.insert("ranges".to_owned(), json!([cidr]));
    object.insert("description".to_owned(), json!("imported from Calico"));
    if let Some(labels) = document.at(&["metadata", "labels"]) {
        object.insert("labels".to_owned(), labels.clone());
    }
    let purpose = purpose(document, &mut notes)?;
    if purpose == POD
        && let Some(size) = document.at(&["spec", "blockSize"])
    {
        let key = if cidr.contains(':') { "blockPrefixLengthV6" } else { "blockPrefixLengthV4" };
        object.insert(key.to_owned(), size.clone());
    }
    object.insert("purpose".to_owned(), json!(purpose));
    let disabled = document.at(&["spec", "disabled"]).and_then(Value::as_bool).unwrap_or(false);
    object.insert("state".to_owned(), json!(if disabled { "POOL_STATE_DRAINING" } else { "POOL_STATE_ENABLED" }));
    if document.at(&["spec", "assignmentMode"]).and_then(Value::as_str) == Some("Manual") {
        object.insert("explicitOnly".to_owned(), json!(true));
    }
    for (field, key) in [("nodeSelector", "nodeSelectors"), ("namespaceSelector", "namespaceSelectors")] {
        let text = document.at(&["spec", field]).and_then(Value::as_str).unwrap_or_default();
        let alternatives = selector::translate(text).map_err(|why| document.wrong(&format!("spec.{field}"), &why))?;
        let selectors: Vec<Value> = alternatives.into_iter().map(|expression| json!({ "expression": expression })).collect();
        object.insert(key.to_owned(), Value::Array(selectors));
    }
    notes.extend(ways_of_calico(document));
    Ok(Intent { kind: Kind::Pool, namespace: String::new(), name, object, notes })
}

const POD: &str = "POOL_PURPOSE_POD";
const EXTERNAL: &str = "POOL_PURPOSE_EXTERNAL_SERVICE";

/// Calico's pools may have several uses; without any, they are for workloads and tunnels.
fn purpose(document: &Document, notes: &mut Vec<String>) -> Result<&'static str, Failure> {
    let listed = document.at(&["spec", "allowedUses"]).and_then(Value::as_array);
    let uses: Vec<&str> = listed.map_or_else(|| vec!["Workload"], |uses| uses.iter().filter_map(Value::as_str).collect());
    if let Some(unknown) = uses.iter().find(|name| !matches!(**name, "Workload" | "Tunnel" | "LoadBalancer")) {
        return Err(document.wrong("spec.allowedUses", &format!("`{unknown}` is not Workload, Tunnel or LoadBalancer")));
    }
    if uses.contains(&"Tunnel") {
        notes.push("spec.allowedUses: Tunnel is not carried over: Polder's tunnels need no addresses of a pool".to_owned());
    }
    match (uses.contains(&"LoadBalancer"), uses.contains(&"Workload")) {
        (true, false) => Ok(EXTERNAL),
        (false, true) => Ok(POD),
        (true, true) => Err(document.wrong("spec.allowedUses", "LoadBalancer excludes Workload: a pool of Polder has one purpose")),
        (false, false) => Err(document.wrong("spec.allowedUses", "a pool for tunnels alone has no use in Polder; leave it out")),
    }
}

/// What a pool says of routing and address translation, where it is not what holds in Polder anyway.
fn ways_of_calico(document: &Document) -> Vec<String> {
    let says = |field: &str, plain: &Value| {
        let value = document.at(&["spec", field]).filter(|value| *value != plain)?;
        Some(format!("spec.{field}: {value} is not carried over: how pods are reached is decided for the whole cluster"))
    };
    let fields = [
        ("ipipMode", json!("Never")),
        ("vxlanMode", json!("Never")),
        ("disableBGPExport", json!(false)),
        ("natOutgoing", json!(false)),
    ];
    fields.iter().filter_map(|(field, plain)| says(field, plain)).collect()
}

fn reservation(document: &Document) -> Result<Intent, Failure> {
    let name = document.name()?;
    let ranges = document.at(&["spec", "reservedCIDRs"]).and_then(Value::as_array).filter(|ranges| !ranges.is_empty());
    let ranges = ranges.ok_or_else(|| document.wrong("spec.reservedCIDRs", "at least one is required"))?;
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    object.insert("ranges".to_owned(), Value::Array(ranges.clone()));
    object.insert("owner".to_owned(), json!("imported from Calico"));
    if let Some(labels) = document.at(&["metadata", "labels"]) {
        object.insert("labels".to_owned(), labels.clone());
    }
    let notes = leftovers(document, &["metadata.name", "metadata.labels", "metadata.annotations", "spec.reservedCIDRs"]);
    Ok(Intent { kind: Kind::Reservation, namespace: String::new(), name, object, notes })
}

#[cfg(test)]
mod tests;
