//! One Prometheus registry per process.
//!
//! Label values come from closed sets: names of RPCs that the process really serves, status codes, versions, and the first names
//! of the operator's pools. A label never carries an id or anything else of which callers make any number.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tonic::Code;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a tenth of a millisecond (an answer out of the view) to ten seconds (a call that waits for convergence).
const DURATION_BUCKETS: [f64; 14] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The metrics of one process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    collectors: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>,
    durations: CallDurations,
    in_flight: Gauge,
}

type CallDurations = Family<CallLabels, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    rpc_service: Arc<str>,
    rpc_method: Arc<str>,
    rpc_grpc_status_code: i32,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A registry with the metrics that every process has: `polder_build_info`, `rpc_server_duration_seconds` and
    /// `rpc_server_in_flight`.
    #[must_use]
    pub fn new(process: &'static str, version: &'static str) -> Self {
        let mut registry = Registry::default();
        registry.register("polder_build", "What this process is", Info::new([("process", process), ("version", version)]));
        let durations: CallDurations = Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        let help = "Time from the arrival of a call to its last byte, by method and gRPC status code";
        registry.register_with_unit("rpc_server_duration", help, Unit::Seconds, durations.clone());
        let in_flight = Gauge::default();
        registry.register(
            "rpc_server_in_flight",
            "Calls that have not been answered to the end, streams included",
            in_flight.clone(),
        );
        Self { registry: Arc::new(Mutex::new(registry)), collectors: Arc::default(), durations, in_flight }
    }

    /// Registers metrics of a component. Do this once per component, at start.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The process's one collector of a kind, whose clones are the same collector. It is made and registered when it is first
    /// asked for: components that share a process share the description of their metrics.
    #[must_use]
    pub fn collector<C: Collector + Clone + Default>(&self) -> C {
        let mut collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        let known = collectors.get(&TypeId::of::<C>()).and_then(|known| known.downcast_ref::<C>());
        if let Some(known) = known {
            return known.clone();
        }
        let fresh = C::default();
        collectors.insert(TypeId::of::<C>(), Box::new(fresh.clone()));
        self.register(|registry| registry.register_collector(Box::new(fresh.clone())));
        fresh
    }

    /// Everything, as OpenMetrics text.
    ///
    /// # Errors
    /// When a metric of a component cannot be written as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(out)
    }

    pub(crate) fn call_began(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn call_ended(&self) {
        self.in_flight.dec();
    }

    /// The durations of one method's calls.
    pub(crate) fn durations(&self, service: &Arc<str>, method: &Arc<str>) -> Durations {
        let (service, method) = (Arc::clone(service), Arc::clone(method));
        Durations { all: self.durations.clone(), service, method, well: OnceLock::new() }
    }
}

/// Where the calls of one method are counted.
pub(crate) struct Durations {
    all: CallDurations,
    service: Arc<str>,
    method: Arc<str>,
    /// The series of calls that end well, as nearly all do: it need not be looked up. There is none before the first call.
    well: OnceLock<Histogram>,
}

impl Durations {
    pub(crate) fn observe(&self, code: Code, took: Duration) {
        let seconds = took.as_secs_f64();
        if code == Code::Ok {
            self.well.get_or_init(|| self.series(code)).observe(seconds);
        } else {
            self.series(code).observe(seconds);
        }
    }

    fn series(&self, code: Code) -> Histogram {
        let (rpc_service, rpc_method) = (Arc::clone(&self.service), Arc::clone(&self.method));
        self.all.get_or_create_owned(&CallLabels { rpc_service, rpc_method, rpc_grpc_status_code: i32::from(code) })
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_shows_with_its_method_and_code() {
        let metrics = Metrics::new("polder-test", "1.2.3");
        metrics.call_began();
        let durations = metrics.durations(&"a.v1.S".into(), &"Get".into());
        for code in [Code::NotFound, Code::Ok, Code::Ok] {
            durations.observe(code, Duration::from_millis(3));
        }
        metrics.call_ended();
        let text = metrics.render().unwrap();
        for (code, calls) in [(5, 1), (0, 2)] {
            let labels = format!(r#"rpc_service="a.v1.S",rpc_method="Get",rpc_grpc_status_code="{code}""#);
            assert!(text.contains(&format!("rpc_server_duration_seconds_count{{{labels}}} {calls}")), "{text}");
        }
        assert!(text.contains(r#"polder_build_info{process="polder-test",version="1.2.3"} 1"#), "{text}");
        assert!(text.contains("rpc_server_in_flight 0"), "{text}");
    }
}
