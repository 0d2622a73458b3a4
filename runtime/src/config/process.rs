//! The sections that every process shares.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Period;
use crate::telemetry::TelemetryConfig;

/// A whole configuration that has the shared sections in it, flattened into its top level.
pub trait Configured {
    /// The shared sections.
    fn process(&self) -> &ProcessConfig;
}

/// What every process can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// Where state lives: `embedded:PATH` or `etcd://host:2379,host:2379`.
    pub store: String,
    /// Where gRPC is served; nowhere when absent. Port 0 takes a free one.
    pub grpc_listen: Option<SocketAddr>,
    /// Where a process with pages or a REST face serves them; nowhere when absent.
    pub http_listen: Option<SocketAddr>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served; nowhere when absent.
    pub metrics_listen: Option<SocketAddr>,
    /// Written once everything serves, with the addresses that were bound, as JSON: for scripts that start a process.
    pub ready_file: Option<PathBuf>,
    /// Allows listening beyond loopback without TLS.
    pub insecure: bool,
    /// How long calls in flight may take to end after the process was asked to stop.
    pub drain_timeout: Period,
    /// Certificates; without them there is no TLS.
    pub tls: TlsConfig,
    /// Bounds on what a process takes on at once.
    pub limits: LimitsConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// PEM files for both directions: the server's side of incoming connections, the client's side of links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// The certificate chain of this process.
    pub cert_file: Option<PathBuf>,
    /// The private key that belongs to it.
    pub key_file: Option<PathBuf>,
    /// The authorities that peers must be signed by. A server that has it asks every client for a certificate.
    pub ca_file: Option<PathBuf>,
}

/// Bounds. What exceeds one is refused at once with `OVERLOADED`, or waits outside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// Calls whose handler runs.
    pub calls: usize,
    /// Calls whose answer has not ended, streams included.
    pub streams: usize,
    /// Open connections per listener.
    pub connections: usize,
    /// Bytes of one request message.
    pub message_bytes: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { calls: 1024, streams: 8192, connections: 4096, message_bytes: 4 << 20 }
    }
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            store: "embedded:./polder-data".to_owned(),
            grpc_listen: None,
            http_listen: None,
            metrics_listen: None,
            ready_file: None,
            insecure: false,
            drain_timeout: Period(Duration::from_secs(10)),
            tls: TlsConfig::default(),
            limits: LimitsConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl ProcessConfig {
    /// The defaults with gRPC on a loopback port.
    #[must_use]
    pub fn with_grpc(mut self, port: u16) -> Self {
        self.grpc_listen = Some(loopback(port));
        self
    }

    /// The same with pages on a loopback port.
    #[must_use]
    pub fn with_http(mut self, port: u16) -> Self {
        self.http_listen = Some(loopback(port));
        self
    }

    /// The same with metrics and probes on a loopback port.
    #[must_use]
    pub fn with_metrics(mut self, port: u16) -> Self {
        self.metrics_listen = Some(loopback(port));
        self
    }
}

impl Configured for ProcessConfig {
    fn process(&self) -> &ProcessConfig {
        self
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
