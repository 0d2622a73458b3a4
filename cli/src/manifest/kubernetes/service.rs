//! A Service: type, ports, selector, families, policies.

use serde_json::{Map, Value, json};

use super::{copy, metallb};
use crate::failure::Failure;
use crate::manifest::document::Document;
use crate::manifest::notes::{leftovers, strangers};
use crate::manifest::{Intent, Kind};

const KNOWN: [&str; 22] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "spec.type",
    "spec.selector",
    "spec.ports",
    "spec.clusterIP",
    "spec.clusterIPs",
    "spec.ipFamilies",
    "spec.ipFamilyPolicy",
    "spec.loadBalancerIP",
    "spec.loadBalancerClass",
    "spec.loadBalancerSourceRanges",
    "spec.allocateLoadBalancerNodePorts",
    "spec.sessionAffinity",
    "spec.sessionAffinityConfig",
    "spec.internalTrafficPolicy",
    "spec.externalTrafficPolicy",
    "spec.publishNotReadyAddresses",
    "spec.externalName",
    "spec.healthCheckNodePort",
];

pub(super) fn intent(document: &Document) -> Result<Intent, Failure> {
    let (name, namespace) = (document.name()?, document.namespace());
    let mut notes = leftovers(document, &KNOWN);
    let mut spec = Map::new();
    spec.insert("type".to_owned(), word(document, "type", "ClusterIP", "SERVICE_TYPE_")?);
    addresses(document, &mut spec);
    spec.insert("ports".to_owned(), Value::Array(ports(document, &mut notes)?));
    for (from, to) in [
        ("selector", "selector"),
        ("publishNotReadyAddresses", "publishNotReadyAddresses"),
        ("externalName", "externalName"),
        ("healthCheckNodePort", "healthCheckPort"),
    ] {
        copy(document, &["spec", from], &mut spec, to);
    }
    families(document, &mut spec)?;
    for (from, prefix) in [
        ("internalTrafficPolicy", "TRAFFIC_POLICY_"),
        ("externalTrafficPolicy", "TRAFFIC_POLICY_"),
        ("sessionAffinity", "SESSION_AFFINITY_"),
    ] {
        if document.at(&["spec", from]).is_some() {
            spec.insert(from.to_owned(), word(document, from, "", prefix)?);
        }
    }
    copy(document, &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"], &mut spec, "sessionAffinityTimeoutSeconds");

    let mut object = Map::new();
    object.insert("namespace".to_owned(), json!(namespace));
    object.insert("name".to_owned(), json!(name));
    copy(document, &["metadata", "labels"], &mut object, "labels");
    copy(document, &["metadata", "annotations"], &mut object, "annotations");
    metallb::apply(document, &mut object, &mut spec, &mut notes)?;
    object.insert("spec".to_owned(), Value::Object(spec));
    Ok(Intent { kind: Kind::Service, namespace, name, object, notes })
}

/// An enum value of Kubernetes (`PreferDualStack`) as the API's (`IP_FAMILY_POLICY_PREFER_DUAL_STACK`).
fn word(document: &Document, field: &str, default: &str, prefix: &str) -> Result<Value, Failure> {
    let text = match document.at(&["spec", field]) {
        None => default,
        Some(Value::String(text)) => text,
        Some(_) => return Err(document.wrong(&format!("spec.{field}"), "is a word")),
    };
    Ok(json!(format!("{prefix}{}", shout(text))))
}

/// `PreferDualStack` as `PREFER_DUAL_STACK`, `ClusterIP` as `CLUSTER_IP`.
fn shout(camel: &str) -> String {
    let mut text = String::new();
    let mut before_was_small = false;
    for letter in camel.chars() {
        if letter.is_uppercase() && before_was_small {
            text.push('_');
        }
        before_was_small = letter.is_lowercase();
        text.extend(letter.to_uppercase());
    }
    text
}

fn addresses(document: &Document, spec: &mut Map<String, Value>) {
    let listed = document.at(&["spec", "clusterIPs"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let single = document.at(&["spec", "clusterIP"]).cloned();
    let mut wanted = if listed.is_empty() { single.into_iter().collect() } else { listed };
    if wanted.iter().any(|value| value == "None") {
        spec.insert("headless".to_owned(), json!(true));
    }
    wanted.retain(|value| value != "None" && value != "");
    spec.insert("clusterIps".to_owned(), Value::Array(wanted));

    let mut external = Map::new();
    if let Some(address) = document.at(&["spec", "loadBalancerIP"]).filter(|address| *address != "") {
        external.insert("addresses".to_owned(), json!([address]));
    }
    for (from, to) in [
        ("loadBalancerClass", "loadBalancerClass"),
        ("loadBalancerSourceRanges", "sourceRanges"),
        ("allocateLoadBalancerNodePorts", "allocateNodePorts"),
    ] {
        copy(document, &["spec", from], &mut external, to);
    }
    if !external.is_empty() {
        spec.insert("external".to_owned(), Value::Object(external));
    }
}

fn families(document: &Document, spec: &mut Map<String, Value>) -> Result<(), Failure> {
    let families = document.at(&["spec", "ipFamilies"]).and_then(Value::as_array);
    let families: Vec<Value> = families
        .into_iter()
        .flatten()
        .map(|family| json!(format!("ADDRESS_FAMILY_{}", family.as_str().unwrap_or_default().to_uppercase())))
        .collect();
    spec.insert("ipFamilies".to_owned(), Value::Array(families));
    if document.at(&["spec", "ipFamilyPolicy"]).is_some() {
        spec.insert("ipFamilyPolicy".to_owned(), word(document, "ipFamilyPolicy", "", "IP_FAMILY_POLICY_")?);
    }
    Ok(())
}

fn ports(document: &Document, notes: &mut Vec<String>) -> Result<Vec<Value>, Failure> {
    let given = document.at(&["spec", "ports"]).and_then(Value::as_array);
    given.into_iter().flatten().enumerate().map(|(at, port)| one_port(document, at, port, notes)).collect()
}

fn one_port(document: &Document, at: usize, port: &Value, notes: &mut Vec<String>) -> Result<Value, Failure> {
    let path = format!("spec.ports[{at}]");
    let number = port["port"].as_u64().ok_or_else(|| document.wrong(&format!("{path}.port"), "a port number is required"))?;
    let protocol = port["protocol"].as_str().unwrap_or("TCP");
    let mut mapped = json!({ "port": number, "protocol": format!("PROTOCOL_{protocol}") });
    for key in ["name", "appProtocol"] {
        if let Some(text) = port[key].as_str() {
            mapped[key] = json!(text);
        }
    }
    match &port["targetPort"] {
        Value::Null => {}
        Value::Number(target) => mapped["targetPort"] = json!({ "number": target }),
        Value::String(name) => mapped["targetPort"] = json!({ "name": name }),
        _ => return Err(document.wrong(&format!("{path}.targetPort"), "is a number or a name")),
    }
    notes.extend(strangers(&path, port, &["port", "protocol", "name", "appProtocol", "targetPort", "nodePort"]));
    if !port["nodePort"].is_null() {
        notes.push(format!("{path}.nodePort is not carried over: Polder does not offer node ports"));
    }
    Ok(mapped)
}
