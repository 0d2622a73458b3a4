//! The OpenAPI 3.1 document of the REST face, made from the same descriptors that serve it: it cannot drift from the API.

mod operation;
mod schema;

use std::collections::BTreeMap;

use bytes::Bytes;
use prost_reflect::ServiceDescriptor;
use serde_json::{Map, Value as Json, json};

use self::schema::Schemas;
use crate::descriptors::Api;
use crate::rest::bindings::{self, AnnotationError};

/// What the document says about the API as a whole.
const ABOUT: &str = "The REST face of Polder's gRPC services. Messages are proto3 JSON: field names in lowerCamelCase (the proto \
    names are read as well), 64-bit numbers as strings, unknown fields refused. Every error has the form of `google.rpc.Status` \
    with a stable reason in its details. Answers to GET carry an entity tag.";

/// The document, as JSON text.
///
/// # Errors
/// An annotation cannot be served.
pub(crate) fn document(api: &Api) -> Result<Bytes, AnnotationError> {
    let mut schemas = Schemas::new(api);
    let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
    for binding in bindings::all(api.pool())? {
        let operation = operation::operation(api, &binding, &mut schemas);
        let verb = binding.verb.as_str().to_ascii_lowercase();
        paths.entry(binding.template.text).or_default().insert(verb, operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Polder",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": api.services().map(|service| tag(api, &service)).collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas.finish(), "responses": { "Error": operation::error_response() } },
    });
    Ok(document.to_string().into())
}

/// The name under which a service's operations stand.
fn tag_name(service: &ServiceDescriptor) -> String {
    service.full_name().trim_start_matches("polder.").to_owned()
}

fn tag(api: &Api, service: &ServiceDescriptor) -> Json {
    json!({ "name": tag_name(service), "description": api.of_service(service).unwrap_or_default() })
}
