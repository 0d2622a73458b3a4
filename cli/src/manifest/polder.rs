//! Polder's own manifests: `metadata` with name, namespace, labels; `spec` is proto3 JSON of the API's message.

use serde_json::{Map, Value};

use super::document::Document;
use super::{Intent, Kind};
use crate::failure::Failure;

const METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// How a kind of manifest becomes a message.
struct Shape {
    kind: Kind,
    /// Whether the object lives in a namespace.
    namespaced: bool,
    /// Whether there is only one and it has no name.
    single: bool,
    /// Whether the message has a field `spec`; else the manifest's `spec` is the message itself.
    nested: bool,
}

fn shape(kind: &str) -> Option<Shape> {
    let plain = |kind| Shape { kind, namespaced: false, single: false, nested: false };
    Some(match kind {
        "ComputeNetwork" => Shape { single: true, ..plain(Kind::Network) },
        "Pool" => plain(Kind::Pool),
        "Reservation" => plain(Kind::Reservation),
        "Namespace" => plain(Kind::Namespace),
        "Node" => plain(Kind::Node),
        "BGPPeer" => plain(Kind::BgpPeer),
        "BGPAdvertisement" => plain(Kind::BgpAdvertisement),
        "Zone" => plain(Kind::Zone),
        "RecordSet" => plain(Kind::RecordSet),
        "Service" => Shape { namespaced: true, nested: true, ..plain(Kind::Service) },
        "Endpoints" => Shape { namespaced: true, ..plain(Kind::Endpoints) },
        "Allocation" => Shape { namespaced: true, ..plain(Kind::Allocation) },
        _ => return None,
    })
}

/// The intent of one of Polder's documents; `None` for a kind that is not Polder's.
pub fn intent(document: &Document) -> Option<Result<Intent, Failure>> {
    shape(&document.kind).map(|shape| read(document, &shape))
}

fn read(document: &Document, shape: &Shape) -> Result<Intent, Failure> {
    check_keys(document, &document.body, "", &["apiVersion", "kind", "metadata", "spec"])?;
    let empty = Map::new();
    let metadata = document.at(&["metadata"]).and_then(Value::as_object).unwrap_or(&empty);
    let described = if shape.kind == Kind::Endpoints { &METADATA[..2] } else { &METADATA[..] };
    check_keys(document, metadata, "metadata.", described)?;
    let name = if shape.single { String::new() } else { document.name()? };
    let namespace = if shape.namespaced { document.namespace() } else { String::new() };
    let mut object = match document.at(&["spec"]) {
        None => Map::new(),
        Some(spec @ Value::Object(_)) if shape.nested => Map::from_iter([("spec".to_owned(), spec.clone())]),
        Some(Value::Object(spec)) => spec.clone(),
        Some(_) => return Err(document.wrong("spec", "is a mapping")),
    };
    match shape.kind {
        Kind::Allocation => own(&mut object, &namespace, &name),
        Kind::Endpoints => check_keys(document, &object, "spec.", &["endpoints"])?,
        _ => {
            for (key, value) in [("name", &name), ("namespace", &namespace)] {
                if !value.is_empty() {
                    object.insert(key.to_owned(), Value::from(value.as_str()));
                }
            }
        }
    }
    for key in ["labels", "annotations"] {
        if let Some(value) = metadata.get(key) {
            object.insert(key.to_owned(), value.clone());
        }
    }
    Ok(Intent { kind: shape.kind, namespace, name, object, notes: Vec::new() })
}

/// An allocation without an owner belongs to the name in its metadata, and its handle follows from that.
fn own(object: &mut Map<String, Value>, namespace: &str, name: &str) {
    object.entry("handle").or_insert_with(|| Value::from(format!("pod/{namespace}/{name}")));
    let owner = object.entry("owner").or_insert_with(|| Value::Object(Map::new()));
    if let Some(owner) = owner.as_object_mut() {
        owner.entry("kind").or_insert_with(|| Value::from("OWNER_KIND_POD"));
        owner.entry("namespace").or_insert_with(|| Value::from(namespace));
        owner.entry("name").or_insert_with(|| Value::from(name));
    }
}

fn check_keys(document: &Document, map: &Map<String, Value>, prefix: &str, known: &[&str]) -> Result<(), Failure> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(document.wrong(&format!("{prefix}{key}"), &format!("is not a field; there are {}", known.join(", ")))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn a_pool_is_its_message() {
        let text = "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: external, labels: {a: b}}\nspec: {purpose: POOL_PURPOSE_EXTERNAL_SERVICE, ranges: [10.0.0.13-10.0.0.20]}\n";
        let intents = read("f", text).unwrap().intents;
        assert_eq!((intents[0].title().as_str(), intents[0].kind), ("pool/external", Kind::Pool));
        assert_eq!(intents[0].object["ranges"][0], "10.0.0.13-10.0.0.20");
        assert_eq!(intents[0].object["labels"]["a"], "b");
    }

    #[test]
    fn unknown_fields_are_named_with_their_place() {
        for (text, part) in [
            ("apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: x}\nspec: {rangs: []}\n", "rangs"),
            ("apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: x, lables: {}}\n", "metadata.lables"),
            ("apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: x}\nspeck: {}\n", "speck"),
            ("apiVersion: polder.dev/v1\nkind: Pools\nmetadata: {name: x}\n", "polder.dev/v1 Pools"),
            ("apiVersion: polder.dev/v1\nkind: Pool\n", "metadata.name"),
        ] {
            let message = read("f.yaml", text).unwrap_err().text();
            assert!(message.contains("f.yaml, document 1") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn documents_are_applied_in_an_order_in_which_each_finds_what_it_needs() {
        let text = "apiVersion: polder.dev/v1\nkind: Allocation\nmetadata: {name: a}\n---\napiVersion: polder.dev/v1\nkind: Node\nmetadata: {name: n}\n---\napiVersion: polder.dev/v1\nkind: ComputeNetwork\nspec: {nodeRange: [10.0.0.10]}\n";
        let kinds: Vec<Kind> = read("f", text).unwrap().intents.iter().map(|intent| intent.kind).collect();
        assert_eq!(kinds, [Kind::Network, Kind::Node, Kind::Allocation]);
    }
}
