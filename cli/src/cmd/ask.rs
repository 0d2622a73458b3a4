//! The question verbs: who, dig, history, check, health.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Context, object};
use crate::failure::Failure;
use crate::output::columns::{items, joined, text, word};
use crate::output::{Format, data, table};

/// `polder who ADDRESS [--at TIME]`.
///
/// # Errors
/// What the server refused.
pub async fn who(context: &Context, address: &str, at: Option<&str>) -> Result<String, Failure> {
    let request = object([("address", json!(address)), ("at", json!(at))]);
    let answer = context.client.call("ipam.AllocationService/LookupAddress", Value::Object(request)).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return data(&answer, context.format);
    }
    let standing = word(&answer, &["standing"], "ADDRESS_STANDING_");
    let mut out = format!("{}  {standing} · {}\n", text(&answer, &["address"]), text(&answer, &["message"]));
    let mut line = |name: &str, value: String| {
        if value != "<none>" {
            let _ = writeln!(out, "  {name:<12} {value}");
        }
    };
    line("pool", text(&answer, &["pool"]));
    line("block", text(&answer, &["block"]));
    let owner = &answer["allocation"]["owner"];
    if !owner.is_null() {
        let namespace = text(owner, &["namespace"]);
        let name = text(owner, &["name"]);
        line("held by", if namespace == "<none>" { name } else { format!("{namespace}/{name}") });
        line("node", text(owner, &["node"]));
        line("handle", text(&answer, &["allocation", "handle"]));
    }
    let services: Vec<String> =
        items(&answer, &["services"]).map(|found| format!("{}/{}", text(found, &["namespace"]), text(found, &["name"]))).collect();
    line("services", if services.is_empty() { "<none>".to_owned() } else { services.join(", ") });
    line("reservation", text(&answer, &["reservation"]));
    line("since", text(&answer, &["since"]));
    line("until", text(&answer, &["until"]));
    Ok(out)
}

/// `polder history ADDRESS`: the newest first.
///
/// # Errors
/// What the server refused.
pub async fn history(context: &Context, address: &str) -> Result<String, Failure> {
    let request = object([("address", json!(address))]);
    let listing = context.client.list("ipam.AllocationService/ListAddressHistory", "events", request).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return data(&json!({ "events": listing.items }), context.format);
    }
    let row = |event: &Value| {
        let standing = word(event, &["standing"], "ADDRESS_STANDING_");
        vec![text(event, &["time"]), standing, text(event, &["description"]), text(event, &["actor"])]
    };
    let rows: Vec<Vec<String>> = listing.items.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(format!("Nothing is recorded of {address}.\n"));
    }
    Ok(table::render(context.headers.then_some(&["TIME", "STANDING", "WHAT", "ACTOR"][..]), &rows))
}

/// The answer, as what it is: a yes or a no.
fn verdict(well: bool, answer: String) -> Result<String, Failure> {
    if well { Ok(answer) } else { Err(Failure::Negative(answer)) }
}

/// `polder dig NAME [TYPE]`: asks the engine itself, as a pod of the namespace or the given client, and says where the answer is from.
///
/// # Errors
/// What the server refused.
pub async fn dig(context: &Context, name: &str, record_type: &str, asker: (&str, &str)) -> Result<String, Failure> {
    let answer = resolve(context, name, record_type, asker).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return data(&answer, context.format);
    }
    let authority = if answer["authoritative"].as_bool() == Some(true) { "authoritative, " } else { "" };
    let mut out = format!(
        ";; {} {} {}: {} ({authority}{}revision {})\n",
        text(&answer, &["name"]),
        record_type.to_uppercase(),
        text(&answer, &["rcode"]),
        joined([&answer["answeredBy"]]),
        outside(&answer) + &seen_in(&answer),
        text(&answer, &["revision"])
    );
    for (section, title) in [("answers", "ANSWER"), ("authority", "AUTHORITY"), ("additional", "ADDITIONAL")] {
        let rows: Vec<Vec<String>> = items(&answer, &[section])
            .map(|record| ["name", "ttlSeconds", "type", "data"].map(|key| text(record, &[key])).to_vec())
            .collect();
        if !rows.is_empty() {
            let _ = write!(out, ";; {title}\n{}", table::render(None, &rows));
        }
    }
    Ok(out)
}

/// Asks the engine, as a pod of the namespace or the client with this address. The search list of the namespace is tried, so that `web.shop`
/// is enough.
pub(super) async fn resolve(
    context: &Context,
    name: &str,
    record_type: &str,
    (namespace, client): (&str, &str),
) -> Result<Value, Failure> {
    let request = object([
        ("name", json!(name)),
        ("type", json!(record_type.to_uppercase())),
        ("namespace", json!(namespace)),
        ("client", json!(client)),
    ]);
    context.client.call("dns.DnsService/Resolve", Value::Object(request)).await
}

/// The view that the answer is from.
fn seen_in(answer: &Value) -> String {
    answer["view"].as_str().filter(|view| !view.is_empty()).map_or_else(String::new, |view| format!("view {view}, "))
}

/// How an answer from outside was come by; nothing for one of our own.
fn outside(answer: &Value) -> String {
    let rule = match answer["rule"].as_str() {
        None | Some("") => return String::new(),
        Some(".") => "upstreams".to_owned(),
        Some(domain) => format!("stub domain {domain}"),
    };
    let age = text(answer, &["age"]);
    match answer["source"].as_str() {
        Some("ANSWER_SOURCE_CACHE") => format!("{rule}, kept for {age}, "),
        Some("ANSWER_SOURCE_STALE") => format!("{rule}, none of which answers; kept for {age}, which is too long, "),
        _ => format!("{rule}, asked now, "),
    }
}

/// The most calls that one repair takes; each mends up to a hundred records.
const MOST_REPAIRS: usize = 1000;

/// Repairs piece by piece; how many records were mended.
async fn fix(context: &Context) -> Result<u64, Failure> {
    let mut mended = 0;
    for _ in 0..MOST_REPAIRS {
        let answer = context.client.change("ipam.AllocationService/CheckConsistency", object([("repair", json!(true))])).await?;
        match text(&answer, &["repaired"]).parse().unwrap_or(0) {
            0 => break,
            some => mended += some,
        }
    }
    Ok(mended)
}

/// `polder check [--fix]`: audits the whole state, after a repair if that is wanted; exit code 1 when anything is found.
///
/// # Errors
/// [`Failure::Negative`] with the findings; what the server refused.
pub async fn check(context: &Context, repair: bool) -> Result<String, Failure> {
    if repair {
        eprintln!("{} records repaired", fix(context).await?);
    }
    let answer = context.client.call("ipam.AllocationService/CheckConsistency", json!({})).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return verdict(items(&answer, &["findings"]).next().is_none(), data(&answer, context.format)?);
    }
    let findings: Vec<String> = items(&answer, &["findings"])
        .map(|finding| format!("✖ {} ({})", text(finding, &["message"]), text(finding, &["reason"])))
        .collect();
    let checked = format!("{} objects checked at revision {}", text(&answer, &["checked"]), text(&answer, &["revision"]));
    if findings.is_empty() {
        return Ok(format!("✔ {checked}: nothing is wrong\n"));
    }
    Err(Failure::Negative(format!("{}\n{checked}: {} findings\n", findings.join("\n"), findings.len())))
}
