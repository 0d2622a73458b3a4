//! Rows: one field of a request in its JSON form set to something, and what must be said of it.

use polder_core::reason::Reason;
use serde_json::{Map, Value as Json};
use tonic::Code;

/// What becomes of a request with the field set so.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// The request can never succeed: the field is named, with the reason, and no other field is.
    Invalid(Reason),
    /// What is stored forbids it.
    Refused(Code, Reason),
    /// It is good: the value just inside of a limit.
    Good,
}

/// One field set, and what becomes of the request.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The field, in proto names: `service.spec.ports[0].name`.
    pub(crate) field: String,
    /// Its value; null takes it out.
    pub(crate) to: Json,
    /// What becomes of it.
    pub(crate) expect: Expect,
    /// What the violation names.
    pub(crate) named: String,
}

impl Row {
    /// The violation names something else: an item, or what the field belongs to.
    pub(crate) fn naming(self, named: impl Into<String>) -> Self {
        Self { named: named.into(), ..self }
    }
}

fn row(field: impl Into<String>, to: impl Into<Json>, expect: Expect) -> Row {
    let field = field.into();
    Row { named: field.clone(), field, to: to.into(), expect }
}

/// The value is wrong, whatever is stored.
pub(crate) fn bad(field: impl Into<String>, to: impl Into<Json>, reason: Reason) -> Row {
    row(field, to, Expect::Invalid(reason))
}

/// The value is well formed, and what is stored forbids it.
pub(crate) fn refused(field: impl Into<String>, to: impl Into<Json>, code: Code, reason: Reason) -> Row {
    row(field, to, Expect::Refused(code, reason))
}

/// The value is good.
pub(crate) fn good(field: impl Into<String>, to: impl Into<Json>) -> Row {
    row(field, to, Expect::Good)
}

/// A good request to a method, and rows about its fields.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// `CreateService`.
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

/// The request with one field set. Objects on the way are made where there are none.
pub(crate) fn with(request: &Json, field: &str, to: &Json) -> Json {
    let mut changed = request.clone();
    let mut at = &mut changed;
    for step in field.split('.') {
        let (name, place) = step.split_once('[').map_or((step, None), |(name, rest)| (name, rest.strip_suffix(']')));
        let object = at.as_object_mut().unwrap_or_else(|| panic!("{field}: there is no object"));
        at = object.entry(camel(name)).or_insert_with(|| Json::Object(Map::new()));
        if let Some(place) = place {
            at = at.get_mut(place.parse::<usize>().unwrap()).unwrap_or_else(|| panic!("{field}: there is no such item"));
        }
    }
    *at = to.clone();
    changed
}

/// The name of a field in JSON.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        name.push_str(&head.to_ascii_uppercase());
        name.push_str(tail);
        name
    })
}
