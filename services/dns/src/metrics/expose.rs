//! What was counted, as Prometheus reads it, under our names and under those of CoreDNS: its dashboards and alerts find what they look
//! for. Nothing is counted for that: rows of the same labels are added up at a scrape.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;

use super::QueryMetrics;
use super::lane::{Lane, RCODES, Row, SIZES, Spread, TIMES, TYPES};

type Series = Vec<(&'static str, String)>;

/// A histogram, added up: one more bucket than bounds, and the sum.
type Sums = (Vec<u64>, u64);

#[derive(Default)]
struct Figures {
    requests: BTreeMap<Series, u64>,
    responses: BTreeMap<Series, u64>,
    queries: BTreeMap<Series, Sums>,
    answers: BTreeMap<Series, Sums>,
    times: BTreeMap<Series, Sums>,
    lost: BTreeMap<Series, u64>,
    connections: BTreeMap<Series, u64>,
    closed: BTreeMap<Series, u64>,
}

impl Figures {
    fn of<'a>(lanes: impl IntoIterator<Item = &'a Lane>) -> Self {
        let mut figures = Self::default();
        for lane in lanes {
            lane.rows().for_each(|(zone, row)| figures.add(lane, &zone, row));
            for (why, number) in lane.losses().filter(|(_, number)| *number > 0) {
                let server = ("server", lane.labels.server.clone());
                let labels = vec![server, ("proto", lane.labels.proto.to_owned()), ("reason", why.as_str().to_owned())];
                *figures.lost.entry(labels).or_default() += number;
            }
            figures.add_connections(lane);
        }
        figures
    }

    fn add_connections(&mut self, lane: &Lane) {
        if lane.labels.proto != "tcp" {
            return;
        }
        let server = ("server", lane.labels.server.clone());
        let (open, closed) = lane.held();
        *self.connections.entry(vec![server.clone()]).or_default() += open;
        for (why, number) in closed {
            *self.closed.entry(vec![server.clone(), ("reason", why.as_str().to_owned())]).or_default() += number;
        }
    }

    fn add(&mut self, lane: &Lane, zone: &str, row: &Row) {
        let place = vec![("server", lane.labels.server.clone()), ("zone", zone.to_owned()), ("view", String::new())];
        let with = |more: &[(&'static str, String)]| [place.as_slice(), more].concat();
        let proto = ("proto", lane.labels.proto.to_owned());
        let types = TYPES.iter().zip(&row.types).map(|(rtype, cell)| (rtype.to_string(), cell.get()));
        for (rtype, number) in types.chain([("other".to_owned(), row.other.get())]).filter(|(_, number)| *number > 0) {
            let labels = with(&[proto.clone(), ("family", lane.labels.family.to_owned()), ("type", rtype)]);
            *self.requests.entry(labels).or_default() += number;
        }
        for (rcode, number) in RCODES.iter().zip(&row.rcodes).map(|(rcode, cell)| (rcode, cell.get())) {
            if number > 0 {
                let labels = with(&[("rcode", rcode.to_string()), ("plugin", "polder".to_owned())]);
                *self.responses.entry(labels).or_default() += number;
            }
        }
        merge(&mut self.queries, with(std::slice::from_ref(&proto)), &row.queries);
        merge(&mut self.answers, with(&[proto]), &row.answers);
        merge(&mut self.times, place, &row.times);
    }
}

fn merge<const N: usize>(into: &mut BTreeMap<Series, Sums>, labels: Series, more: &Spread<N>) {
    let (buckets, sum) = into.entry(labels).or_insert_with(|| (vec![0; N + 1], 0));
    for (bucket, cell) in buckets.iter_mut().zip(more.buckets.iter().chain([&more.above])) {
        *bucket += cell.get();
    }
    *sum = sum.saturating_add(more.sum.get());
}

/// Describes a metric and writes its series, each with its labels.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn counters(&mut self, (name, help): (&str, &str), series: &BTreeMap<Series, u64>) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
        series.iter().try_for_each(|(labels, number)| ConstCounter::new(*number).encode(encoder.encode_family(labels)?))
    }

    fn gauges(&mut self, (name, help): (&str, &str), series: &BTreeMap<Series, u64>) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?;
        series.iter().try_for_each(|(labels, number)| ConstGauge::new(float(*number)).encode(encoder.encode_family(labels)?))
    }

    /// Bounds and sums are in parts of the unit, `per` of which are one.
    fn histograms(
        &mut self,
        (name, help, unit): (&str, &str, &Unit),
        (bounds, per): (&[u64], f64),
        series: &BTreeMap<Series, Sums>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, Some(unit), MetricType::Histogram)?;
        for (labels, (buckets, sum)) in series {
            let bounds = bounds.iter().map(|bound| float(*bound) / per).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(buckets.iter().copied()).collect();
            let count = buckets.iter().map(|(_, number)| number).sum();
            let mut series = encoder.encode_family(labels)?;
            series.encode_histogram::<NoLabelSet>(float(*sum) / per, count, &buckets, None)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is lost is below what is measured")]
const fn float(number: u64) -> f64 {
    number as f64
}

impl fmt::Debug for QueryMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryMetrics").finish_non_exhaustive()
    }
}

impl Collector for QueryMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lanes = self.lanes();
        let figures = Figures::of(lanes.iter().map(AsRef::as_ref));
        drop(lanes);
        let mut writer = Writer(encoder);
        for prefix in ["polder_dns", "coredns_dns"] {
            writer.counters((&format!("{prefix}_requests"), "Queries that got an answer"), &figures.requests)?;
            writer.counters((&format!("{prefix}_responses"), "Answers, by response code"), &figures.responses)?;
        }
        writer.counters(("polder_dns_dropped", "Queries that got no answer, by why"), &figures.lost)?;
        writer.gauges(("polder_dns_tcp_connections", "Open connections"), &figures.connections)?;
        let help = "Connections that were closed because there was no room";
        writer.counters(("polder_dns_tcp_connections_closed", help), &figures.closed)?;
        let (bytes, seconds) = ((&SIZES[..], 1.0), (&TIMES[..], 1e9));
        writer.histograms(("coredns_dns_request_size", "Length of queries", &Unit::Bytes), bytes, &figures.queries)?;
        writer.histograms(("coredns_dns_response_size", "Length of answers", &Unit::Bytes), bytes, &figures.answers)?;
        let help = "Time from the arrival of a query, with those that came with it, until its answer is sent";
        writer.histograms(("coredns_dns_request_duration", help, &Unit::Seconds), seconds, &figures.times)
    }
}
