//! `cargo bench -p polder-bench [-- --help]`: see the crate.

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use clap::Parser as _;
use polder_bench::options::Options;
use polder_runtime::tasks::Failure;
use polder_runtime::telemetry::{Telemetry, TelemetryConfig};

/// What a process logs by default, without the lines about starting and ending, of which there would be many here.
const LOG: &str = "info,polder_runtime::process=warn,polder_runtime::server::health=warn";

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        // What a real process pays for logs and traces with every call belongs to the measurement.
        let otlp_endpoint = options.otlp_endpoint.clone();
        let config = TelemetryConfig { log_filter: LOG.to_owned(), otlp_endpoint, ..TelemetryConfig::default() };
        let _telemetry = Telemetry::install("polder-bench", env!("CARGO_PKG_VERSION"), &config)?;
        polder_bench::run(options, |line| println!("{line}")).await
    })?;
    if let Some(path) = &options.json {
        serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &report)?;
    }
    Ok(())
}
