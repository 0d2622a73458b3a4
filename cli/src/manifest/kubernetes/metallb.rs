//! MetalLB's annotations of services, under `metallb.io/` and, as of old, `metallb.universe.tf/`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::manifest::document::Document;

/// The prefixes of the keys; the first one counts where both are given.
const PREFIXES: [&str; 2] = ["metallb.io/", "metallb.universe.tf/"];

const ADDRESSES: &str = "loadBalancerIPs";
const POOL: &str = "address-pool";
const SHARING: &str = "allow-shared-ip";
/// What MetalLB writes itself.
const OUTPUT: &str = "ip-allocated-from-pool";

/// Takes over what the annotations ask for into `spec.external`, and what MetalLB has written itself out of the annotations.
///
/// # Errors
/// [`Failure::Usage`] for addresses that are none, and for other addresses than `spec.loadBalancerIP`.
pub(super) fn apply(
    document: &Document,
    object: &mut Map<String, Value>,
    spec: &mut Map<String, Value>,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let Some(given) = document.at(&["metadata", "annotations"]).and_then(Value::as_object) else { return Ok(()) };
    let asks = spec.get("type").is_some_and(|kind| kind == "SERVICE_TYPE_LOAD_BALANCER");
    for key in given.keys() {
        let Some(name) = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)) else { continue };
        let hidden = PREFIXES.get(1).is_some_and(|old| key.starts_with(old)) && stands_in_both(given, name);
        match name {
            OUTPUT => {
                if let Some(Value::Object(kept)) = object.get_mut("annotations") {
                    kept.remove(key);
                }
                let why = "MetalLB writes it about itself; status.externalVips has the pool that Polder takes";
                notes.push(format!("metadata.annotations[{key}] is left out: {why}"));
            }
            ADDRESSES | POOL | SHARING if hidden => {
                notes.push(format!("metadata.annotations[{key}] is not acted on: {}{name} is given and counts", PREFIXES[0]));
            }
            ADDRESSES | POOL | SHARING if !asks => {
                notes.push(format!("metadata.annotations[{key}] is not acted on: only a LoadBalancer has addresses outside"));
            }
            ADDRESSES | POOL | SHARING => {}
            _ => notes.push(format!("metadata.annotations[{key}] is kept as text and not acted on")),
        }
    }
    if !asks {
        return Ok(());
    }
    let wanted = addresses(document, given)?;
    let mut external = match spec.remove("external") {
        Some(Value::Object(external)) => external,
        _ => Map::new(),
    };
    if !wanted.is_empty() {
        external.insert("addresses".to_owned(), json!(wanted));
    }
    for (name, key, many) in [(POOL, "pools", true), (SHARING, "sharingKey", false)] {
        if let Some((_, text)) = value(given, name).filter(|(_, text)| !text.is_empty()) {
            external.insert(key.to_owned(), if many { json!([text]) } else { json!(text) });
        }
    }
    if !external.is_empty() {
        spec.insert("external".to_owned(), Value::Object(external));
    }
    Ok(())
}

fn stands_in_both(given: &Map<String, Value>, name: &str) -> bool {
    PREFIXES.iter().all(|prefix| given.contains_key(&format!("{prefix}{name}")))
}

/// The key and the text of an annotation, under the prefix that counts.
fn value<'a>(given: &'a Map<String, Value>, name: &str) -> Option<(String, &'a str)> {
    let keys = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
    let (key, value) = keys.into_iter().find_map(|key| given.get(&key).map(|value| (key, value)))?;
    value.as_str().map(|text| (key, text.trim()))
}

/// The addresses that the annotation asks for; none where it is `spec.loadBalancerIP` that asks.
fn addresses(document: &Document, given: &Map<String, Value>) -> Result<Vec<String>, Failure> {
    let Some((key, text)) = value(given, ADDRESSES).filter(|(_, text)| !text.is_empty()) else { return Ok(Vec::new()) };
    let field = format!("metadata.annotations[{key}]");
    let mut wanted = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.parse::<IpAddr>() {
            Ok(address) if wanted.contains(&address) => {}
            Ok(address) => wanted.push(address),
            Err(_) => return Err(document.wrong(&field, &format!("`{part}` is not an IP address"))),
        }
    }
    let single = document.text(&["spec", "loadBalancerIP"]);
    let same = |single: IpAddr| wanted.iter().collect::<BTreeSet<_>>() == BTreeSet::from([&single]);
    if !single.is_empty() && !single.trim().parse().is_ok_and(same) {
        let why = format!("asks for {text}, spec.loadBalancerIP for {single}; one of the two has to go");
        return Err(document.wrong(&field, &why));
    }
    Ok(wanted.iter().map(ToString::to_string).collect())
}
