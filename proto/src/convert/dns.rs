//! `polder.dns.v1` and the domain's names and records.

pub mod import;
pub mod resolver;
mod set;
mod sets;
mod zone;
pub mod zones;

pub use self::sets::{SetPage, set_page};

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use polder_core::dns::message::Answered;
use polder_core::dns::views::Sight;
use polder_core::dns::zones::ZoneName;
use polder_core::dns::{DomainName, Record, RecordType, Snapshot, Source, Standing, Step};
use polder_core::filter::Filter;
use polder_core::net::{Label, parse_addr};
use polder_core::reason::{Malformed, Reason, Refusal, Violations, shown};

use super::common::object;
use super::page;
use crate::dns::v1;
use crate::types::v1::{ConditionStatus, ObjectRef};

/// A question, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name as it was given: a final dot means that it is whole.
    pub name: String,
    /// The type.
    pub rtype: RecordType,
    /// The namespace whose search list is tried.
    pub namespace: Option<Label>,
    /// The address of whoever asks.
    pub client: Option<IpAddr>,
    /// Ask no upstream.
    pub local_only: bool,
}

/// Reads a question.
///
/// # Errors
/// A refusal that names every bad field.
pub fn question(request: &v1::ResolveRequest) -> Result<Question, Refusal> {
    let mut bad = Violations::new();
    let name = bad.take("name", request.name.parse::<DomainName>()).map(|_| request.name.clone());
    let rtype = match request.r#type.as_str() {
        "" => Some(RecordType::A),
        text => bad.take("type", text.parse().and_then(askable)),
    };
    let namespace = match request.namespace.as_str() {
        "" => Some(None),
        text => bad.take("namespace", text.parse()).map(Some),
    };
    let client = match request.client.as_str() {
        "" => Some(None),
        text => bad.take("client", parse_addr(text)).map(Some),
    };
    let question = name.zip(rtype).zip(namespace.zip(client)).map(|((name, rtype), (namespace, client))| Question {
        name,
        rtype,
        namespace,
        client,
        local_only: request.local_only,
    });
    bad.finish(question)
}

fn askable(rtype: RecordType) -> Result<RecordType, Malformed> {
    match rtype {
        RecordType::OPT | RecordType::AXFR | RecordType::IXFR => {
            let description = format!("`{rtype}` cannot be asked for here: it is part of the protocol");
            Err(Malformed::new(Reason::RecordMalformed, description))
        }
        askable => Ok(askable),
    }
}

/// What orders records in lists: zone, name, type, data.
pub type RecordKey = [String; 4];

/// The fields of a record that a filter may ask for.
const RECORD_FIELDS: &[&str] = &["zone", "name", "type", "data", "ttl_seconds", "source", "object.namespace", "object.name"];
/// The fields of a zone that a filter may ask for.
const ZONE_FIELDS: &[&str] = &["name", "uid", "system", "labels.*"];

/// What a List request asks for: a page of the items that pass a filter, after the key `K`.
#[derive(Debug, Clone)]
pub struct Page<K> {
    /// The zone whose records are wanted; `None` is all.
    pub zone: Option<DomainName>,
    /// The view that this zone is in.
    pub view: Option<Label>,
    /// The number of items.
    pub size: usize,
    /// The key of the last item of the page before.
    pub after: Option<K>,
    /// What passes.
    pub filter: Filter,
}

/// Reads what is asked for of the records.
///
/// # Errors
/// A refusal that names every bad field.
pub fn record_page(request: &v1::ListRecordsRequest) -> Result<Page<RecordKey>, Refusal> {
    let mut bad = Violations::new();
    let zone = match request.zone.as_str() {
        "" => Some((None, None)),
        text if text.contains('@') => {
            let zone: Option<ZoneName> = bad.take("zone", text.parse());
            zone.map(|zone| (Some(zone.domain().clone()), zone.view().cloned()))
        }
        text => bad.take("zone", text.parse()).map(|zone| (Some(zone), None)),
    };
    let (size, after) = (page::size(request.page_size, &mut bad), page::after(&request.page_token, &mut bad));
    let filter = bad.take("filter", Filter::parse(&request.filter, RECORD_FIELDS));
    bad.finish(zone.zip(filter)).map(|((zone, view), filter)| Page { zone, view, size, after, filter })
}

/// Reads what is asked for of the zones.
///
/// # Errors
/// A refusal that names every bad field.
pub fn zone_page(request: &v1::ListZonesRequest) -> Result<Page<ZoneName>, Refusal> {
    let mut bad = Violations::new();
    let size = page::size(request.page_size, &mut bad);
    let after = page::after::<1>(&request.page_token, &mut bad).and_then(|[name]| page::part(&name, &mut bad));
    let filter = bad.take("filter", Filter::parse(&request.filter, ZONE_FIELDS));
    bad.finish(filter).map(|filter| Page { zone: None, view: None, size, after, filter })
}

/// How long a wait takes that does not say, and how long it may take.
const WAIT: Duration = Duration::from_secs(5);
const MOST_WAIT: Duration = Duration::from_secs(300);
/// How many of something are told if it is not said.
const LIMIT: usize = 20;

/// Reads how long to wait.
///
/// # Errors
/// A refusal that names the field.
pub fn wait(timeout: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let mut bad = Violations::new();
    let within = timeout.map_or(Ok(WAIT), |timeout| {
        let read = Duration::try_from(timeout).ok().filter(|time| *time <= MOST_WAIT);
        read.ok_or_else(|| Malformed::new(Reason::CountOutOfBounds, "a wait takes 0 to 300 s"))
    });
    let within = bad.take("timeout", within);
    bad.finish(within)
}

/// Reads how many of something are wanted, where there are no pages: 20 if it is not said.
///
/// # Errors
/// A refusal that names the field when it is none, or above `most`.
pub fn limit(limit: Option<u32>, most: usize) -> Result<usize, Refusal> {
    let mut bad = Violations::new();
    let wanted = limit.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let bounded = if (1..=most).contains(&wanted) {
        Ok(wanted)
    } else {
        Err(Malformed::new(Reason::CountOutOfBounds, format!("{wanted} is no number of them; it has to be 1 to {most}")))
    };
    let wanted = bad.take("limit", bounded);
    bad.finish(wanted)
}

/// Reads the name of a zone.
///
/// # Errors
/// A refusal that names the field.
pub fn zone_name(field: &str, text: &str) -> Result<ZoneName, Refusal> {
    let mut bad = Violations::new();
    let zone = bad.take(field, text.parse());
    bad.finish(zone)
}

impl Page<RecordKey> {
    /// Whether a record passes.
    #[must_use]
    pub fn passes(&self, key: &RecordKey, source: &Source, record: &Record) -> bool {
        let [zone, name, rtype, data] = key;
        let (kind, object) = origin(Some(source));
        let of_object = |part: fn(&ObjectRef) -> &String| object.iter().map(|object| Cow::Owned(part(object).clone())).collect();
        self.filter.matches(|field| match field {
            "zone" => vec![Cow::Borrowed(zone.as_str())],
            "name" => vec![Cow::Borrowed(name.as_str())],
            "type" => vec![Cow::Borrowed(rtype.as_str())],
            "data" => vec![Cow::Borrowed(data.as_str())],
            "ttl_seconds" => vec![Cow::Owned(record.ttl.to_string())],
            "source" => vec![Cow::Borrowed(kind.as_str_name().trim_start_matches("RECORD_SOURCE_"))],
            "object.namespace" => of_object(|object| &object.namespace),
            "object.name" => of_object(|object| &object.name),
            _ => Vec::new(),
        })
    }
}

impl Page<ZoneName> {
    /// Whether a zone passes.
    #[must_use]
    pub fn passes(&self, zone: &v1::Zone) -> bool {
        self.filter.matches(|field| match field {
            "name" => vec![Cow::Borrowed(zone.name.as_str())],
            "uid" => vec![Cow::Borrowed(zone.uid.as_str())],
            "system" => vec![Cow::Borrowed(if zone.system { "true" } else { "false" })],
            field => field
                .strip_prefix("labels.")
                .and_then(|key| zone.labels.get(key))
                .map(|text| text.as_str().into())
                .into_iter()
                .collect(),
        })
    }
}

/// The name as the API writes zones: without the last dot.
fn without_dot(name: &DomainName) -> String {
    let text = name.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// A record; `None` for a name without data.
#[must_use]
pub fn record(source: &Source, record: &Record) -> Option<v1::Record> {
    let rtype = record.data.record_type()?;
    let (kind, object) = origin(Some(source));
    Some(v1::Record {
        name: record.name.to_string(),
        r#type: rtype.to_string(),
        ttl_seconds: record.ttl,
        data: record.data.to_string(),
        source: kind.into(),
        object,
    })
}

/// A record as the engine sent it, with the source that is known for it where it was seen.
#[must_use]
pub fn answered(sight: Sight<'_>, sent: &Answered) -> v1::Record {
    let same = |record: &Record| record.data.record_type() == Some(sent.rtype) && record.data.to_string() == sent.data;
    let source =
        sight.tables(sent.name.as_wire()).records_at(&sent.name).find(|(_, record)| same(record)).map(|(source, _)| source);
    let (kind, object) = origin(source.as_deref());
    v1::Record {
        name: sent.name.to_string(),
        r#type: sent.rtype.to_string(),
        ttl_seconds: sent.ttl,
        data: sent.data.clone(),
        source: kind.into(),
        object,
    }
}

/// A step from a name to its answer.
#[must_use]
pub fn step(step: &Step) -> v1::ResolveStep {
    let (status, reason) = match step.standing {
        Standing::Well => (ConditionStatus::True, None),
        Standing::Missing(reason) => (ConditionStatus::False, reason),
        Standing::Elsewhere => (ConditionStatus::Unknown, None),
    };
    v1::ResolveStep {
        step: step.step.to_owned(),
        status: status.into(),
        reason: reason.map_or_else(String::new, |reason| reason.as_str().to_owned()),
        message: step.message.clone(),
        objects: step.sources.iter().filter_map(|source| origin(Some(source)).1).collect(),
    }
}

/// Records that follow from no object are part of a zone; those of a stored zone's apex name it.
fn origin(source: Option<&Source>) -> (v1::RecordSource, Option<ObjectRef>) {
    match source {
        Some(Source::Service(key) | Source::External(key)) => {
            (v1::RecordSource::Service, Some(object("Service", key.namespace.as_str(), key.name.as_str(), "")))
        }
        Some(Source::RecordSet(key)) => (v1::RecordSource::Stored, Some(object("RecordSet", "", &key.to_string(), ""))),
        Some(Source::SkyDns(key)) => (v1::RecordSource::Skydns, Some(object("SkyDnsKey", "", key, ""))),
        Some(Source::Zone(name)) => (v1::RecordSource::System, Some(object("Zone", "", name.as_str(), ""))),
        Some(Source::Pod(uid)) => (v1::RecordSource::Pod, Some(object("Allocation", "", "", &uid.to_string()))),
        Some(Source::Zones | Source::Views | Source::Namespace(_)) | None => (v1::RecordSource::System, None),
    }
}

/// A zone that Polder computes.
#[must_use]
pub fn system_zone(names: &Snapshot, zone: &DomainName) -> v1::Zone {
    let settings = names.settings();
    v1::Zone {
        name: without_dot(zone),
        primary_name_server: settings.server_name().to_string(),
        mailbox: format!("hostmaster@{}", without_dot(settings.zone())),
        name_servers: vec![settings.server_name().to_string()],
        default_ttl_seconds: settings.ttl,
        negative_ttl_seconds: settings.negative_ttl,
        transfer_to: settings.secondaries.transfer_to.iter().map(ToString::to_string).collect(),
        notify: settings.secondaries.notify.iter().map(ToString::to_string).collect(),
        serial: names.serial(zone),
        system: true,
        ..v1::Zone::default()
    }
}

/// The refusal for a zone that is not there.
#[must_use]
pub fn no_zone(name: &str) -> Refusal {
    Refusal::missing(Reason::ZoneNotFound, "zone", shown(name))
}
