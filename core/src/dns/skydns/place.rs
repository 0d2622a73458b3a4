//! The records of a name, from all entries that stand there and what operators stored.

use std::sync::Arc;

use super::super::data::{Data, Texts};
use super::super::name::DomainName;
use super::super::record::{Record, RecordType};
use super::super::zones::{Owner, Zone};
use super::view::is_reverse;
use super::{Entry, Host, Key, View};
use crate::cluster::Cluster;

/// The most bytes of one text of a TXT record.
const MOST_TEXT: usize = 255;

/// The data of an entry at a name.
type Given<'a> = (&'a Key, Data, u32);

impl View {
    /// The records that follow from an entry, sorted; none when it does not exist, or its zone is not stored.
    pub(in crate::dns) fn records(&self, cluster: &Cluster, key: &Key) -> Arc<[Record]> {
        let Some(entry) = self.get(key) else { return Arc::default() };
        let at = |name: DomainName| {
            let given = self.given(cluster, &name).into_iter().filter(|(of, ..)| *of == key);
            given.map(|(_, data, ttl)| Record { name: name.clone(), data, ttl }).collect::<Vec<_>>()
        };
        let mut records: Vec<Record> = self.places(entry).into_iter().flat_map(at).collect();
        records.sort_unstable();
        records.dedup();
        records.into()
    }

    /// What all entries give at a name, beside what operators stored there.
    fn given(&self, cluster: &Cluster, name: &DomainName) -> Vec<Given<'_>> {
        let zone = cluster.dns.zone_of(name, None).filter(|zone| self.fills(&zone.name));
        let Some((zone, owner)) = zone.and_then(|zone| Some((zone, Owner::of(name, &zone.name).ok()?))) else { return Vec::new() };
        let is_cut = |above: &Owner| cluster.dns.sets_at(&zone.name, above).any(|set| set.key.rtype() == RecordType::NS);
        if owner.with_above().any(|above| is_cut(&above)) {
            return Vec::new();
        }
        let stored: Vec<RecordType> = cluster.dns.sets_at(&zone.name, &owner).map(|set| set.key.rtype()).collect();
        if stored.contains(&RecordType::CNAME) {
            return Vec::new();
        }
        let served = self.served(name);
        let mut given: Vec<Given<'_>> = served.into_iter().flat_map(|(key, entry)| data(zone, key, entry)).collect();
        one_alias(&mut given, stored.is_empty() && !owner.is_apex());
        given.retain(|(_, data, _)| data.record_type().is_none_or(|rtype| !stored.contains(&rtype)));
        one_ttl(&mut given);
        given
    }
}

/// What an entry gives at each name where it stands.
fn data<'a>(zone: &Zone, key: &'a Key, entry: &Entry) -> Vec<Given<'a>> {
    let mut all = Vec::new();
    // Where there is an address the host has the name of the entry.
    let own = || entry.stripped().unwrap_or_else(|| entry.name().clone());
    let target = match &entry.host {
        Some(Host::Name(name)) => Some(name.clone()),
        Some(Host::Address(address)) => {
            all.push(Data::address(*address));
            Some(own())
        }
        None => None,
    };
    if let Some(target) = target {
        if let Some(port) = entry.port {
            all.push(Data::Srv { priority: entry.priority, weight: entry.weight, port, target: target.clone() });
        }
        if entry.mail {
            all.push(Data::Mx { preference: entry.priority, target: target.clone() });
        }
        if all.is_empty() {
            let reverse = is_reverse(zone.name.domain());
            all.push(if reverse { Data::Ptr { rank: 0, target } } else { Data::Cname(target) });
        }
    }
    if !entry.text.is_empty() {
        all.push(Data::Txt(Texts::new(entry.text.as_bytes().chunks(MOST_TEXT))));
    }
    let ttl = entry.ttl.unwrap_or(zone.spec.ttl);
    all.into_iter().map(|data| (key, data, ttl)).collect()
}

/// An alias is alone at its name (RFC 1034 §3.6.2): hosts come before it, it comes before text, and the first of several is taken.
fn one_alias(given: &mut Vec<Given<'_>>, may_be: bool) {
    let is_alias = |data: &Data| matches!(data, Data::Cname(_));
    let has_host = given.iter().any(|(_, data, _)| !is_alias(data) && !matches!(data, Data::Txt(_)));
    if has_host || !may_be {
        given.retain(|(_, data, _)| !is_alias(data));
    } else if let Some(first) = given.iter().position(|(_, data, _)| is_alias(data)) {
        let alias = given.swap_remove(first);
        given.clear();
        given.push(alias);
    }
}

/// All records of a set may be kept for the same time (RFC 2181 §5.2): the shortest.
fn one_ttl(given: &mut [Given<'_>]) {
    let of_type = |rtype, given: &[Given<'_>]| {
        given.iter().filter(|(_, data, _)| data.record_type() == rtype).map(|(.., ttl)| *ttl).min().unwrap_or_default()
    };
    for at in 0..given.len() {
        let shortest = given.get(at).map(|(_, data, _)| of_type(data.record_type(), given));
        if let (Some(shortest), Some((.., ttl))) = (shortest, given.get_mut(at)) {
            *ttl = shortest;
        }
    }
}
