//! Logs and traces of a process.
//!
//! [`Telemetry::install`] sets the process's one subscriber: log lines to standard error (for people or as JSON), and
//! OpenTelemetry spans where there is an OTLP endpoint to export them to. Traces exist also without one, because the trace id
//! goes into the journal and to the next process: then every call knows its trace, and nobody pays for spans.

mod call;
pub(crate) mod lines;
mod propagation;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

pub(crate) use call::Call;
pub use propagation::inject;

use crate::config::Period;

/// How a process logs and where its traces go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetryConfig {
    /// The form of log lines.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`: `info`, `polder_ipam=debug,info`.
    pub log_filter: String,
    /// Where spans are sent with OTLP over gRPC, as `http://127.0.0.1:4317`; nowhere when absent.
    pub otlp_endpoint: Option<String>,
    /// The longest that one export, and the flush at the end, may take.
    pub otlp_timeout: Period,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Human,
            log_filter: "info".to_owned(),
            otlp_endpoint: None,
            otlp_timeout: Period(Duration::from_secs(3)),
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line per event, coloured on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("telemetry.log_filter `{filter}` is not a filter: {source}")]
    Filter {
        /// The filter's text.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The OTLP endpoint cannot be used.
    #[error("telemetry.otlp_endpoint cannot be used: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The process has a subscriber already.
    #[error("telemetry is set up already: {0}")]
    Installed(#[from] TryInitError),
}

/// The running telemetry of a process; flush it last.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    timeout: Duration,
}

impl Telemetry {
    /// Makes the subscriber of the whole process. Call it once, inside the tokio runtime.
    ///
    /// # Errors
    /// [`TelemetryError`] for a filter or an endpoint that cannot be used, and when it is called twice.
    pub fn install(process: &'static str, version: &'static str, config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let (telemetry, subscriber) = Self::prepare(process, version, config)?;
        subscriber.try_init()?;
        Ok(telemetry)
    }

    /// As [`Telemetry::install`], without making the subscriber that of the process: for tests, which set it per thread.
    ///
    /// # Errors
    /// [`TelemetryError`] for a filter or an endpoint that cannot be used.
    pub fn prepare(
        process: &'static str,
        version: &'static str,
        config: &TelemetryConfig,
    ) -> Result<(Self, impl SubscriberInitExt + tracing::Subscriber + Send + Sync + use<>), TelemetryError> {
        let filter = EnvFilter::try_new(&config.log_filter)
            .map_err(|source| TelemetryError::Filter { filter: config.log_filter.clone(), source })?;
        let provider = config.otlp_endpoint.as_ref().map(|endpoint| provider(process, version, endpoint, config)).transpose()?;
        let spans = provider.as_ref().map(|provider| {
            let scope = InstrumentationScope::builder("polder").with_version(version).build();
            let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer_with_scope(scope));
            // Spans are recorded whatever the log filter hides, but not those of libraries: they would trace the export itself.
            let ours = tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("polder"));
            // Where in the code a span begins, and on which thread, is the same for all calls or says nothing.
            spans.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(ours)
        });
        let lines = lines::lines(config.log_format, std::io::stderr).with_filter(filter);
        let subscriber = Registry::default().with(spans).with(lines);
        Ok((Self { provider, timeout: config.otlp_timeout.0 }, subscriber))
    }

    /// Sends what has not been sent yet and ends the export, within the configured time. Blocks: the exporter has a thread of
    /// its own, and the runtime must still be running.
    pub fn flush(self) {
        let Some(provider) = self.provider else { return };
        if let Err(error) = provider.shutdown_with_timeout(self.timeout) {
            tracing::warn!("the last spans could not be exported: {error}");
        }
    }
}

fn provider(
    process: &'static str,
    version: &'static str,
    endpoint: &str,
    config: &TelemetryConfig,
) -> Result<SdkTracerProvider, TelemetryError> {
    let instance = format!("{:032x}", crate::entropy::draw().0);
    let resource = Resource::builder_empty()
        .with_service_name(process)
        .with_attributes([KeyValue::new("service.version", version), KeyValue::new("service.instance.id", instance)])
        .build();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(config.otlp_timeout.0).build()?;
    // The batch processor's queue is bounded (2048 spans) and drops what does not fit: tracing never slows a call down.
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}
