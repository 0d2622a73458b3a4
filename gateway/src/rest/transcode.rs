//! An HTTP request as the request message of an RPC: path variables, query parameters and body, each to its fields.
//!
//! Every bad parameter is named in the refusal, not only the first. A field that is given twice with different values is refused.

use polder_core::reason::{Reason, Refusal, Violations, shown};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use super::bindings::{Binding, RequestBody};
use super::json;
use super::mask;
use super::query;
use super::template::{FieldPath, dotted, field_path};
use crate::descriptors::Api;

/// The parts of an HTTP request that make the message.
pub(crate) struct Parts<'a> {
    /// The values of the path's variables, decoded, in their order.
    pub(crate) path: &'a [String],
    /// The query, not decoded.
    pub(crate) query: &'a str,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// The request message that an HTTP request stands for.
///
/// # Errors
/// `INVALID_ARGUMENT` and its kin, with every bad parameter.
pub(crate) fn request(api: &Api, binding: &Binding, parts: &Parts<'_>) -> Result<DynamicMessage, Refusal> {
    let mut bad = Violations::new();
    let mut message = from_body(binding, parts.body, &mut bad);
    for (path, text) in binding.template.variables.iter().zip(parts.path) {
        fill_from_path(&mut message, path, text, &mut bad);
    }
    let mut seen: Vec<FieldPath> = Vec::new();
    for (name, text) in form_urlencoded::parse(parts.query.as_bytes()) {
        match parameter(binding, &name) {
            Ok(path) if !path.last().is_some_and(FieldDescriptor::is_list) && seen.contains(&path) => {
                bad.add(&*name, Reason::DuplicateValue, format!("`{name}` is given twice"));
            }
            Ok(path) => {
                fill(&mut message, &path, &text, &mut bad);
                seen.push(path);
            }
            Err(problem) => bad.add(shown(&name), Reason::InvalidArgument, problem),
        }
    }
    if bad.is_empty()
        && let Err(no_mask) = mask::complete(api, binding, parts.body, &mut message)
    {
        bad.add(no_mask.field, no_mask.reason, no_mask.description);
    }
    bad.finish(Some(message))
}

/// The request as far as the body says it.
fn from_body(binding: &Binding, body: &[u8], bad: &mut Violations) -> DynamicMessage {
    let mut message = DynamicMessage::new(binding.rpc.input());
    let absent = body.iter().all(u8::is_ascii_whitespace);
    match &binding.body {
        RequestBody::Absent if absent => {}
        RequestBody::Absent => bad.add("body", Reason::InvalidArgument, "this request takes no body"),
        RequestBody::Whole if absent => {}
        RequestBody::Whole => match json::read(binding.rpc.input(), body) {
            Ok(whole) => message = whole,
            Err(problem) => note(problem, "", bad),
        },
        RequestBody::Field(field) if absent => {
            let problem = format!("the body is empty; it should be the {} in JSON", field.name());
            bad.add(field.name(), Reason::FieldRequired, problem);
        }
        RequestBody::Field(field) => {
            if let Kind::Message(kind) = field.kind() {
                match json::read(kind, body) {
                    Ok(value) => message.set_field(field, Value::Message(value)),
                    Err(problem) => note(problem, field.name(), bad),
                }
            }
        }
    }
    message
}

fn note(problem: json::JsonProblem, prefix: &str, bad: &mut Violations) {
    let field = match (prefix, problem.path.as_str()) {
        ("", "") => "body".to_owned(),
        (prefix, "") => prefix.to_owned(),
        ("", path) => path.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    };
    bad.add(field, Reason::InvalidArgument, problem.problem);
}

/// The field that a query parameter stands for.
fn parameter(binding: &Binding, name: &str) -> Result<FieldPath, String> {
    if matches!(binding.body, RequestBody::Whole) {
        return Err("this request takes no query parameters; everything goes in the body".to_owned());
    }
    let path = field_path(&binding.rpc.input(), name)?;
    if binding.template.variables.contains(&path) {
        return Err(format!("`{name}` is part of the path"));
    }
    if let RequestBody::Field(field) = &binding.body
        && path.first() == Some(field)
    {
        return Err(format!("`{name}` goes in the body"));
    }
    Ok(path)
}

fn fill_from_path(message: &mut DynamicMessage, path: &FieldPath, text: &str, bad: &mut Violations) {
    let before = query::value_at(message, path);
    fill(message, path, text, bad);
    if before.is_some() && before != query::value_at(message, path) {
        let field = dotted(path);
        let problem = format!("the path says `{}` and the body says otherwise", shown(text));
        bad.add(field, Reason::ConflictingFields, problem);
    }
}

fn fill(message: &mut DynamicMessage, path: &FieldPath, text: &str, bad: &mut Violations) {
    let merged = query::piece(&message.descriptor(), path, text)
        .and_then(|piece| message.merge(piece.encode_to_vec().as_slice()).map_err(|error| error.to_string()));
    if let Err(problem) = merged {
        bad.add(dotted(path), Reason::InvalidArgument, format!("`{}`: {problem}", shown(text)));
    }
}
