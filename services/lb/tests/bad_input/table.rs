//! Rows: one wrong field, and what must be said of it.

use polder_core::reason::Reason;
use serde_json::Value as Json;
use tonic::Code;

use crate::request::To;

/// What becomes of a request with the field set so.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// The request can never succeed: the field is named, with the reason, and no other field is.
    Invalid(Reason),
    /// The state forbids it.
    Refused(Code, Reason),
    /// It is good: the value just inside of a limit.
    Good,
}

/// One field set, and what becomes of the request.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The field, as a violation names it.
    pub(crate) field: String,
    /// Its value.
    pub(crate) to: To,
    /// What becomes of it.
    pub(crate) expect: Expect,
    /// What the violation names, where it is not the field itself.
    pub(crate) named: Option<String>,
}

impl Row {
    /// The violation names something in the field: an item, a key.
    pub(crate) fn naming(self, named: &str) -> Self {
        Self { named: Some(named.to_owned()), ..self }
    }
}

/// The value is wrong by itself.
pub(crate) fn bad(field: impl Into<String>, to: To, reason: Reason) -> Row {
    Row { field: field.into(), to, expect: Expect::Invalid(reason), named: None }
}

/// The value is well formed, and what is stored forbids it.
pub(crate) fn refused(field: impl Into<String>, to: To, code: Code, reason: Reason) -> Row {
    Row { field: field.into(), to, expect: Expect::Refused(code, reason), named: None }
}

/// The value is good.
pub(crate) fn good(field: impl Into<String>, to: To) -> Row {
    Row { field: field.into(), to, expect: Expect::Good, named: None }
}

/// A good request to a method, and rows about its fields.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// `CreateBgpPeer`.
    pub(crate) method: &'static str,
    /// The request.
    pub(crate) request: Json,
    /// Its fields, one at a time.
    pub(crate) rows: Vec<Row>,
}

/// A table of several groups of rows.
pub(crate) fn table<const N: usize>(method: &'static str, request: Json, rows: [Vec<Row>; N]) -> Table {
    Table { method, request, rows: rows.concat() }
}
