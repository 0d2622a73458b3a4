//! `polder.dns.v1` and the domain's names and records.

use polder_core::dns::message::Answered;
use polder_core::dns::{DomainName, Record, RecordType, Snapshot, Source};
use polder_core::net::{Label, parse_addr};
use polder_core::reason::{Malformed, Reason, Refusal, Violations, shown};

use crate::dns::v1;
use crate::types::v1::ObjectRef;

/// A question, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name as it was given: a final dot means that it is whole.
    pub name: String,
    /// The type.
    pub rtype: RecordType,
    /// The namespace whose search list is tried.
    pub namespace: Option<Label>,
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
    if !request.client.is_empty() {
        bad.take("client", parse_addr(&request.client));
    }
    let question = name.zip(rtype).zip(namespace).map(|((name, rtype), namespace)| Question { name, rtype, namespace });
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

/// Reads the name of a zone; empty is none.
///
/// # Errors
/// A refusal that names the field.
pub fn zone_name(text: &str) -> Result<Option<DomainName>, Refusal> {
    let mut bad = Violations::new();
    let zone = if text.is_empty() { Some(None) } else { bad.take("zone", text.parse()).map(Some) };
    bad.finish(zone)
}

/// A computed record; `None` for a name without data.
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

/// A record as the engine sent it, with the source that `names` knows for it.
#[must_use]
pub fn answered(names: &Snapshot, sent: &Answered) -> v1::Record {
    let same = |record: &Record| record.data.record_type() == Some(sent.rtype) && record.data.to_string() == sent.data;
    let source = names.records_at(&sent.name).find(|(_, record)| same(record)).map(|(source, _)| source);
    let (kind, object) = origin(source);
    v1::Record {
        name: sent.name.to_string(),
        r#type: sent.rtype.to_string(),
        ttl_seconds: sent.ttl,
        data: sent.data.clone(),
        source: kind.into(),
        object,
    }
}

/// Records that follow from no object are part of the zone.
fn origin(source: Option<&Source>) -> (v1::RecordSource, Option<ObjectRef>) {
    match source {
        Some(Source::Service(key)) => {
            let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
            let object = ObjectRef { kind: "Service".to_owned(), namespace, name, uid: String::new() };
            (v1::RecordSource::Service, Some(object))
        }
        Some(Source::Zones | Source::Namespace(_)) | None => (v1::RecordSource::System, None),
    }
}

/// A zone that Polder computes.
#[must_use]
pub fn system_zone(names: &Snapshot, zone: &DomainName) -> v1::Zone {
    let settings = names.settings();
    let text = zone.to_string();
    v1::Zone {
        name: text.strip_suffix('.').unwrap_or(&text).to_owned(),
        primary_name_server: settings.server_name().to_string(),
        mailbox: format!("hostmaster.{}", settings.zone()),
        name_servers: vec![settings.server_name().to_string()],
        default_ttl_seconds: settings.ttl,
        negative_ttl_seconds: settings.negative_ttl,
        serial: names.serial(),
        system: true,
        ..v1::Zone::default()
    }
}

/// How computed names are answered.
#[must_use]
pub fn resolver_settings(names: &Snapshot) -> v1::ResolverSettings {
    let settings = names.settings();
    let zone = settings.zone().to_string();
    v1::ResolverSettings {
        cluster_domain: zone.strip_suffix('.').unwrap_or(&zone).to_owned(),
        cluster_ttl_seconds: Some(settings.ttl),
        cluster_negative_ttl_seconds: Some(settings.negative_ttl),
        pod_records: v1::PodRecords::Disabled.into(),
        udp_payload_limit: u32::from(polder_core::dns::wire::MOST_UDP),
        ..v1::ResolverSettings::default()
    }
}

/// The refusal for a zone that is not there.
#[must_use]
pub fn no_zone(name: &str) -> Refusal {
    Refusal::missing(Reason::ZoneNotFound, "zone", shown(name))
}
