//! The stored form of IPAM's records.
//!
//! Keys, below `/polder/ipam/`: `namespaces/<name>`, `pools/<name>`, `reservations/<name>`, `network`, `nodes/<name>`,
//! `blocks/<prefix with - for />`, `allocations/<uid>`, `neighbors/<node>`. Heads and journal records lie there too and are no records of the view.

mod config;
mod neighbors;
mod usage;

use std::sync::Arc;

use ipnet::IpNet;
use polder_core::id::Uid;
use polder_core::ipam::{Change, View};
use polder_core::schema::{Corrupt, StoredWrite};
use prost::Message;

use super::fields::{at_its_key, read_text};
use crate::state::v1 as pb;

/// Everything of IPAM lies under this.
pub const PREFIX: &str = "/polder/ipam/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// A stored message that says which form it has.
trait Versioned: Message + Default {
    fn version(&self) -> u32;
}

macro_rules! versioned {
    ($($message:ident)*) => { $(impl Versioned for pb::$message { fn version(&self) -> u32 { self.version } })* };
}

versioned!(Namespace Pool Reservation ComputeNetwork Node Block Allocation Neighbors);

/// Reads one stored key; `key` is what follows [`PREFIX`].
///
/// # Errors
/// [`Corrupt`] when it is a record and cannot be read, or is not written as [`key_of`] writes its key: a record under two keys
/// could be deleted under one of them only.
pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
    at_its_key((PREFIX, key), read(key, value), path_of)
}

fn read(key: &str, value: Option<&[u8]>) -> Result<Option<Change>, String> {
    let Some((kind, name)) = key.split_once('/') else {
        return if key == "network" { record(value, config::read_network).map(Change::Network).map(Some) } else { Ok(None) };
    };
    let change = match kind {
        "namespaces" => {
            let name: polder_core::net::Label = read_text(name)?;
            Change::Namespace(name.clone(), record(value, |stored| config::read_namespace(name, stored))?)
        }
        "pools" => {
            let name: polder_core::net::Name = read_text(name)?;
            Change::Pool(name.clone(), record(value, |stored| config::read_pool(name, stored))?)
        }
        "reservations" => {
            let name: polder_core::net::Name = read_text(name)?;
            Change::Reservation(name.clone(), record(value, |stored| config::read_reservation(name, stored))?)
        }
        "nodes" => {
            let name: polder_core::net::Name = read_text(name)?;
            Change::Node(name.clone(), record(value, |stored| usage::read_node(name, stored))?)
        }
        "blocks" => {
            let cidr = read_block_key(name)?;
            Change::Block(cidr, record(value, |stored| usage::read_block(cidr, &stored))?)
        }
        "allocations" => {
            let uid: Uid = read_text(name)?;
            Change::Allocation(uid, record(value, |stored| usage::read_allocation(uid, stored))?)
        }
        "neighbors" => {
            let node: polder_core::net::Name = read_text(name)?;
            Change::Neighbors(node.clone(), record(value, |stored| neighbors::read(node, stored))?)
        }
        _ => return Ok(None),
    };
    Ok(Some(change))
}

/// A block is as long as pools may make blocks: the view notes each of its addresses.
fn read_block_key(name: &str) -> Result<IpNet, String> {
    let cidr: IpNet = read_text(&name.replace('-', "/"))?;
    let least = if cidr.addr().is_ipv4() { 20 } else { 112 };
    match cidr.prefix_len() >= least && cidr.trunc() == cidr {
        true => Ok(cidr),
        false => Err(format!("{cidr} is not a block: a prefix of {least} bits or more, without host bits")),
    }
}

fn record<M: Versioned, T>(value: Option<&[u8]>, read: impl FnOnce(M) -> Result<T, String>) -> Result<Option<Arc<T>>, String> {
    let Some(bytes) = value else {
        return Ok(None);
    };
    let stored = M::decode(bytes).map_err(|error| error.to_string())?;
    match stored.version() {
        VERSION => read(stored).map(Arc::new).map(Some),
        other => Err(format!("its form is version {other}, this build reads {VERSION}")),
    }
}

/// The whole key under which a change is stored.
#[must_use]
pub fn key_of(change: &Change) -> String {
    format!("{PREFIX}{}", path_of(change))
}

fn path_of(change: &Change) -> String {
    match change {
        Change::Namespace(name, _) => format!("namespaces/{name}"),
        Change::Pool(name, _) => format!("pools/{name}"),
        Change::Reservation(name, _) => format!("reservations/{name}"),
        Change::Network(_) => "network".to_owned(),
        Change::Node(name, _) => format!("nodes/{name}"),
        Change::Block(cidr, _) => format!("blocks/{}", cidr.to_string().replace('/', "-")),
        Change::Allocation(uid, _) => format!("allocations/{uid}"),
        Change::Neighbors(node, _) => format!("neighbors/{node}"),
    }
}

/// The stored form of a change.
#[must_use]
pub fn encode(change: &Change) -> StoredWrite {
    StoredWrite { key: key_of(change).into_bytes(), value: value_of(change) }
}

fn value_of(change: &Change) -> Option<Vec<u8>> {
    match change {
        Change::Namespace(_, record) => record.as_ref().map(|record| config::write_namespace(record, VERSION).encode_to_vec()),
        Change::Pool(_, record) => record.as_ref().map(|record| config::write_pool(record, VERSION).encode_to_vec()),
        Change::Reservation(_, record) => record.as_ref().map(|record| config::write_reservation(record, VERSION).encode_to_vec()),
        Change::Network(record) => record.as_ref().map(|record| config::write_network(record, VERSION).encode_to_vec()),
        Change::Node(_, record) => record.as_ref().map(|record| usage::write_node(record, VERSION).encode_to_vec()),
        Change::Block(_, record) => record.as_ref().map(|record| usage::write_block(record, VERSION).encode_to_vec()),
        Change::Allocation(_, record) => record.as_ref().map(|record| usage::write_allocation(record, VERSION).encode_to_vec()),
        Change::Neighbors(_, record) => record.as_ref().map(|record| neighbors::write(record, VERSION).encode_to_vec()),
    }
}

/// The stored value that the view holds now under the key of `change`.
#[must_use]
pub fn before(view: &View, change: &Change) -> Option<Vec<u8>> {
    let now = match change {
        Change::Namespace(name, _) => Change::Namespace(name.clone(), view.namespace(name).cloned()),
        Change::Pool(name, _) => Change::Pool(name.clone(), view.pool(name).cloned()),
        Change::Reservation(name, _) => Change::Reservation(name.clone(), view.reservation(name).cloned()),
        Change::Network(_) => Change::Network(view.network().cloned()),
        Change::Node(name, _) => Change::Node(name.clone(), view.node(name).cloned()),
        Change::Block(cidr, _) => Change::Block(*cidr, view.block(*cidr).cloned()),
        Change::Allocation(uid, _) => Change::Allocation(*uid, view.allocation(*uid).cloned()),
        Change::Neighbors(node, _) => Change::Neighbors(node.clone(), view.neighbors_of(node).cloned()),
    };
    value_of(&now)
}

#[cfg(test)]
mod tests;
