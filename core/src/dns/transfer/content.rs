//! Which records a zone has for others: its own, and where a zone of ours lies in it, the name servers of that one, which are the
//! delegation then, with their addresses where these can be found no other way.
//!
//! The records are those of compiled sets, as they are served.

use super::super::name::{DomainName, is_under, suffixes};
use super::super::record::RecordType;
use super::super::snapshot::{Node, Snapshot, Start};
use super::super::wire::{FIXED, QUESTION, split_records};

/// Bytes of the serial number and everything behind it in a SOA record.
const BEHIND_NAMES: usize = 20;

/// What of a name belongs to a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Everything there is.
    All,
    /// A zone in the zone begins here.
    Servers,
    /// It is a name server of a zone in the zone.
    Addresses,
    /// Nothing.
    None,
}

impl Part {
    const fn has(self, rtype: RecordType) -> bool {
        match self {
            Self::All => true,
            Self::Servers => matches!(rtype, RecordType::NS),
            Self::Addresses => matches!(rtype, RecordType::A | RecordType::AAAA),
            Self::None => false,
        }
    }
}

/// What of `name`, which is `zone` or lies below it, belongs to `zone`.
fn part(snapshot: &Snapshot, zone: &[u8], name: &[u8]) -> Part {
    let between = suffixes(name).take_while(|suffix| suffix.len() > zone.len());
    let Some(inner) = between.filter(|suffix| snapshot.is_apex(suffix)).last() else { return Part::All };
    if inner.len() == name.len() {
        return Part::Servers;
    }
    let is_server = servers(snapshot, inner).any(|server| server == name);
    if is_server { Part::Addresses } else { Part::None }
}

/// The names of the name servers of a zone, where they lie in stored zones.
pub(in crate::dns) fn servers<'a>(snapshot: &'a Snapshot, zone: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let set = snapshot.kept(zone).and_then(|node| node.set(RecordType::NS));
    set.into_iter().flat_map(|set| set.targets()).map(|(_, server)| server)
}

/// The records that `zone` has at `name`, with what is there; the owner of each is [`QUESTION`].
pub(super) fn within_zone<'a>(
    snapshot: &Snapshot,
    zone: &[u8],
    name: &DomainName,
    node: &'a Node,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let name = name.as_wire();
    let part = if is_under(name, zone) { part(snapshot, zone, name) } else { Part::None };
    node.sets().filter(move |set| part.has(set.rtype())).flat_map(|set| split_records(set.answer()))
}

/// The SOA record of a zone but for its serial number, names not compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) struct Soa(Box<[u8]>);

impl Soa {
    /// That of one of our zones.
    pub(in crate::dns) fn of(snapshot: &Snapshot, zone: &[u8]) -> Self {
        let start = Start { serial: 0, ..snapshot.start(zone, snapshot.settings().zone().as_wire()) };
        let data = [start.names.concat(), start.numbers().concat()].concat();
        let mut record = Vec::with_capacity(FIXED + data.len());
        record.extend_from_slice(&QUESTION);
        record.extend_from_slice(&RecordType::SOA.0.to_be_bytes());
        record.extend_from_slice(&[0, 1]);
        record.extend_from_slice(&start.ttl.to_be_bytes());
        record.extend_from_slice(&u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        record.extend_from_slice(&data);
        Self(record.into())
    }

    /// The record with a serial number; its owner is [`QUESTION`].
    pub(in crate::dns) fn record(&self, serial: u32) -> Vec<u8> {
        let mut record = self.0.to_vec();
        let place = record.len().saturating_sub(BEHIND_NAMES);
        if let Some(bytes) = record.get_mut(place..place + 4) {
            bytes.copy_from_slice(&serial.to_be_bytes());
        }
        record
    }
}
