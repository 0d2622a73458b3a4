//! `polder import zone` and `polder export zone`: zone files.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::apply::contents;
use super::{Context, object};
use crate::failure::Failure;
use crate::output::columns::{items, text, word};
use crate::output::{Format, data};

/// How a file is imported.
#[derive(Debug, Clone, Default)]
pub struct Importing {
    /// The zone; empty: the one that the file says.
    pub name: String,
    /// Several transactions may be made of it.
    pub in_parts: bool,
    /// Only say what would happen.
    pub dry_run: bool,
}

fn only_zones(verb: &str, kind: &str) -> Result<(), Failure> {
    match kind {
        "zone" | "zones" => Ok(()),
        _ => Err(Failure::Usage(format!("`{kind}` cannot be {verb}; zone can"))),
    }
}

/// Makes a zone what the file says.
///
/// # Errors
/// [`Failure::Usage`] for another kind, [`Failure::Local`] for a file that cannot be read; what the server refused.
pub async fn import(context: &Context, kind: &str, file: &Path, how: Importing) -> Result<String, Failure> {
    only_zones("imported", kind)?;
    let request = object([
        ("zone", json!(how.name)),
        ("text", json!(contents(file)?)),
        ("inParts", json!(how.in_parts)),
        ("validateOnly", json!(how.dry_run)),
    ]);
    let answer = context.client.change("dns.DnsService/ImportZone", request).await?;
    match context.format {
        Format::Json | Format::Yaml => data(&answer, context.format),
        Format::Name => Ok(format!("zone/{}\n", text(&answer["zone"], &["name"]))),
        Format::Table | Format::Wide => Ok(told(&answer, how.dry_run)),
    }
}

/// What an import did, or would do; then what it would do first.
fn told(answer: &Value, dry_run: bool) -> String {
    let count = |key: &str| answer[key].as_u64().unwrap_or(0);
    let dry = if dry_run { " (dry run)" } else { "" };
    let mut out = format!(
        "zone/{} imported{dry}: {} record sets created, {} configured, {} deleted, {} unchanged",
        text(&answer["zone"], &["name"]),
        count("created"),
        count("updated"),
        count("deleted"),
        count("unchanged")
    );
    if count("parts") > 1 {
        let _ = write!(out, ", in {} transactions", count("parts"));
    }
    out.push('\n');
    for impact in items(answer, &["impact"]).filter(|_| dry_run) {
        let sign = match word(impact, &["action"], "IMPACT_ACTION_").as_str() {
            "create" => '+',
            "delete" => '-',
            _ => '~',
        };
        let _ = writeln!(out, "  {sign} {}", text(impact, &["description"]));
    }
    out
}

/// A zone as a zone file.
///
/// # Errors
/// [`Failure::Usage`] for another kind; what the server refused.
pub async fn export(context: &Context, kind: &str, name: &str) -> Result<String, Failure> {
    only_zones("exported", kind)?;
    let pieces = context.client.stream("dns.DnsService/ExportZone", json!({ "zone": name })).await?;
    Ok(pieces.iter().map(|piece| piece["text"].as_str().unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_told_in_one_line_and_a_dry_run_with_what_it_would_do() {
        let impact = json!([{ "action": "IMPACT_ACTION_CREATE", "description": "www.example.com. A 10.0.0.5" }]);
        let answer = json!({ "zone": { "name": "example.com" }, "created": 1, "deleted": 2, "parts": 3, "impact": impact });
        let line = "record sets created, 0 configured, 2 deleted, 0 unchanged, in 3 transactions\n";
        assert_eq!(told(&answer, false), format!("zone/example.com imported: 1 {line}"));
        let dry = format!("zone/example.com imported (dry run): 1 {line}  + www.example.com. A 10.0.0.5\n");
        assert_eq!(told(&answer, true), dry);
    }

    #[test]
    fn only_zones_are_files() {
        assert!(only_zones("exported", "pool").unwrap_err().text().contains("`pool` cannot be exported"));
        assert!(only_zones("exported", "zones").is_ok());
    }
}
