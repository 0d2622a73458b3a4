//! `polder-lb`: services and their addresses in a process of its own.

use std::process::ExitCode;

use clap::Parser;
use polder_lb::Config;
use polder_runtime::config::ProcessFlags;
use polder_runtime::process::{Process, Program, run};
use polder_runtime::tasks::Failure;
use polder_store::Store;

/// Polder's load balancer: services, their virtual IPs and endpoints.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    process: ProcessFlags,
}

const PROGRAM: Program =
    Program { name: "polder-lb", version: env!("CARGO_PKG_VERSION"), descriptors: polder_proto::FILE_DESCRIPTOR_SET };

fn main() -> ExitCode {
    run(PROGRAM, &Args::parse().process, Vec::new(), serve)
}

async fn serve(process: Process, config: Config) -> Result<(), Failure> {
    let store = Store::open(&config.process.store).await?;
    let lb = polder_lb::build(&config.lb(), store, &process)?;
    let running = process.start(vec![lb]).await?;
    running.announce(&[])?;
    Ok(running.wait().await?)
}
