//! Lines about queries: of one in so many, and of failures, as the operator wants; never more than a bounded number in a second.

use std::net::IpAddr;
use std::time::Duration;

use polder_core::dns::pace::Pace;
use polder_core::dns::wire::Question;
use polder_core::dns::{DomainName, Rcode};
use polder_runtime::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};

/// Lines in a second; what is over is counted.
const LINES_A_SECOND: u32 = 100;

/// Which queries the log has a line about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// One in so many queries; 0 is none.
    pub sample: u32,
    /// All that could not be answered.
    pub failures: bool,
}

/// What a line says of a query.
pub(super) struct Line<'a> {
    pub(super) client: Option<IpAddr>,
    pub(super) proto: &'static str,
    pub(super) question: Option<Question<'a>>,
    pub(super) rcode: Option<Rcode>,
}

/// See the module.
pub(super) struct Log {
    config: LogConfig,
    pace: Pace,
    suppressed: Counter,
}

impl Log {
    pub(super) fn new(config: LogConfig, metrics: &Metrics) -> Self {
        let suppressed = Counter::default();
        metrics.register(|registry| {
            let help = "Lines about queries that were not written because there were too many";
            registry.register("polder_dns_log_suppressed", help, suppressed.clone());
        });
        Self { config, pace: Pace::new(LINES_A_SECOND), suppressed }
    }

    pub(super) const fn samples(&self, turn: u32) -> bool {
        self.config.sample > 0 && turn.is_multiple_of(self.config.sample)
    }

    pub(super) const fn wants(&self, turn: u32, failed: bool) -> bool {
        self.samples(turn) || failed && self.config.failures
    }

    pub(super) fn write(&self, second: u64, line: &Line<'_>, (found, why): (&str, &str), took: Duration) {
        if !self.pace.pass(second) {
            self.suppressed.inc();
            return;
        }
        let client = line.client.map(tracing::field::display);
        let name = line.question.as_ref().and_then(|asked| DomainName::from_wire(asked.name())).map(tracing::field::display);
        let rtype = line.question.as_ref().map(|asked| tracing::field::display(asked.rtype));
        let rcode = line.rcode.map(tracing::field::display);
        let (proto, micros) = (line.proto, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let why = (!why.is_empty()).then_some(why);
        tracing::info!(target: "polder_dns::queries", client, proto, name, r#type = rtype, rcode, found, micros, why, "query");
    }
}
