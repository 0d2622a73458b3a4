//! What the `polder-gateway` program can be told.

use clap::Parser;
use polder_runtime::config::{Configured, Override, ProcessConfig, ProcessFlags};
use polder_runtime::link::LinkError;
use polder_runtime::process::Process;
use serde::{Deserialize, Serialize};

use crate::{Options, Upstreams};

/// The configuration of a gateway in a process of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// The replicas of the IPAM service.
    pub ipam: Vec<String>,
    /// The replicas of the load balancer service.
    pub lb: Vec<String>,
    /// The replicas of the DNS service.
    pub dns: Vec<String>,
    /// Origins of web pages, besides the gateway's own, that may call it.
    pub allowed_origins: Vec<String>,
    /// The sections that every process shares.
    #[serde(flatten)]
    pub process: ProcessConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            ipam: vec!["http://127.0.0.1:7661".to_owned()],
            lb: vec!["http://127.0.0.1:7662".to_owned()],
            dns: vec!["http://127.0.0.1:7663".to_owned()],
            allowed_origins: Vec::new(),
            process: ProcessConfig::default().with_http(7650).with_metrics(9650),
        }
    }
}

impl Configured for GatewayConfig {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl GatewayConfig {
    /// What the gateway is built with.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { body_limit: self.process.limits.message_bytes, allowed_origins: self.allowed_origins.clone() }
    }

    /// Links to the replicas of the services.
    ///
    /// # Errors
    /// An address cannot be used.
    pub fn upstreams(&self, process: &Process) -> Result<Upstreams, LinkError> {
        Ok(Upstreams { ipam: process.remote(&self.ipam)?, lb: process.remote(&self.lb)?, dns: process.remote(&self.dns)? })
    }
}

/// The command line of `polder-gateway`.
#[derive(Debug, Parser)]
#[command(name = "polder-gateway", version, about = "Polder's gateway: web page, REST, gRPC-Web")]
pub struct GatewayArgs {
    /// The IPAM service, one URL for each replica [env: POLDER_IPAM]
    #[arg(long, value_name = "URL,...")]
    pub ipam: Option<String>,
    /// The load balancer service [env: POLDER_LB]
    #[arg(long, value_name = "URL,...")]
    pub lb: Option<String>,
    /// The DNS service [env: POLDER_DNS]
    #[arg(long, value_name = "URL,...")]
    pub dns: Option<String>,
    /// Web pages elsewhere that may call this gateway [env: POLDER_ALLOWED_ORIGINS]
    #[arg(long, value_name = "ORIGIN,...")]
    pub allowed_origins: Option<String>,
    /// The flags that every process shares.
    #[command(flatten)]
    pub process: ProcessFlags,
}

impl GatewayArgs {
    /// What the flags set, apart from those that every process shares.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let own = [
            ("ipam", "--ipam", &self.ipam),
            ("lb", "--lb", &self.lb),
            ("dns", "--dns", &self.dns),
            ("allowed_origins", "--allowed-origins", &self.allowed_origins),
        ];
        own.into_iter().filter_map(|(key, flag, value)| value.as_ref().map(|value| Override::new(key, value, flag))).collect()
    }
}
