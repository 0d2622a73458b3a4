//! JSON Schemas (2020-12, as OpenAPI 3.1 uses them) of messages and enums in their proto3 JSON form.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value as Json, json};

use crate::descriptors::Api;

/// Collects the schemas of all types that the operations name.
pub(super) struct Schemas<'a> {
    api: &'a Api,
    /// By full name.
    done: BTreeMap<String, Json>,
    /// Named but not yet written; a queue instead of recursion, since messages may hold themselves.
    waiting: Vec<MessageDescriptor>,
    known: BTreeSet<String>,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(api: &'a Api) -> Self {
        Self { api, done: BTreeMap::new(), waiting: Vec::new(), known: BTreeSet::new() }
    }

    /// Every schema that was named, and those that they name.
    pub(super) fn finish(mut self) -> BTreeMap<String, Json> {
        while let Some(message) = self.waiting.pop() {
            let schema = self.object(&message, |_| true);
            self.done.insert(message.full_name().to_owned(), schema);
        }
        self.done.insert("google.rpc.Status".to_owned(), error_schema());
        self.done
    }

    /// A reference to the schema of a message, or the schema itself for types with a JSON form of their own.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Json {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        if self.known.insert(message.full_name().to_owned()) {
            self.waiting.push(message.clone());
        }
        reference(message.full_name())
    }

    /// The schema of a message, with only the fields that `keep` keeps.
    pub(super) fn object(&mut self, message: &MessageDescriptor, keep: impl Fn(&FieldDescriptor) -> bool) -> Json {
        let mut properties = Map::new();
        for field in message.fields().filter(|field| keep(field)) {
            properties.insert(field.json_name().to_owned(), self.property(&field));
        }
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        describe(&mut schema, self.api.of_message(message));
        schema
    }

    /// The schema of a field's value, without its description.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Json {
        if field.is_map()
            && let Kind::Message(entry) = field.kind()
        {
            let value = self.kind(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let one = self.kind(&field.kind());
        if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
    }

    fn property(&mut self, field: &FieldDescriptor) -> Json {
        let mut schema = self.field(field);
        describe(&mut schema, self.api.of_field(field));
        if self.api.is_output_only(field)
            && let Some(object) = schema.as_object_mut()
        {
            object.insert("readOnly".to_owned(), Json::Bool(true));
        }
        schema
    }

    fn kind(&mut self, kind: &Kind) -> Json {
        match kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(kind) => self.enumeration(kind),
            Kind::Message(message) => self.message(message),
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Json {
        if self.known.insert(kind.full_name().to_owned()) {
            let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
            let mut text = self.api.of_enum(kind).unwrap_or_default().to_owned();
            for value in kind.values() {
                let about = self.api.of_enum_value(kind, value.path()).unwrap_or_default().replace('\n', " ");
                text.push_str(&format!("\n* `{}`: {about}", value.name()));
            }
            let schema = json!({ "type": "string", "enum": names, "description": text.trim() });
            self.done.insert(kind.full_name().to_owned(), schema);
        }
        reference(kind.full_name())
    }
}

/// A reference to a schema of this document.
pub(super) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Adds a description, if there is one.
pub(super) fn describe(schema: &mut Json, comment: Option<&str>) {
    if let (Some(object), Some(text)) = (schema.as_object_mut(), comment) {
        object.insert("description".to_owned(), Json::from(text));
    }
}

/// The schema of a type to which proto3 JSON gives a form of its own.
fn well_known(name: &str) -> Option<Json> {
    Some(match name {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" }),
        "google.protobuf.FieldMask" => json!({ "type": "string" }),
        "google.protobuf.Empty" => json!({ "type": "object", "additionalProperties": false }),
        "google.protobuf.Struct" => json!({ "type": "object" }),
        "google.protobuf.ListValue" => json!({ "type": "array" }),
        "google.protobuf.Value" => json!({}),
        "google.protobuf.Any" => json!({ "type": "object", "properties": { "@type": { "type": "string" } } }),
        "google.protobuf.BoolValue" => json!({ "type": ["boolean", "null"] }),
        "google.protobuf.StringValue" => json!({ "type": ["string", "null"] }),
        "google.protobuf.Int32Value" | "google.protobuf.UInt32Value" => json!({ "type": ["integer", "null"] }),
        "google.protobuf.Int64Value" | "google.protobuf.UInt64Value" => json!({ "type": ["string", "null"] }),
        "google.protobuf.FloatValue" | "google.protobuf.DoubleValue" => json!({ "type": ["number", "null"] }),
        "google.protobuf.BytesValue" => json!({ "type": ["string", "null"], "contentEncoding": "base64" }),
        _ => return None,
    })
}

/// The form of every error (AIP-193).
fn error_schema() -> Json {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": { "type": "integer", "description": "The HTTP status." },
                "status": { "type": "string", "description": "The gRPC code by name." },
                "message": { "type": "string", "description": "For people: what happened, why, and what to do." },
                "details": {
                    "type": "array",
                    "description": "google.rpc.ErrorInfo with the stable reason always; others where they fit.",
                    "items": { "type": "object", "required": ["@type"], "properties": { "@type": { "type": "string" } } },
                },
            },
        } },
    })
}
