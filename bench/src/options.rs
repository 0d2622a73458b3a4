//! What a run is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::bed::Engine;
use crate::load::Window;
use crate::report::Case;

/// Measures allocations through the IPAM service beside what its store and its wire can do at most, in one run.
#[derive(Debug, Clone, Parser)]
#[command(name = "control_plane")]
pub struct Options {
    /// Seconds that every case is measured.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of load before every measurement.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub warm_up: f64,
    /// How many callers at once; several, separated by commas.
    #[arg(long, default_value = "1,64,256", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub callers: Vec<u16>,
    /// The stores to measure on.
    #[arg(long, value_enum, default_value = "etcd,embedded", value_delimiter = ',')]
    pub stores: Vec<Engine>,
    /// The cases to measure; all when none is named. A release needs an allocation before it, which is made and not shown.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub cases: Vec<Case>,
    /// Where to send the spans of all calls by OTLP, to see what they cost. By default there are none, as in a process that has
    /// nowhere to send them.
    #[arg(long)]
    pub otlp_endpoint: Option<String>,
    /// Where a go-ipam server on etcd serves gRPC, such as `http://127.0.0.1:9090`: it is measured beside ours. By default only
    /// its way of keeping addresses is, by an emulation.
    #[arg(long)]
    pub go_ipam: Option<String>,
    /// Also write the report as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a case is to be measured.
    #[must_use]
    pub fn wants(&self, case: Case) -> bool {
        self.cases.is_empty() || self.cases.contains(&case)
    }

    /// The window of every case.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { warm_up: Duration::from_secs_f64(self.warm_up), measured: Duration::from_secs_f64(self.seconds) }
    }
}

/// Up to a minute: the pod pool must outlast the case.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=60.0).contains(&seconds) { Ok(seconds) } else { Err("say 0 to 60 seconds".to_owned()) }
}
