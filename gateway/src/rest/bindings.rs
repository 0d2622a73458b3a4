//! Reads the `google.api.http` annotations out of the API's descriptors: which HTTP request calls which RPC.

use std::str::FromStr;

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, Value};

use super::template::Template;

/// The extension of `google.protobuf.MethodOptions` that carries the annotation.
const HTTP_OPTION: &str = "google.api.http";

/// One HTTP request form of one RPC.
#[derive(Debug)]
pub(crate) struct Binding {
    /// The RPC that is called.
    pub(crate) rpc: MethodDescriptor,
    /// Its gRPC path: `/polder.ipam.v1.PoolService/GetPool`.
    pub(crate) grpc_path: PathAndQuery,
    /// The HTTP method.
    pub(crate) verb: Method,
    /// The HTTP path.
    pub(crate) template: Template,
    /// What the request's body is.
    pub(crate) body: RequestBody,
    /// Whether this is an additional binding of an RPC that has another one already.
    pub(crate) additional: bool,
}

/// What the body of an HTTP request stands for.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// There is none; fields outside the path are query parameters.
    Absent,
    /// The whole request message (`body: "*"`); there are no query parameters.
    Whole,
    /// One message field of the request; other fields are query parameters.
    Field(FieldDescriptor),
}

/// An annotation that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the google.api.http annotation of {rpc} cannot be served: {problem}")]
pub struct AnnotationError {
    /// The full name of the RPC.
    pub rpc: String,
    /// What is wrong with its annotation.
    pub problem: String,
}

/// Every binding of every RPC, in the order of the files.
///
/// # Errors
/// The first annotation that cannot be served.
pub(crate) fn all(pool: &DescriptorPool) -> Result<Vec<Binding>, AnnotationError> {
    let Some(option) = pool.get_extension_by_name(HTTP_OPTION) else {
        return Ok(Vec::new());
    };
    let mut bindings = Vec::new();
    for rpc in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = rpc.options();
        if !options.has_extension(&option) {
            continue;
        }
        if let Value::Message(rule) = options.get_extension(&option).as_ref() {
            let refused = |problem| AnnotationError { rpc: rpc.full_name().to_owned(), problem };
            bindings.push(binding(&rpc, rule, false).map_err(refused)?);
            for other in additional_rules(rule) {
                bindings.push(binding(&rpc, &other, true).map_err(refused)?);
            }
        }
    }
    Ok(bindings)
}

fn binding(rpc: &MethodDescriptor, rule: &DynamicMessage, additional: bool) -> Result<Binding, String> {
    if rpc.is_client_streaming() {
        return Err("a stream of requests has no HTTP form".to_owned());
    }
    let (verb, path) = pattern(rule)?;
    let body = request_body(rpc, &text_field(rule, "body"))?;
    if rpc.is_server_streaming() && verb != Method::GET {
        return Err("a stream of answers is served for GET only".to_owned());
    }
    if !text_field(rule, "response_body").is_empty() {
        return Err("response_body is not offered".to_owned());
    }
    let grpc_path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
    Ok(Binding {
        rpc: rpc.clone(),
        grpc_path: PathAndQuery::from_str(&grpc_path).map_err(|error| error.to_string())?,
        verb,
        template: Template::parse(&path, &rpc.input())?,
        body,
        additional,
    })
}

/// The HTTP method and path of a rule.
fn pattern(rule: &DynamicMessage) -> Result<(Method, String), String> {
    const VERBS: [(&str, Method); 5] =
        [("get", Method::GET), ("put", Method::PUT), ("post", Method::POST), ("delete", Method::DELETE), ("patch", Method::PATCH)];
    VERBS
        .into_iter()
        .map(|(name, verb)| (verb, text_field(rule, name)))
        .find(|(_, path)| !path.is_empty())
        .ok_or_else(|| "it names none of get, put, post, delete and patch".to_owned())
}

fn request_body(rpc: &MethodDescriptor, body: &str) -> Result<RequestBody, String> {
    match body {
        "" => Ok(RequestBody::Absent),
        "*" => Ok(RequestBody::Whole),
        name => {
            let field = rpc.input().get_field_by_name(name).ok_or_else(|| format!("the body `{name}` is not a field"))?;
            if field.is_list() || field.is_map() || !matches!(field.kind(), Kind::Message(_)) {
                return Err(format!("the body `{name}` is not a single message"));
            }
            Ok(RequestBody::Field(field))
        }
    }
}

fn additional_rules(rule: &DynamicMessage) -> Vec<DynamicMessage> {
    let Some(list) = rule.get_field_by_name("additional_bindings") else {
        return Vec::new();
    };
    let rules = list.as_list().unwrap_or_default();
    rules.iter().filter_map(Value::as_message).cloned().collect()
}

fn text_field(message: &DynamicMessage, name: &str) -> String {
    message.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
