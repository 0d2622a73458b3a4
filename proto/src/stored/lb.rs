//! The stored form of LB's records.
//!
//! Keys, below `/polder/lb/`: `services/<namespace>/<name>`, `announcements/<address>`, `drains/<node>`, `epoch`,
//! `bgp-peers/<name>`, `bgp-advertisements/<name>`, `resting/<address>`. Heads and journal records lie there too and are no records of the view.

mod announcement;
mod bgp;
mod service;

use std::net::IpAddr;
use std::sync::Arc;

use polder_core::lb::{BriefRef, Change, ServiceKey, View};
use polder_core::net::{Label, Name};
use polder_core::schema::{Corrupt, StoredWrite};
use prost::Message;

use super::fields::{at_its_key, read_text};
use crate::state::v1 as pb;

/// Everything of LB lies under this.
pub const PREFIX: &str = "/polder/lb/";
const BGP_PEERS: &str = "bgp-peers/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// A stored message that says which form it has.
trait Versioned: Message + Default {
    fn version(&self) -> u32;
}

macro_rules! versioned {
    ($($message:ident)*) => { $(impl Versioned for pb::$message { fn version(&self) -> u32 { self.version } })* };
}

versioned!(Service Rest Announcement AnnouncementDrain AnnouncementEpoch BgpPeer BgpAdvertisement);

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read, or is not written as [`encode`] writes its key: a record under two keys
/// could be deleted under one of them only.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    at_its_key((PREFIX, key), read(key, value), path_of)
}

fn read(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, String> {
    let Some((kind, name)) = key.split_once('/') else {
        return if key == "epoch" { read_epoch(value).map(Some) } else { Ok(None) };
    };
    let change = match kind {
        "services" => {
            let (namespace, name) = name.split_once('/').ok_or("it does not name a service")?;
            let key = ServiceKey { namespace: read_text(namespace)?, name: read_text(name)? };
            Change::Service(key.clone(), record(value, |stored| service::read(key, stored))?)
        }
        "resting" => {
            let address: IpAddr = read_text(name)?;
            Change::Rest(address, record(value, |stored| service::read_rest(&stored))?)
        }
        "announcements" => {
            let address: IpAddr = read_text(name)?;
            Change::Announcement(address, record(value, |stored| announcement::read(address, stored))?)
        }
        "drains" => {
            let node: Name = read_text(name)?;
            Change::Drain(node.clone(), record(value, |stored| Ok(announcement::read_drain(node, &stored)))?)
        }
        "bgp-peers" => {
            let name: Label = read_text(name)?;
            Change::BgpPeer(name.clone(), record(value, |stored| bgp::read_peer(name, stored))?)
        }
        "bgp-advertisements" => {
            let name: Label = read_text(name)?;
            Change::BgpAdvertisement(name.clone(), record(value, |stored| bgp::read_advertisement(name, stored))?)
        }
        _ => return Ok(None),
    };
    Ok(Some(change))
}

/// The newest epoch; none was given where the key is not.
fn read_epoch(value: Option<&[u8]>) -> Result<Change, String> {
    let read = value.map(message::<pb::AnnouncementEpoch>).transpose()?;
    Ok(Change::Epoch(read.map_or(0, |stored| stored.epoch)))
}

fn record<M: Versioned, T>(value: Option<&[u8]>, read: impl FnOnce(M) -> Result<T, String>) -> Result<Option<Arc<T>>, String> {
    value.map(|bytes| message(bytes).and_then(read).map(Arc::new)).transpose()
}

fn message<M: Versioned>(bytes: &[u8]) -> Result<M, String> {
    let stored = M::decode(bytes).map_err(|error| error.to_string())?;
    match stored.version() {
        VERSION => Ok(stored),
        other => Err(format!("its form is version {other}, this build reads {VERSION}")),
    }
}

fn path_of(change: &Change) -> String {
    match change {
        Change::Service(key, _) | Change::Brief(key, _) => format!("services/{}/{}", key.namespace, key.name),
        Change::Rest(address, _) => format!("resting/{address}"),
        Change::Announcement(address, _) => format!("announcements/{address}"),
        Change::Drain(node, _) => format!("drains/{node}"),
        Change::Epoch(_) => "epoch".to_owned(),
        Change::BgpPeer(name, _) => format!("{BGP_PEERS}{name}"),
        Change::BgpAdvertisement(name, _) => format!("bgp-advertisements/{name}"),
    }
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    StoredWrite { key: format!("{PREFIX}{}", path_of(change)).into_bytes(), value: value_of(change) }
}

fn value_of(change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Service(_, record) => record.as_ref().map(|record| service::write(record, VERSION).encode_to_vec()),
        Change::Brief(key, record) => record.as_ref()?.service(key).map(|record| service::write(&record, VERSION).encode_to_vec()),
        Change::Rest(_, record) => record.as_ref().map(|record| service::write_rest(record, VERSION).encode_to_vec()),
        Change::Announcement(_, record) => record.as_ref().map(|record| announcement::write(record, VERSION).encode_to_vec()),
        Change::Drain(_, record) => record.as_ref().map(|record| announcement::write_drain(record, VERSION).encode_to_vec()),
        Change::Epoch(epoch) => Some(pb::AnnouncementEpoch { version: VERSION, epoch: *epoch }.encode_to_vec()),
        Change::BgpPeer(_, record) => record.as_ref().map(|record| bgp::write_peer(record, VERSION).encode_to_vec()),
        Change::BgpAdvertisement(_, record) => {
            record.as_ref().map(|record| bgp::write_advertisement(record, VERSION).encode_to_vec())
        }
    }
}

/// The stored value as the journal keeps it, where that is another: a password is no part of the history.
#[must_use]
pub fn journaled(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    key.starts_with(BGP_PEERS).then(|| bgp::without_password(value)).flatten()
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    let board = view.board();
    value_of(&match change {
        Change::Service(key, _) => Change::Service(key.clone(), view.service(key).cloned()),
        Change::Brief(key, _) => Change::Brief(key.clone(), view.brief(key).map(BriefRef::to_brief)),
        Change::Rest(address, _) => Change::Rest(*address, view.rest(*address).cloned()),
        Change::Announcement(address, _) => Change::Announcement(*address, board.of(*address).cloned()),
        Change::Drain(node, _) => Change::Drain(node.clone(), board.drain(node).cloned()),
        Change::Epoch(_) if board.epoch() == 0 => return None,
        Change::Epoch(_) => Change::Epoch(board.epoch()),
        Change::BgpPeer(name, _) => Change::BgpPeer(name.clone(), view.bgp_peer(name).cloned()),
        Change::BgpAdvertisement(name, _) => Change::BgpAdvertisement(name.clone(), view.bgp_advertisement(name).cloned()),
    })
}

#[cfg(test)]
mod tests;
