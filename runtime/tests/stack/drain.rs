//! The end of a process.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt;
use polder_core::reason::Reason;
use polder_runtime::config::Period;
use polder_runtime::process::Ended;
use polder_runtime::status::decode;
use polder_runtime::tasks::{Failure, Stuck};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Request};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::echo::{Echo, SERVICE, SOON, Served, Text, config, listen, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_finish_streams_end_and_nobody_new_comes_in() {
    let served = Served::with(config()).await;
    let address = served.running.addresses().grpc.unwrap();
    let mut health = HealthClient::new(served.remote.clone());
    let mut watch = health.watch(HealthCheckRequest { service: SERVICE.into() }).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
    let mut stream = listen(&served.remote, Request::new(Text::of("open"))).await.unwrap();
    stream.message().await.unwrap();

    let in_flight = async { say(&served.remote, Text::of("hang")).await.unwrap() };
    let stop = served.running.stop_token();
    let drain = async {
        served.echo.hanging(1).await;
        stop.cancel();
        assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::NotServing as i32);
        let status = stream.message().await.unwrap_err();
        assert_eq!((status.code(), decode(&status).reason), (Code::Unavailable, Reason::ShuttingDown));
        refused(address).await;
        served.echo.release();
    };
    let whole = async { tokio::join!(in_flight, drain, served.running.wait()) };
    let (answer, (), ended) = tokio::time::timeout(SOON, whole).await.unwrap();
    assert_eq!(answer.text, "hang");
    ended.unwrap();
}

async fn refused(address: std::net::SocketAddr) {
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_and_named() {
    let mut config = config();
    config.drain_timeout = Period(Duration::from_millis(1));
    let served = Served::with(config).await;
    let drain = async {
        served.echo.hanging(1).await;
        served.running.stop_token().cancel();
        served.running.wait().await
    };
    let (answer, ended) = tokio::join!(say(&served.remote, Text::of("hang")), drain);
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    assert!(matches!(ended, Err(Ended::Stuck(Stuck { tasks })) if tasks == ["connection"]));
}

#[tokio::test]
async fn a_lost_vital_task_ends_the_process() {
    let task = |_| async { Err::<(), Failure>("the socket is gone".into()) };
    let served = Served::start(config(), Echo::default(), |component| component.vital_task("udp", task)).await;
    let ended = tokio::time::timeout(SOON, served.running.wait()).await.unwrap();
    assert!(matches!(ended, Err(Ended::Lost(lost)) if lost.task == "udp" && lost.why == "the socket is gone"));
}

#[tokio::test]
async fn things_are_closed_in_order_after_the_tasks_have_ended() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = Arc::clone(&order);
        async move { order.lock().unwrap().push(what) }
    };
    let (task, ledger, store) = (note("task"), note("ledger"), note("store"));
    let served = Served::start(config(), Echo::default(), |component| {
        component.closing("ledger", ledger).closing("store", store).task("reconciler", |stop| async move {
            stop.cancelled().await;
            task.await;
        })
    })
    .await;
    served.running.stop_token().cancel();
    served.running.wait().await.unwrap();
    assert_eq!(*order.lock().unwrap(), ["task", "ledger", "store"]);
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_drain() {
    let served = Served::with(config()).await;
    let addresses = served.running.addresses();
    let _silent = [
        tokio::net::TcpStream::connect(addresses.grpc.unwrap()).await.unwrap(),
        tokio::net::TcpStream::connect(addresses.metrics.unwrap()).await.unwrap(),
    ];
    served.running.stop_token().cancel();
    tokio::time::timeout(Duration::from_secs(5), served.running.wait()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_page_that_streams_ends_with_the_process() {
    let page = async || {
        let lines = futures::stream::iter([Ok::<_, std::io::Error>("first\n")]).chain(futures::stream::pending());
        axum::body::Body::from_stream(lines)
    };
    let router = axum::Router::new().route("/events", axum::routing::get(page));
    let served = Served::start(config(), Echo::default(), |component| component.http(router)).await;
    let mut stream = tokio::net::TcpStream::connect(served.running.addresses().http.unwrap()).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"first\n\r\n") {
        stream.read_buf(&mut answer).await.unwrap();
    }
    served.running.stop_token().cancel();
    let (ended, rest) = tokio::join!(served.running.wait(), stream.read_to_end(&mut answer));
    ended.unwrap();
    rest.unwrap();
    assert!(answer.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
}
