//! Manifests whose form is right and whose values are not: documents of the corpus of `manifests` in which values are exchanged,
//! taken out and put where others stood. What must hold is what holds for `manifests`.

use std::sync::LazyLock;

use polder_cli::manifest::{document, read};
use serde_json::{Value, json};

use super::Target;
use super::manifests::{is_read_back, refused_well};
use crate::{Shape, Source};

/// The target.
pub const TARGET: Target = Target { name: "manifest_values", shape: Shape::Bytes, run };

/// Runs of documents in every dialect.
static RUNS: LazyLock<Vec<Vec<Value>>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../corpus/manifests/metallb_layer2"),
        include_str!("../../corpus/manifests/metallb_bgp"),
        include_str!("../../corpus/manifests/kubernetes_calico"),
        include_str!("../../corpus/manifests/polder"),
        include_str!("../../corpus/manifests/secret"),
    ];
    let run = |text| document::split("corpus", text).unwrap().into_iter().map(|document| Value::Object(document.body)).collect();
    texts.into_iter().map(run).collect()
});

fn run(input: &[u8]) {
    let mut source = Source::new(input);
    let mut documents = RUNS[source.below(RUNS.len())].clone();
    while !source.is_empty() {
        let at = source.below(documents.len());
        let with = value(&mut source);
        // Without apiVersion and kind nothing would be looked at.
        let below = source.pick(&["spec", "spec", "spec", "metadata", "data"]);
        if let Some(inner) = documents[at].get_mut(below) {
            change(inner, with, &mut source);
        }
    }
    let text = json!({ "apiVersion": "v1", "kind": "List", "items": documents }).to_string();
    match read("fuzz.yaml", &text) {
        Ok(manifest) => is_read_back(&manifest, text.len()),
        Err(failure) => refused_well(&failure, text.len()),
    }
}

/// A value to put somewhere: one of a kind of its own, or one that stands somewhere in a document.
fn value(source: &mut Source<'_>) -> Value {
    match source.below(14) {
        0 => Value::Null,
        1 => json!(source.flag()),
        2 => json!(source.byte()),
        3 => json!(-i64::from(source.byte())),
        4 => json!(u64::MAX),
        5 => json!(f64::from(source.byte()) / 7.0),
        6 => json!(""),
        7 => json!(source.pick(&["default", "kubernetes.io/basic-auth", "a\nb", "1:2", "90s", "IPv6", "None", "\u{2028}é"])),
        8 => json!([]),
        9 => json!({}),
        10 => json!([{ "matchLabels": { "a": "b" } }, {}]),
        _ => {
            let run = &RUNS[source.below(RUNS.len())];
            let mut found = &run[source.below(run.len())];
            while let Some(inner) = inner(found, source).filter(|_| source.below(4) != 0) {
                found = inner;
            }
            found.clone()
        }
    }
}

fn inner<'a>(value: &'a Value, source: &mut Source<'_>) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.values().nth(source.below(fields.len().max(1))),
        Value::Array(items) => items.get(source.below(items.len().max(1))),
        _ => None,
    }
}

/// Walks down from a value, and takes out what stands there, puts another in its place, or adds one beside it.
fn change(value: &mut Value, with: Value, source: &mut Source<'_>) {
    let deeper = source.below(5) != 0;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(source.below(fields.len())).cloned().unwrap_or_default();
            match (deeper, source.below(4)) {
                (true, _) => change(&mut fields[&key], with, source),
                (false, 0) => drop(fields.remove(&key)),
                (false, 1) => drop(fields.insert(format!("{key}s"), with)),
                (false, _) => fields[&key] = with,
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = source.below(items.len());
            match (deeper, source.below(4)) {
                (true, _) => change(&mut items[at], with, source),
                (false, 0) => drop(items.remove(at)),
                (false, 1) => items.push(with),
                (false, _) => items[at] = with,
            }
        }
        _ => *value = with,
    }
}
