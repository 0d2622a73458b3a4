//! Kubernetes' own objects: Namespace, Service, Pod (an allocation), EndpointSlice (given endpoints).
//!
//! Each is carried over field by field. A field that has no meaning here is told as a note with its path.

mod metallb;
mod pod;
mod service;
mod slice;

use serde_json::{Map, Value};

use super::document::Document;
use super::notes::leftovers;
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

#[cfg(test)]
mod tests;
