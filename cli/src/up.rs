//! `polder up`: IPAM, LB, DNS and the gateway in one process, on one store.
//!
//! The parts are the same that run as processes of their own; only the store and the links between them differ.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use polder_dns::DnsConfig;
use polder_gateway::Upstreams;
use polder_ipam::IpamConfig;
use polder_lb::LbConfig;
use polder_runtime::config::{Configured, Override, ProcessConfig, ProcessFlags};
use polder_runtime::process::{self, Addresses, Process, Program};
use polder_runtime::tasks::Failure;
use polder_store::Store;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::cmd::{Context, apply, get};
use crate::output::Format;

const PROGRAM: Program =
    Program { name: "polder", version: env!("CARGO_PKG_VERSION"), descriptors: polder_proto::FILE_DESCRIPTOR_SET };

/// The flags of `polder up`. Those that set something are also environment variables.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Keep the embedded store in this folder [env: POLDER_DATA_DIR] [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Serve DNS here, over UDP and TCP; port 0 takes a free one [env: POLDER_DNS_LISTEN]
    #[arg(long, value_name = "ADDR:PORT,...")]
    pub dns_listen: Option<String>,
    /// Apply these manifests once everything serves, and show what was assigned.
    #[arg(long, value_name = "FILE")]
    pub apply: Vec<PathBuf>,
    /// The flags that every process shares.
    #[command(flatten)]
    pub process: ProcessFlags,
}

/// The configuration of the all-in-one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpConfig {
    /// The folder of the embedded store; used where `store` is empty.
    pub data_dir: PathBuf,
    /// Address management.
    pub ipam: IpamConfig,
    /// Services.
    pub lb: LbConfig,
    /// The name server.
    pub dns: DnsConfig,
    /// The sections that every process shares.
    #[serde(flatten)]
    pub process: ProcessConfig,
}

impl Default for UpConfig {
    fn default() -> Self {
        let process = ProcessConfig { store: String::new(), ..ProcessConfig::default() };
        Self {
            data_dir: PathBuf::from("./data"),
            ipam: IpamConfig::default(),
            lb: LbConfig::default(),
            dns: DnsConfig::default(),
            process: process.with_grpc(7653).with_http(7650).with_metrics(9653),
        }
    }
}

impl Configured for UpConfig {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl UpConfig {
    fn store_url(&self) -> String {
        match self.process.store.as_str() {
            "" => format!("embedded:{}", self.data_dir.display()),
            url => url.to_owned(),
        }
    }

    /// The section `lb`, with the domain that the name server has: nodes and services are to be told no other.
    ///
    /// # Errors
    /// When `lb.domain` says another one.
    fn lb(&self) -> Result<LbConfig, Failure> {
        let (said, served) = (&self.lb.domain, &self.dns.domain);
        if *said != LbConfig::default().domain && said != served {
            let text =
                format!("`lb.domain` is `{said}` and `dns.domain` is `{served}`: leave out `lb.domain`, it follows the other here");
            return Err(text.into());
        }
        Ok(LbConfig { domain: served.clone(), ..self.lb.clone() })
    }
}

/// Runs everything until Ctrl-C.
#[must_use]
pub fn run(args: &UpArgs) -> ExitCode {
    let given = [
        ("data_dir", "--data-dir", args.data_dir.as_ref().map(|path| path.display().to_string())),
        ("dns.listen", "--dns-listen", args.dns_listen.clone()),
    ];
    let own = given.into_iter().filter_map(|(key, flag, value)| value.map(|value| Override::new(key, value, flag))).collect();
    process::run(PROGRAM, &args.process, own, |process, config| serve(process, config, &args.apply))
}

async fn serve(process: Process, config: UpConfig, manifests: &[PathBuf]) -> Result<(), Failure> {
    let manifest = apply::read(manifests).map_err(|failure| failure.text())?;
    if config.dns.handover().is_some() {
        let text =
            "`dns.handover_path` is for `polder-dns`: `polder up` has its store for itself, no second process can start beside it";
        return Err(text.into());
    }
    let store = Store::open(&config.store_url()).await?;
    let ipam = polder_ipam::build(&config.ipam, store.clone(), process.metrics())?;
    let lb = polder_lb::build(&config.lb()?, store.clone(), &process)?;
    let dns = polder_dns::build(&config.dns, store, &process)?;
    let links = Upstreams { ipam: process.local(&ipam), lb: process.local(&lb), dns: process.local(&dns.component) };
    let options = polder_gateway::Options { body_limit: config.process.limits.message_bytes, ..polder_gateway::Options::default() };
    let gateway = polder_gateway::build(&options, &links, &process.stop_token())?;
    let (stop, named) = (process.stop_token(), dns.bound());
    let running = process.start(vec![ipam, lb, dns.component, gateway]).await?;
    let summary = async {
        let client = Client::new(links.ipam, links.lb, links.dns);
        client.until_ready().await?;
        let context = Context { client, format: Format::Table, headers: true, now: polder_runtime::clock::now() };
        let applied = apply::run(&context, &manifest, &apply::How::default()).await?;
        let assigned = get::overview(&context).await?;
        Ok::<String, crate::failure::Failure>(format!("{applied}\n{assigned}"))
    };
    tokio::select! {
        () = stop.cancelled() => {}
        summary = summary => {
            let summary = summary.map_err(|failure| failure.text());
            match summary {
                Ok(text) if manifest.intents.is_empty() => drop(text),
                Ok(text) => print!("{text}"),
                Err(text) => {
                    stop.cancel();
                    running.wait().await?;
                    return Err(text.into());
                }
            }
            println!("{}", urls(running.addresses(), &dns.addresses));
            running.announce(&named)?;
        }
    }
    Ok(running.wait().await?)
}

/// Where everything is, one a line.
fn urls(addresses: Addresses, dns: &[SocketAddr]) -> String {
    let mut lines = vec!["Polder is up. Ctrl-C ends it.".to_owned()];
    let mut line = |what: &str, at: String| lines.push(format!("  {what:<10} {at}"));
    if let Some(http) = addresses.http {
        line("page", format!("http://{http}/"));
        line("REST", format!("http://{http}/v1/pools"));
        line("OpenAPI", format!("http://{http}/openapi.json"));
    }
    if let Some(grpc) = addresses.grpc {
        line("gRPC", format!("http://{grpc}   (grpcurl -plaintext {grpc} list)"));
    }
    for address in dns {
        line("DNS", format!("{address}   (dig -p {} @{} …)", address.port(), address.ip()));
    }
    if let Some(metrics) = addresses.metrics {
        line("metrics", format!("http://{metrics}/metrics"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_balancer_has_the_domain_of_the_name_server() {
        let domain = |lb: &str, dns: &str| {
            let mut config = UpConfig::default();
            config.dns.domain = dns.to_owned();
            if !lb.is_empty() {
                config.lb.domain = lb.to_owned();
            }
            config.lb().map(|lb| lb.domain).map_err(|refused| refused.to_string())
        };
        assert_eq!(domain("", "site-12.example").as_deref(), Ok("site-12.example"));
        assert_eq!(domain("site-12.example", "site-12.example").as_deref(), Ok("site-12.example"));
        let refused = domain("a.example", "b.example").unwrap_err();
        assert!(refused.contains("`lb.domain` is `a.example` and `dns.domain` is `b.example`"), "{refused}");
    }
}
