//! What takes more than one field or more than one request to be wrong.

use polder_core::reason::Reason;
use polder_runtime::status::decode;
use serde_json::json;
use tonic::Code;

use crate::request::{method_of, request};
use crate::world::World;

#[tokio::test]
async fn a_request_id_of_another_request_is_refused() {
    let world = World::new().await;
    let method = method_of("NamespaceService/UpdateNamespace");
    let labelled = |label: &str| json!({"namespace": {"name": "shop", "labels": {"app": label}}, "requestId": "once"});
    let first = world.call(&method, request(&method, &labelled("a"))).await.unwrap();
    assert_eq!(world.call(&method, request(&method, &labelled("a"))).await.unwrap(), first);
    let before = world.revision().await;
    let status = world.call(&method, request(&method, &labelled("b"))).await.unwrap_err();
    assert_eq!((status.code(), decode(&status).reason), (Code::InvalidArgument, Reason::RequestIdReused));
    assert_eq!(world.revision().await, before);
    world.stop().await;
}
