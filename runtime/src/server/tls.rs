//! TLS from PEM files, for both directions. Protocol versions are TLS 1.2 and 1.3, the cryptography is ring's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::listener::Security;
use crate::config::TlsConfig;

/// Where the system keeps the authorities that it trusts: PEM, as the package `ca-certificates` writes it.
pub const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate without its key, or the other way round.
    #[error("tls.cert_file and tls.key_file belong together: give both or none")]
    HalfAnIdentity,
    /// A file cannot be used.
    #[error("the PEM file {} cannot be used: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The files can be read but make no configuration.
    #[error("the TLS files do not fit together: {0}")]
    Unfit(String),
}

/// The server's side; `None` without a certificate.
pub(crate) fn server(config: &TlsConfig) -> Result<Option<Security>, TlsError> {
    let Some((cert, key)) = identity_files(config)? else {
        return Ok(None);
    };
    let clients = config.ca_file.as_deref().map(clients_signed_by).transpose()?;
    let mutual = clients.is_some();
    let acceptor = accepting((cert, key), clients, &[b"h2", b"http/1.1"])?;
    Ok(Some(Security { acceptor, mutual }))
}

/// The server's side of a protocol of its own, which asks clients for no certificate.
///
/// # Errors
/// [`TlsError`] for files that cannot be used.
pub fn acceptor(cert: &Path, key: &Path, protocol: &[u8]) -> Result<TlsAcceptor, TlsError> {
    accepting((cert, key), None, &[protocol])
}

fn accepting(
    (cert, key): (&Path, &Path),
    clients: Option<Arc<dyn ClientCertVerifier>>,
    protocols: &[&[u8]],
) -> Result<TlsAcceptor, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?;
    let mut server = builder.with_single_cert(certificates(cert)?, key).map_err(unfit)?;
    server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The client's side of a protocol of its own: trusts the authorities of the file, or without one those that the system trusts
/// ([`SYSTEM_AUTHORITIES`]).
///
/// # Errors
/// [`TlsError`] for a file that cannot be used.
pub fn connector(authorities: Option<&Path>, protocol: &[u8]) -> Result<TlsConnector, TlsError> {
    let roots = authorities.map_or_else(|| trusted(Path::new(SYSTEM_AUTHORITIES)), roots)?;
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsConnector::from(Arc::new(client)))
}

/// The client's side, for links; `None` without an authority to trust.
///
/// # Errors
/// [`TlsError`] for files that cannot be read.
pub fn client(config: &TlsConfig) -> Result<Option<ClientTlsConfig>, TlsError> {
    let Some(ca) = &config.ca_file else {
        return Ok(None);
    };
    let client = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
    Ok(Some(match identity_files(config)? {
        Some((cert, key)) => client.identity(Identity::from_pem(read(cert)?, read(key)?)),
        None => client,
    }))
}

fn identity_files(config: &TlsConfig) -> Result<Option<(&Path, &Path)>, TlsError> {
    match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(TlsError::HalfAnIdentity),
    }
}

fn clients_signed_by(ca: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), Arc::new(ring::default_provider()))
        .build()
        .map_err(|error| bad(ca, error))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| bad(path, error))?;
    }
    Ok(roots)
}

/// The authorities of a bundle that others keep: one that cannot be understood does not spoil the rest.
fn trusted(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates(path)?) {
        (0, ignored) => Err(bad(path, format!("none of its {ignored} certificates can be understood"))),
        _ => Ok(roots),
    }
}

fn unfit(error: rustls::Error) -> TlsError {
    TlsError::Unfit(error.to_string())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = read.map_err(|error| bad(path, error))?;
    if list.is_empty() { Err(bad(path, "it holds no certificate")) } else { Ok(list) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| bad(path, error))
}

fn bad(path: &Path, why: impl std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_of_others_is_used_as_far_as_it_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle");
        let told = |path: &Path| trusted(path).unwrap_err().to_string();
        assert!(told(&path).contains("bundle cannot be used"), "{}", told(&path));
        let key = rcgen::KeyPair::generate().unwrap();
        let good = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let strange = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        for (text, usable) in [("", false), (strange, false), (&good, true), (&format!("{strange}{good}"), true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(trusted(&path).is_ok(), usable, "{text}");
            assert_eq!(
                connector(Some(&path), b"dot").is_ok(),
                usable && text == good,
                "what an operator names has to be whole: {text}"
            );
        }
    }
}
