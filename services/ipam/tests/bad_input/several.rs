//! What takes more than one field or more than one request to be wrong.

use polder_core::reason::Reason;
use polder_runtime::status::decode;
use polder_testing::bad_input::revision;
use serde_json::json;
use tonic::Code;

use crate::world::{World, json_of, text_at};

#[tokio::test]
async fn a_request_id_of_another_request_is_refused() {
    let world = World::new().await;
    let method = "NamespaceService/UpdateNamespace";
    let labelled = |label: &str| json!({"namespace": {"name": "shop", "labels": {"app": label}}, "requestId": "once"});
    let first = world.client.ask(method, &labelled("a")).await.unwrap();
    assert_eq!(world.client.ask(method, &labelled("a")).await.unwrap(), first);
    let before = revision(&world).await;
    let status = world.client.ask(method, &labelled("b")).await.unwrap_err();
    assert_eq!((status.code(), decode(&status).reason), (Code::InvalidArgument, Reason::RequestIdReused));
    assert_eq!(revision(&world).await, before);
    world.stop().await;
}

#[tokio::test]
async fn a_stream_of_renewals_is_of_one_node() {
    let world = World::new().await;
    let other = world.client.made("NodeService/RegisterNode", json!({"name": "node-b"})).await;
    let other = json!({"name": "node-b", "uid": text_at(&json_of(&other, "node"), "/uid")});
    let this = json!({"name": "node-a", "uid": world.known.node});
    let method = "NodeService/KeepAlive";
    world.client.ask_after(method, &other, &other).await.unwrap();
    let refusal = decode(&world.client.ask_after(method, &this, &other).await.unwrap_err());
    let named: Vec<_> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
    assert_eq!(named, [("name", Reason::ConflictingFields)], "{refusal:?}");
    world.stop().await;
}
