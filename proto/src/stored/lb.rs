//! The stored form of LB's records.
//!
//! Keys, below `/polder/lb/`: `services/<namespace>/<name>` holds a [`pb::Service`], `resting/<address>` a [`pb::Rest`]. Heads and journal records lie there too and
//! are no records of the view.

mod service;

use std::sync::Arc;

use polder_core::lb::{Change, Rest, Service, ServiceKey, View};
use polder_core::net::parse_addr;
use polder_core::schema::{Corrupt, StoredWrite};
use polder_core::time::Timestamp;
use prost::Message as _;

use super::fields::read_text;
use crate::state::v1 as pb;

/// Everything of LB lies under this.
pub const PREFIX: &str = "/polder/lb/";
/// Below it, the addresses that services gave up.
const RESTING: &str = "resting/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    let corrupt = |why: String| Corrupt { key: format!("{PREFIX}{key}"), why };
    if let Some(text) = key.strip_prefix(RESTING) {
        let address = parse_addr(text).map_err(|error| corrupt(error.to_string()))?;
        if address.to_string() != text {
            return Err(corrupt(format!("the address is written as {address}")));
        }
        let record = value.map(read_rest).transpose().map_err(corrupt)?;
        return Ok(Some(Change::Rest(address, record.map(Arc::new))));
    }
    let Some(path) = key.strip_prefix("services/") else { return Ok(None) };
    let (namespace, name) = path.split_once('/').ok_or_else(|| corrupt("it does not name a service".to_owned()))?;
    let label = |text: &str| text.parse().map_err(|error| corrupt(format!("{error}")));
    let key = ServiceKey { namespace: label(namespace)?, name: label(name)? };
    let record = value.map(|bytes| read(&key, bytes)).transpose().map_err(corrupt)?;
    Ok(Some(Change::Service(key, record.map(Arc::new))))
}

fn read(key: &ServiceKey, bytes: &[u8]) -> Result<Service, String> {
    let stored = pb::Service::decode(bytes).map_err(|error| error.to_string())?;
    check_version(stored.version)?;
    service::read(key.clone(), stored)
}

fn read_rest(bytes: &[u8]) -> Result<Rest, String> {
    let stored = pb::Rest::decode(bytes).map_err(|error| error.to_string())?;
    check_version(stored.version)?;
    let holder = ServiceKey { namespace: read_text(&stored.namespace)?, name: read_text(&stored.name)? };
    Ok(Rest { since: Timestamp(stored.since), holder })
}

fn write_rest(rest: &Rest) -> Vec<u8> {
    let ServiceKey { namespace, name } = &rest.holder;
    let (namespace, name) = (namespace.to_string(), name.to_string());
    pb::Rest { version: VERSION, since: rest.since.0, namespace, name }.encode_to_vec()
}

fn check_version(version: u32) -> Result<(), String> {
    if version == VERSION { Ok(()) } else { Err(format!("its form is version {version}, this build reads {VERSION}")) }
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    let (key, value) = match change {
        Change::Service(key, record) => {
            let value = record.as_ref().map(|service| service::write(service, VERSION).encode_to_vec());
            (format!("{PREFIX}services/{}/{}", key.namespace, key.name), value)
        }
        Change::Rest(address, record) => (format!("{PREFIX}{RESTING}{address}"), record.as_deref().map(write_rest)),
    };
    StoredWrite { key: key.into_bytes(), value }
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Service(key, _) => view.service(key).map(|service| service::write(service, VERSION).encode_to_vec()),
        Change::Rest(address, _) => view.rest(*address).map(|rest| write_rest(rest)),
    }
}

#[cfg(test)]
mod tests;
