//! One value of a path or a query as a piece of a request message.
//!
//! A piece is made by the same proto3 JSON reader as bodies, from `{"field": value}`, so that a number, an enum, a time or a
//! field mask is spelt the same in a query as in a body. Merging the pieces gives the request.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::{Value as Json, json};

use super::json;

/// The message of type `root` in which only the field at `path` is set, to what `text` says.
///
/// # Errors
/// Why `text` is no value of that field, in words.
pub(crate) fn piece(root: &MessageDescriptor, path: &[FieldDescriptor], text: &str) -> Result<DynamicMessage, String> {
    let Some((leaf, outer)) = path.split_last() else {
        return Err("it names no field".to_owned());
    };
    if leaf.is_map() || outer.iter().any(|field| field.is_list() || field.is_map()) {
        return Err("a map, or a field inside a list, can only be given in a body".to_owned());
    }
    let mut value = leaf_json(leaf, text)?;
    if leaf.is_list() {
        value = json!([value]);
    }
    for field in path.iter().rev() {
        value = json!({ field.name(): value });
    }
    json::read_value(root.clone(), value)
}

/// What a message holds at `path`, if it is set there.
pub(crate) fn value_at(message: &DynamicMessage, path: &[FieldDescriptor]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if !message.has_field(first) {
        return None;
    }
    let value = message.get_field(first);
    if rest.is_empty() {
        return Some(value.into_owned());
    }
    value_at(value.as_message()?, rest)
}

/// The proto3 JSON form of a single value that is given as text.
fn leaf_json(field: &FieldDescriptor, text: &str) -> Result<Json, String> {
    let boolean = |text: &str| text.parse::<bool>().map(Json::Bool).map_err(|_| "it is neither true nor false".to_owned());
    match field.kind() {
        Kind::Bool => boolean(text),
        Kind::Enum(_) => Ok(text.parse::<i32>().map_or_else(|_| Json::from(text), Json::from)),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.BoolValue" => boolean(text),
            "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" | "google.protobuf.Any" => {
                Err("a free-form value can only be given in a body".to_owned())
            }
            name if name.starts_with("google.protobuf.") => Ok(Json::from(text)),
            _ => Err(format!("it has fields of its own; give them as `{}.field=value`", field.name())),
        },
        _ => Ok(Json::from(text)),
    }
}
