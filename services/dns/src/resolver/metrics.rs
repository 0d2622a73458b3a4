//! What is counted of questions to others, under names that begin with `polder_dns_`, and under those of CoreDNS.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use polder_core::dns::Rcode;
use polder_core::dns::resolver::Upstream;
use polder_runtime::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From an answer of the same machine to the longest time that a server may take.
const BUCKETS: [f64; 10] = [0.000_25, 0.001, 0.004, 0.016, 0.064, 0.128, 0.256, 0.512, 1.5, 5.0];

const DURATION: &str = "Time until an upstream answered";
const FAILURES: &str = "Upstreams that were asked and did not answer";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToLabels {
    to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    to: String,
    rcode: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    r#type: &'static str,
}

/// What a kept answer says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hit {
    /// That there is something.
    Success,
    /// That there is nothing.
    Denial,
}

impl Hit {
    pub(super) const fn of(negative: bool) -> Self {
        if negative { Self::Denial } else { Self::Success }
    }

    const fn labels(self) -> KindLabels {
        KindLabels {
            r#type: match self {
                Self::Success => "success",
                Self::Denial => "denial",
            },
        }
    }
}

/// The counters of one process. Only servers that are in the settings have rows of their own.
#[derive(Clone)]
pub(super) struct ForwardMetrics {
    requests: Family<ToLabels, Counter>,
    responses: Family<ResponseLabels, Counter>,
    duration: Family<ToLabels, Histogram, fn() -> Histogram>,
    failures: Family<ToLabels, Counter>,
    looped: Family<ToLabels, Gauge>,
    broken: Counter,
    rejects: Counter,
    in_flight: Gauge,
    hits: Family<KindLabels, Counter>,
    misses: Counter,
    entries: Family<KindLabels, Gauge>,
    bytes: Gauge<i64>,
    evictions: Counter<u64, AtomicU64>,
    prefetch: Counter,
    stale: Counter,
}

impl ForwardMetrics {
    /// `server` is what CoreDNS' metrics of the cache call the server: ours has one for all its addresses.
    pub(super) fn register(metrics: &Metrics, server: &str) -> Self {
        let this = Self {
            requests: Family::default(),
            responses: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            failures: Family::default(),
            looped: Family::default(),
            broken: Counter::default(),
            rejects: Counter::default(),
            in_flight: Gauge::default(),
            hits: Family::default(),
            misses: Counter::default(),
            entries: Family::default(),
            bytes: Gauge::default(),
            evictions: Counter::default(),
            prefetch: Counter::default(),
            stale: Counter::default(),
        };
        metrics.register(|registry| {
            let forward = registry.sub_registry_with_prefix("polder_dns_forward");
            this.expose_forward(forward);
            forward.register("in_flight", "Questions that are being asked", this.in_flight.clone());
            forward.register("looped", "1 for an upstream that asks this server: it is not asked", this.looped.clone());
            let cache = registry.sub_registry_with_prefix("polder_dns_cache");
            this.expose_cache(cache);
            cache.register_with_unit("size", "What kept answers take", Unit::Bytes, this.bytes.clone());
            this.expose_forward(registry.sub_registry_with_prefix("coredns_forward"));
            let labels = [("server", server.to_owned()), ("zones", ".".to_owned()), ("view", String::new())];
            let labels = labels.map(|(name, value)| (name.into(), value.into()));
            this.expose_cache(registry.sub_registry_with_labels(labels.into_iter()).sub_registry_with_prefix("coredns_cache"));
            let label = ("proxy_name".into(), "forward".into());
            let proxy = registry.sub_registry_with_label(label).sub_registry_with_prefix("coredns_proxy");
            proxy.register_with_unit("request_duration", DURATION, Unit::Seconds, this.duration.clone());
            proxy.register("healthcheck_failures", FAILURES, this.failures.clone());
        });
        this
    }

    fn expose_forward(&self, registry: &mut Registry) {
        registry.register("requests", "Questions to upstreams, every try counted", self.requests.clone());
        registry.register("responses", "Answers of upstreams, by response code", self.responses.clone());
        registry.register_with_unit("request_duration", DURATION, Unit::Seconds, self.duration.clone());
        registry.register("healthcheck_failures", FAILURES, self.failures.clone());
        registry.register("healthcheck_broken", "Questions when no upstream had answered for a while", self.broken.clone());
        registry.register("max_concurrent_rejects", "Questions over the limit at the same time", self.rejects.clone());
    }

    fn expose_cache(&self, registry: &mut Registry) {
        registry.register("hits", "Questions that a kept answer answered", self.hits.clone());
        registry.register("misses", "Questions that no kept answer answered", self.misses.clone());
        registry.register("entries", "Kept answers", self.entries.clone());
        registry.register("evictions", "Kept answers that went for others", self.evictions.clone());
        registry.register("prefetch", "Popular answers that were fetched before their end", self.prefetch.clone());
        registry.register("served_stale", "Answers given after their end", self.stale.clone());
    }

    fn to(upstream: &Upstream) -> ToLabels {
        ToLabels { to: upstream.label() }
    }

    pub(super) fn asked(&self, upstream: &Upstream) {
        self.requests.get_or_create(&Self::to(upstream)).inc();
    }

    pub(super) fn answered(&self, upstream: &Upstream, rcode: Rcode, took: Duration) {
        let labels = ResponseLabels { to: upstream.label(), rcode: rcode.to_string() };
        self.responses.get_or_create(&labels).inc();
        self.duration.get_or_create(&Self::to(upstream)).observe(took.as_secs_f64());
    }

    pub(super) fn silent(&self, upstream: &Upstream) {
        self.failures.get_or_create(&Self::to(upstream)).inc();
    }

    pub(super) fn looped(&self, upstream: &Upstream, looped: bool) {
        self.looped.get_or_create(&Self::to(upstream)).set(i64::from(looped));
    }

    pub(super) fn broken(&self) {
        self.broken.inc();
    }

    pub(super) fn rejected(&self) {
        self.rejects.inc();
    }

    pub(super) fn in_flight(&self, count: usize) {
        self.in_flight.set(number(count));
    }

    pub(super) fn hit(&self, hit: Hit) {
        self.hits.get_or_create(&hit.labels()).inc();
    }

    pub(super) fn missed(&self) {
        self.misses.inc();
    }

    pub(super) fn kept(&self, (positive, negative): (usize, usize), bytes: usize) {
        self.entries.get_or_create(&Hit::Success.labels()).set(number(positive));
        self.entries.get_or_create(&Hit::Denial.labels()).set(number(negative));
        self.bytes.set(number(bytes));
    }

    pub(super) fn evicted(&self, count: usize) {
        self.evictions.inc_by(u64::try_from(count).unwrap_or_default());
    }

    pub(super) fn prefetched(&self) {
        self.prefetch.inc();
    }

    pub(super) fn stale(&self) {
        self.stale.inc();
    }

    /// Drops the rows of servers that are in the settings no more.
    pub(super) fn forget_servers(&self) {
        self.requests.clear();
        self.responses.clear();
        self.duration.clear();
        self.failures.clear();
        self.looped.clear();
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
