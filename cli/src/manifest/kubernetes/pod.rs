//! A Pod is an allocation: who it is, where it runs, whether it is ready, how it is named.

use serde_json::{Map, Value, json};

use super::copy;
use crate::failure::Failure;
use crate::manifest::document::Document;
use crate::manifest::notes::{leftovers, strangers};
use crate::manifest::{Intent, Kind};

const KNOWN: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "spec.nodeName",
    "spec.hostname",
    "spec.subdomain",
    "spec.containers",
    "spec.hostNetwork",
];

pub(super) fn intent(document: &Document) -> Result<Intent, Failure> {
    let (name, namespace) = (document.name()?, document.namespace());
    let mut notes = leftovers(document, &KNOWN);
    if document.at(&["spec", "hostNetwork"]).and_then(Value::as_bool) == Some(true) {
        return Err(document.wrong("spec.hostNetwork", "a pod on its node's network has the node's address; leave it out"));
    }
    let mut object = Map::new();
    object.insert("handle".to_owned(), json!(format!("pod/{namespace}/{name}")));
    object.insert("owner".to_owned(), owner(document, &namespace, &name));
    object.insert("ready".to_owned(), json!(ready(document, &mut notes)));
    for (path, key) in
        [(["metadata", "labels"], "labels"), (["spec", "hostname"], "hostname"), (["spec", "subdomain"], "subdomain")]
    {
        copy(document, &path, &mut object, key);
    }
    object.insert("ports".to_owned(), Value::Object(named_ports(document, &mut notes)?));
    Ok(Intent { kind: Kind::Allocation, namespace, name, object, notes })
}

fn owner(document: &Document, namespace: &str, name: &str) -> Value {
    let mut owner = json!({ "kind": "OWNER_KIND_POD", "namespace": namespace, "name": name });
    for (path, key) in [(["spec", "nodeName"], "node"), (["metadata", "uid"], "uid")] {
        match document.text(&path) {
            text if text.is_empty() => {}
            text => owner[key] = json!(text),
        }
    }
    owner
}

/// The Ready condition; a manifest that has no status is of a pod that is wanted, and counts as ready.
fn ready(document: &Document, notes: &mut Vec<String>) -> bool {
    let Some(conditions) = document.at(&["status", "conditions"]).and_then(Value::as_array) else {
        notes.push("status.conditions is not given: the pod counts as ready".to_owned());
        return true;
    };
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn named_ports(document: &Document, notes: &mut Vec<String>) -> Result<Map<String, Value>, Failure> {
    let mut ports = Map::new();
    let containers = document.at(&["spec", "containers"]).and_then(Value::as_array);
    for (at, container) in containers.into_iter().flatten().enumerate() {
        let fields = container.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let other: Vec<&str> = fields.filter(|key| !matches!(*key, "name" | "ports")).collect();
        if !other.is_empty() {
            notes
                .push(format!("spec.containers[{at}].{{{}}} is not carried over: Polder does not run containers", other.join(",")));
        }
        for (port_at, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
            let path = format!("spec.containers[{at}].ports[{port_at}]");
            let Some(number) = port["containerPort"].as_u64() else {
                return Err(document.wrong(&format!("{path}.containerPort"), "a port number is required"));
            };
            if let Some(name) = port["name"].as_str() {
                ports.insert(name.to_owned(), json!(number));
            }
            // The protocol of a port follows from the service in front of it.
            notes.extend(strangers(&path, port, &["name", "containerPort", "protocol", "hostPort"]));
            if !port["hostPort"].is_null() {
                notes.push(format!("{path}.hostPort is not carried over: Polder does not map ports of nodes"));
            }
        }
    }
    Ok(ports)
}
