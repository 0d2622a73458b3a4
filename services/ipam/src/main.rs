//! `polder-ipam`: address management in a process of its own.

use std::process::ExitCode;

use clap::Parser;
use polder_ipam::Config;
use polder_runtime::config::ProcessFlags;
use polder_runtime::process::{Process, Program, run};
use polder_runtime::tasks::Failure;
use polder_store::Store;

/// Polder's address management: pools, nodes, allocations.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    process: ProcessFlags,
}

const PROGRAM: Program =
    Program { name: "polder-ipam", version: env!("CARGO_PKG_VERSION"), descriptors: polder_proto::FILE_DESCRIPTOR_SET };

fn main() -> ExitCode {
    run(PROGRAM, &Args::parse().process, Vec::new(), serve)
}

async fn serve(process: Process, config: Config) -> Result<(), Failure> {
    let store = Store::open(&config.process.store).await?;
    let ipam = polder_ipam::build(&config.ipam, store, process.metrics())?;
    let running = process.start(vec![ipam]).await?;
    running.announce(&[])?;
    Ok(running.wait().await?)
}
