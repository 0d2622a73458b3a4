//! Requests and answers of the REST face.

use http::{Method, StatusCode};
use serde_json::json;

use crate::fakes::LARGE;
use crate::world::{World, services_elsewhere};

#[tokio::test]
async fn path_and_query_reach_the_request_and_large_numbers_survive() {
    let world = World::new().await;
    let listed = world.get("/v1/namespaces?pageSize=5&page_token=a%2Fb&filter=labels.app%20%3D%20WS").await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.header("content-type"), "application/json");
    let expected =
        json!({ "namespaces": [{ "name": "labels.app = WS", "labels": { "size": "5", "token": "a/b" } }], "revision": "7" });
    assert_eq!(listed.json(), expected);

    let created = world.json(Method::POST, "/v1/namespaces?requestId=r1&validateOnly=true", r#"{"name":"shop"}"#).await;
    assert_eq!(created.status, StatusCode::OK);
    assert_eq!(created.json()["namespace"]["uid"], "request_id=r1 validate_only=true");
    assert_eq!(created.json()["revision"], LARGE.to_string());

    let deleted = world.send(world.request(Method::DELETE, "/v1/namespaces/shop?etag=e1"), "").await;
    assert_eq!(deleted.json(), json!({ "revision": "9" }));
}

#[tokio::test]
async fn a_body_can_be_the_whole_request_beside_the_path() {
    let world = World::new().await;
    let body = r#"{"name":"n1","labels":{"zone":"a"},"interfaces":[{"name":"eth0","mtu":1500,"up":true}]}"#;
    let registered = world.json(Method::POST, "/v1/nodes", body).await;
    let expected = json!({ "name": "n1", "labels": { "zone": "a" }, "interfaces": [{ "name": "eth0", "mtu": 1500, "up": true }] });
    assert_eq!(registered.json()["node"], expected);

    let drained = world.send(world.request(Method::POST, "/v1/nodes/n%201/drain"), "").await;
    assert_eq!(drained.json()["node"], json!({ "name": "n 1", "draining": true }));
    let conflicting = world.json(Method::POST, "/v1/nodes/n1/drain", r#"{"name":"n2"}"#).await;
    assert_eq!((conflicting.status, conflicting.reason().as_str()), (StatusCode::BAD_REQUEST, "CONFLICTING_FIELDS"));
}

#[tokio::test]
async fn a_literal_path_does_not_hide_an_object_of_that_name() {
    let world = World::new().await;
    let got = world.get("/v1/nodes/drain").await;
    assert_eq!(got.json()["node"]["name"], "drain");
    let wrong_verb = world.get("/v1/nodes/n1/drain").await;
    assert_eq!((wrong_verb.status, wrong_verb.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let nowhere = world.get("/v1/nothing").await;
    assert_eq!((nowhere.status, nowhere.json()["error"]["code"].as_u64()), (StatusCode::NOT_FOUND, Some(404)));
}

#[tokio::test]
async fn a_patch_without_a_mask_changes_what_its_body_names() {
    let world = World::new().await;
    let mask = async |path: &str, body: &str| {
        let answer = world.json(Method::PATCH, path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(answer.json()["namespace"]["name"], "shop");
        answer.json()["namespace"]["uid"].as_str().unwrap_or_default().to_owned()
    };
    let whole = r#"{"name":"shop","etag":"e","createTime":"2026-01-01T00:00:00Z","labels":{"a":"b"},"quotas":null}"#;
    assert_eq!(mask("/v1/namespaces/shop", whole).await, "labels,quotas");
    assert_eq!(mask("/v1/namespaces/shop?updateMask=quotas,labels", r#"{"labels":{}}"#).await, "quotas,labels");
    let nothing = world.json(Method::PATCH, "/v1/namespaces/shop", r#"{"etag":"e"}"#).await;
    assert_eq!((nothing.reason().as_str(), nothing.bad_fields()), ("FIELD_REQUIRED", vec!["update_mask".to_owned()]));
}

#[tokio::test]
async fn refusals_of_a_service_keep_code_reason_and_details() {
    let world = World::new().await;
    let missing = world.get("/v1/namespaces/missing").await;
    assert_eq!((missing.status, missing.reason().as_str()), (StatusCode::NOT_FOUND, "NAMESPACE_NOT_FOUND"));
    assert_eq!(missing.json()["error"]["status"], "NOT_FOUND");
    let taken = world.json(Method::POST, "/v1/namespaces", r#"{"name":"taken"}"#).await;
    assert_eq!((taken.status, taken.reason().as_str()), (StatusCode::CONFLICT, "ALREADY_EXISTS"));
    let bad = world.json(Method::POST, "/v1/namespaces", "{}").await;
    assert_eq!((bad.status, bad.reason().as_str()), (StatusCode::BAD_REQUEST, "FIELD_REQUIRED"));
    assert_eq!(bad.bad_fields(), ["namespace.name", "namespace.labels"]);
    let absent = world.get("/v1/pools").await;
    assert_eq!((absent.status, absent.reason().as_str()), (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"));
}

#[tokio::test]
async fn bad_requests_are_refused_with_every_bad_parameter() {
    let world = World::new().await;
    let query = world.get("/v1/namespaces?pageSize=many&nonsense=1&filter=a&filter=b").await;
    assert_eq!(query.status, StatusCode::BAD_REQUEST);
    assert_eq!(query.bad_fields(), ["page_size", "nonsense", "filter"]);

    let refused = async |body: &str| {
        let answer = world.json(Method::POST, "/v1/namespaces", body).await;
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"), "{body}");
        answer.bad_fields()
    };
    assert_eq!(refused(r#"{"nmae":"shop"}"#).await, ["namespace"]);
    assert_eq!(refused(r#"{"quotas":{"services":"-1"}}"#).await, ["namespace.quotas.services"]);
    assert_eq!(refused(r#"{"name":"shop"} trailing"#).await, ["namespace"]);
    assert_eq!(refused("not json").await, ["namespace"]);
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    refused(&format!(r#"{{"labels":{deep}}}"#)).await;

    let body_in_get = world.json(Method::GET, "/v1/namespaces/shop", "{}").await;
    assert_eq!(body_in_get.bad_fields(), ["body"]);
    let path_again = world.get("/v1/namespaces/shop?name=other").await;
    assert_eq!(path_again.bad_fields(), ["name"]);
    let form = world.request(Method::POST, "/v1/namespaces").header("content-type", "text/plain");
    assert_eq!(world.send(form, r#"{"name":"shop"}"#).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let world = World::new().await;
    let answer = world.json(Method::POST, "/v1/namespaces", &format!(r#"{{"name":"{}"}}"#, "x".repeat(10 << 20))).await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE"));
}

#[tokio::test]
async fn an_answer_that_has_not_changed_is_not_sent_again() {
    let world = World::new().await;
    // The fake tells the trace, which must not be what differs.
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let get = |path, tag: &str| {
        let request = world.request(Method::GET, path).header("traceparent", trace).header("if-none-match", tag);
        world.send(request, "")
    };
    let first = get("/v1/namespaces/shop", "").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = get("/v1/namespaces/shop", &tag).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let other = get("/v1/namespaces/other", &tag).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn trace_actor_request_id_and_deadline_travel_on() {
    let world = World::new().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = world
        .request(Method::GET, "/v1/namespaces/shop")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("x-polder-actor", "ana")
        .header("x-request-id", "r-17");
    let answer = world.send(request, "").await;
    let expected = json!({ "actor": "ana", "trace": trace, "request": "r-17", "deadline": "true" });
    assert_eq!(answer.json()["namespace"]["labels"], expected);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_unavailable() {
    let (services, link) = services_elsewhere().await;
    let world = World::linked(link).await;
    assert_eq!(world.get("/v1/namespaces/shop").await.status, StatusCode::OK);
    services.stop_token().cancel();
    services.wait().await.unwrap();
    let answer = world.get("/v1/namespaces/shop").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "PEER_UNAVAILABLE"));
}
