//! PATCH changes what its body names.
//!
//! An update RPC with an empty mask replaces the whole object, which is not what PATCH means in HTTP. So a PATCH whose query
//! gives no mask gets one: the fields that its body names, without those that only answers carry and those that say which object
//! is meant. The names are read from the body's text, since a message does not tell `"priority": 0` from no priority.

use polder_core::reason::{Reason, Violation};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use serde_json::{Map, Value as Json};

use super::bindings::{Binding, RequestBody};
use crate::descriptors::Api;

/// The name of the mask in every update request.
const MASK: &str = "update_mask";

/// The field that guards an update and is never its subject (AIP-154).
const ETAG: &str = "etag";

/// Gives `message`, the request of a PATCH without a mask, the mask of the fields that `body` names.
pub(crate) fn complete(api: &Api, binding: &Binding, body: &[u8], message: &mut DynamicMessage) -> Result<(), Violation> {
    let (RequestBody::Field(subject), Some(mask)) = (&binding.body, mask_field(binding)) else {
        return Ok(());
    };
    let (Kind::Message(object), Kind::Message(mask_kind)) = (subject.kind(), mask.kind()) else {
        return Ok(());
    };
    if binding.verb != http::Method::PATCH || message.has_field(&mask) {
        return Ok(());
    }
    let named: Map<String, Json> = serde_json::from_slice(body).unwrap_or_default();
    let fields = named.keys().filter_map(|key| object.get_field_by_name(key).or_else(|| object.get_field_by_json_name(key)));
    let paths: Vec<_> =
        fields.filter(|field| is_subject(api, binding, field)).map(|field| Value::String(field.name().to_owned())).collect();
    if paths.is_empty() {
        let problem = "the body names no field to change. To clear a field, name it in update_mask in the query.";
        return Err(Violation { field: MASK.to_owned(), reason: Reason::FieldRequired, description: problem.to_owned() });
    }
    let mut filled = DynamicMessage::new(mask_kind);
    filled.set_field_by_name("paths", Value::List(paths));
    message.set_field(&mask, Value::Message(filled));
    Ok(())
}

fn mask_field(binding: &Binding) -> Option<FieldDescriptor> {
    let is_mask = |field: &FieldDescriptor| {
        !field.is_list() && matches!(field.kind(), Kind::Message(kind) if kind.full_name() == "google.protobuf.FieldMask")
    };
    binding.rpc.input().get_field_by_name(MASK).filter(is_mask)
}

fn is_subject(api: &Api, binding: &Binding, field: &FieldDescriptor) -> bool {
    let in_path = binding.template.variables.iter().any(|variable| variable.last() == Some(field));
    !in_path && field.name() != ETAG && !api.is_output_only(field)
}
