//! YAML documents with `apiVersion` and `kind`.

use polder_proto::dynamic::descriptors;
use prost_reflect::{DeserializeOptions, DynamicMessage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Intent;
use crate::failure::Failure;

/// The most bytes a manifest may have.
const MOST: usize = 16 << 20;

/// One document of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it stands, for messages: `shop.yaml, document 2`.
    pub place: String,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// The whole document.
    pub body: Map<String, Value>,
}

impl Document {
    /// The value at a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.body.get(*first)?, |value, key| value.get(key)).filter(|value| !value.is_null())
    }

    /// The text at a path; empty when there is none.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> String {
        self.at(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// `metadata.name`.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is missing.
    pub fn name(&self) -> Result<String, Failure> {
        match self.text(&["metadata", "name"]) {
            name if name.is_empty() => Err(self.wrong("metadata.name", "a name is required")),
            name => Ok(name),
        }
    }

    /// `metadata.namespace`, else `default`.
    #[must_use]
    pub fn namespace(&self) -> String {
        match self.text(&["metadata", "namespace"]) {
            namespace if namespace.is_empty() => "default".to_owned(),
            namespace => namespace,
        }
    }

    /// The items of the list at a path; none when there is no list.
    ///
    /// # Errors
    /// [`Failure::Usage`] when something else stands there.
    pub fn list(&self, path: &[&str]) -> Result<&[Value], Failure> {
        match self.at(path) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(&path.join("."), "is a list")),
        }
    }

    /// Refuses an intent whose object its message does not have, before anything is sent.
    ///
    /// # Errors
    /// [`Failure::Usage`] with what the message makes of it.
    pub fn check(&self, intent: &Intent) -> Result<(), Failure> {
        let message = intent.kind.message();
        let descriptor = descriptors()
            .get_message_by_name(message)
            .ok_or_else(|| Failure::Local(format!("`{message}` is not a message of this release")))?;
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        DynamicMessage::deserialize_with_options(descriptor, Value::Object(intent.object.clone()), &options)
            .map(|_| ())
            .map_err(|error| self.wrong("spec", &error.to_string()))
    }

    /// A mistake in this document.
    #[must_use]
    pub fn wrong(&self, field: &str, what: &str) -> Failure {
        Failure::Usage(format!("{}: {field}: {what}", self.place))
    }
}

/// The documents of a manifest; items of a `List` count one by one, empty documents not at all.
///
/// # Errors
/// [`Failure::Usage`] naming the document and the line.
pub fn split(source: &str, text: &str) -> Result<Vec<Document>, Failure> {
    if text.len() > MOST {
        return Err(Failure::Usage(format!("{source}: {} bytes; a manifest may have {MOST}", text.len())));
    }
    let mut documents = Vec::new();
    for (at, part) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        let place = format!("{source}, document {}", at + 1);
        let value = Value::deserialize(part).map_err(|error| Failure::Usage(format!("{place}: {error}")))?;
        collect(place, value, &mut documents)?;
    }
    Ok(documents)
}

fn collect(place: String, value: Value, documents: &mut Vec<Document>) -> Result<(), Failure> {
    let body = match value {
        Value::Null => return Ok(()),
        Value::Object(body) => body,
        _ => return Err(Failure::Usage(format!("{place}: a document is a mapping with apiVersion and kind"))),
    };
    let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    if api_version.is_empty() || kind.is_empty() {
        return Err(Failure::Usage(format!("{place}: apiVersion and kind are required")));
    }
    if api_version == "v1" && kind == "List" {
        let items = match body.get("items") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(_) => return Err(Failure::Usage(format!("{place}: items: is a list of documents"))),
        };
        let mut numbered = items.into_iter().enumerate();
        return numbered.try_for_each(|(at, item)| collect(format!("{place}, item {}", at + 1), item, documents));
    }
    documents.push(Document { place, api_version, kind, body });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_taken_apart() {
        let text = "---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod}\n---\n---\n{\"apiVersion\": \"polder.dev/v1\", \"kind\": \"Node\"}\n";
        let documents = split("f.yaml", text).unwrap();
        assert_eq!(documents.iter().map(|document| document.kind.as_str()).collect::<Vec<_>>(), ["Pod", "Pod", "Node"]);
        assert_eq!((documents[0].name().unwrap(), documents[0].namespace()), ("a".to_owned(), "default".to_owned()));
        let missing = documents[1].name().unwrap_err().text();
        assert!(missing.contains("f.yaml, document 1, item 2: metadata.name"), "{missing}");
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_its_place() {
        for (text, part) in [
            ("a: b", "apiVersion and kind"),
            ("- 1", "a mapping"),
            ("a: [", "document 1"),
            ("kind: Pod", "apiVersion"),
            ("{apiVersion: v1, kind: List, items: {a: b}}", "items"),
        ] {
            let message = split("f.yaml", text).unwrap_err().text();
            assert!(message.contains("f.yaml") && message.contains(part), "{message}");
        }
    }
}
