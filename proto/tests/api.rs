//! The conventions of the API, held against the descriptors that every client sees.
#![expect(clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeMap;

use polder_proto::dynamic::descriptors;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

/// One way to call a method by REST.
struct Binding {
    method: MethodDescriptor,
    verb: &'static str,
    path: String,
    body: String,
}

fn methods() -> impl Iterator<Item = MethodDescriptor> {
    descriptors().services().flat_map(|service| service.methods().collect::<Vec<_>>())
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn bindings_of(method: &MethodDescriptor) -> Vec<Binding> {
    let extension = descriptors().get_extension_by_name("google.api.http").expect("the annotations are compiled in");
    let options = method.options();
    if !options.has_extension(&extension) {
        return Vec::new();
    }
    let Value::Message(rule) = options.get_extension(&extension).into_owned() else {
        panic!("{} has a strange rule", method.name())
    };
    let more = rule.get_field_by_name("additional_bindings").expect("google.api.HttpRule has it").into_owned();
    let more = more.as_list().into_iter().flatten().filter_map(Value::as_message).cloned().collect::<Vec<_>>();
    std::iter::once(rule).chain(more).map(|rule| binding(method, &rule)).collect()
}

fn binding(method: &MethodDescriptor, rule: &DynamicMessage) -> Binding {
    let (verb, path) = ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .find_map(|verb| Some((verb, text(rule, verb))).filter(|(_, path)| !path.is_empty()))
        .unwrap_or_else(|| panic!("{} has no path", method.full_name()));
    Binding { method: method.clone(), verb, path, body: text(rule, "body") }
}

fn has_field(message: &MessageDescriptor, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(field) = message.get_field_by_name(first) else { return false };
    rest.is_none_or(|rest| field.kind().as_message().is_some_and(|message| has_field(message, rest)))
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[test]
fn every_call_with_a_rest_face_has_one() {
    for method in methods() {
        let reachable = !bindings_of(&method).is_empty();
        let streams_in = method.is_client_streaming();
        let of_the_node = ["WatchDataplane"].contains(&method.name()) || method.parent_service().name() == "AgentService";
        assert_eq!(reachable, !streams_in && !of_the_node, "{}", method.full_name());
    }
}

#[test]
fn rest_paths_name_fields_and_do_not_collide() {
    let mut seen = BTreeMap::new();
    for Binding { method, verb, path, body } in methods().flat_map(|method| bindings_of(&method)) {
        let name = method.full_name().to_owned();
        assert!(path.starts_with("/v1/"), "{name}: {path}");
        for segment in path.split('/').skip(1) {
            if let Some(field) = variable(segment) {
                assert!(has_field(&method.input(), field), "{name}: {field} is no field");
            }
            assert!(
                variable(segment).is_some() || !segment.contains(['{', '}', ':']),
                "{name}: {segment} is neither text nor a variable"
            );
        }
        assert!(body.is_empty() || body == "*" || has_field(&method.input(), &body), "{name}: {body} is no field");
        assert_eq!(body.is_empty(), matches!(verb, "get" | "delete"), "{name}: {verb} and its body");
        let shape: Vec<&str> = path.split('/').map(|segment| variable(segment).map_or(segment, |_| "{}")).collect();
        let earlier = seen.insert((verb, shape.join("/")), name.clone());
        assert_eq!(earlier, None, "{name} has the path of another call");
    }
}

#[test]
fn no_object_is_hidden_behind_a_word() {
    let paths: Vec<String> = methods().flat_map(|method| bindings_of(&method)).map(|binding| binding.path).collect();
    let split = |path: &String| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    for (one, other) in paths.iter().flat_map(|one| paths.iter().map(move |other| (split(one), split(other)))) {
        let shape = |segment: &String| variable(segment).map_or(segment.as_str(), |_| "{}").to_owned();
        let Some((a, b)) = one.iter().zip(&other).find(|(a, b)| shape(a) != shape(b)) else { continue };
        // A router prefers the word, so an object of that name could not be reached. Uids are hexadecimal and never words.
        let name = variable(a).filter(|_| variable(b).is_none());
        assert!(name.is_none_or(|field| field.ends_with("uid")), "`{b}` in {} hides {}", other.join("/"), one.join("/"));
    }
}

#[test]
fn lists_have_pages_and_a_revision() {
    for method in methods().filter(|method| method.name().starts_with("List")) {
        for field in ["page_size", "page_token", "filter"] {
            assert!(has_field(&method.input(), field), "{} lacks {field}", method.full_name());
        }
        for field in ["next_page_token", "revision"] {
            assert!(has_field(&method.output(), field), "{} lacks {field} in its answer", method.full_name());
        }
    }
}

#[test]
fn mutations_have_request_ids_and_dry_runs() {
    let asks = ["Get", "List", "Watch", "Explain", "Lookup", "Resolve", "Export", "Wait"];
    let is_mutation = |method: &MethodDescriptor| {
        let streams = method.is_client_streaming() || method.is_server_streaming();
        !streams && method.parent_service().name() != "AgentService" && !asks.iter().any(|verb| method.name().starts_with(verb))
    };
    for method in methods().filter(is_mutation) {
        for field in ["request_id", "validate_only"] {
            assert!(has_field(&method.input(), field), "{} lacks {field}", method.full_name());
        }
        assert!(has_field(&method.output(), "revision"), "{} does not tell its revision", method.full_name());
        if method.name().starts_with("Update") {
            assert!(has_field(&method.input(), "update_mask"), "{} has no mask", method.full_name());
        }
    }
}

#[test]
fn watches_can_resume() {
    for method in methods().filter(|method| method.name().starts_with("Watch")) {
        assert!(method.is_server_streaming(), "{} is no stream", method.full_name());
        assert!(has_field(&method.input(), "start_revision"), "{} cannot resume", method.full_name());
        assert!(has_field(&method.output(), "type") && has_field(&method.output(), "revision"), "{}", method.full_name());
    }
}

#[test]
fn every_stored_record_begins_with_its_version() {
    let mut records = 0;
    for file in descriptors().files().filter(|file| file.package_name() == "polder.state.v1") {
        let locations = file.file_descriptor_proto().source_code_info.clone().unwrap_or_default().location;
        for message in file.messages() {
            let comment = locations.iter().find(|location| location.path == message.path());
            let is_record = comment.is_some_and(|location| location.leading_comments().contains("Key: "));
            if is_record {
                records += 1;
                assert_eq!(
                    message.get_field(1).map(|field| field.name().to_owned()).as_deref(),
                    Some("version"),
                    "{}",
                    message.name()
                );
            }
        }
    }
    assert_eq!(records, 20, "8 of IPAM, 8 of LB, 4 of DNS");
}

#[test]
fn maps_are_encoded_in_order() {
    use polder_proto::state::v1::Namespace;
    use prost::Message;

    let keys = ["m", "a", "z", "k", "b"];
    let forward =
        Namespace { version: 1, labels: keys.iter().map(|key| ((*key).into(), "v".into())).collect(), ..Namespace::default() };
    let backward = Namespace { labels: keys.iter().rev().map(|key| ((*key).into(), "v".into())).collect(), ..forward.clone() };
    let bytes = forward.encode_to_vec();
    assert_eq!(bytes, backward.encode_to_vec());
    // 08 01: the version; then one entry of 8 bytes for each label, `a` first.
    assert_eq!(&bytes[..10], [0x08, 0x01, 0x1a, 0x06, 0x0a, 0x01, b'a', 0x12, 0x01, b'v']);
}
