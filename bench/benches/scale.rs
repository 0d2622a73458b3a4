//! `cargo bench -p polder-bench --bench scale [-- --help]`: see [`polder_bench::scale`].

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use clap::Parser as _;
use polder_bench::scale::{Options, run};
use polder_runtime::tasks::Failure;
use polder_runtime::telemetry::{Telemetry, TelemetryConfig};

/// What a process logs by default, without the lines about starting and ending, of which there would be many here.
const LOG: &str = "info,polder_runtime::process=warn,polder_runtime::server::health=warn";

fn main() -> ExitCode {
    match measured(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        let config = TelemetryConfig { log_filter: LOG.to_owned(), ..TelemetryConfig::default() };
        let _telemetry = Telemetry::install("polder-bench", env!("CARGO_PKG_VERSION"), &config)?;
        run(options, |line| println!("{line}")).await
    })?;
    if let Some(path) = &options.json {
        serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &report)?;
    }
    Ok(())
}
