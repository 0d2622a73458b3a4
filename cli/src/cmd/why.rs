//! `polder why`: the decision list of a service or of a name, each step with what it rests on, and what to do about a bad one.

mod resolver;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ask::resolve;
use super::{Context, object, qualified};
use crate::failure::Failure;
use crate::output::columns::{items, text, word};
use crate::output::{Format, data};

/// The steps of a service, from its type to what the name server answers.
///
/// # Errors
/// [`Failure::Usage`] for another kind, [`Failure::Negative`] with the list when a step is bad; what the server refused.
pub async fn run(context: &Context, first: &str, second: Option<&str>, namespace: &str) -> Result<String, Failure> {
    let name = match (first, second) {
        ("service" | "services" | "svc", Some(name)) => name,
        (name, None) => name,
        (kind, Some(_)) => return Err(Failure::Usage(format!("`why` knows services and names, not `{kind}`"))),
    };
    let (namespace, name) = name.split_once('/').unwrap_or((namespace, name));
    let request = object([("namespace", json!(namespace)), ("name", json!(name))]);
    let mut answer = context.client.call("lb.ServiceCatalogService/ExplainService", Value::Object(request)).await?;
    let asked = resolver::step(&context.client, &answer).await;
    if let Some(steps) = answer["steps"].as_array_mut() {
        steps.push(asked);
    }
    let shown = match context.format {
        Format::Json | Format::Yaml => data(&answer, context.format)?,
        Format::Table | Format::Wide | Format::Name => {
            list(&answer, &qualified(namespace, name), namespace, context.format == Format::Wide)
        }
    };
    if items(&answer, &["steps"]).any(is_bad) { Err(Failure::Negative(shown)) } else { Ok(shown) }
}

/// The steps from a name to its answer, as a pod of the namespace or the client asks.
///
/// # Errors
/// [`Failure::Negative`] with the list when there is no answer; what the server refused.
pub async fn name(context: &Context, name: &str, record_type: &str, asker: (&str, &str)) -> Result<String, Failure> {
    let answer = resolve(context, name, record_type, asker).await?;
    let shown = match context.format {
        Format::Json | Format::Yaml => data(&answer, context.format)?,
        Format::Table | Format::Wide | Format::Name => {
            let title = format!("{} {}", text(&answer, &["name"]), record_type.to_uppercase());
            list(&answer, &title, asker.0, context.format == Format::Wide)
        }
    };
    if is_unanswered(&answer) { Err(Failure::Negative(shown)) } else { Ok(shown) }
}

/// The last step says what the answer is: what the search path finds makes up for what is missing before.
fn is_unanswered(answer: &Value) -> bool {
    items(answer, &["steps"]).last().is_some_and(is_bad)
}

fn is_bad(step: &Value) -> bool {
    step["status"] == "CONDITION_STATUS_FALSE"
}

/// The list under its title; `all` shows of good steps too what they rest on.
fn list(answer: &Value, title: &str, namespace: &str, all: bool) -> String {
    let mut out = format!("{title}\n");
    for step in items(answer, &["steps"]) {
        let mark = match text(step, &["status"]).as_str() {
            "CONDITION_STATUS_TRUE" => "✔",
            "CONDITION_STATUS_FALSE" => "✖",
            _ => "·",
        };
        let _ = writeln!(out, "{mark} {}: {}{}", text(step, &["step"]), text(step, &["message"]), reason(step));
        for about in items(step, &["objects"]).filter(|_| all || mark != "✔") {
            let of = about["namespace"].as_str().unwrap_or_default();
            let (kind, object) = (text(about, &["kind"]).to_lowercase(), qualified(of, &text(about, &["name"])));
            // That a step is about the service itself goes without saying.
            if kind != "service" || object != title {
                let _ = writeln!(out, "    {kind} {object}");
            }
        }
    }
    let mut pools = items(answer, &["pools"]).peekable();
    if pools.peek().is_some() {
        out.push_str("pools that were asked for what is missing:\n");
    }
    for pool in pools {
        out.push_str(&trace(pool));
    }
    for line in tries(answer, namespace) {
        let _ = writeln!(out, "try:   {line}");
    }
    out
}

/// ` (REASON)`, where there is one.
fn reason(of: &Value) -> String {
    match of["reason"].as_str().unwrap_or_default() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    }
}

/// How one pool was judged.
fn trace(pool: &Value) -> String {
    let mark = if pool["reason"].as_str().is_some_and(|reason| !reason.is_empty()) { "✖" } else { "✔" };
    let family = word(pool, &["family"], "ADDRESS_FAMILY_");
    let family = if matches!(family.as_str(), "<none>" | "unspecified") { String::new() } else { format!(" {family}") };
    let said = match (pool["message"].as_str().unwrap_or_default(), pool["address"].as_str().unwrap_or_default()) {
        ("", "") => format!("{} free", pool["free"]["value"].as_str().unwrap_or("0")),
        ("", address) => format!("would give {address}"),
        (message, _) => message.to_owned(),
    };
    format!("  {mark} {}{family}: {said}{}\n", text(pool, &["pool"]), reason(pool))
}

/// What to do about each reason of a bad step: where to look, then what the reason means.
fn tries(answer: &Value, namespace: &str) -> Vec<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for step in items(answer, &["steps"]).filter(|step| is_bad(step)) {
        if let Some(reason) = step["reason"].as_str().filter(|reason| !reason.is_empty() && !reasons.contains(reason)) {
            reasons.push(reason);
        }
    }
    let looks = |reason: &&str| {
        let mut commands = look(reason, answer, namespace);
        commands.push(format!("polder explain {reason}"));
        commands.join("; ")
    };
    reasons.iter().map(looks).collect()
}

fn look(reason: &str, answer: &Value, namespace: &str) -> Vec<String> {
    let spec = &answer["service"]["spec"];
    match reason {
        "ADDRESS_IN_USE" | "ADDRESS_RESERVED" | "ADDRESS_COOLING" | "ADDRESS_NOT_IN_POOL" => {
            let wanted = items(spec, &["external", "addresses"]).chain(items(spec, &["clusterIps"]));
            wanted.filter_map(Value::as_str).map(|address| format!("polder who {address}")).collect()
        }
        "POOL_EXHAUSTED" | "NO_ELIGIBLE_POOL" | "NAMESPACE_NOT_ALLOWED" | "POOL_NOT_FOUND" | "POOL_DRAINING" | "POOL_DISABLED" => {
            vec!["polder get pools -o wide".to_owned()]
        }
        "NO_READY_ENDPOINTS" => vec![format!("polder get pods -n {namespace}")],
        "NOT_PROGRAMMED" => vec!["polder get nodes".to_owned()],
        "NAME_NOT_SERVED" => {
            let names = items(&answer["service"]["status"], &["dnsNames"]);
            names.filter_map(Value::as_str).map(|name| format!("polder dig {name}")).collect()
        }
        "NAMESPACE_NOT_FOUND" => vec!["polder get namespaces".to_owned()],
        "SERVICE_NOT_FOUND" => vec!["polder get services -A".to_owned()],
        "NOT_ANNOUNCED" => vec!["polder get announcements -o wide".to_owned(), "polder get nodes".to_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_says_what_it_rests_on_and_bad_ones_what_to_do() {
        let answer = json!({
            "service": { "spec": { "external": { "addresses": ["10.0.0.13"] } } },
            "steps": [
                { "step": "type", "status": "CONDITION_STATUS_TRUE", "message": "LoadBalancer",
                  "objects": [{ "kind": "service", "namespace": "shop", "name": "api" }, { "kind": "pool", "name": "external" }] },
                { "step": "address", "status": "CONDITION_STATUS_FALSE", "reason": "ADDRESS_IN_USE", "message": "10.0.0.13 is held",
                  "objects": [{ "kind": "Service", "namespace": "shop", "name": "web" }] },
                { "step": "endpoints", "status": "CONDITION_STATUS_FALSE", "reason": "NO_READY_ENDPOINTS", "message": "0 ready" },
                { "step": "announcement", "status": "CONDITION_STATUS_UNKNOWN", "message": "waits for an address" },
            ],
        });
        let wanted = "shop/api\n\
            ✔ type: LoadBalancer\n\
            ✖ address: 10.0.0.13 is held (ADDRESS_IN_USE)\n    service shop/web\n\
            ✖ endpoints: 0 ready (NO_READY_ENDPOINTS)\n\
            · announcement: waits for an address\n\
            try:   polder who 10.0.0.13; polder explain ADDRESS_IN_USE\n\
            try:   polder get pods -n shop; polder explain NO_READY_ENDPOINTS\n";
        assert_eq!(list(&answer, "shop/api", "shop", false), wanted);
        let more = wanted.replace("LoadBalancer\n", "LoadBalancer\n    pool external\n");
        assert_eq!(list(&answer, "shop/api", "shop", true), more, "but that it is about the service itself goes without saying");
    }

    #[test]
    fn the_last_step_says_whether_a_name_has_an_answer() {
        let of = |steps: &[&str]| {
            let steps: Vec<Value> = steps.iter().map(|status| json!({ "status": format!("CONDITION_STATUS_{status}") })).collect();
            is_unanswered(&json!({ "steps": steps }))
        };
        assert!(of(&["TRUE", "FALSE"]) && of(&["TRUE", "UNKNOWN", "FALSE"]));
        assert!(!of(&["TRUE", "FALSE", "TRUE"]) && !of(&["TRUE", "UNKNOWN"]) && !of(&[]));
    }

    #[test]
    fn pools_are_shown_as_they_were_judged() {
        let answer = json!({
            "steps": [{ "step": "address", "status": "CONDITION_STATUS_FALSE", "reason": "POOL_EXHAUSTED", "message": "full" }],
            "pools": [
                { "pool": "external", "family": "ADDRESS_FAMILY_IPV4", "reason": "POOL_EXHAUSTED", "message": "11 of 11 are held" },
                { "pool": "far", "eligible": true, "address": "203.0.113.9" },
                { "pool": "wide", "eligible": true, "free": { "value": "7" } },
            ],
        });
        let wanted = "default/api\n\
            ✖ address: full (POOL_EXHAUSTED)\n\
            pools that were asked for what is missing:\n  \
              ✖ external ipv4: 11 of 11 are held (POOL_EXHAUSTED)\n  \
              ✔ far: would give 203.0.113.9\n  \
              ✔ wide: 7 free\n\
            try:   polder get pools -o wide; polder explain POOL_EXHAUSTED\n";
        assert_eq!(list(&answer, "default/api", "default", true), wanted);
    }

    #[test]
    fn a_step_of_a_later_release_is_shown_like_any_other() {
        let answer =
            json!({ "steps": [{ "step": "moon", "status": "CONDITION_STATUS_FALSE", "reason": "MOON_DARK", "message": "dark" }] });
        assert_eq!(list(&answer, "a/b", "a", false), "a/b\n✖ moon: dark (MOON_DARK)\ntry:   polder explain MOON_DARK\n");
    }
}
