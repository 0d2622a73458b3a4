//! The gateway over real processes: gRPC-Web, REST, the OpenAPI document.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_proto::lb::v1::{GetServiceRequest, GetServiceResponse};
use polder_tests::site::repository;
use polder_tests::tool::{polder, run};
use polder_tests::{Shape, Site};
use prost::Message;
use serde_json::{Value, json};

/// What curl got: the HTTP status, the content type, the body.
struct Fetched {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

impl Fetched {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A call with curl over HTTP/1.1.
fn fetch(site: &Site, path: &str, arguments: &[&str]) -> Fetched {
    let body = site.folder().join("body");
    let _ = std::fs::remove_file(&body);
    let url = format!("http://{}{path}", site.http());
    let common = ["-sS", "--http1.1", "-o", body.to_str().unwrap(), "-w", "%{http_code} %{content_type}", &url];
    let finished = run("curl", &[&common[..], arguments].concat());
    let (status, content_type) = finished.out.split_once(' ').unwrap_or_else(|| panic!("{path}: {finished:?}"));
    Fetched {
        status: status.parse().unwrap(),
        content_type: content_type.to_owned(),
        body: std::fs::read(&body).unwrap_or_default(),
    }
}

/// Checks the form that every REST error has, and gives its reason.
#[track_caller]
fn reason_of(fetched: &Fetched) -> String {
    let body = fetched.json();
    let error = &body["error"];
    assert_eq!((fetched.content_type.as_str(), &error["code"]), ("application/json", &json!(fetched.status)), "{body}");
    assert!(error["status"].is_string() && !error["message"].as_str().unwrap().is_empty(), "{body}");
    let info = &error["details"][0];
    assert_eq!(
        (&info["@type"], &info["domain"]),
        (&json!("type.googleapis.com/google.rpc.ErrorInfo"), &json!("polder.dev")),
        "{body}"
    );
    info["reason"].as_str().unwrap().to_owned()
}

#[test]
fn programs_without_grpc_get_the_same_answers() {
    let site = Site::start(Shape::Embedded);
    let example = repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    grpc_web_calls_get_messages_and_refusals(&site);
    rest_errors_have_one_form(&site);
    every_operation_of_the_document_is_served(&site);
}

/// One call of gRPC-Web: a flag byte, the length, the message; the answer's frames, the trailers last.
fn grpc_web(site: &Site, name: &str) -> (Option<GetServiceResponse>, String) {
    let request = GetServiceRequest { namespace: "shop".to_owned(), name: name.to_owned() }.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(request.len()).unwrap().to_be_bytes());
    frame.extend(request);
    let (file, headers) = (site.folder().join("request"), site.folder().join("headers"));
    std::fs::write(&file, frame).unwrap();
    let data = format!("@{}", file.display());
    let arguments = ["-H", "content-type: application/grpc-web+proto", "-H", "x-grpc-web: 1", "--data-binary", &data, "-D"];
    let path = "/polder.lb.v1.ServiceCatalogService/GetService";
    let answer = fetch(site, path, &[&arguments[..], &[headers.to_str().unwrap()]].concat());
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/grpc-web+proto"));
    let (mut message, mut trailers) = (None, std::fs::read_to_string(&headers).unwrap());
    let mut rest = answer.body.as_slice();
    while let [flag, a, b, c, d, more @ ..] = rest {
        let (content, more) = more.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        match flag {
            0 => message = Some(GetServiceResponse::decode(content).unwrap()),
            _ => trailers.push_str(std::str::from_utf8(content).unwrap()),
        }
        rest = more;
    }
    (message, trailers)
}

fn grpc_web_calls_get_messages_and_refusals(site: &Site) {
    let (answer, trailers) = grpc_web(site, "web");
    let service = answer.expect("a message").service.expect("a service");
    let status = service.status.expect("a status");
    assert_eq!((service.name.as_str(), status.external_vips[0].address.as_str()), ("web", "10.0.0.13"));
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    let (nothing, trailers) = grpc_web(site, "nope");
    assert!(nothing.is_none(), "{nothing:?}");
    assert!(trailers.contains("grpc-status: 5") || trailers.contains("grpc-status:5"), "{trailers}");
    assert!(trailers.contains("grpc-status-details-bin"), "{trailers}");
}

fn rest_errors_have_one_form(site: &Site) {
    let body = r#"{"name": "Back", "purpose": "POOL_PURPOSE_POD", "ranges": ["10.9.0.9-10.9.0.1"]}"#;
    let post = ["-H", "content-type: application/json", "-d", body];
    let bad = fetch(site, "/v1/pools", &post);
    assert_eq!(bad.status, 400);
    let _ = reason_of(&bad);
    let violations = bad.json()["error"]["details"][1]["fieldViolations"].clone();
    let mut fields: Vec<(&str, &str)> = violations
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| (violation["field"].as_str().unwrap(), violation["reason"].as_str().unwrap()))
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, [("pool.name", "NAME_MALFORMED"), ("pool.ranges[0]", "RANGE_REVERSED")], "every bad field is named");
    for (path, arguments, status, reason) in [
        ("/v1/pools/nope", &[][..], 404, "POOL_NOT_FOUND"),
        ("/v1/pools/pod", &["-X", "DELETE"], 400, "POOL_IN_USE"),
        ("/v1/pools?pageSize=many", &[], 400, "INVALID_ARGUMENT"),
        ("/v1/addresses/banana", &[], 400, "ADDRESS_MALFORMED"),
        ("/v1/bgp-peers/nobody", &[], 404, "BGP_PEER_NOT_FOUND"),
        ("/v1/zones/nobody.example/record-sets", &[], 404, "ZONE_NOT_FOUND"),
    ] {
        let answer = fetch(site, path, arguments);
        assert_eq!((answer.status, reason_of(&answer).as_str()), (status, reason), "{path}");
    }
}

/// Calls everything that `/openapi.json` describes, with names of things that do not exist and with empty bodies.
fn every_operation_of_the_document_is_served(site: &Site) {
    let document = fetch(site, "/openapi.json", &[]);
    assert_eq!((document.status, document.content_type.as_str()), (200, "application/json"));
    let document = document.json();
    let mut called = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let filled: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part }).collect();
        let filled = filled.join("/");
        for (verb, operation) in operations.as_object().unwrap() {
            let verb = verb.to_uppercase();
            let mut arguments = vec!["-X", &verb];
            if operation["requestBody"].is_object() {
                arguments.extend(["-H", "content-type: application/json", "-d", "{}"]);
            }
            // A stream goes on until the caller has enough.
            let streams = operation["responses"]["200"]["content"]["application/x-ndjson"].is_object();
            if streams {
                arguments.extend(["--max-time", "0.5"]);
            }
            let answer = fetch(site, &filled, &arguments);
            called += 1;
            match answer.status {
                200 if streams => assert_eq!(answer.content_type, "application/x-ndjson", "{verb} {path}"),
                200 => assert!(answer.json().is_object(), "{verb} {path}"),
                400 | 404 | 409 | 501 => {
                    let reason = reason_of(&answer);
                    let known = polder(&[], &["explain", &reason], "");
                    assert_eq!(known.code, 0, "{verb} {path}: {reason}");
                }
                other => panic!("{verb} {path}: {other} {}", String::from_utf8_lossy(&answer.body)),
            }
        }
    }
    assert!(called > 60, "{called}");
    let unknown = fetch(site, "/v1/nothing", &[]);
    assert_eq!(unknown.status, 404);
    let _ = reason_of(&unknown);
}
