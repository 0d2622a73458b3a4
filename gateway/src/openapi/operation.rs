//! One RPC as an OpenAPI operation.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value as Json, json};

use super::schema::{Schemas, describe, reference};
use super::tag_name;
use crate::descriptors::Api;
use crate::rest::bindings::{Binding, RequestBody};
use crate::rest::template::{FieldPath, leaf_name};

/// How deep a message in a query is opened into parameters of its own.
const QUERY_DEPTH: usize = 3;

/// The operation of a binding.
pub(super) fn operation(api: &Api, binding: &Binding, schemas: &mut Schemas<'_>) -> Json {
    let comment = api.of_method(&binding.rpc).unwrap_or_default();
    let service = binding.rpc.parent_service();
    let mut id = format!("{}_{}", service.name(), binding.rpc.name());
    if binding.additional {
        // Operation ids are unique, and an additional binding is told from the first by its path.
        id.extend(
            binding
                .template
                .text
                .split('/')
                .map(|part| part.replace(|c: char| !c.is_alphanumeric(), ""))
                .map(|part| format!("_{part}")),
        );
    }
    let tag = tag_name(service);
    let mut operation = json!({
        "operationId": id,
        "tags": [tag],
        "summary": comment.split_inclusive(". ").next().unwrap_or_default().trim(),
        "description": comment,
        "parameters": parameters(api, binding, schemas),
        "responses": { "200": answer(binding, schemas), "default": { "$ref": "#/components/responses/Error" } },
    });
    if let (Some(body), Some(object)) = (request_body(binding, schemas), operation.as_object_mut()) {
        object.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The response of every operation that fails.
pub(super) fn error_response() -> Json {
    json!({
        "description": "The call was refused or failed.",
        "content": { "application/json": { "schema": reference("google.rpc.Status") } },
    })
}

fn parameters(api: &Api, binding: &Binding, schemas: &mut Schemas<'_>) -> Vec<Json> {
    let mut list: Vec<_> = binding.template.variables.iter().map(|path| parameter(api, path, "path", schemas)).collect();
    if !matches!(binding.body, RequestBody::Whole) {
        let mut paths = Vec::new();
        query_fields(&binding.rpc.input(), &FieldPath::new(), &mut paths);
        let in_body = |path: &FieldPath| matches!(&binding.body, RequestBody::Field(field) if path.first() == Some(field));
        paths.retain(|path| !in_body(path) && !binding.template.variables.contains(path));
        list.extend(paths.iter().map(|path| parameter(api, path, "query", schemas)));
    }
    list
}

/// Every field that a query can give, as a leaf.
fn query_fields(message: &MessageDescriptor, outer: &FieldPath, found: &mut Vec<FieldPath>) {
    for field in message.fields().filter(|field| !field.is_map()) {
        let mut path = outer.clone();
        path.push(field.clone());
        match field.kind() {
            Kind::Message(inner) if !inner.full_name().starts_with("google.protobuf.") => {
                if !field.is_list() && path.len() < QUERY_DEPTH {
                    query_fields(&inner, &path, found);
                }
            }
            _ => found.push(path),
        }
    }
}

fn parameter(api: &Api, path: &FieldPath, place: &str, schemas: &mut Schemas<'_>) -> Json {
    let schema = path.last().map_or_else(|| json!({}), |leaf| schemas.field(leaf));
    let name = match place {
        "path" => leaf_name(path).to_owned(),
        _ => path.iter().map(FieldDescriptor::json_name).collect::<Vec<_>>().join("."),
    };
    let mut parameter = json!({ "name": name, "in": place, "required": place == "path", "schema": schema });
    describe(&mut parameter, path.last().and_then(|leaf| api.of_field(leaf)));
    parameter
}

fn request_body(binding: &Binding, schemas: &mut Schemas<'_>) -> Option<Json> {
    let input = binding.rpc.input();
    let schema = match &binding.body {
        RequestBody::Absent => return None,
        RequestBody::Whole if binding.template.variables.is_empty() => schemas.message(&input),
        RequestBody::Whole => {
            let in_path =
                |field: &FieldDescriptor| binding.template.variables.iter().any(|path| path.as_slice() == [field.clone()]);
            schemas.object(&input, |field| !in_path(field))
        }
        RequestBody::Field(field) => schemas.field(field),
    };
    let required = matches!(binding.body, RequestBody::Field(_));
    Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }))
}

fn answer(binding: &Binding, schemas: &mut Schemas<'_>) -> Json {
    let schema = schemas.message(&binding.rpc.output());
    if binding.rpc.is_server_streaming() {
        return json!({
            "description": "A stream: one message per line, or per event. It ends with an error in the usual form if it fails.",
            "content": { "application/x-ndjson": { "schema": schema }, "text/event-stream": { "schema": schema } },
        });
    }
    json!({ "description": "Done.", "content": { "application/json": { "schema": schema } } })
}
