//! What is counted of what other programs store.

use polder_core::dns::pace::Pace;
use polder_core::dns::skydns::{View, Why};
use polder_core::id::Revision;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

/// Lines in a second about what cannot be used; what is over is only counted.
const LINES_A_SECOND: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhyLabel {
    reason: &'static str,
}

pub(super) struct ImportMetrics {
    keys: Gauge,
    revision: Gauge,
    unusable: Family<WhyLabel, Counter>,
    repairs: Counter,
    pace: Pace,
    began: Instant,
}

impl ImportMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let (keys, revision, unusable, repairs) = (Gauge::default(), Gauge::default(), Family::default(), Counter::default());
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("polder_dns_skydns");
            registry.register("keys", "Keys of other programs that names follow from", keys.clone());
            registry.register("revision", "The revision of the newest batch of them that was taken in", revision.clone());
            registry.register("unusable", "Values of such keys that could not be used, by why", unusable.clone());
            registry.register("repairs", "How often comparing them found a change that the watch had lost", repairs.clone());
        });
        Self { keys, revision, unusable, repairs, pace: Pace::new(LINES_A_SECOND), began: clock::monotonic() }
    }

    pub(super) fn serving(&self, view: &View, position: Revision) {
        self.keys.set(i64::try_from(view.len()).unwrap_or(i64::MAX));
        self.revision.set(i64::try_from(position.0).unwrap_or(i64::MAX));
    }

    pub(super) fn repaired(&self) {
        self.repairs.inc();
    }

    /// Counts one, and says whether there may be a line about it.
    pub(super) fn unusable(&self, why: Why) -> bool {
        self.unusable.get_or_create(&WhyLabel { reason: why.as_str() }).inc();
        // Seconds are counted from 1, so that the first one has a place.
        self.pace.pass(self.began.elapsed().as_secs() + 1)
    }
}
