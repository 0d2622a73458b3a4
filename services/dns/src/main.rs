//! `polder-dns`: the name server in a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use polder_dns::Config;
use polder_runtime::config::{Override, ProcessFlags};
use polder_runtime::process::{Process, Program, run};
use polder_runtime::tasks::Failure;
use polder_store::Store;

/// Polder's name server: DNS over UDP and TCP, and its API.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    process: ProcessFlags,
    /// Serve DNS here, over UDP and TCP; port 0 takes a free one [env: POLDER_DNS_LISTEN]
    #[arg(long, value_name = "ADDR:PORT,...", value_delimiter = ',')]
    dns_listen: Vec<SocketAddr>,
}

const PROGRAM: Program =
    Program { name: "polder-dns", version: env!("CARGO_PKG_VERSION"), descriptors: polder_proto::FILE_DESCRIPTOR_SET };

fn main() -> ExitCode {
    let args = Args::parse();
    let listen: Vec<String> = args.dns_listen.iter().map(ToString::to_string).collect();
    let more = (!listen.is_empty()).then(|| Override::new("dns.listen", listen.join(","), "--dns-listen"));
    run(PROGRAM, &args.process, more.into_iter().collect(), serve)
}

async fn serve(process: Process, config: Config) -> Result<(), Failure> {
    if let Some(handover) = config.dns.handover() {
        process.succeed(handover).await?;
    }
    let store = Store::open(&config.process.store).await?;
    let dns = polder_dns::build(&config.dns, store, &process)?;
    let bound = dns.bound();
    let running = process.start(vec![dns.component]).await?;
    running.announce(&bound)?;
    Ok(running.wait().await?)
}
