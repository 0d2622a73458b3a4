//! How full pools are, as a Prometheus collector: read from the view at a scrape, counted for nothing else.

use std::fmt;

use polder_core::cluster::Cluster;
use polder_core::ipam::Pool;
use polder_core::ipam::usage::{Usage, of_pool};
use polder_core::net::Family;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_store::Mirror;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::TypedMetric as _;
use prometheus_client::metrics::gauge::ConstGauge;

/// The most pools that have series, by name: a site has a handful.
const MOST_POOLS: usize = 200;

/// A number of a pool: the metric's name, its help, and how it is read.
type Figure = (&'static str, &'static str, fn(&Usage) -> u128);

const FIGURES: [Figure; 7] = [
    ("polder_ipam_pool_addresses", "Addresses of the pool", |usage| usage.total),
    ("polder_ipam_pool_addresses_in_use", "Addresses that are held; a shared one counts once", |usage| usage.used),
    ("polder_ipam_pool_addresses_reserved", "Addresses reserved and not held", |usage| usage.reserved),
    ("polder_ipam_pool_addresses_cooling", "Addresses that rest after a release", |usage| usage.cooling),
    ("polder_ipam_pool_addresses_quarantined", "Addresses that somebody else answers for", |usage| usage.quarantined),
    ("polder_ipam_pool_addresses_free", "Addresses that can be given now", |usage| usage.free),
    ("polder_ipam_pool_addresses_in_blocks", "Addresses in blocks lent to nodes", |usage| usage.in_blocks),
];

/// See the module.
#[derive(Clone)]
pub(crate) struct PoolMetrics(Mirror<Stored>);

impl PoolMetrics {
    pub(crate) const fn new(mirror: Mirror<Stored>) -> Self {
        Self(mirror)
    }
}

impl fmt::Debug for PoolMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolMetrics").finish_non_exhaustive()
    }
}

/// The usage of every pool and family that has addresses.
fn usages(cluster: &Cluster) -> Vec<(&str, &'static str, Usage)> {
    let now = clock::now();
    let families = |pool: &Pool| {
        let has = |family: Family| pool.ranges.iter().any(|range| range.family() == family);
        [(Family::V4, "ipv4"), (Family::V6, "ipv6")].into_iter().filter(move |(family, _)| has(*family)).collect::<Vec<_>>()
    };
    let pools = cluster.ipam.pools().take(MOST_POOLS);
    let each = pools.flat_map(|pool| families(pool).into_iter().map(move |(family, word)| (pool, family, word)));
    each.map(|(pool, family, word)| (pool.name.as_str(), word, of_pool(cluster, pool, family, now))).collect()
}

impl Collector for PoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot();
        let usages = usages(&snapshot.view);
        for (name, help, read) in FIGURES {
            let mut metric = encoder.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
            for (pool, family, usage) in &usages {
                let labels = [("pool", *pool), ("family", *family)];
                // A float: an IPv6 pool has more addresses than a number of 64 bits counts.
                ConstGauge::new(read(usage) as f64).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
