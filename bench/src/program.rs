//! What every benchmark does around its measurement.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

use polder_runtime::tasks::Failure;
use polder_runtime::telemetry::{Telemetry, TelemetryConfig};
use serde::Serialize;

/// What a process logs by default, without the lines about starting and ending, of which there would be many here.
const LOG: &str = "info,polder_runtime::process=warn,polder_runtime::server::health=warn";

/// Measures with the logs of a real process, and with its spans where there is an endpoint for them: what it pays for them with
/// every call belongs to the measurement. Writes the report as JSON where a file is named.
#[must_use]
pub fn run<R: Serialize>(
    otlp_endpoint: Option<&str>,
    json: Option<&Path>,
    measurement: impl Future<Output = Result<R, Failure>>,
) -> ExitCode {
    match measured(otlp_endpoint, json, measurement) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured<R: Serialize>(
    otlp_endpoint: Option<&str>,
    json: Option<&Path>,
    measurement: impl Future<Output = Result<R, Failure>>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        let otlp_endpoint = otlp_endpoint.map(str::to_owned);
        let config = TelemetryConfig { log_filter: LOG.to_owned(), otlp_endpoint, ..TelemetryConfig::default() };
        let _telemetry = Telemetry::install("polder-bench", env!("CARGO_PKG_VERSION"), &config)?;
        measurement.await
    })?;
    if let Some(path) = json {
        serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &report)?;
    }
    Ok(())
}
