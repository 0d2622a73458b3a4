//! What stands at a name: in computed zones what is in the table and nothing else, in stored ones also delegations (RFC 1034
//! §4.3.2) and wildcards (RFC 4592).

use std::net::IpAddr;

use super::super::name::suffixes;
use super::super::record::RecordType;
use super::super::snapshot::{At, Implied, Node, Set, Snapshot};
use super::super::views::Sight;
use super::pods::address_in;
use crate::lb::BriefRef;

/// What stands at a name.
pub(super) enum Found<'a> {
    /// Records of the type.
    Set(Set<'a>),
    /// An address of the type asked for, that of a service or one that the name says itself.
    Address(IpAddr),
    /// Ports of a service: all of them, or those with the name and the protocol of this one.
    Ports(BriefRef<'a>, Option<usize>),
    /// The names of the services with this virtual IP.
    Fronts(IpAddr),
    /// An alias.
    Alias(Set<'a>),
    /// The start of the zone is asked for.
    Start,
    /// The name exists, without such records.
    NoData,
    /// The name does not exist.
    Missing,
    /// Other servers answer for the name, or for one above it, which has this many bytes.
    Elsewhere(Set<'a>, usize),
}

/// What stands at `name` for a question of this type.
pub(super) fn find<'a>(sight: Sight<'a>, name: &[u8], rtype: RecordType) -> Found<'a> {
    let snapshot = sight.tables(name);
    if sight.hides(name) {
        return Found::Missing;
    }
    if is_of_parent(sight, name, rtype) {
        return Found::NoData;
    }
    let place = snapshot.at(name);
    if place.is_some_and(|place| sight.hides_names_of(place)) {
        return Found::Missing;
    }
    // A name with computed records and nothing else is never in a delegated part: they come first.
    let stored = if place.is_some_and(|place| place.is_computed()) { None } else { snapshot.stored_zone_of(name) };
    if let Some(zone) = stored
        && let Some((servers, length)) = delegation(snapshot, zone, name)
        // Only about its keys the zone around a delegation is asked (RFC 4035 §3.1.4.1).
        && !(rtype == RecordType::DS && length == name.len())
    {
        return Found::Elsewhere(servers, length);
    }
    let start = |zone: &[u8]| rtype == RecordType::SOA && zone.len() == name.len();
    match place {
        Some(At::Implied(implied)) => follows(implied, rtype),
        Some(At::Kept(node)) => at(node, rtype, || snapshot.zone_of(name).is_some_and(start)),
        None => {
            let wild = stored.and_then(|zone| snapshot.wildcard(zone, name));
            wild.map_or_else(|| said(address_in(snapshot, name), rtype), |(_, node)| at(node, rtype, || false))
        }
    }
}

/// The innermost of our zones that has the name; for a question about the keys of a zone in one of ours the one around it.
pub(super) fn zone_for<'a>(sight: Sight<'_>, name: &'a [u8], rtype: RecordType) -> Option<&'a [u8]> {
    let name = if is_of_parent(sight, name, rtype) { suffixes(name).nth(1)? } else { name };
    sight.tables(name).zone_of(name)
}

/// Whether the zone around answers at the start of the zone that the name is (RFC 4035 §3.1.4.1).
fn is_of_parent(sight: Sight<'_>, name: &[u8], rtype: RecordType) -> bool {
    let is_ours = |above: &[u8]| sight.tables(above).zone_of(above).is_some();
    rtype == RecordType::DS && sight.tables(name).is_apex(name) && suffixes(name).nth(1).is_some_and(is_ours)
}

/// What a service has of a type.
fn follows(implied: Implied<'_>, rtype: RecordType) -> Found<'_> {
    let found = match (implied, rtype) {
        (Implied::Front(service), RecordType::A | RecordType::AAAA) => {
            service.cluster().find(|address| rtype == RecordType::of(*address)).map(Found::Address)
        }
        (Implied::Front(service), RecordType::SRV) => service.ports().next().map(|_| Found::Ports(service, None)),
        (Implied::Port(service, port), RecordType::SRV) => Some(Found::Ports(service, Some(port))),
        (Implied::Address(address), RecordType::PTR) => Some(Found::Fronts(address)),
        _ => None,
    };
    found.unwrap_or(Found::NoData)
}

fn said(address: Option<IpAddr>, rtype: RecordType) -> Found<'static> {
    match address {
        Some(address) if rtype == RecordType::of(address) => Found::Address(address),
        Some(_) => Found::NoData,
        None => Found::Missing,
    }
}

fn at(node: &Node, rtype: RecordType, is_start: impl FnOnce() -> bool) -> Found<'_> {
    if let Some(set) = node.set(rtype) {
        return Found::Set(set);
    }
    if is_start() {
        return Found::Start;
    }
    node.set(RecordType::CNAME).map_or(Found::NoData, Found::Alias)
}

/// The name servers of the outermost delegated name at or above `name`, below the apex of `zone`; and how many bytes that name has.
fn delegation<'a>(snapshot: &'a Snapshot, zone: &[u8], name: &[u8]) -> Option<(Set<'a>, usize)> {
    let below = suffixes(name).take_while(|suffix| suffix.len() > zone.len());
    let cuts = below.filter_map(|suffix| Some((snapshot.kept(suffix)?.set(RecordType::NS)?, suffix.len())));
    cuts.last()
}
