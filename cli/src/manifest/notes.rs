//! What a document says and Polder cannot carry over.

use serde_json::Value;

use super::document::Document;

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
    paths.iter().map(|path| not_carried_over(path)).collect()
}

/// A note for every field of the mapping at `path` that is not `known`.
pub(super) fn strangers(path: &str, value: &Value, known: &[&str]) -> Vec<String> {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    keys.filter(|key| !known.contains(key)).map(|key| not_carried_over(&format!("{path}.{key}"))).collect()
}

fn not_carried_over(path: &str) -> String {
    format!("{path} is not carried over: it has no meaning in Polder")
}
