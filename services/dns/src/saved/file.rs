//! The file as the tasks of the server see it: never a reason to stop, and every failure counted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::{Saved, load, save};
use crate::config::SkyDnsConfig;
use crate::names::State;
use crate::skydns::Book;

/// What is counted.
#[derive(Clone, Default)]
struct SavedMetrics {
    revision: Gauge,
    bytes: Gauge,
    failures: Counter,
    unreadable: Counter,
}

impl SavedMetrics {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("polder_dns_saved");
            registry.register("revision", "The revision of the names in the file", this.revision.clone());
            registry.register_with_unit("size", "The length of the file", Unit::Bytes, this.bytes.clone());
            registry.register("failures", "How often the file could not be written", this.failures.clone());
            registry.register("unreadable", "How often the file was wanted and could not be read", this.unreadable.clone());
        });
        this
    }
}

/// See the module. Clones are the same file.
#[derive(Clone)]
pub(crate) struct SavedFile {
    path: PathBuf,
    /// What other programs store, where names follow from that too.
    skydns: Option<SkyDnsConfig>,
    metrics: SavedMetrics,
}

impl SavedFile {
    pub(crate) fn new(path: PathBuf, skydns: Option<SkyDnsConfig>, metrics: &Metrics) -> Self {
        Self { path, skydns, metrics: SavedMetrics::register(metrics) }
    }

    /// What was saved, where there is anything that can be read.
    pub(crate) async fn load(&self) -> Option<Saved> {
        let (path, book) = (self.path.clone(), self.skydns.as_ref().map(Book::new));
        let reading = tokio::task::spawn_blocking(move || load(&path, book)).await;
        reading.map_err(io::Error::other).flatten().unwrap_or_else(|error| {
            self.metrics.unreadable.inc();
            tracing::warn!(file = %self.path.display(), %error, "the saved names cannot be read; all queries get SERVFAIL");
            None
        })
    }

    /// Saves a state, and says whether it is in the file now.
    pub(crate) async fn save(&self, state: Arc<State>) -> bool {
        let (path, revision) = (self.path.clone(), state.revision);
        let writing = tokio::task::spawn_blocking(move || save(&path, &state, clock::now())).await;
        match writing.map_err(io::Error::other).flatten() {
            Ok(bytes) => {
                self.metrics.revision.set(i64::try_from(revision.0).unwrap_or(i64::MAX));
                self.metrics.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
                true
            }
            Err(error) => {
                self.metrics.failures.inc();
                tracing::warn!(file = %self.path.display(), %error, "the names could not be saved; it will be tried again");
                false
            }
        }
    }
}
