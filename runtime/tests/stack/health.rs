//! Health, reflection, metrics, and where a process may listen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::reason::{Reason, Refusal};
use polder_runtime::link::Link;
use polder_runtime::process::{Process, StartError};
use polder_runtime::server::BindError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use super::echo::{Echo, SERVICE, SOON, Served, Text, component, config, program, say};

/// An HTTP/1.1 GET: the status line and everything after it.
async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_follows_the_component_and_says_why_not() {
    let ready = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&ready);
    let check = move || match seen.load(Ordering::SeqCst) {
        true => Ok(()),
        false => Err(Refusal::new(Reason::StoreUnavailable, "etcd does not answer")),
    };
    let served = Served::start(config(), Echo::default(), |component| component.ready_when(check)).await;
    let metrics = served.running.addresses().metrics.unwrap();
    let mut watches = Vec::new();
    for service in ["", SERVICE] {
        let request = HealthCheckRequest { service: service.into() };
        let mut watch = HealthClient::new(served.remote.clone()).watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        watches.push(watch);
    }
    assert!(get(metrics, "/readyz").await.starts_with("HTTP/1.1 200"));

    ready.store(false, Ordering::SeqCst);
    for watch in &mut watches {
        let next = tokio::time::timeout(SOON, watch.message()).await.unwrap();
        assert_eq!(next.unwrap().unwrap().status, ServingStatus::NotServing as i32);
    }
    let answer = get(metrics, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("STORE_UNAVAILABLE") && answer.contains("etcd does not answer"), "{answer}");
    assert!(get(metrics, "/healthz").await.starts_with("HTTP/1.1 200"), "alive all the same");

    ready.store(true, Ordering::SeqCst);
    let next = tokio::time::timeout(SOON, watches[1].message()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().status, ServingStatus::Serving as i32);
}

#[tokio::test]
async fn health_of_a_service_that_is_not_here_is_not_found() {
    let served = Served::with(config()).await;
    let request = HealthCheckRequest { service: "polder.test.v1.AbsentService".into() };
    let status = HealthClient::new(served.remote.clone()).check(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

const SERVED: [&str; 4] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", SERVICE];

#[tokio::test]
async fn reflection_v1_lists_what_is_served_and_describes_it() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let served = Served::with(config()).await;
    let ask = |message| v1::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests =
        [ask(MessageRequest::ListServices(String::new())), ask(MessageRequest::FileContainingSymbol(SERVICE.to_owned()))];
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(served.remote.clone());
    let mut answers = client.server_reflection_info(futures::stream::iter(requests)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response else {
        panic!("no list");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, SERVED);
    let described = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(described, Some(MessageResponse::FileDescriptorResponse(file)) if !file.file_descriptor_proto.is_empty()));
}

#[tokio::test]
async fn reflection_v1alpha_lists_the_same() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let served = Served::with(config()).await;
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let requests = [v1alpha::ServerReflectionRequest { host: String::new(), message_request }];
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(served.remote.clone());
    let mut answers = client.server_reflection_info(futures::stream::iter(requests)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response else {
        panic!("no list");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, SERVED);
}

#[tokio::test]
async fn metrics_name_the_calls_and_no_others() {
    let served = Served::with(config()).await;
    say(&served.remote, Text::of("hello")).await.unwrap();
    say(&served.local, Text::of("refuse")).await.unwrap_err();
    let path = "/polder.test.v1.EchoService/Made-up-by-a-caller";
    super::echo::call(&served.remote, tonic::Request::new(Text::default()), path).await.unwrap_err();
    let text = get(served.running.addresses().metrics.unwrap(), "/metrics").await;
    let count = |method: &str, code: u8| {
        let (service, method) = if method == "unknown" { ("unknown", "unknown") } else { (SERVICE, method) };
        let labels = format!(r#"rpc_service="{service}",rpc_method="{method}",rpc_grpc_status_code="{code}""#);
        text.contains(&format!("rpc_server_duration_seconds_count{{{labels}}} 1"))
    };
    assert!(count("Say", 0) && count("Say", 5) && count("unknown", 12), "{text}");
    assert!(!text.contains("Made-up"), "{text}");
    assert!(text.contains(r#"polder_build_info{process="polder-test",version="0.0.1"} 1"#), "{text}");
}

#[tokio::test]
async fn pages_are_served_where_the_component_has_them() {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "a page" }));
    let served = Served::start(config(), Echo::default(), |component| component.http(router)).await;
    let answer = get(served.running.addresses().http.unwrap(), "/").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("a page"), "{answer}");
    assert_eq!(Served::with(config()).await.running.addresses().http, None, "no pages, no port");
}

#[tokio::test]
async fn beyond_loopback_a_process_listens_only_with_tls_or_on_explicit_word() {
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    for listener in ["grpc", "metrics"] {
        let mut config = config();
        let address = if listener == "grpc" { &mut config.grpc_listen } else { &mut config.metrics_listen };
        *address = Some(everywhere);
        let start = |config| Process::new(program(), config).unwrap().start(vec![component(&Echo::default())]);
        let error = start(config.clone()).await.unwrap_err();
        assert!(matches!(error, StartError::Bind(BindError::NotSecured { address }) if address == everywhere), "{error}");
        config.insecure = true;
        start(config).await.unwrap();
    }
}

#[tokio::test]
async fn one_service_twice_is_refused() {
    let process = Process::new(program(), config()).unwrap();
    let twice = vec![component(&Echo::default()), component(&Echo::default())];
    assert!(matches!(process.start(twice).await, Err(StartError::Twice(SERVICE))));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = Served::with(config()).await;
    let mut config = config();
    config.grpc_listen = served.running.addresses().grpc;
    let error = Process::new(program(), config).unwrap().start(vec![]).await.unwrap_err();
    assert!(error.to_string().contains(&served.running.addresses().grpc.unwrap().to_string()), "{error}");
    // The first one is not disturbed.
    let link: Link = served.remote;
    say(&link, Text::of("hello")).await.unwrap();
}
