//! What stores, views and ledgers of a process count, as one Prometheus collector.
//!
//! Several services may run in one process, and a metric may be described once only: they share one [`Exporter`], and each adds
//! itself. Nothing is counted twice, and nothing is counted for the exporter's sake: at a scrape it reads what is there.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::schema::Schema;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;

use crate::ledger::{Figures, Ledger};
use crate::metrics::{BUCKETS, Call, Metrics};
use crate::mirror::Mirror;

/// See the module. Clones are the same exporter.
#[derive(Clone, Default)]
pub struct Exporter(Arc<Mutex<Vec<Source>>>);

/// One service's part.
struct Source {
    service: &'static str,
    store: Arc<Metrics>,
    view: Box<dyn Fn() -> View + Send + Sync>,
    ledger: Option<Arc<Figures>>,
}

/// Where a view stands.
struct View {
    age: Option<Duration>,
    revision: Revision,
    unreadable: usize,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    /// Adds a service: its view, the store under it, and its ledger if it has one.
    pub fn add<S: Schema>(&self, service: &'static str, mirror: &Mirror<S>, ledger: Option<&Ledger<S>>) {
        let store = Arc::clone(mirror.store().metrics());
        let mirror = mirror.clone();
        let view = Box::new(move || {
            let snapshot = mirror.snapshot();
            View { age: snapshot.age(), revision: snapshot.revision, unreadable: snapshot.corrupt.len() }
        });
        self.sources().push(Source { service, store, view, ledger: ledger.map(|ledger| Arc::clone(ledger.figures())) });
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Describes a metric and writes its series, each with its labels.
struct Writer<'a>(DescriptorEncoder<'a>);

/// One of a ledger's figures.
type Read = fn(&Figures) -> u64;

type Labels<'a> = &'a [(&'static str, &'static str)];

impl Writer<'_> {
    fn family(
        &mut self,
        (name, help, unit): (&str, &str, Option<&Unit>),
        kind: MetricType,
        series: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        series(&mut self.0.encode_descriptor(name, help, unit, kind)?)
    }

    fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = (Vec<(&'l str, &'l str)>, u64)>,
    ) -> fmt::Result {
        self.family((name, help, None), ConstCounter::<u64>::TYPE, |encoder| {
            series
                .into_iter()
                .try_for_each(|(labels, value)| ConstCounter::new(value).encode(encoder.encode_family(&labels.as_slice())?))
        })
    }

    fn gauges(&mut self, described: (&str, &str, Option<&Unit>), series: impl Iterator<Item = (&'static str, f64)>) -> fmt::Result {
        self.family(described, ConstGauge::<f64>::TYPE, |encoder| {
            series.into_iter().try_for_each(|(service, value)| {
                let labels: Labels<'_> = &[("service", service)];
                ConstGauge::new(value).encode(encoder.encode_family(&labels)?)
            })
        })
    }

    fn calls(&mut self, store: &Metrics) -> fmt::Result {
        let help = "Time that a call to the store took, whether it succeeded or failed";
        self.family(("polder_store_call_duration", help, Some(&Unit::Seconds)), MetricType::Histogram, |encoder| {
            Call::ALL.into_iter().try_for_each(|call| {
                let figures = store.figures(call);
                let bounds = BUCKETS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = bounds.zip(figures.buckets).collect();
                let sum = Duration::from_micros(figures.micros).as_secs_f64();
                let labels: Labels<'_> = &[("call", call.as_str())];
                let mut series = encoder.encode_family(&labels)?;
                series.encode_histogram::<NoLabelSet>(sum, figures.answered + figures.failed, &buckets, None)
            })
        })?;
        let failures = Call::ALL.into_iter().map(|call| (vec![("call", call.as_str())], store.figures(call).failed));
        self.counters("polder_store_call_failures", "Calls to the store that failed", failures)?;
        let conflicts = [(Vec::new(), store.conflicts())].into_iter();
        self.counters("polder_store_conflicts", "Commits that another writer was faster than", conflicts)
    }

    fn views(&mut self, views: &[(&'static str, View)]) -> fmt::Result {
        let help = "How old the view may be: everything committed earlier is in it";
        let ages = views.iter().filter_map(|(service, view)| view.age.map(|age| (*service, age.as_secs_f64())));
        self.gauges(("polder_view_age", help, Some(&Unit::Seconds)), ages)?;
        // Exact up to 2^53, which a store that commits a million times a second reaches in three centuries.
        let revisions = views.iter().map(|(service, view)| (*service, view.revision.0 as f64));
        self.gauges(("polder_view_revision", "The revision that the view shows", None), revisions)?;
        let unreadable = views.iter().map(|(service, view)| (*service, view.unreadable as f64));
        self.gauges(
            ("polder_view_unreadable_records", "Stored records that cannot be read; nothing is decided meanwhile", None),
            unreadable,
        )
    }

    fn ledgers(&mut self, ledgers: &[(&'static str, &Figures)]) -> fmt::Result {
        let each = |read: Read| ledgers.iter().map(move |(service, ledger)| (vec![("service", *service)], read(ledger)));
        let waiting = ledgers.iter().map(|(service, ledger)| (*service, ledger.queue_length() as f64));
        self.gauges(("polder_ledger_queue_length", "Requests that waited when the last batch was begun", None), waiting)?;
        self.counters("polder_ledger_planned_batches", "Batches that were planned", each(Figures::batches_planned))?;
        self.counters(
            "polder_ledger_planned_requests",
            "Requests that were planned, each time it happened",
            each(Figures::requests_planned),
        )?;
        self.counters(
            "polder_ledger_overloaded_requests",
            "Requests refused because too many waited",
            each(Figures::requests_overloaded),
        )?;
        let outcomes: [(&str, Read); 3] =
            [("committed", Figures::batches_committed), ("lost", Figures::batches_lost), ("failed", Figures::batches_failed)];
        let outcomes = ledgers.iter().flat_map(|(service, ledger)| {
            outcomes.into_iter().map(move |(outcome, read)| (vec![("service", *service), ("outcome", outcome)], read(ledger)))
        });
        self.counters("polder_ledger_batches", "Batches that were sent, by what became of them", outcomes)
    }
}

impl Collector for Exporter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sources = self.sources();
        let mut writer = Writer(encoder);
        // The parts of one process work on clones of one store.
        if let Some(source) = sources.first() {
            writer.calls(&source.store)?;
        }
        let views: Vec<_> = sources.iter().map(|source| (source.service, (source.view)())).collect();
        writer.views(&views)?;
        let ledgers: Vec<_> = sources.iter().filter_map(|source| Some((source.service, source.ledger.as_deref()?))).collect();
        writer.ledgers(&ledgers)
    }
}
