//! Keeps the file of saved names current: when something has changed, but not more often than the disk and the processor bear, and
//! once more at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;
use tokio_util::sync::CancellationToken;

use crate::names::Names;
use crate::saved;

/// The shortest time between the end of one saving and the next.
const PACE: Duration = Duration::from_secs(10);
/// How much longer than a saving took the pause after it is, so that saving takes at most 5 % of one processor.
const PAUSES: u32 = 20;

/// What is counted.
#[derive(Clone, Default)]
struct KeeperMetrics {
    revision: Gauge,
    bytes: Gauge,
    failures: Counter,
}

impl KeeperMetrics {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("polder_dns_saved");
            registry.register("revision", "The revision of the names in the file", this.revision.clone());
            registry.register_with_unit("size", "The length of the file", Unit::Bytes, this.bytes.clone());
            registry.register("failures", "How often the file could not be written", this.failures.clone());
        });
        this
    }
}

/// See the module.
pub(crate) struct Keeper {
    names: Arc<Names>,
    file: PathBuf,
    saved: Option<Revision>,
    metrics: KeeperMetrics,
}

impl Keeper {
    pub(crate) fn new(names: Arc<Names>, file: PathBuf, metrics: &Metrics) -> Self {
        Self { names, file, saved: None, metrics: KeeperMetrics::register(metrics) }
    }

    /// Works until the stop, and saves a last time then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut position = self.names.position();
        while let Some(Ok(())) = stop.run_until_cancelled(position.changed()).await {
            let pause = self.save().await.saturating_mul(PAUSES).max(PACE);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.save().await;
    }

    /// Saves what is served, unless the file has it; says how long that took.
    async fn save(&mut self) -> Duration {
        let (state, began) = (self.names.state(), clock::monotonic());
        if !state.is_read || self.saved == Some(state.revision) {
            return Duration::ZERO;
        }
        let (revision, file) = (state.revision, self.file.clone());
        let writing = tokio::task::spawn_blocking(move || saved::save(&file, &state, clock::now()));
        match writing.await.map_err(std::io::Error::other).flatten() {
            Ok(bytes) => {
                self.saved = Some(revision);
                self.metrics.revision.set(i64::try_from(revision.0).unwrap_or(i64::MAX));
                self.metrics.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            Err(error) => {
                self.metrics.failures.inc();
                tracing::warn!(file = %self.file.display(), %error, "the names could not be saved; it will be tried again");
            }
        }
        began.elapsed()
    }
}
