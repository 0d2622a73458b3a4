//! Servers that other people wrote as upstreams: Unbound over TLS and by UDP, Knot with cookies.

use std::fs::{File, read_to_string, write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use polder_dns::DnsConfig;
use polder_proto::dns::v1::{AnswerSource, ResolverSettings, StubDomain};
use tokio::time::{Instant, sleep};

use super::super::dig::ask_at;
use super::super::site::{Site, own_address};
use super::super::tls::Files;
use super::{resolve, set};

/// Below the ports that are given to whoever asks for a free one.
const PORT: u16 = 10_054;
const TLS_PORT: u16 = 10_854;

/// A server; it ends with the test.
struct Program {
    process: Child,
    address: Ipv4Addr,
    folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Program {
    /// Starts it, and waits until it answers for `www.corp.example`.
    async fn start(name: &str, arguments: &[&str], last: u8, config: impl FnOnce(&Path, Ipv4Addr) -> String) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), own_address(last));
        let file = folder.path().join("config");
        write(&file, config(folder.path(), address)).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(name);
        command.args(arguments).arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| panic!("{name} is needed for this test: {error}"));
        let this = Self { process, address, folder };
        let until = Instant::now() + Duration::from_secs(30);
        while !ask_at("dig", (address, PORT).into(), "+short www.corp.example A").contains("10.9.9.9") {
            assert!(Instant::now() < until, "{name} does not answer: {}", this.log());
            sleep(Duration::from_millis(20)).await;
        }
        this
    }

    fn log(&self) -> String {
        read_to_string(self.folder.path().join("log")).unwrap()
    }
}

/// Asks for names of this domain, once each.
fn stub(domain: &str, upstream: String) -> ResolverSettings {
    let stub = StubDomain { domain: domain.to_owned(), upstreams: vec![upstream] };
    ResolverSettings { stub_domains: vec![stub], tries: Some(1), timeout_milliseconds: Some(5000), ..ResolverSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn unbound_answers_over_tls_and_by_udp() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let unbound = Program::start("unbound", &["-d"], 54, |folder, address| {
        format!(
            "server:\n  chroot: \"\"\n  username: \"\"\n  directory: \"{}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  \
             interface: {address}@{PORT}\n  interface: {address}@{TLS_PORT}\n  tls-port: {TLS_PORT}\n  \
             tls-service-pem: \"{}\"\n  tls-service-key: \"{}\"\n  access-control: 127.0.0.0/8 allow\n  \
             local-zone: \"corp.example.\" static\n  local-data: \"www.corp.example. 60 IN A 10.9.9.9\"\n\
             remote-control:\n  control-enable: no\n",
            folder.display(),
            files.cert.display(),
            files.key.display(),
        )
    });
    let unbound = unbound.await;
    let config = DnsConfig { upstream_ca_file: files.authority.clone(), ..DnsConfig::default() };
    let (_store, site) = Site::shop_with(config).await;
    for upstream in [format!("tls://{}:{TLS_PORT}#dns.test", unbound.address), format!("{}:{PORT}", unbound.address)] {
        set(&site, stub("corp.example", upstream.clone())).await;
        for (name, rcode) in [("www.corp.example", "NOERROR"), ("WWW.corp.example", "NOERROR"), ("gone.corp.example", "NXDOMAIN")] {
            let answer = resolve(&site, name).await.unwrap();
            assert_eq!(answer.rcode, rcode, "{name} of {upstream}: {}", unbound.log());
            assert_eq!(answer.answered_by, upstream);
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn knot_is_shown_its_cookie() {
    let knot = Program::start("knotd", &[], 55, |folder, address| {
        let zone = "$ORIGIN corp.example.\n@ 60 SOA ns it 1 60 60 60 60\n@ 60 NS ns\nns 60 A 10.9.9.1\nwww 60 A 10.9.9.9\n";
        write(folder.join("zone"), zone).unwrap();
        let at = folder.display();
        format!(
            "server:\n    listen: {address}@{PORT}\n    rundir: \"{at}\"\ndatabase:\n    storage: \"{at}\"\n\
             log:\n  - target: stderr\n    any: warning\nmod-cookies:\n  - id: all\n    badcookie-slip: 1\n\
             template:\n  - id: default\n    global-module: mod-cookies/all\n\
             zone:\n  - domain: corp.example\n    file: \"{at}/zone\"\n"
        )
    });
    let knot = knot.await;
    let at = (knot.address, PORT).into();
    let told = ask_at("dig", at, "+cookie +nobadcookie www.corp.example A");
    assert!(told.contains("BADCOOKIE"), "{told}");
    let (_store, site) = Site::shop().await;
    set(&site, stub("corp.example", at.to_string())).await;
    let answer = resolve(&site, "www.corp.example").await.unwrap();
    assert_eq!((answer.rcode.as_str(), answer.source()), ("NOERROR", AnswerSource::Upstream), "{}", knot.log());
    assert_eq!(answer.answers[0].data, "10.9.9.9");
    site.stop().await;
}
