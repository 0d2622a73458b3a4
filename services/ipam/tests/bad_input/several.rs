//! What takes more than one field or more than one request to be wrong.

use polder_core::reason::Reason;
use polder_runtime::status::decode;
use polder_testing::bad_input::revision;
use serde_json::json;
use tonic::Code;

use crate::world::World;

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
