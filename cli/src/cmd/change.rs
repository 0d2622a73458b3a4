//! Changes that are no manifest: draining a node, giving a pool another name.

use serde_json::{Value, json};

use super::{Context, object};
use crate::failure::Failure;
use crate::output::columns::text;
use crate::output::{Format, data};

/// `polder drain NODE [--end]`.
///
/// # Errors
/// What the server refused.
pub async fn drain(context: &Context, node: &str, end: bool) -> Result<String, Failure> {
    let request = object([("name", json!(node)), ("end", json!(end))]);
    let answer = context.client.change("ipam.NodeService/DrainNode", request).await?;
    let left = text(&answer, &["node", "allocations"]);
    let left = if left == "<none>" { "0".to_owned() } else { left };
    done(context, &answer, || match end {
        true => format!("node/{node} takes new pods again\n"),
        false => format!("node/{node} is draining: it takes nothing new; {left} allocations are still on it\n"),
    })
}

/// `polder rename pool OLD NEW`: addresses and blocks stay where they are.
///
/// # Errors
/// [`Failure::Usage`] for another kind; what the server refused.
pub async fn rename(context: &Context, kind: &str, from: &str, to: &str) -> Result<String, Failure> {
    if !matches!(kind, "pool" | "pools") {
        return Err(Failure::Usage(format!("`rename` knows pools, not `{kind}`")));
    }
    let request = object([("changes", json!([{ "rename": { "from": from, "to": to } }]))]);
    let answer = context.client.change("ipam.PoolService/ApplyPools", request).await?;
    done(context, &answer, || format!("pool/{from} is pool/{to} now\n"))
}

/// The whole answer, or the words for it.
pub(super) fn done(context: &Context, answer: &Value, words: impl FnOnce() -> String) -> Result<String, Failure> {
    match context.format {
        Format::Json | Format::Yaml => data(answer, context.format),
        Format::Table | Format::Wide | Format::Name => Ok(words()),
    }
}
