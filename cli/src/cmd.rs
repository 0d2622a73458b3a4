//! One file for each verb. Each asks the services and returns the text to print.

pub mod announcements;
pub mod apply;
pub mod ask;
pub mod change;
pub mod convert;
pub mod delete;
pub mod dns;
pub mod explain;
pub mod get;
pub mod plan;
pub mod why;
pub mod zone;

use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_runtime::status;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;

/// What every verb is given.
#[derive(Debug, Clone)]
pub struct Context {
    /// The services.
    pub client: Client,
    /// The form of the output.
    pub format: Format,
    /// Whether tables have a header.
    pub headers: bool,
    /// The time, for ages.
    pub now: Timestamp,
}

/// An object that a list does not have, told as the services tell it.
#[must_use]
pub fn missing(reason: Reason, kind: &str, name: &str) -> Failure {
    status::refuse(Refusal::missing(reason, kind, name)).into()
}

/// `NAMESPACE/NAME`, or only the name where all namespaces are looked at or there are none.
#[must_use]
pub fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// A JSON object from pairs; empty texts are left out.
#[must_use]
pub fn object<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    let given = pairs.into_iter().filter(|(_, value)| !matches!(value, Value::String(text) if text.is_empty()) && !value.is_null());
    given.map(|(key, value)| (key.to_owned(), value)).collect()
}
