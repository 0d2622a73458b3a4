//! Processes that follow each other, all of them in this one.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::reason::{Reason, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::{Process, Program, Running, StartError};
use super::*;
use crate::component::Component;
use crate::config::ProcessConfig;

const PROGRAM: Program = Program { name: "polder-test", version: "0", descriptors: &[] };
/// Far more than anything here takes.
const AMPLE: Duration = Duration::from_secs(30);

fn handover(path: &Path, warm_up: Duration) -> Handover {
    Handover { path: path.to_owned(), warm_up }
}

/// When a process is ready.
#[derive(Default)]
struct Gate {
    ready: AtomicBool,
    /// It was asked whether it is: it has the sockets.
    asked: AtomicBool,
}

/// A process at `at` that is ready as soon as the gate says so, and says who it is.
async fn process(name: &'static str, at: SocketAddr, handover: Handover, gate: Arc<Gate>) -> Result<Running, StartError> {
    let config = ProcessConfig { http_listen: Some(at), ..ProcessConfig::default() };
    let process = Process::new(PROGRAM, config).unwrap();
    process.succeed(handover).await?;
    let not_ready = || Refusal::new(Reason::NotSynced, "It waits.");
    let check = move || {
        gate.asked.store(true, Ordering::SeqCst);
        if gate.ready.load(Ordering::SeqCst) { Ok(()) } else { Err(not_ready()) }
    };
    let page = axum::Router::new().route("/", axum::routing::get(move || async move { name }));
    process.start(vec![Component::new("test").http(page).ready_when(check)]).await
}

async fn ready(name: &'static str, at: SocketAddr, path: &Path) -> Running {
    let gate = Gate { ready: true.into(), ..Gate::default() };
    process(name, at, handover(path, AMPLE), Arc::new(gate)).await.unwrap()
}

/// Who answers.
async fn ask(at: SocketAddr) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().last().unwrap_or_default().to_owned()
}

async fn ended(running: Running) {
    tokio::time::timeout(AMPLE, running.wait()).await.unwrap().unwrap();
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[tokio::test(flavor = "multi_thread")]
async fn one_follows_the_other_at_the_same_ports() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    let mut running = ready("first", ANY, &path).await;
    let at = running.addresses().http.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for name in ["second", "third"] {
        let next = ready(name, at, &path).await;
        ended(running).await;
        assert_eq!(ask(at).await, name);
        running = next;
    }
    assert!(std::fs::metadata(&path).unwrap().file_type().is_socket());
    running.stop_token().cancel();
    ended(running).await;
    assert!(!path.exists(), "nobody listens at it");
    assert!(TcpStream::connect(at).await.is_err(), "copies are closed too");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_get_ready_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    let first = ready("first", ANY, &path).await;
    let at = first.addresses().http.unwrap();
    let refused = process("second", at, handover(&path, Duration::from_millis(50)), Arc::default()).await.unwrap_err();
    assert!(matches!(&refused, StartError::NotReady { why, .. } if why.contains("It waits.")), "{refused}");
    assert_eq!(ask(at).await, "first");
    let _third = ready("third", at, &path).await;
    ended(first).await;
    assert_eq!(ask(at).await, "third");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_loses_a_task_does_not_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    let first = ready("first", ANY, &path).await;
    let second = Process::new(PROGRAM, ProcessConfig::default()).unwrap();
    second.succeed(handover(&path, AMPLE)).await.unwrap();
    let never = || Err(Refusal::new(Reason::NotSynced, "It waits."));
    let component = Component::new("test").vital_task("short", |_| async { Ok(()) }).ready_when(never);
    let refused = second.start(vec![component]).await.unwrap_err();
    assert!(matches!(refused, StartError::Lost(_)), "{refused}");
    assert_eq!(ask(first.addresses().http.unwrap()).await, "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_nobody_is_ready_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    let first = ready("first", ANY, &path).await;
    let at = first.addresses().http.unwrap();
    let gate = Arc::new(Gate::default());
    let (mut second, mut asked) = (JoinSet::new(), JoinSet::new());
    second.spawn(process("second", at, handover(&path, AMPLE), Arc::clone(&gate)));
    let has_sockets = async {
        while !gate.asked.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE, has_sockets).await.unwrap();
    first.stop_token().cancel();
    ended(first).await;
    asked.spawn(ask(at));
    gate.ready.store(true, Ordering::SeqCst);
    let _second = second.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(asked.join_next().await.unwrap().unwrap(), "second");
    assert!(path.exists(), "it can be followed");
}

#[tokio::test]
async fn a_name_that_nobody_listens_at_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    drop(net::UnixListener::bind(&path).unwrap());
    let running = ready("first", ANY, &path).await;
    assert!(net::UnixStream::connect(&path).is_ok());
    drop(running);
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let refused = process("second", ANY, handover(&file, AMPLE), Arc::default()).await.unwrap_err().to_string();
    assert!(refused.contains("no socket"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let nowhere = handover(&folder.path().join("none/next"), AMPLE);
    assert!(process("third", ANY, nowhere, Arc::default()).await.unwrap_err().to_string().contains("none/next"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_something_else_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next");
    let first = ready("first", ANY, &path).await;
    let mut stranger = UnixStream::connect(&path).await.unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // It is closed with what was not read.
    assert!(stranger.read_u8().await.is_err());
    let at = first.addresses().http.unwrap();
    let _second = ready("second", at, &path).await;
    ended(first).await;
    assert_eq!(ask(at).await, "second");
}
