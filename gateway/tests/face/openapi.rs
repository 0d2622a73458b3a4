//! The OpenAPI document covers every annotated RPC, and holds together.

use std::collections::BTreeSet;

use polder_proto::dynamic::descriptors;
use prost_reflect::{DynamicMessage, Value};
use serde_json::Value as Json;

use crate::world::World;

const VERBS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The (method, path) of every annotation, read straight from the descriptors; a variable by the last part of its field.
fn annotations() -> Vec<(String, String)> {
    let option = descriptors().get_extension_by_name("google.api.http").unwrap();
    let mut found = Vec::new();
    for method in descriptors().services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        if let (true, Value::Message(rule)) = (options.has_extension(&option), options.get_extension(&option).as_ref()) {
            collect(rule, &mut found);
        }
    }
    found
}

fn collect(rule: &DynamicMessage, found: &mut Vec<(String, String)>) {
    for verb in VERBS {
        let path = rule.get_field_by_name(verb).unwrap().as_str().unwrap().to_owned();
        if !path.is_empty() {
            found.push((verb.to_owned(), published(&path)));
        }
    }
    for other in rule.get_field_by_name("additional_bindings").unwrap().as_list().unwrap() {
        collect(other.as_message().unwrap(), found);
    }
}

/// `/v1/pools/{pool.name}` as the document writes it: `/v1/pools/{name}`.
fn published(path: &str) -> String {
    let segment = |part: &str| match part.strip_prefix('{').and_then(|inner| inner.rsplit('.').next()) {
        Some(leaf) => format!("{{{leaf}"),
        None => part.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Calls `visit` for every object in `value`.
fn walk<'a>(value: &'a Json, visit: &mut impl FnMut(&'a serde_json::Map<String, Json>)) {
    match value {
        Json::Object(object) => {
            visit(object);
            object.values().for_each(|inner| walk(inner, visit));
        }
        Json::Array(list) => list.iter().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn every_annotated_rpc_is_in_it_and_nothing_else() {
    let document = World::new().await.get("/openapi.json").await.json();
    let annotated: BTreeSet<_> = annotations().into_iter().collect();
    assert!(annotated.len() > 50, "the annotations are not found");
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<_> =
        paths.iter().flat_map(|(path, verbs)| verbs.as_object().unwrap().keys().map(|verb| (verb.clone(), path.clone()))).collect();
    assert_eq!(described, annotated);
}

#[tokio::test]
async fn every_operation_is_complete_and_every_reference_resolves() {
    let document = World::new().await.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut ids, mut shapes) = (BTreeSet::new(), BTreeSet::new());
    for (path, verbs) in document["paths"].as_object().unwrap() {
        let shape: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        assert!(shapes.insert(shape), "{path} differs from another path only in the names of its parameters");
        for (verb, operation) in verbs.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
            assert!(!operation["description"].as_str().unwrap().is_empty(), "{id} is not described");
            assert!(operation["responses"]["200"]["content"].is_object(), "{id} answers nothing");
            let named = operation["parameters"].as_array().unwrap().iter();
            let in_path: BTreeSet<_> =
                named.filter(|parameter| parameter["in"] == "path").map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(in_path.len(), path.matches('{').count(), "{verb} {path} names a parameter twice");
            let in_template: BTreeSet<_> = path.split('{').skip(1).map(|part| part.split('}').next().unwrap()).collect();
            assert_eq!(in_path, in_template, "{verb} {path}");
        }
    }
    let mut references = 0;
    walk(&document, &mut |object| {
        if let Some(target) = object.get("$ref").and_then(Json::as_str) {
            references += 1;
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
    });
    assert!(references > 100, "{references}");
}

#[tokio::test]
async fn schemas_are_as_proto3_json_writes_them() {
    let document = World::new().await.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    let namespace = &schemas["polder.ipam.v1.Namespace"];
    assert_eq!(namespace["properties"]["createTime"]["format"], "date-time");
    assert_eq!(namespace["properties"]["createTime"]["readOnly"], true);
    assert_eq!(namespace["properties"]["labels"]["additionalProperties"]["type"], "string");
    assert_eq!(schemas["polder.ipam.v1.NamespaceUsage"]["properties"]["services"]["type"], "string");
    assert_eq!(namespace["description"], "A tenant of the cluster.");
    let states = schemas["polder.ipam.v1.NodeState"]["enum"].as_array().unwrap();
    assert!(states.iter().any(|state| state == "NODE_STATE_READY"));
    let mut typed = 0;
    for (name, schema) in schemas.as_object().unwrap() {
        walk(schema, &mut |object| {
            if let Some(kind) = object.get("type").filter(|kind| kind.is_string()) {
                typed += 1;
                let known = ["object", "array", "string", "integer", "number", "boolean"];
                assert!(known.iter().any(|other| kind == other), "{name}: {kind}");
            }
        });
    }
    assert!(typed > 200, "{typed}");
}
