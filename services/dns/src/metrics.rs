//! What is counted. Labels are those of CoreDNS's metrics, so that dashboards for it need only other metric names.

use std::net::SocketAddr;
use std::time::Duration;

use polder_core::dns::{Outcome, Rcode, RecordType, Sent, Snapshot, Transport};
use polder_runtime::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

/// From what one changed service costs to a build of everything.
const PUBLISH_BUCKETS: [f64; 10] = [0.000_01, 0.000_03, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0];

/// Types counted by name; the others together are `other`, and queries that could not be read have none.
const TYPES: [RecordType; 10] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::TXT,
    RecordType::NS,
    RecordType::SOA,
    RecordType::ANY,
];
const RCODES: [Rcode; 8] = [
    Rcode::NoError,
    Rcode::FormErr,
    Rcode::ServFail,
    Rcode::NxDomain,
    Rcode::NotImp,
    Rcode::Refused,
    Rcode::BadVers,
    Rcode::BadCookie,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    server: String,
    zone: String,
    view: &'static str,
    proto: &'static str,
    family: &'static str,
    r#type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    server: String,
    zone: String,
    view: &'static str,
    rcode: String,
    plugin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    server: String,
    proto: &'static str,
}

/// The query counters of one process.
#[derive(Clone, Default)]
pub(crate) struct QueryMetrics {
    requests: Family<RequestLabels, Counter>,
    responses: Family<ResponseLabels, Counter>,
    dropped: Family<DropLabels, Counter>,
}

impl QueryMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("polder_dns");
            registry.register("requests", "Queries that got an answer", this.requests.clone());
            registry.register("responses", "Answers, by response code", this.responses.clone());
            registry.register("dropped", "Packets and messages that got no answer", this.dropped.clone());
        });
        this
    }

    /// The counters of one socket, found once: counting a query is then two additions.
    pub(crate) fn lane(&self, server: SocketAddr, transport: Transport, zone: &str) -> Lane {
        let proto = match transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let family = if server.is_ipv4() { "1" } else { "2" };
        let server = format!("dns://{server}");
        let request = |zone: &str, rtype: String| {
            let labels = RequestLabels { server: server.clone(), zone: zone.to_owned(), view: "", proto, family, r#type: rtype };
            self.requests.get_or_create_owned(&labels)
        };
        let response = |zone: &str, rcode: Rcode| {
            let rcode = rcode.to_string();
            let labels = ResponseLabels { server: server.clone(), zone: zone.to_owned(), view: "", rcode, plugin: "polder" };
            self.responses.get_or_create_owned(&labels)
        };
        let scope = |zone: &str| Scope {
            requests: TYPES.map(|rtype| request(zone, rtype.to_string())),
            other: request(zone, "other".to_owned()),
            responses: RCODES.map(|rcode| response(zone, rcode)),
        };
        let dropped = self.dropped.get_or_create_owned(&DropLabels { server: server.clone(), proto });
        Lane { ours: scope(zone), others: scope("."), dropped }
    }
}

/// The counters of one zone on one socket.
struct Scope {
    requests: [Counter; TYPES.len()],
    other: Counter,
    responses: [Counter; RCODES.len()],
}

impl Scope {
    fn count(&self, sent: &Sent) {
        let place = TYPES.iter().position(|rtype| Some(*rtype) == sent.rtype);
        place.and_then(|place| self.requests.get(place)).unwrap_or(&self.other).inc();
        let place = RCODES.iter().position(|rcode| *rcode == sent.rcode);
        if let Some(counter) = place.and_then(|place| self.responses.get(place)) {
            counter.inc();
        }
    }
}

/// The counters of one socket.
pub(crate) struct Lane {
    ours: Scope,
    others: Scope,
    dropped: Counter,
}

impl Lane {
    pub(crate) fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Sent(sent) | Outcome::Leads(sent) | Outcome::Searches(sent, _) => self.ours.count(sent),
            Outcome::Forward(sent) => self.others.count(sent),
            Outcome::Dropped => _ = self.dropped.inc(),
        }
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
