//! Kubernetes' own objects: Namespace, Service, Pod (an allocation), EndpointSlice (given endpoints).
//!
//! Each is carried over field by field. A field that has no meaning here is told as a note with its path.

mod pod;
mod service;
mod slice;

use serde_json::{Map, Value};

use super::document::Document;
use super::{Intent, Kind};
use crate::failure::Failure;

/// The intent of one of Kubernetes' documents; `None` for a kind that Polder does not take.
pub fn intent(document: &Document) -> Option<Result<Intent, Failure>> {
    match (document.api_version.as_str(), document.kind.as_str()) {
        ("v1", "Namespace") => Some(namespace(document)),
        ("v1", "Service") => Some(service::intent(document)),
        ("v1", "Pod") => Some(pod::intent(document)),
        ("discovery.k8s.io/v1", "EndpointSlice") => Some(slice::intent(document)),
        _ => None,
    }
}

fn namespace(document: &Document) -> Result<Intent, Failure> {
    let name = document.name()?;
    let mut object = Map::new();
    object.insert("name".to_owned(), Value::from(name.as_str()));
    copy(document, &["metadata", "labels"], &mut object, "labels");
    let notes = leftovers(document, &["metadata.name", "metadata.labels"]);
    Ok(Intent { kind: Kind::Namespace, namespace: String::new(), name, object, notes })
}

/// Copies the value at a path, if there is one.
fn copy(document: &Document, path: &[&str], object: &mut Map<String, Value>, key: &str) {
    if let Some(value) = document.at(path) {
        object.insert(key.to_owned(), value.clone());
    }
}

/// A note for every field below `metadata`, `spec` and at the top that is not `known`. What an API server writes by itself
/// (`status`, `managedFields` and the like) is no loss and gets no note.
pub(super) fn leftovers(document: &Document, known: &[&str]) -> Vec<String> {
    const WRITTEN_BY_SERVERS: [&str; 6] = [
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
    ];
    let mut paths = Vec::new();
    for (key, value) in &document.body {
        match (key.as_str(), value) {
            ("apiVersion" | "kind" | "status", _) => {}
            ("metadata" | "spec", Value::Object(fields)) => paths.extend(fields.keys().map(|field| format!("{key}.{field}"))),
            _ => paths.push(key.clone()),
        }
    }
    paths.retain(|path| !known.contains(&path.as_str()) && !WRITTEN_BY_SERVERS.contains(&path.as_str()));
    paths.into_iter().map(not_carried_over).collect()
}

/// A note for every field of the mapping at `path` that is not `known`.
fn strangers(path: &str, value: &Value, known: &[&str]) -> Vec<String> {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    keys.filter(|key| !known.contains(key)).map(|key| not_carried_over(format!("{path}.{key}"))).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map wants")]
fn not_carried_over(path: String) -> String {
    format!("{path} is not carried over: it has no meaning in Polder")
}

#[cfg(test)]
mod tests;
