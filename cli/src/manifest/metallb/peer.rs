//! BGPPeer, in both its versions: a router that nodes speak BGP with.

use serde_json::{Map, Value, json};

use super::super::document::Document;
use super::super::notes::strangers;
use super::super::{Intent, Kind};
use super::parts::Parts;
use super::selectors::{selectors, shown};
use super::{begin, copy};
use crate::duration;
use crate::failure::Failure;

/// Fields that are carried over as they are.
const PLAIN: [(&str, &str); 8] = [
    ("myASN", "localAsn"),
    ("peerAddress", "peerAddress"),
    ("interface", "interface"),
    ("sourceAddress", "sourceAddress"),
    ("peerPort", "peerPort"),
    ("routerID", "routerId"),
    ("ebgpMultiHop", "ebgpMultihop"),
    ("enableGracefulRestart", "gracefulRestart"),
];

/// Fields that are carried over otherwise.
const OTHER: [&str; 8] =
    ["peerASN", "dynamicASN", "holdTime", "keepaliveTime", "nodeSelectors", "password", "passwordSecret", "bfdProfile"];

/// Fields that have no equal, and why nothing or what is lost without them.
const LOST: [(&str, &str); 5] = [
    ("connectTime", "Polder decides itself how often it tries to connect"),
    ("vrf", "Polder connects by the node's main routing table"),
    ("disableMP", "one session carries the addresses of both families"),
    ("dualStackAddressFamily", "one session carries the addresses of both families"),
    ("localASN", "the nodes show themselves as myASN"),
];

/// The intent of a peer.
///
/// # Errors
/// [`Failure::Usage`] naming the field that cannot be read, or that speaks of what is not in the run.
pub(super) fn intent(document: &Document, parts: &mut Parts) -> Result<Intent, Failure> {
    let known = PLAIN.iter().chain(&LOST).map(|(field, _)| *field).chain(OTHER).collect::<Vec<_>>();
    let mut intent = begin(document, Kind::BgpPeer, &known)?;
    for (field, why) in LOST {
        let value = document.at(&["spec", field]);
        if value.is_some_and(|value| !matches!(value, Value::Bool(false)) && value != "" && value != 0) {
            intent.notes.push(format!("spec.{field} is not carried over: {why}"));
        }
    }
    let object = &mut intent.object;
    copy(document, &PLAIN, object);
    object.retain(|_, value| value != "");
    object.insert("peerAsn".to_owned(), number(document)?);
    for field in ["holdTime", "keepaliveTime"] {
        if let Some(value) = document.at(&["spec", field]) {
            object.insert(field.to_owned(), json!(length(document, field, value)?));
        }
    }
    let nodes = selectors(document, &["spec", "nodeSelectors"])?;
    if !nodes.is_empty() {
        object.insert("nodeSelectors".to_owned(), shown(&nodes));
    }
    if let Some(name) = document.at(&["spec", "bfdProfile"]).filter(|name| *name != "") {
        let settings = name.as_str().and_then(|name| parts.profile(name));
        let missing = || document.wrong("spec.bfdProfile", &format!("BFDProfile {name} is not in this run; apply both together"));
        object.insert("bfd".to_owned(), json!(settings.ok_or_else(missing)?));
    }
    password(document, parts, &mut intent.notes, &mut intent.object)?;
    Ok(intent)
}

/// The router's autonomous system. `internal` says that it is our own; which one an `external` one is, has to be said.
fn number(document: &Document) -> Result<Value, Failure> {
    let given = document.at(&["spec", "peerASN"]).filter(|number| **number != 0);
    match (given, document.text(&["spec", "dynamicASN"]).as_str()) {
        (Some(number), "") => Ok(number.clone()),
        (None, "internal") => match document.at(&["spec", "myASN"]) {
            Some(number) => Ok(number.clone()),
            None => Err(document.wrong("spec.myASN", "is required")),
        },
        (None, "external") => {
            let why = "`external` cannot be carried over: Polder wants to know the router's system; give it as peerASN";
            Err(document.wrong("spec.dynamicASN", why))
        }
        (None, "") => Err(document.wrong("spec.peerASN", "is required")),
        (None, other) => Err(document.wrong("spec.dynamicASN", &format!("`{other}` is not internal or external"))),
        (Some(_), _) => Err(document.wrong("spec.dynamicASN", "excludes peerASN")),
    }
}

fn password(
    document: &Document,
    parts: &mut Parts,
    notes: &mut Vec<String>,
    object: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let path = "spec.passwordSecret";
    let plain = document.at(&["spec", "password"]).filter(|text| *text != "");
    if let Some(text) = plain {
        object.insert("password".to_owned(), text.clone());
    }
    let Some(secret) = document.at(&["spec", "passwordSecret"]) else { return Ok(()) };
    notes.extend(strangers(path, secret, &["name", "namespace"]));
    let text = |key: &str| secret[key].as_str().unwrap_or_default();
    let name = text("name");
    match (name, plain) {
        ("", _) => {}
        (_, Some(_)) => return Err(document.wrong(path, "excludes password")),
        // MetalLB looks beside the peer, whatever the reference says; people say it anyway.
        _ => match parts.password(&document.namespace(), name).or_else(|| parts.password(text("namespace"), name)) {
            Some(password) => drop(object.insert("password".to_owned(), json!(password))),
            None => notes.push(format!(
                "{path}: secret `{name}` is not in this run, so the password is not carried over (one that the peer has in Polder \
                 stays): apply both together"
            )),
        },
    }
    Ok(())
}

/// A length of time as proto3 JSON.
fn length(document: &Document, field: &str, value: &Value) -> Result<String, Failure> {
    let length = value.as_str().and_then(duration::parse);
    let length = length.ok_or_else(|| document.wrong(&format!("spec.{field}"), "is a length of time such as 90s or 1m30s"))?;
    Ok(duration::json(length))
}
