//! Intents as Polder's own documents: what `polder convert` prints, and what `polder apply` reads back as the same intents.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Intent, Kind, Manifest};
use crate::failure::Failure;

/// The kind of an intent in Polder's own documents.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Network => "ComputeNetwork",
        Kind::Pool => "Pool",
        Kind::Reservation => "Reservation",
        Kind::Namespace => "Namespace",
        Kind::Node => "Node",
        Kind::BgpPeer => "BGPPeer",
        Kind::BgpAdvertisement => "BGPAdvertisement",
        Kind::Zone => "Zone",
        Kind::RecordSet => "RecordSet",
        Kind::Service => "Service",
        Kind::Endpoints => "Endpoints",
        Kind::Allocation => "Allocation",
    }
}

/// An intent as a document.
#[must_use]
pub fn document(intent: &Intent) -> Value {
    let mut rest = intent.object.clone();
    let mut metadata = Map::new();
    for (key, value) in [("name", &intent.name), ("namespace", &intent.namespace)] {
        if !value.is_empty() {
            metadata.insert(key.to_owned(), json!(value));
            rest.remove(key);
        }
    }
    for key in ["labels", "annotations"] {
        if let Some(value) = rest.remove(key) {
            metadata.insert(key.to_owned(), value);
        }
    }
    let spec = if intent.kind == Kind::Service { rest.remove("spec") } else { Some(Value::Object(rest)) };
    let mut document = json!({ "apiVersion": "polder.dev/v1", "kind": kind(intent.kind) });
    if let Value::Object(fields) = &mut document {
        if !metadata.is_empty() {
            fields.insert("metadata".to_owned(), Value::Object(metadata));
        }
        fields.extend(spec.map(|spec| ("spec".to_owned(), spec)));
    }
    document
}

/// Everything as YAML, a document for each object, with the notes as comments above what they are about.
///
/// # Errors
/// [`Failure::Local`] when it cannot be written as YAML.
pub fn yaml(manifest: &Manifest) -> Result<String, Failure> {
    let mut text = String::new();
    for note in &manifest.notes {
        comment(&mut text, note);
    }
    for (at, intent) in manifest.intents.iter().enumerate() {
        if at > 0 {
            text.push_str("---\n");
        }
        for note in &intent.notes {
            comment(&mut text, note);
        }
        text.push_str(&serde_yaml_ng::to_string(&document(intent)).map_err(|error| Failure::Local(error.to_string()))?);
    }
    Ok(text)
}

/// A note has words of the user's in it: what could end the line, or is no text of YAML, is escaped.
fn comment(text: &mut String, note: &str) {
    text.push_str("# note: ");
    for letter in note.chars() {
        match letter {
            ' ' => text.push(' '),
            _ if letter.is_ascii_graphic() || letter.is_alphanumeric() => text.push(letter),
            _ => {
                let _ = write!(text, "{}", letter.escape_unicode());
            }
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
