//! Answers compiled to wire form: what is asked most is only copied.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::name::{DomainName, is_under};
use super::super::record::{Data, Record, RecordType};
use super::super::wire::{FIXED, HEADER, MOST_POINTER, MOST_TCP, QUESTION, pointer, split_records};

/// The records of one type at one name, as they stand in an answer.
///
/// The owner of every record is a pointer to the question, so the answer repeats the question's letter case. The addresses of
/// the targets follow as additional records; their owners point into this message, which has one shape because the question's
/// length is the name's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) struct Set {
    rtype: RecordType,
    /// Its targets lie anywhere: their addresses are looked up when it is sent.
    looked_up: bool,
    additional: u16,
    /// Where the additional records begin.
    split: usize,
    bytes: Box<[u8]>,
}

impl Set {
    /// The type.
    pub(in crate::dns) const fn rtype(&self) -> RecordType {
        self.rtype
    }

    /// The records, owners being [`QUESTION`].
    pub(in crate::dns) fn answer(&self) -> &[u8] {
        self.bytes.get(..self.split).unwrap_or_default()
    }

    /// Addresses of the targets, and how many there are; only valid right after the whole answer, right after the question.
    pub(in crate::dns) fn additional(&self) -> (&[u8], u16) {
        (self.bytes.get(self.split..).unwrap_or_default(), self.additional)
    }

    /// The targets whose addresses are looked up, each with its place in [`Self::answer`].
    pub(in crate::dns) fn targets(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let before = target_place(self.rtype).filter(|_| self.looked_up);
        let mut at = 0;
        split_records(self.answer()).filter_map(move |record| {
            let start = at;
            at += record.len();
            let place = FIXED + before?;
            Some((start + place, record.get(place..)?))
        })
    }

    /// Bytes of one record, where all have the same.
    pub(in crate::dns) const fn stride(&self) -> Option<usize> {
        match self.rtype {
            RecordType::A => Some(FIXED + 4),
            RecordType::AAAA => Some(FIXED + 16),
            _ => None,
        }
    }

    /// The data of the first record.
    pub(in crate::dns) fn first_data(&self) -> &[u8] {
        split_records(self.answer()).next().and_then(|record| record.get(FIXED..)).unwrap_or_default()
    }
}

/// The records of `name` in a sorted run.
pub(super) fn at<'a>(records: &'a [Record], name: &DomainName) -> &'a [Record] {
    let start = records.partition_point(|record| record.name < *name);
    let end = records.partition_point(|record| record.name <= *name);
    records.get(start..end).unwrap_or_default()
}

/// How many bytes of data stand before the host whose addresses are additional.
const fn target_place(rtype: RecordType) -> Option<usize> {
    match rtype {
        RecordType::NS => Some(0),
        RecordType::MX => Some(2),
        RecordType::SRV => Some(6),
        _ => None,
    }
}

/// Compiles the records that several sources have at `name`; each source's records are sorted. Where something `stored` is among
/// them the targets lie anywhere; else every target is in its own source, and its addresses are compiled too.
pub(super) fn compile(name: &DomainName, sources: &[&[Record]], stored: bool) -> Arc<[Set]> {
    // Every record with all the records of its source: only there its targets' addresses are looked for.
    let mut here: Vec<(&Record, &[Record])> =
        sources.iter().flat_map(|source| at(source, name).iter().map(move |record| (record, *source))).collect();
    here.sort_by_key(|(record, _)| *record);
    here.dedup_by(|(a, _), (b, _)| a.data == b.data);
    let rank = |record: &Record| match record.data {
        Data::Ptr { rank, .. } => Some(rank),
        _ => None,
    };
    let best = here.iter().filter_map(|(record, _)| rank(record)).min();
    here.retain(|(record, _)| rank(record).is_none() || rank(record) == best);
    let runs = here.chunk_by(|(a, _), (b, _)| a.data.record_type() == b.data.record_type());
    runs.filter_map(|run| Some(compile_one(name, run.first()?.0.data.record_type()?, run, stored))).collect()
}

fn compile_one(name: &DomainName, rtype: RecordType, run: &[(&Record, &[Record])], looked_up: bool) -> Set {
    let mut bytes = Vec::new();
    // The targets with the places of their names in the message.
    let mut targets: Vec<(&DomainName, usize, &[Record])> = Vec::new();
    let mut seen = BTreeSet::new();
    let after_question = HEADER + name.as_wire().len() + 4;
    for (record, source) in run {
        // No message is longer: what would be cut when it is sent need not be kept.
        if bytes.len() > usize::from(MOST_TCP) {
            break;
        }
        if let Some(target) = record.data.glue().filter(|target| !looked_up && seen.insert(*target)) {
            let data = after_question + bytes.len() + FIXED;
            let place = if is_under(name.as_wire(), target.as_wire()) {
                HEADER + name.as_wire().len() - target.as_wire().len()
            } else {
                data + target_place(rtype).unwrap_or_default()
            };
            targets.push((target, place, source));
        }
        push(&mut bytes, QUESTION, record);
    }
    let split = bytes.len();
    let mut additional = 0;
    for (target, place, source) in targets.iter().filter(|(_, place, _)| *place <= MOST_POINTER) {
        let addresses = at(source, target).iter().filter(|record| matches!(record.data, Data::A(_) | Data::Aaaa(_)));
        for record in addresses {
            push(&mut bytes, pointer(*place), record);
            additional += 1;
        }
    }
    Set { rtype, looked_up, additional, split, bytes: bytes.into() }
}

fn push(bytes: &mut Vec<u8>, owner: [u8; 2], record: &Record) {
    let Some(rtype) = record.data.record_type() else { return };
    bytes.extend_from_slice(&owner);
    bytes.extend_from_slice(&rtype.0.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes.extend_from_slice(&record.ttl.to_be_bytes());
    let length = bytes.len();
    bytes.extend_from_slice(&[0, 0]);
    record.data.write(bytes);
    let written = u16::try_from(bytes.len() - length - 2).unwrap_or_default();
    if let Some(place) = bytes.get_mut(length..length + 2) {
        place.copy_from_slice(&written.to_be_bytes());
    }
}
