//! `polder dns top` and `polder dns failures`: what one name server has seen of its clients.

use serde_json::{Value, json};

use super::{Context, object};
use crate::failure::Failure;
use crate::output::columns::{items, text};
use crate::output::{Format, data, table};

/// The names that are asked for most.
///
/// # Errors
/// What the server refused.
pub async fn top(context: &Context, limit: u32) -> Result<String, Failure> {
    let answer = asked(context, "dns.DnsService/GetTopNames", limit).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return data(&answer, context.format);
    }
    let row = |name: &Value| ["queries", "type", "name"].map(|key| text(name, &[key])).to_vec();
    let rows: Vec<Vec<String>> = items(&answer, &["names"]).map(row).collect();
    let queries = answer["queries"].as_str().unwrap_or("0");
    let told = format!("The server {}, about {queries} queries since {}.\n", text(&answer, &["server"]), text(&answer, &["since"]));
    Ok(told + &shown(context, &["QUERIES", "TYPE", "NAME"], &rows))
}

/// The queries that could not be answered lately.
///
/// # Errors
/// What the server refused.
pub async fn failures(context: &Context, limit: u32) -> Result<String, Failure> {
    let answer = asked(context, "dns.DnsService/GetRecentFailures", limit).await?;
    if matches!(context.format, Format::Json | Format::Yaml) {
        return data(&answer, context.format);
    }
    let row =
        |failure: &Value| ["time", "client", "protocol", "type", "name", "rcode", "why"].map(|key| text(failure, &[key])).to_vec();
    let rows: Vec<Vec<String>> = items(&answer, &["failures"]).map(row).collect();
    let total = answer["total"].as_str().unwrap_or("0");
    let told = format!("The server {}, {total} failures since it started.\n", text(&answer, &["server"]));
    Ok(told + &shown(context, &["TIME", "CLIENT", "PROTO", "TYPE", "NAME", "RCODE", "WHY"], &rows))
}

async fn asked(context: &Context, method: &str, limit: u32) -> Result<Value, Failure> {
    context.client.call(method, Value::Object(object([("limit", json!(limit))]))).await
}

fn shown(context: &Context, header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    table::render(context.headers.then_some(header), rows)
}
