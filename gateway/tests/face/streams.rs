//! Streams over HTTP.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};

use crate::fakes::LARGE;
use crate::world::{World, services_elsewhere};

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(10);

fn lines(body: &[u8]) -> Vec<Json> {
    std::str::from_utf8(body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_is_one_message_per_line() {
    let world = World::new().await;
    let answer = world.get("/v1/watch/nodes?startRevision=18446744073709551614").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"));
    let expected = [
        json!({ "type": "WATCH_EVENT_TYPE_SNAPSHOT", "revision": LARGE.to_string() }),
        json!({ "type": "WATCH_EVENT_TYPE_SYNCED", "revision": LARGE.to_string() }),
    ];
    assert_eq!(lines(&answer.body), expected);
}

#[tokio::test]
async fn a_stream_can_be_events() {
    let world = World::new().await;
    let request = world.request(Method::GET, "/v1/watch/nodes?filter=break").header("accept", "text/event-stream");
    let answer = world.send(request, "").await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let events: Vec<_> = text.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 3, "{text}");
    assert!(events[0].starts_with("data: {") && events[1].starts_with("data: {"), "{text}");
    assert!(events[2].starts_with("event: error\ndata: {\"error\":"), "{text}");
}

#[tokio::test]
async fn a_refused_stream_has_the_status_of_its_refusal() {
    let world = World::new().await;
    for filter in ["refuse", "refuse-later"] {
        let answer = world.get(&format!("/v1/watch/nodes?filter={filter}")).await;
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::BAD_REQUEST, "RESUME_TOKEN_COMPACTED"), "{filter}");
        assert_eq!(answer.json()["error"]["status"], "OUT_OF_RANGE");
    }
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_the_error() {
    let world = World::new().await;
    let answer = world.get("/v1/watch/nodes?filter=break").await;
    assert_eq!(answer.status, StatusCode::OK);
    let lines = lines(&answer.body);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["error"]["status"], "OUT_OF_RANGE");
}

#[tokio::test]
async fn messages_arrive_as_they_are_sent_and_a_stopping_gateway_ends_the_stream() {
    let (services, link) = services_elsewhere().await;
    let world = World::linked(link).await;
    let mut body = world.open(world.request(Method::GET, "/v1/watch/nodes?filter=endless"), "").await.into_body();
    let mut text = Vec::new();
    while lines(&text).len() < 2 {
        let frame = tokio::time::timeout(SOON, body.frame()).await.expect("the first messages come at once");
        text.extend_from_slice(frame.unwrap().unwrap().data_ref().unwrap());
    }
    world.process.stop_token().cancel();
    let (rest, ended) = tokio::join!(body.collect(), tokio::time::timeout(SOON, world.process.wait()));
    ended.expect("the stream does not hold up the gateway").unwrap();
    let last = lines(&rest.unwrap().to_bytes());
    assert_eq!(last[0]["error"]["details"][0]["reason"], "SHUTTING_DOWN");
    services.stop_token().cancel();
    services.wait().await.unwrap();
}
