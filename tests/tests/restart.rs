//! A name server is restarted while it is asked: no question is lost, and none has to be asked twice.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "restart/asker.rs"]
mod asker;

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use polder_proto::dns::v1::dns_service_client::DnsServiceClient;
use polder_proto::dns::v1::{GetResolverSettingsRequest, ResolverSettings, UpdateResolverSettingsRequest, WaitForRevisionRequest};
use polder_store::testing::Etcd;
use polder_tests::process::binary;
use polder_tests::{Process, eventually};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use asker::{ADDRESS, Asker, NAME, connection, framed, query, receive, receive_framed, socket};

/// Nobody listens there.
const NO_STORE: &str = "etcd://127.0.0.1:1";

/// Name servers on one store that follow each other.
struct Line {
    etcd: Etcd,
    runtime: Runtime,
    folder: TempDir,
}

impl Line {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        Self { etcd: runtime.block_on(Etcd::start()), runtime, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("next.sock")
    }

    fn environment<'a>(warm_up: &'a str, path: &'a str) -> [(&'a str, &'a str); 5] {
        [
            ("POLDER_DNS_SERVERS", "172.28.0.10"),
            ("POLDER_DNS_HANDOVER_PATH", path),
            ("POLDER_DNS_HANDOVER_WARM_UP", warm_up),
            ("POLDER_DNS_WORKERS", "3"),
            ("POLDER_DRAIN_TIMEOUT", "40s"),
        ]
    }

    /// A server at free ports, or at those of the one before.
    fn server(&self, label: &str, before: Option<&Process>, store: &str) -> Process {
        let path = self.path().display().to_string();
        Process::start_with(self.folder.path(), label, "polder-dns", &arguments(before, store), &Self::environment("60s", &path))
    }

    /// The first one, once it has read the store: nobody answered before it.
    fn first(&self) -> Process {
        let server = self.server("first", None, &self.etcd.url());
        let client = socket(&server.address("dns"));
        eventually("it has read the store", || {
            client.send(&query(1, NAME)).unwrap();
            if receive(&client, 1) == (0, ADDRESS) { Ok(()) } else { Err(server.log()) }
        });
        server
    }

    /// A server that wants to follow `before`, of which nothing else is known yet.
    fn follower(&self, before: &Process, store: &str, warm_up: &str) -> Child {
        let path = self.path().display().to_string();
        let mut command = Command::new(binary("polder-dns"));
        command.args(arguments(Some(before), store)).envs(Self::environment(warm_up, &path));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn arguments(before: Option<&Process>, store: &str) -> Vec<String> {
    let at = |kind: &str| before.map_or_else(|| "127.0.0.1:0".to_owned(), |before| before.address(kind));
    let [grpc, metrics, dns] = ["grpc", "metrics", "dns"].map(at);
    ["--store", store, "--grpc-listen", &grpc, "--metrics-listen", &metrics, "--dns-listen", &dns].map(str::to_owned).to_vec()
}

/// Waits until a server has said so.
fn says(server: &Process, text: &str) {
    eventually(text, || if server.log().contains(text) { Ok(()) } else { Err(server.log()) });
}

#[test]
fn servers_follow_each_other_and_no_question_is_lost() {
    let line = Line::new();
    let mut server = line.first();
    let asker = Asker::start(&server.address("dns"), rand::random());
    asker.goes_on();
    for label in ["second", "third", "fourth"] {
        let next = line.server(label, Some(&server), &line.etcd.url());
        assert_eq!(server.ended(), Some(0), "it ends by itself:\n{}", server.log());
        assert_eq!(next.address("dns"), server.address("dns"));
        let settings = line.runtime.block_on(async {
            let mut client = client(&next).await;
            client.get_resolver_settings(GetResolverSettingsRequest::default()).await
        });
        assert!(settings.is_ok(), "{settings:?}");
        asker.goes_on();
        server = next;
    }
    asker.finish();
}

#[test]
fn one_that_cannot_get_ready_or_dies_changes_nothing() {
    let line = Line::new();
    let mut server = line.first();
    let asker = Asker::start(&server.address("dns"), rand::random());
    let given_up = line.follower(&server, NO_STORE, "300ms").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&given_up.stderr);
    assert!(!given_up.status.success() && said.contains("not ready after 300ms"), "{said}");
    says(&server, "the process that asked for the sockets has given up");
    asker.goes_on();

    let mut dies = line.follower(&server, NO_STORE, "60s");
    eventually("it has the sockets", || {
        let handed = server.log().matches("another process has copies of the sockets").count();
        if handed == 2 { Ok(()) } else { Err(server.log()) }
    });
    dies.kill().unwrap();
    dies.wait().unwrap();
    asker.goes_on();

    let next = line.server("next", Some(&server), &line.etcd.url());
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    asker.goes_on();
    asker.finish();
    drop(next);
}

#[test]
fn what_is_asked_after_the_old_one_died_in_the_middle_is_answered_by_the_next_one() {
    let mut line = Line::new();
    let mut server = line.first();
    let at = server.address("dns");
    line.etcd.stop();
    let mut next = line.follower(&server, &line.etcd.url(), "60s");
    says(&server, "another process has copies of the sockets");
    server.kill();
    let (client, mut stream) = (socket(&at), connection(&at));
    client.send(&query(7, NAME)).unwrap();
    std::io::Write::write_all(&mut stream, &framed(&query(8, NAME))).unwrap();
    line.runtime.block_on(line.etcd.restart());
    assert_eq!(receive(&client, 7), (0, ADDRESS));
    assert_eq!(receive_framed(&mut stream, 8), (0, ADDRESS));
    next.kill().unwrap();
    next.wait().unwrap();
}

/// The sockets of a service manager, at the same port.
fn manager() -> (UdpSocket, TcpListener) {
    eventually("a port is free for both", || {
        let udp = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let tcp = udp.local_addr().and_then(TcpListener::bind).map_err(|error| error.to_string())?;
        Ok((udp, tcp))
    })
}

#[test]
fn what_is_asked_while_no_process_runs_waits_in_sockets_that_the_manager_has() {
    let line = Line::new();
    let (udp, tcp) = manager();
    let at = udp.local_addr().unwrap().to_string();
    let arguments = |dns: &str| {
        let (store, any) = (line.etcd.url(), "127.0.0.1:0");
        ["--store", &store, "--grpc-listen", any, "--metrics-listen", any, "--dns-listen", dns].map(str::to_owned).to_vec()
    };
    let start = |label: &str| {
        let sockets = (udp.try_clone().unwrap().into(), tcp.try_clone().unwrap().into());
        let environment = [("POLDER_DNS_SERVERS", "172.28.0.10"), ("POLDER_DNS_WORKERS", "3")];
        Process::start_with_sockets((line.folder.path(), label), ("polder-dns", &arguments(&at)), &environment, sockets)
    };
    let mut server = start("first");
    let asker = Asker::start(&at, rand::random());
    asker.goes_on();
    asker.finish();
    for label in ["second", "third"] {
        server.kill();
        let clients: Vec<UdpSocket> = (0..20).map(|_| socket(&at)).collect();
        clients.iter().zip(0..).for_each(|(client, id)| _ = client.send(&query(id, NAME)).unwrap());
        let mut stream = connection(&at);
        std::io::Write::write_all(&mut stream, &framed(&query(8, NAME))).unwrap();
        server = start(label);
        clients.iter().zip(0..).for_each(|(client, id)| assert_eq!(receive(client, id), (0, ADDRESS)));
        assert_eq!(receive_framed(&mut stream, 8), (0, ADDRESS));
    }
    drop(server);

    // Nothing is served where they listen: what comes there would wait for ever.
    let elsewhere = Command::new("sh")
        .args(["-c", r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@""#, "sh"])
        .arg(binary("polder-dns"))
        .args(arguments("127.0.0.1:0"))
        .stdin(std::os::fd::OwnedFd::from(udp.try_clone().unwrap()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(!elsewhere.status.success() && said.contains(&format!("UDP {at} (file descriptor 3)")), "{said}");
}

/// Asks a server at its gRPC address.
async fn client(server: &Process) -> DnsServiceClient<Channel> {
    DnsServiceClient::connect(format!("http://{}", server.address("grpc"))).await.unwrap()
}

/// Tells the cluster's servers whom to ask, and waits until this one knows.
async fn ask_outside(server: &Process, upstream: &str) {
    let mut client = client(server).await;
    let settings =
        ResolverSettings { upstreams: vec![upstream.to_owned()], timeout_milliseconds: Some(5000), ..ResolverSettings::default() };
    let request = UpdateResolverSettingsRequest { settings: Some(settings), ..UpdateResolverSettingsRequest::default() };
    let revision = client.update_resolver_settings(request).await.unwrap().into_inner().revision;
    client.wait_for_revision(WaitForRevisionRequest { revision, ..WaitForRevisionRequest::default() }).await.unwrap();
}

/// The next question for the name; all others are refused, so that nobody waits.
fn question(upstream: &UdpSocket, name: &str) -> (Vec<u8>, std::net::SocketAddr) {
    let wanted = &query(0, name)[12..];
    let mut buffer = [0; 1024];
    loop {
        let (length, from) = upstream.recv_from(&mut buffer).unwrap();
        let mut message = buffer[..length].to_vec();
        if message.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted)) {
            return (message, from);
        }
        (message[2], message[3]) = (0x80, 5);
        upstream.send_to(&message, from).unwrap();
    }
}

#[test]
fn a_question_that_others_are_asked_is_answered_by_the_server_that_took_it() {
    const OUTSIDE: &str = "www.example.com";
    let line = Line::new();
    let mut server = line.first();
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(polder_tests::wait::PATIENCE)).unwrap();
    line.runtime.block_on(ask_outside(&server, &upstream.local_addr().unwrap().to_string()));
    let client = socket(&server.address("dns"));
    // The server may look at its settings a moment after it has them: until then it refuses.
    let (asked, from) = std::thread::scope(|scope| {
        let asks = scope.spawn(|| question(&upstream, OUTSIDE));
        eventually("the question goes outside", || {
            if asks.is_finished() {
                return Ok(());
            }
            client.send(&query(7, OUTSIDE)).unwrap();
            Err("it does not arrive".to_owned())
        });
        asks.join().unwrap()
    });
    let next = line.server("next", Some(&server), &line.etcd.url());
    let mut answer = asked;
    (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
    let end = 12 + query(0, OUTSIDE).len() - 12;
    answer.truncate(end);
    answer[10..12].copy_from_slice(&[0, 0]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    upstream.send_to(&answer, from).unwrap();
    loop {
        // Refusals from before it was asked outside.
        let (rcode, address) = receive(&client, 7);
        if rcode == 0 {
            assert_eq!(address, [192, 0, 2, 7]);
            break;
        }
    }
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    drop(next);
}
