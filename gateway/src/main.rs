//! `polder-gateway`: the gateway in a process of its own.

use std::process::ExitCode;

use clap::Parser;
use polder_gateway::config::{GatewayArgs, GatewayConfig};
use polder_runtime::process::{self, Process, Program};

const PROGRAM: Program =
    Program { name: "polder-gateway", version: env!("CARGO_PKG_VERSION"), descriptors: polder_proto::FILE_DESCRIPTOR_SET };

fn main() -> ExitCode {
    let args = GatewayArgs::parse();
    let overrides = args.overrides();
    process::run(PROGRAM, &args.process, overrides, |process: Process, config: GatewayConfig| async move {
        let upstreams = config.upstreams(&process)?;
        let gateway = polder_gateway::build(&config.options(), &upstreams, &process.stop_token())?;
        let running = process.start(vec![gateway]).await?;
        running.announce(&[])?;
        Ok(running.wait().await?)
    })
}
