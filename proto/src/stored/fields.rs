//! Single values in their stored form. A value that cannot be read is told in a sentence.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use polder_core::id::Uid;
use polder_core::ipam::AnyOf;
use polder_core::meta::Meta;
use polder_core::net::{AddrRange, Labels};
use polder_core::schema::Corrupt;
use polder_core::time::Timestamp;

use crate::state::v1 as pb;

/// What was read under `key`, below `prefix`, if that is where it is written: `path` says where. A record under two keys could be
/// deleted under one of them only.
pub(super) fn at_its_key<C>(
    (prefix, key): (&str, &str),
    read: Result<Option<C>, String>,
    path: impl FnOnce(&C) -> String,
) -> Result<Option<C>, Corrupt> {
    let place = |change: &C| match path(change) {
        own if own == key => Ok(()),
        own => Err(format!("the record is stored under {prefix}{own}")),
    };
    let change = read.and_then(|change| change.as_ref().map_or(Ok(()), place).map(|()| change));
    change.map_err(|why| Corrupt { key: format!("{prefix}{key}"), why })
}

pub(super) fn write_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(super) fn read_address(bytes: &[u8]) -> Result<IpAddr, String> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).map_err(|_| format!("an address has {} bytes", bytes.len()))
}

/// Empty bytes are absent.
pub(super) fn read_optional_address(bytes: &[u8]) -> Result<Option<IpAddr>, String> {
    (!bytes.is_empty()).then(|| read_address(bytes)).transpose()
}

pub(super) fn write_optional_address(address: Option<IpAddr>) -> Vec<u8> {
    address.map(write_address).unwrap_or_default()
}

pub(super) fn write_range(range: &AddrRange) -> Vec<u8> {
    let mut bytes = write_address(range.start());
    if range.len() > 1 {
        bytes.extend(write_address(range.end()));
    }
    bytes
}

pub(super) fn read_range(bytes: &[u8]) -> Result<AddrRange, String> {
    let (first, last) = match bytes.len() {
        8 | 32 => bytes.split_at(bytes.len() / 2),
        _ => (bytes, bytes),
    };
    AddrRange::new(read_address(first)?, read_address(last)?).map_err(|error| error.to_string())
}

pub(super) fn write_ranges(ranges: &[AddrRange]) -> Vec<Vec<u8>> {
    ranges.iter().map(write_range).collect()
}

pub(super) fn read_ranges(stored: &[Vec<u8>]) -> Result<Vec<AddrRange>, String> {
    stored.iter().map(|bytes| read_range(bytes)).collect()
}

pub(super) fn write_prefix(prefix: &IpNet) -> Vec<u8> {
    let mut bytes = write_address(prefix.addr());
    bytes.push(prefix.prefix_len());
    bytes
}

pub(super) fn read_prefix(bytes: &[u8]) -> Result<IpNet, String> {
    let (length, address) = bytes.split_last().ok_or("a prefix is empty")?;
    IpNet::new(read_address(address)?, *length).map_err(|error| error.to_string())
}

pub(super) fn write_prefixes(prefixes: &[IpNet]) -> Vec<Vec<u8>> {
    prefixes.iter().map(write_prefix).collect()
}

pub(super) fn read_prefixes(stored: &[Vec<u8>]) -> Result<Vec<IpNet>, String> {
    stored.iter().map(|bytes| read_prefix(bytes)).collect()
}

pub(super) fn write_meta(meta: &Meta) -> pb::Meta {
    pb::Meta { uid: meta.uid.0.to_be_bytes().to_vec(), ..write_meta_without_uid(meta) }
}

/// For records whose key is the uid.
pub(super) const fn write_meta_without_uid(meta: &Meta) -> pb::Meta {
    pb::Meta { uid: Vec::new(), generation: meta.version, created: meta.created.0, updated: meta.updated.0 }
}

pub(super) fn read_meta(meta: Option<pb::Meta>) -> Result<Meta, String> {
    let meta = meta.ok_or("it has no identity")?;
    Ok(read_meta_of(read_uid(&meta.uid)?, &meta))
}

pub(super) fn read_uid(bytes: &[u8]) -> Result<Uid, String> {
    let uid = <[u8; 16]>::try_from(bytes).map_err(|_| format!("its uid has {} bytes", bytes.len()))?;
    Ok(Uid(u128::from_be_bytes(uid)))
}

pub(super) const fn read_meta_of(uid: Uid, meta: &pb::Meta) -> Meta {
    Meta { uid, version: meta.generation, created: Timestamp(meta.created), updated: Timestamp(meta.updated) }
}

pub(super) fn write_labels(labels: &Labels) -> std::collections::BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(super) fn read_labels(labels: impl IntoIterator<Item = (String, String)>) -> Result<Labels, String> {
    Labels::new(labels).map_err(|error| error.to_string())
}

pub(super) fn write_selectors(selectors: &AnyOf) -> Vec<String> {
    selectors.0.iter().map(ToString::to_string).collect()
}

pub(super) fn read_selectors(stored: &[String]) -> Result<AnyOf, String> {
    stored.iter().map(|text| read_text(text)).collect::<Result<_, _>>().map(AnyOf)
}

/// Empty text is absent.
pub(super) fn read_optional<T: FromStr<Err: ToString>>(text: &str) -> Result<Option<T>, String> {
    match text {
        "" => Ok(None),
        text => read_text(text).map(Some),
    }
}

pub(super) fn read_text<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn write_optional<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn write_duration(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A number that must fit a smaller type.
pub(super) fn read_number<T: TryFrom<u32>>(number: u32) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}

pub(super) fn read_port(number: u32) -> Result<u16, String> {
    u16::try_from(number).map_err(|_| format!("{number} is no port"))
}

/// Reads each into a list without room to spare: most have one item, and they stay in memory as long as their object.
pub(super) fn read_each<A, B>(items: impl IntoIterator<Item = A>, read: impl Fn(A) -> Result<B, String>) -> Result<Vec<B>, String> {
    let items = items.into_iter();
    let mut list = Vec::with_capacity(items.size_hint().0);
    for item in items {
        list.push(read(item)?);
    }
    Ok(list)
}
