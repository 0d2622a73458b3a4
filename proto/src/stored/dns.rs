//! The stored form of DNS' records.
//!
//! Keys, below `/polder/dns/`: `zones/<name>`, `records/<zone>/<name>/<type>`, `resolver`. Heads, journal records and how far
//! servers have come ([`serving`]) lie there too and are no records of the view.

mod resolver;
pub mod serving;
pub mod skydns;

use std::sync::Arc;

use polder_core::dns::transfer::Secondaries;
use polder_core::dns::zones::{Change, RecordSet, RecordSetKey, View, Zone, ZoneName, ZoneSpec};
use polder_core::dns::{Data, DomainName};
use polder_core::schema::{Corrupt, StoredWrite};
use prost::Message;

use super::fields::{
    at_its_key, read_each, read_labels, read_meta, read_optional, read_prefixes, read_text, write_labels, write_meta,
    write_optional, write_prefixes,
};
use crate::state::v1 as pb;

/// Everything of DNS lies under this.
pub const PREFIX: &str = "/polder/dns/";
/// The key of the resolver's settings.
const RESOLVER: &str = "resolver";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read, or is not written as [`encode`] writes its key: a record under two keys
/// could be deleted under one of them only.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    at_its_key((PREFIX, key), read(key, value), path_of)
}

fn read(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, String> {
    let change = match key.split_once('/') {
        Some(("zones", name)) => {
            let name: ZoneName = read_text(name)?;
            Change::Zone(name.clone(), value.map(|bytes| read_zone(name, bytes)).transpose()?.map(Arc::new))
        }
        Some(("records", path)) => {
            let key = Arc::new(read_key(path)?);
            Change::RecordSet(Arc::clone(&key), value.map(|bytes| read_set(key, bytes)).transpose()?.map(Arc::new))
        }
        None if key == RESOLVER => Change::Resolver(value.map(resolver::read).transpose()?.map(Arc::new)),
        _ => return Ok(None),
    };
    Ok(Some(change))
}

fn read_key(path: &str) -> Result<RecordSetKey, String> {
    let mut parts = path.splitn(3, '/');
    let mut part = || parts.next().ok_or("it does not name a record set");
    let (zone, owner, rtype) = (part()?, part()?, part()?);
    RecordSetKey::new(read_text(zone)?, read_text(owner)?, read_text(rtype)?).map_err(|error| error.to_string())
}

fn known(version: u32) -> Result<(), String> {
    match version {
        VERSION => Ok(()),
        other => Err(format!("its form is version {other}, this build reads {VERSION}")),
    }
}

fn read_zone(name: ZoneName, bytes: &[u8]) -> Result<Zone, String> {
    let stored = pb::Zone::decode(bytes).map_err(|error| error.to_string())?;
    known(stored.version)?;
    let spec = ZoneSpec {
        primary: read_optional(&stored.primary_name_server)?,
        mailbox: read_optional(&stored.mailbox)?,
        name_servers: read_each(&stored.name_servers, |text| read_text(text))?,
        ttl: stored.default_ttl_seconds,
        negative_ttl: stored.negative_ttl_seconds,
        refresh: stored.refresh_seconds,
        retry: stored.retry_seconds,
        expire: stored.expire_seconds,
        publish_services: stored.publish_services,
        secondaries: Secondaries {
            transfer_to: read_prefixes(&stored.transfer_to)?,
            notify: read_each(&stored.notify, |text| read_text(text))?,
        },
    };
    Ok(Zone { name, meta: read_meta(stored.meta)?, labels: read_labels(stored.labels)?, spec })
}

fn write_zone(zone: &Zone) -> pb::Zone {
    let spec = &zone.spec;
    pb::Zone {
        version: VERSION,
        meta: Some(write_meta(&zone.meta)),
        labels: write_labels(&zone.labels),
        primary_name_server: write_optional(spec.primary.as_ref()),
        mailbox: write_optional(spec.mailbox.as_ref()),
        name_servers: spec.name_servers.iter().map(DomainName::to_string).collect(),
        default_ttl_seconds: spec.ttl,
        negative_ttl_seconds: spec.negative_ttl,
        refresh_seconds: spec.refresh,
        retry_seconds: spec.retry,
        expire_seconds: spec.expire,
        publish_services: spec.publish_services,
        transfer_to: write_prefixes(&spec.secondaries.transfer_to),
        notify: spec.secondaries.notify.iter().map(ToString::to_string).collect(),
    }
}

fn read_set(key: Arc<RecordSetKey>, bytes: &[u8]) -> Result<RecordSet, String> {
    let stored = pb::RecordSet::decode(bytes).map_err(|error| error.to_string())?;
    known(stored.version)?;
    let read = |wire: &Vec<u8>| {
        let data = Data::from_wire(key.rtype(), wire);
        data.ok_or_else(|| format!("it has {} bytes that are no data of type {}", wire.len(), key.rtype()))
    };
    let data = read_each(&stored.data, read)?;
    if data.is_empty() || !data.is_sorted_by(|one, next| one < next) {
        return Err("its data is not sorted, or there is none".to_owned());
    }
    let (meta, labels) = (read_meta(stored.meta)?, read_labels(stored.labels)?);
    Ok(RecordSet { key, meta, labels, ttl: stored.ttl_seconds, data: data.into() })
}

fn write_set(set: &RecordSet) -> pb::RecordSet {
    pb::RecordSet {
        version: VERSION,
        meta: Some(write_meta(&set.meta)),
        labels: write_labels(&set.labels),
        ttl_seconds: set.ttl,
        data: set.data.iter().map(Data::to_wire).collect(),
    }
}

fn path_of(change: &Change) -> String {
    match change {
        Change::Zone(name, _) => format!("zones/{name}"),
        Change::RecordSet(key, _) => format!("records/{key}"),
        Change::Resolver(_) => RESOLVER.to_owned(),
    }
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    StoredWrite { key: format!("{PREFIX}{}", path_of(change)).into_bytes(), value: value_of(change) }
}

fn value_of(change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Zone(_, record) => record.as_ref().map(|zone| write_zone(zone).encode_to_vec()),
        Change::RecordSet(_, record) => record.as_ref().map(|set| write_set(set).encode_to_vec()),
        Change::Resolver(record) => record.as_ref().map(|settings| resolver::write(settings).encode_to_vec()),
    }
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    value_of(&match change {
        Change::Zone(name, _) => Change::Zone(name.clone(), view.zone(name.as_str()).cloned()),
        Change::RecordSet(key, _) => Change::RecordSet(Arc::clone(key), view.set(key).cloned()),
        Change::Resolver(_) => Change::Resolver(view.resolver().cloned()),
    })
}

#[cfg(test)]
mod tests;
