//! Upstreams over TLS: a made-up one on loopback that shuffles its answers and cuts connections, and another server of ours.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use hickory_proto::op::Message;
use polder_dns::DnsConfig;
use polder_proto::dns::v1::{AnswerSource, ResolverSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::dig::{ask, short};
use super::super::site::Site;
use super::super::tls::Files;
use super::upstream::{honest, label};
use super::{metric, resolve, set};

/// So many questions that begin with `many` are answered together, the last one first.
const MANY: usize = 40;

/// See the module. It ends with the value.
struct Secret {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serves: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// What it was asked, except for probes, with the number of the connection.
    asked: Mutex<Vec<(String, usize)>>,
    /// Connections whose handshake it saw the end of.
    connections: AtomicUsize,
    /// Cuts all connections when it changes.
    cuts: watch::Sender<usize>,
}

impl Secret {
    async fn start(files: &Files) -> Self {
        let acceptor = polder_runtime::server::tls::acceptor(&files.cert, &files.key, b"dot").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let (mut serves, of_all) = (JoinSet::new(), Arc::clone(&shared));
        serves.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&of_all));
                connections.spawn(async move {
                    let mut cuts = shared.cuts.subscribe();
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let nth = shared.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        _ = shared.talk(stream, nth) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, shared, _serves: serves }
    }

    /// As it is written in the settings, with this behind it.
    fn text(&self, name: &str) -> String {
        format!("tls://{}{name}", self.address)
    }

    /// On which connections it was asked for a name.
    fn asked(&self, name: &str) -> Vec<usize> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|(other, _)| other == name).map(|(_, nth)| *nth).collect()
    }
}

impl Shared {
    async fn talk(&self, mut stream: tokio_rustls::server::TlsStream<TcpStream>, nth: usize) -> std::io::Result<()> {
        let mut many = Vec::new();
        loop {
            let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut bytes).await?;
            let query = Message::from_vec(&bytes).unwrap();
            assert!(bytes.len().is_multiple_of(128), "a query of {} bytes is not padded", bytes.len());
            let name = query.queries[0].name().to_string();
            let is_first = {
                let mut asked = self.asked.lock().unwrap();
                let is_first = asked.iter().all(|(other, _)| *other != name);
                asked.push((name, nth));
                is_first
            };
            many.push(honest(&query).to_vec().unwrap());
            match label(&query).as_str() {
                "many" if many.len() < MANY => continue,
                "cut" if is_first => return Ok(()),
                "mute" if is_first => std::future::pending().await,
                _ => {}
            }
            for answer in many.drain(..).rev() {
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await?;
                stream.write_all(&answer).await?;
            }
            stream.flush().await?;
        }
    }
}

/// One try only: what is answered was answered in it.
fn once(upstream: String) -> ResolverSettings {
    let (tries, timeout_milliseconds) = (Some(1), Some(5000));
    ResolverSettings { upstreams: vec![upstream], tries, timeout_milliseconds, ..ResolverSettings::default() }
}

/// The shop with an upstream that the authority of its settings certifies.
async fn shop() -> (tempfile::TempDir, Files, Secret, tempfile::TempDir, Site) {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let secret = Secret::start(&files).await;
    let config = DnsConfig { upstream_ca_file: files.authority.clone(), ..DnsConfig::default() };
    let (store, site) = Site::shop_with(config).await;
    (folder, files, secret, store, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_asked_over_tls_and_shown_so() {
    let (_folder, _files, secret, _store, site) = shop().await;
    for upstream in [secret.text("#dns.test"), secret.text("")] {
        set(&site, once(upstream.clone())).await;
        let answer = resolve(&site, "www.example.com").await.unwrap();
        assert_eq!((answer.source(), answer.answered_by.as_str()), (AnswerSource::Upstream, upstream.as_str()));
        assert_eq!(answer.answers[0].data, "192.0.2.1");
        assert_eq!(short(&site, "big.example.com A").len(), 200);
        let label = format!(r#"{{to="{upstream}",rcode="NOERROR"}}"#);
        assert!(metric(&site, &format!("polder_dns_forward_responses_total{label}")) >= 2, "{}", site.metrics());
    }
    assert_eq!(secret.asked("www.example.com.").len(), 2);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_certified_for_another_name_or_by_somebody_else_is_asked_nothing() {
    let (_folder, _files, secret, _store, site) = shop().await;
    for name in ["#other.test", "#test"] {
        let upstream = secret.text(name);
        set(&site, once(upstream.clone())).await;
        assert!(ask("dig", &site, "www.example.com A").contains("SERVFAIL"));
        assert!(metric(&site, &format!(r#"polder_dns_forward_healthcheck_failures_total{{to="{upstream}"}}"#)) >= 1);
    }
    site.stop().await;
    // The authority of another folder, and those of the system, where there are any.
    let elsewhere = tempfile::tempdir().unwrap();
    for authorities in [Files::in_folder(elsewhere.path()).authority, std::path::PathBuf::new()] {
        let config = DnsConfig { upstream_ca_file: authorities, ..DnsConfig::default() };
        let (_store, site) = Site::shop_with(config).await;
        set(&site, once(secret.text("#dns.test"))).await;
        assert!(ask("dig", &site, "www.example.com A").contains("SERVFAIL"));
        site.stop().await;
    }
    assert_eq!((secret.asked("www.example.com."), secret.shared.connections.load(Ordering::SeqCst)), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_costs_no_try() {
    let (_folder, _files, secret, _store, site) = shop().await;
    set(&site, once(secret.text("#dns.test"))).await;
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    let first = secret.asked("www.example.com.");
    // Between two questions.
    secret.shared.cuts.send_modify(|cuts| *cuts += 1);
    assert_eq!(short(&site, "a-1.example.com A"), ["192.0.2.1"]);
    assert_ne!(secret.asked("a-1.example.com."), first);
    // With a question on it.
    assert_eq!(short(&site, "cut.example.com A"), ["192.0.2.1"]);
    let asked = secret.asked("cut.example.com.");
    assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
    assert_eq!(short(&site, "a-2.example.com A"), ["192.0.2.1"]);
    assert_eq!(secret.asked("a-2.example.com."), asked[1..], "the new one is kept");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_nothing_comes_is_left() {
    let (_folder, _files, secret, _store, site) = shop().await;
    let twice = ResolverSettings { tries: Some(2), timeout_milliseconds: Some(2000), ..once(secret.text("#dns.test")) };
    set(&site, twice).await;
    assert_eq!(short(&site, "www.example.com A"), ["192.0.2.1"]);
    assert_eq!(short(&site, "mute.example.com A"), ["192.0.2.1"]);
    let asked = secret.asked("mute.example.com.");
    assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_share_a_connection_in_any_order() {
    let (_folder, _files, secret, _store, site) = shop().await;
    set(&site, once(secret.text("#dns.test"))).await;
    let names: Vec<String> = (0..MANY).map(|nth| format!("many-{nth}.example.com")).collect();
    let answers = join_all(names.iter().map(|name| resolve(&site, name))).await;
    for (name, answer) in names.iter().zip(answers) {
        let answers = answer.unwrap().answers;
        assert_eq!((answers[0].name.trim_end_matches('.'), answers[0].data.as_str()), (name.as_str(), "192.0.2.1"));
    }
    let mut connections: Vec<usize> = names.iter().flat_map(|name| secret.asked(&format!("{name}."))).collect();
    connections.dedup();
    assert_eq!(connections.len(), 1, "{connections:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_of_ours_is_asked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let (_other_store, other) = Site::shop_with(files.config()).await;
    let config = DnsConfig { domain: "inner.test".to_owned(), upstream_ca_file: files.authority.clone(), ..DnsConfig::default() };
    let (_store, site) = Site::shop_with(config).await;
    let upstreams = vec![format!("tls://{}#dns.test", other.tls_addresses[0])];
    let mut client = site.client().await;
    let settings = Some(ResolverSettings { upstreams, ..ResolverSettings::default() });
    let request = polder_proto::dns::v1::UpdateResolverSettingsRequest { settings, ..Default::default() };
    client.update_resolver_settings(request).await.unwrap();
    let asked = || ask("dig", &site, "web.shop.svc.cluster.local A");
    let mut answer = asked();
    while answer.contains("REFUSED") {
        answer = asked();
    }
    assert!(answer.contains("172.28.0.2") && answer.contains("flags: qr rd ra;"), "{answer}");
    assert_eq!(short(&site, "crowd.shop.svc.cluster.local A").len(), 120);
    site.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_authorities_does_not_start() {
    let config = DnsConfig { upstream_ca_file: "/nothing/authorities".into(), ..DnsConfig::default() };
    let process =
        polder_runtime::process::Process::new(super::super::site::PROGRAM, polder_runtime::config::ProcessConfig::default());
    let (_store, store) = polder_store::testing::embedded();
    let refused = polder_dns::build(&config, store, &process.unwrap()).unwrap_err();
    assert!(refused.to_string().contains("/nothing/authorities"), "{refused}");
}
