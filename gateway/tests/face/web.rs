//! gRPC-Web and gRPC at the gateway's port, and who may use them from a web page.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::stream;
use http::{Method, StatusCode};
use polder_gateway::Options;
use polder_proto::ipam::v1::namespace_service_client::NamespaceServiceClient;
use polder_proto::ipam::v1::{GetNamespaceRequest, GetNamespaceResponse, WatchNodesRequest, WatchNodesResponse};
use polder_runtime::link::Link;
use polder_runtime::status;
use prost::Message;
use tonic::Code;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::world::{Answer, World};

const GET_NAMESPACE: &str = "/polder.ipam.v1.NamespaceService/GetNamespace";
const TRAILERS: u8 = 0x80;

/// A message in the frame of gRPC-Web: a flag byte, the length, the bytes.
fn framed(message: &impl Message) -> Bytes {
    let encoded = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(encoded.len()).unwrap());
    frame.put_slice(&encoded);
    frame.freeze()
}

/// The messages of an answer, and its trailers as text.
fn unframed(mut body: Bytes) -> (Vec<Bytes>, String) {
    let (mut messages, mut trailers) = (Vec::new(), String::new());
    while body.has_remaining() {
        let flag = body.get_u8();
        let length = usize::try_from(body.get_u32()).unwrap();
        let frame = body.split_to(length);
        if flag == TRAILERS { trailers = String::from_utf8(frame.to_vec()).unwrap() } else { messages.push(frame) }
    }
    (messages, trailers)
}

async fn call(world: &World, path: &str, message: &impl Message) -> Answer {
    let request = world.request(Method::POST, path).header("content-type", "application/grpc-web+proto").header("x-grpc-web", "1");
    world.send(request, framed(message)).await
}

fn get(name: &str) -> GetNamespaceRequest {
    GetNamespaceRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_browser_can_call() {
    let world = World::new().await;
    let answer = call(&world, GET_NAMESPACE, &get("shop")).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/grpc-web+proto"));
    let (messages, trailers) = unframed(answer.body);
    let namespace = GetNamespaceResponse::decode(messages[0].clone()).unwrap().namespace.unwrap();
    assert_eq!(namespace.name, "shop");
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

#[tokio::test]
async fn a_browser_can_watch() {
    let world = World::new().await;
    let request = WatchNodesRequest { start_revision: 3, filter: String::new() };
    let (messages, trailers) = unframed(call(&world, "/polder.ipam.v1.NodeService/WatchNodes", &request).await.body);
    let revisions: Vec<_> = messages.into_iter().map(|message| WatchNodesResponse::decode(message).unwrap().revision).collect();
    assert_eq!((revisions.len(), revisions[0]), (2, 3));
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

#[tokio::test]
async fn a_browser_gets_the_details_of_a_refusal() {
    let world = World::new().await;
    let answer = call(&world, GET_NAMESPACE, &get("missing")).await;
    let (messages, trailers) = unframed(answer.body.clone());
    assert!(messages.is_empty());
    let status = format!("{trailers}{:?}", answer.headers);
    assert!(status.contains("grpc-status") && status.contains("grpc-status-details-bin"), "{status}");
    let unknown = call(&world, "/polder.ipam.v1.NamespaceService/Nonsense", &get("")).await;
    assert_eq!(unknown.header("grpc-status"), "12");
}

#[tokio::test]
async fn plain_grpc_passes() {
    let world = World::new().await;
    let link = Link::remote(&[format!("http://{}", world.http)], None).unwrap();
    let mut client = NamespaceServiceClient::new(link);
    let answer = client.get_namespace(get("shop")).await.unwrap().into_inner();
    assert_eq!(answer.namespace.unwrap().name, "shop");
    let refused = client.get_namespace(get("missing")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(status::decode(&refused).reason.as_str(), "NAMESPACE_NOT_FOUND");
}

#[tokio::test]
async fn reflection_lists_the_services_behind_the_gateway() {
    let world = World::new().await;
    let mut client = ServerReflectionClient::new(Link::remote(&[format!("http://{}", world.http)], None).unwrap());
    let ask = |message_request| ServerReflectionRequest { host: String::new(), message_request: Some(message_request) };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("polder.lb.v1.Service".to_owned())),
    ];
    let mut answers = client.server_reflection_info(stream::iter(questions)).await.unwrap().into_inner();
    let listed = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
    let names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    for service in ["polder.ipam.v1.PoolService", "polder.lb.v1.ServiceCatalogService", "polder.dns.v1.DnsService"] {
        assert!(names.iter().any(|name| name == service), "{names:?}");
    }
    let described = answers.message().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(described, MessageResponse::FileDescriptorResponse(_)), "{described:?}");
}

#[tokio::test]
async fn pages_of_other_hosts_are_refused_unless_allowed() {
    let console = "https://console.example";
    let world = World::with(&Options { allowed_origins: vec![console.to_owned()], ..Options::default() }).await;
    let from = async |origin: &str| {
        let request = world.request(Method::GET, "/v1/namespaces/shop").header("origin", origin);
        world.send(request, "").await
    };
    let own = from(&format!("http://{}", world.http)).await;
    assert_eq!((own.status, own.header("access-control-allow-origin")), (StatusCode::OK, ""));
    let allowed = from(console).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (StatusCode::OK, console));
    let other = from("https://evil.example").await;
    assert_eq!((other.status, other.reason().as_str()), (StatusCode::FORBIDDEN, "PERMISSION_DENIED"));

    let preflight = world
        .request(Method::OPTIONS, GET_NAMESPACE)
        .header("origin", console)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-grpc-web");
    let preflight = world.send(preflight, "").await;
    assert_eq!(preflight.header("access-control-allow-origin"), console);
    assert!(preflight.header("access-control-allow-headers").contains("x-grpc-web"));
}
