//! The flags that every process shares.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Override, Period};

/// Flags for the shared sections. Each is also an environment variable, `POLDER_` and the flag's name in upper case.
#[derive(Debug, Clone, Default, Args)]
pub struct ProcessFlags {
    /// Read this TOML file [env: POLDER_CONFIG]
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub config: Option<PathBuf>,
    /// Print the effective configuration as TOML and exit
    #[arg(long, help_heading = "Process")]
    pub dump_config: bool,
    /// Where state lives: embedded:PATH or etcd://HOST:PORT,... [env: POLDER_STORE]
    #[arg(long, value_name = "URL", help_heading = "Process")]
    pub store: Option<String>,
    /// Serve gRPC here; port 0 takes a free one [env: POLDER_GRPC_LISTEN]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Process")]
    pub grpc_listen: Option<SocketAddr>,
    /// Serve pages and REST here, where the program has them [env: POLDER_HTTP_LISTEN]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Process")]
    pub http_listen: Option<SocketAddr>,
    /// Serve /metrics, /healthz and /readyz here [env: POLDER_METRICS_LISTEN]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Process")]
    pub metrics_listen: Option<SocketAddr>,
    /// Write the addresses that were bound into this file, as JSON, once everything serves [env: POLDER_READY_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub ready_file: Option<PathBuf>,
    /// Allow listening beyond loopback without TLS [env: POLDER_INSECURE]
    #[arg(long, help_heading = "Process")]
    pub insecure: bool,
    /// How long calls in flight may take to end at shutdown [env: POLDER_DRAIN_TIMEOUT]
    #[arg(long, value_name = "TIME", help_heading = "Process")]
    pub drain_timeout: Option<Period>,
    /// Log lines for people or as JSON: human, json [env: POLDER_TELEMETRY_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT", help_heading = "Process")]
    pub log_format: Option<String>,
    /// What to log: info, polder_ipam=debug,info [env: POLDER_TELEMETRY_LOG_FILTER]
    #[arg(long, value_name = "FILTER", help_heading = "Process")]
    pub log_filter: Option<String>,
    /// Send traces here with OTLP over gRPC [env: POLDER_TELEMETRY_OTLP_ENDPOINT]
    #[arg(long, value_name = "URL", help_heading = "Process")]
    pub otlp_endpoint: Option<String>,
    /// Set any key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = "Process")]
    pub set: Vec<(String, String)>,
}

impl ProcessFlags {
    /// What the flags set; `--set` comes last and wins.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let mut list = Vec::new();
        let mut add = |key: &str, flag: &str, value: Option<String>| {
            list.extend(value.map(|value| Override::new(key, value, flag)));
        };
        add("store", "--store", self.store.clone());
        add("grpc_listen", "--grpc-listen", self.grpc_listen.map(|address| address.to_string()));
        add("http_listen", "--http-listen", self.http_listen.map(|address| address.to_string()));
        add("metrics_listen", "--metrics-listen", self.metrics_listen.map(|address| address.to_string()));
        add("ready_file", "--ready-file", self.ready_file.as_ref().map(|path| path.display().to_string()));
        add("insecure", "--insecure", self.insecure.then(|| "true".to_owned()));
        add("drain_timeout", "--drain-timeout", self.drain_timeout.map(|period| period.to_string()));
        add("telemetry.log_format", "--log-format", self.log_format.clone());
        add("telemetry.log_filter", "--log-filter", self.log_filter.clone());
        add("telemetry.otlp_endpoint", "--otlp-endpoint", self.otlp_endpoint.clone());
        for (key, value) in &self.set {
            add(key, "--set", Some(value.clone()));
        }
        list
    }

    /// The configuration file: the flag, else `POLDER_CONFIG`.
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| std::env::var_os("POLDER_CONFIG").map(PathBuf::from))
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.is_empty());
    parts.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "write it as KEY=VALUE".to_owned())
}
