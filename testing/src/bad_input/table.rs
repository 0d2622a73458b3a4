//! Rows: one wrong field, and what must be said of it.

use polder_core::reason::Reason;
use serde_json::Value as Json;
use tonic::Code;

use super::request::To;

/// What becomes of a request with the field set so.
#[derive(Debug, Clone)]
pub enum Expect {
    /// The request can never succeed: the field is named, with the reason, and no other field is.
    Invalid(Reason),
    /// The state forbids it.
    Refused(Code, Reason),
    /// It is good: the value just inside of a limit.
    Good,
}

/// One field set, and what becomes of the request.
#[derive(Debug, Clone)]
pub struct Row {
    /// The field, as a violation names it: `pool.ranges`, `service.spec.ports[0].name`.
    pub field: String,
    /// Its value.
    pub to: To,
    /// What becomes of it.
    pub expect: Expect,
    /// What the violation names.
    pub named: String,
}

impl Row {
    fn new(field: impl Into<String>, to: impl Into<To>, expect: Expect) -> Self {
        let field = field.into();
        Self { named: field.clone(), field, to: to.into(), expect }
    }

    /// The violation names something else: an item, a key, what the field belongs to.
    #[must_use]
    pub fn naming(self, named: impl Into<String>) -> Self {
        Self { named: named.into(), ..self }
    }

    /// Whether a request with it must be refused.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        !matches!(self.expect, Expect::Good)
    }
}

/// The value is wrong by itself.
pub fn bad(field: impl Into<String>, to: impl Into<To>, reason: Reason) -> Row {
    Row::new(field, to, Expect::Invalid(reason))
}

/// The value is well formed, and what is stored forbids it.
pub fn refused(field: impl Into<String>, to: impl Into<To>, code: Code, reason: Reason) -> Row {
    Row::new(field, to, Expect::Refused(code, reason))
}

/// The value is good.
pub fn good(field: impl Into<String>, to: impl Into<To>) -> Row {
    Row::new(field, to, Expect::Good)
}

/// A good request to a method, and rows about its fields.
#[derive(Debug, Clone)]
pub struct Table {
    /// `PoolService/CreatePool`.
    pub method: &'static str,
    /// The good requests that go before it in its stream.
    pub before: Vec<Json>,
    /// The request.
    pub request: Json,
    /// Its fields, one at a time.
    pub rows: Vec<Row>,
    /// Whether many of the fields can be wrong at once, and each is named.
    pub at_once: bool,
}

impl Table {
    /// The request comes later in its stream, after these good ones.
    #[must_use]
    pub fn after<const N: usize>(self, before: [Json; N]) -> Self {
        Self { before: before.into(), ..self }
    }

    /// With more than one field wrong, not each is named.
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        Self { at_once: false, ..self }
    }
}

/// A table of several groups of rows.
pub fn table<const N: usize>(method: &'static str, request: Json, rows: [Vec<Row>; N]) -> Table {
    Table { method, before: Vec::new(), request, rows: rows.concat(), at_once: true }
}
