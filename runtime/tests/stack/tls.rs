//! TLS on listeners and links.

use std::path::PathBuf;

use polder_core::reason::Reason;
use polder_runtime::config::{ProcessConfig, TlsConfig};
use polder_runtime::link::Link;
use polder_runtime::server::tls;
use polder_runtime::status::decode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::echo::{Served, Text, config, say};

/// An authority and what it has signed, as files.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    fn sign(&self, name: &str) -> TlsConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        std::fs::write(cert_file.as_ref().unwrap(), certificate.pem()).unwrap();
        std::fs::write(key_file.as_ref().unwrap(), key.serialize_pem()).unwrap();
        TlsConfig { cert_file, key_file, ca_file: self.file("ca.pem") }
    }
}

fn link(served: &Served, config: &TlsConfig) -> Link {
    let uri = format!("https://{}", served.running.addresses().grpc.unwrap());
    Link::remote(&[uri], tls::client(config).unwrap().as_ref()).unwrap()
}

#[tokio::test]
async fn only_peers_of_the_same_authority_talk() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let served = Served::with(ProcessConfig { tls: ours.sign("server"), ..config() }).await;
    let good = link(&served, &ours.sign("client"));
    assert_eq!(say(&good, Text::of("hello")).await.unwrap().text, "hello");

    let nameless = TlsConfig { ca_file: ours.file("ca.pem"), ..TlsConfig::default() };
    let foreign = TlsConfig { ca_file: ours.file("ca.pem"), ..theirs.sign("client") };
    let fooled = TlsConfig { ca_file: theirs.file("ca.pem"), ..ours.sign("client") };
    for config in [nameless, foreign, fooled] {
        let status = say(&link(&served, &config), Text::of("hello")).await.unwrap_err();
        assert_eq!(decode(&status).reason, Reason::PeerUnavailable, "{status}");
    }
    let plain = say(&served.remote, Text::of("in the clear")).await.unwrap_err();
    assert_eq!(decode(&plain).reason, Reason::PeerUnavailable, "{plain}");
}

#[tokio::test]
async fn with_tls_a_process_may_listen_everywhere() {
    let authority = Authority::new();
    let mut config = ProcessConfig { tls: authority.sign("server"), ..config() };
    config.grpc_listen = Some("0.0.0.0:0".parse().unwrap());
    let served = Served::with(config).await;
    let port = served.running.addresses().grpc.unwrap().port();
    let tls = tls::client(&authority.sign("client")).unwrap();
    let link = Link::remote(&[format!("https://127.0.0.1:{port}")], tls.as_ref()).unwrap();
    say(&link, Text::of("hello")).await.unwrap();
}

#[test]
fn half_an_identity_and_missing_files_are_refused_by_name() {
    let half = TlsConfig { ca_file: Some("/nowhere/ca.pem".into()), ..TlsConfig::default() };
    assert!(tls::client(&half).unwrap_err().to_string().contains("/nowhere/ca.pem"));
    let authority = Authority::new();
    let half = TlsConfig { key_file: None, ..authority.sign("half") };
    assert!(tls::client(&half).unwrap_err().to_string().contains("belong together"));
}
