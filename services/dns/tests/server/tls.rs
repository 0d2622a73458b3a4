//! DNS over TLS, asked by kdig.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use polder_dns::DnsConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::dig::ask_at;
use super::site::Site;

/// PEM files of an authority and of a server that it knows as `dns.test` and 127.0.0.1.
pub(crate) struct Files {
    pub(crate) authority: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = ["dns.test".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            authority: write("authority.pem", &authority_pem),
            cert: write("cert.pem", &cert.pem()),
            key: write("key.pem", &key.serialize_pem()),
        }
    }

    /// A server that answers over TLS too.
    pub(crate) fn config(&self) -> DnsConfig {
        DnsConfig {
            tls_listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            tls_cert_file: self.cert.clone(),
            tls_key_file: self.key.clone(),
            ..DnsConfig::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kdig_trusts_the_server_and_gets_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let (_store, site) = Site::shop_with(files.config()).await;
    let at = site.tls_addresses[0];
    let trust = format!("+tls-ca={} +tls-hostname=dns.test", files.authority.display());
    let answer = ask_at("kdig", at, &format!("{trust} web.shop.svc.cluster.local A"));
    assert!(answer.contains("172.28.0.2") && answer.contains("TLS session (TLS1.3)"), "{answer}");
    let whole = ask_at("kdig", at, &format!("{trust} crowd.shop.svc.cluster.local A"));
    assert!(whole.contains("ANSWER: 120"), "{whole}");
    let stranger = ask_at("kdig", at, "+tls-ca +tls-hostname=other.test web.shop.svc.cluster.local A");
    assert!(!stranger.contains("172.28.0.2"), "{stranger}");
    let plain = ask_at("kdig", at, "+tcp +retry=0 web.shop.svc.cluster.local A");
    assert!(!plain.contains("172.28.0.2"), "{plain}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_certificate_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = DnsConfig { tls_cert_file: folder.path().join("nothing"), ..Files::in_folder(folder.path()).config() };
    let process = polder_runtime::process::Process::new(super::site::PROGRAM, polder_runtime::config::ProcessConfig::default());
    let (_store, store) = polder_store::testing::embedded();
    let refused = polder_dns::build(&missing, store, &process.unwrap()).unwrap_err();
    assert!(refused.to_string().contains("nothing"), "{refused}");
}
