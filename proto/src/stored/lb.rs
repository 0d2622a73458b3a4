//! The stored form of LB's records.
//!
//! Keys, below `/polder/lb/`: `services/<namespace>/<name>` holds a [`pb::Service`], `bgp-peers/<name>` a [`pb::BgpPeer`],
//! `bgp-advertisements/<name>` a [`pb::BgpAdvertisement`]. Heads and journal records lie there too and are no records of the view.

mod bgp;
mod service;

use std::sync::Arc;

use polder_core::lb::{Change, Service, ServiceKey, View};
use polder_core::net::Label;
use polder_core::schema::{Corrupt, StoredWrite};
use prost::Message as _;

use crate::state::v1 as pb;

/// Everything of LB lies under this.
pub const PREFIX: &str = "/polder/lb/";
const BGP_PEERS: &str = "bgp-peers/";
const BGP_ADVERTISEMENTS: &str = "bgp-advertisements/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    if let Some(name) = key.strip_prefix(BGP_PEERS) {
        let (name, record) = named(key, name, value, bgp::read_peer)?;
        return Ok(Some(Change::BgpPeer(name, record)));
    }
    if let Some(name) = key.strip_prefix(BGP_ADVERTISEMENTS) {
        let (name, record) = named(key, name, value, bgp::read_advertisement)?;
        return Ok(Some(Change::BgpAdvertisement(name, record)));
    }
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
    known(stored.version)?;
    service::read(key.clone(), stored)
}

fn known(version: u32) -> Result<(), String> {
    match version {
        VERSION => Ok(()),
        version => Err(format!("its form is version {version}, this build reads {VERSION}")),
    }
}

/// A record whose key is its name.
fn named<T>(
    key: &str,
    name: &str,
    value: Option<&[u8]>,
    read: impl Fn(Label, &[u8]) -> Result<T, String>,
) -> Result<(Label, Option<Arc<T>>), Corrupt> {
    let corrupt = |why: String| Corrupt { key: format!("{PREFIX}{key}"), why };
    let name: Label = name.parse().map_err(|error| corrupt(format!("{error}")))?;
    let record = value.map(|bytes| read(name.clone(), bytes)).transpose().map_err(corrupt)?;
    Ok((name, record.map(Arc::new)))
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    let (key, value) = match change {
        Change::Service(key, record) => {
            let value = record.as_ref().map(|service| service::write(service, VERSION).encode_to_vec());
            (format!("services/{}/{}", key.namespace, key.name), value)
        }
        Change::BgpPeer(name, record) => (format!("{BGP_PEERS}{name}"), record.as_deref().map(bgp::write_peer)),
        Change::BgpAdvertisement(name, record) => {
            (format!("{BGP_ADVERTISEMENTS}{name}"), record.as_deref().map(bgp::write_advertisement))
        }
    };
    StoredWrite { key: format!("{PREFIX}{key}").into_bytes(), value }
}

/// The stored value as the journal keeps it, where that is another: a password is no part of the history.
#[must_use]
pub fn journaled(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    key.starts_with(BGP_PEERS).then(|| bgp::without_password(value)).flatten()
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Service(key, _) => view.service(key).map(|service| service::write(service, VERSION).encode_to_vec()),
        Change::BgpPeer(name, _) => view.bgp_peer(name).map(|peer| bgp::write_peer(peer)),
        Change::BgpAdvertisement(name, _) => {
            view.bgp_advertisement(name).map(|advertisement| bgp::write_advertisement(advertisement))
        }
    }
}

#[cfg(test)]
mod tests;
