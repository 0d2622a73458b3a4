//! What is counted. Labels are those of CoreDNS's metrics, and what CoreDNS counts too is told under its names as well.

mod expose;
mod lane;
mod zones;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::dns::{DomainName, Snapshot};
use polder_runtime::metrics::Metrics;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

pub(crate) use self::lane::{Closed, Labels, Lane, Lost, Place};
use self::zones::Zones;

/// From what one changed service costs to a build of everything.
const PUBLISH_BUCKETS: [f64; 10] = [0.000_01, 0.000_03, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0];

/// The counters of queries of one process. Clones share them.
#[derive(Clone)]
pub(crate) struct QueryMetrics {
    lanes: Arc<Mutex<Vec<Arc<Lane>>>>,
    zones: Arc<Zones>,
}

impl QueryMetrics {
    pub(crate) fn register(metrics: &Metrics, cluster: &DomainName) -> Self {
        let this = Self { lanes: Arc::default(), zones: Arc::new(Zones::new(cluster)) };
        metrics.register(|registry| registry.register_collector(Box::new(this.clone())));
        this
    }

    /// Counters for one socket; `alone` promises that one thread counts there, and no other.
    pub(crate) fn lane(&self, labels: Labels, alone: bool) -> Arc<Lane> {
        let lane = Arc::new(Lane::new(labels, Arc::clone(&self.zones), alone));
        self.lanes().push(Arc::clone(&lane));
        lane
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of publishing.
#[derive(Clone)]
pub(crate) struct PublishMetrics {
    names: Gauge,
    revision: Gauge,
    duration: Histogram,
}

impl PublishMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self { names: Gauge::default(), revision: Gauge::default(), duration: Histogram::new(PUBLISH_BUCKETS) };
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("polder_dns");
            registry.register("names", "Names in the snapshot, empty ones included", this.names.clone());
            registry.register("snapshot_revision", "The revision that the served names follow from", this.revision.clone());
            let help = "Time from a change's arrival to its being served";
            registry.register_with_unit("publish_duration", help, Unit::Seconds, this.duration.clone());
        });
        this
    }

    pub(crate) fn serving(&self, snapshot: &Snapshot) {
        self.names.set(i64::try_from(snapshot.len()).unwrap_or(i64::MAX));
        self.revision.set(i64::try_from(snapshot.revision().0).unwrap_or(i64::MAX));
    }

    pub(crate) fn published(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }
}
