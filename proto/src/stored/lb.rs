//! The stored form of LB's records.
//!
//! Keys, below `/polder/lb/`: `services/<namespace>/<name>` holds a [`pb::Service`]. Heads and journal records lie there too and
//! are no records of the view.

mod service;

use std::sync::Arc;

use polder_core::lb::{Change, Service, ServiceKey, View};
use polder_core::schema::{Corrupt, StoredWrite};
use prost::Message as _;

use crate::state::v1 as pb;

/// Everything of LB lies under this.
pub const PREFIX: &str = "/polder/lb/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    let Some(path) = key.strip_prefix("services/") else { return Ok(None) };
    let corrupt = |why: String| Corrupt { key: format!("{PREFIX}{key}"), why };
    let (namespace, name) = path.split_once('/').ok_or_else(|| corrupt("it does not name a service".to_owned()))?;
    let label = |text: &str| text.parse().map_err(|error| corrupt(format!("{error}")));
    let key = ServiceKey { namespace: label(namespace)?, name: label(name)? };
    let record = value.map(|bytes| read(&key, bytes)).transpose().map_err(corrupt)?;
    Ok(Some(Change::Service(key, record.map(Arc::new))))
}

fn read(key: &ServiceKey, bytes: &[u8]) -> Result<Service, String> {
    let stored = pb::Service::decode(bytes).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        return Err(format!("its form is version {}, this build reads {VERSION}", stored.version));
    }
    service::read(key.clone(), stored)
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    let Change::Service(key, record) = change;
    let value = record.as_ref().map(|service| service::write(service, VERSION).encode_to_vec());
    StoredWrite { key: format!("{PREFIX}services/{}/{}", key.namespace, key.name).into_bytes(), value }
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    let Change::Service(key, _) = change;
    view.service(key).map(|service| service::write(service, VERSION).encode_to_vec())
}

#[cfg(test)]
mod tests;
