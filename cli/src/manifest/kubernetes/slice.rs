//! An EndpointSlice: endpoints given for a service without selector.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::manifest::document::Document;
use crate::manifest::notes::{leftovers, strangers};
use crate::manifest::{Intent, Kind};

/// The label that names the service of a slice.
const SERVICE: &str = "kubernetes.io/service-name";

pub(super) fn intent(document: &Document) -> Result<Intent, Failure> {
    let service = document.text(&["metadata", "labels", SERVICE]);
    if service.is_empty() {
        return Err(document.wrong(&format!("metadata.labels[{SERVICE}]"), "the service's name is required"));
    }
    let family = document.text(&["addressType"]);
    if !matches!(family.as_str(), "IPv4" | "IPv6") {
        return Err(document.wrong("addressType", &format!("`{family}` is not IPv4 or IPv6")));
    }
    let known = ["metadata.name", "metadata.namespace", "metadata.labels", "addressType", "endpoints", "ports"];
    let mut notes = leftovers(document, &known);
    let ports = ports(document, &mut notes)?;
    let mut endpoints = Vec::new();
    for (at, endpoint) in document.at(&["endpoints"]).and_then(Value::as_array).into_iter().flatten().enumerate() {
        for address in endpoint["addresses"].as_array().into_iter().flatten() {
            endpoints.push(one(endpoint, address, &ports));
        }
        let path = format!("endpoints[{at}]");
        notes.extend(strangers(&path, endpoint, &["addresses", "conditions", "nodeName", "zone", "hostname", "targetRef"]));
        // `serving` and `terminating` say no more than `ready` to whoever spreads connections.
        let conditions = ["ready", "serving", "terminating"];
        notes.extend(strangers(&format!("{path}.conditions"), &endpoint["conditions"], &conditions));
        if !endpoint["targetRef"].is_null() {
            notes.push(format!("{path}.targetRef is not carried over: a given endpoint stands for itself"));
        }
    }
    let mut object = Map::new();
    object.insert("endpoints".to_owned(), Value::Array(endpoints));
    Ok(Intent { kind: Kind::Endpoints, namespace: document.namespace(), name: service, object, notes })
}

fn ports(document: &Document, notes: &mut Vec<String>) -> Result<Vec<Value>, Failure> {
    let given = document.at(&["ports"]).and_then(Value::as_array);
    let one = |(at, port): (usize, &Value)| {
        notes.extend(strangers(&format!("ports[{at}]"), port, &["name", "port", "protocol"]));
        let number = port["port"].as_u64();
        let number = number.ok_or_else(|| document.wrong(&format!("ports[{at}].port"), "a port number is required"))?;
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        Ok(json!({ "name": port["name"].as_str().unwrap_or_default(), "protocol": format!("PROTOCOL_{protocol}"), "port": number }))
    };
    given.into_iter().flatten().enumerate().map(one).collect()
}

/// An endpoint is ready unless it says that it is not (`conditions.ready` absent counts as ready).
fn one(endpoint: &Value, address: &Value, ports: &[Value]) -> Value {
    let mut mapped = json!({
        "address": address,
        "ready": endpoint["conditions"]["ready"].as_bool().unwrap_or(true),
        "ports": ports,
    });
    for (from, to) in [("nodeName", "node"), ("zone", "zone"), ("hostname", "hostname")] {
        if let Some(text) = endpoint[from].as_str() {
            mapped[to] = json!(text);
        }
    }
    mapped
}
