//! Answers compiled to wire form: what is asked most is only copied.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::name::{DomainName, is_under};
use super::super::record::{Data, Record, RecordType};
use super::super::wire::{FIXED, HEADER, MOST_POINTER, MOST_TCP, QUESTION, pointer, split_records};

/// All sets of one name, one after the other in one piece of memory, so that finding one that is not in the cache of the processor waits
/// for one place only. Cheap to clone.
///
/// ```text
/// type u16, additional records u16, bytes of the answer u32 (highest bit: targets are looked up), of the additional records u32,
/// then both
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sets(Arc<[u8]>);

/// Bytes before those of a set.
const HEAD: usize = 12;
/// In the length of an answer: its targets lie anywhere.
const LOOKED_UP: u32 = 1 << 31;

impl Sets {
    /// Each, in the order of their types' compilation.
    pub(super) fn iter(&self) -> impl Iterator<Item = Set<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk::<HEAD>()?;
            let [t0, t1, n0, n1, a0, a1, a2, a3, b0, b1, b2, b3] = *head;
            let marked = u32::from_be_bytes([a0, a1, a2, a3]);
            let (answer, after) = after.split_at_checked((marked & !LOOKED_UP) as usize)?;
            let (glue, after) = after.split_at_checked(u32::from_be_bytes([b0, b1, b2, b3]) as usize)?;
            rest = after;
            let rtype = RecordType(u16::from_be_bytes([t0, t1]));
            Some(Set { rtype, looked_up: marked & LOOKED_UP != 0, additional: u16::from_be_bytes([n0, n1]), answer, glue })
        })
    }
}

/// The records of one type at one name, as they stand in an answer.
///
/// The owner of every record is a pointer to the question, so the answer repeats the question's letter case. The addresses of
/// the targets follow as additional records; their owners point into this message, which has one shape because the question's
/// length is the name's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dns) struct Set<'a> {
    rtype: RecordType,
    /// Its targets lie anywhere: their addresses are looked up when it is sent.
    looked_up: bool,
    additional: u16,
    answer: &'a [u8],
    /// The additional records.
    glue: &'a [u8],
}

impl<'a> Set<'a> {
    /// The type.
    pub(in crate::dns) const fn rtype(&self) -> RecordType {
        self.rtype
    }

    /// The records, owners being [`QUESTION`].
    pub(in crate::dns) const fn answer(&self) -> &'a [u8] {
        self.answer
    }

    /// Addresses of the targets, and how many there are; only valid right after the whole answer, right after the question.
    pub(in crate::dns) const fn additional(&self) -> (&'a [u8], u16) {
        (self.glue, self.additional)
    }

    /// The targets whose addresses are looked up, each with its place in [`Self::answer`].
    pub(in crate::dns) fn targets(&self) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
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
    pub(in crate::dns) fn first_data(&self) -> &'a [u8] {
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
pub(super) fn compile(name: &DomainName, sources: &[&[Record]], stored: bool) -> Sets {
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
    let mut sets = Vec::new();
    for run in runs {
        if let Some(rtype) = run.first().and_then(|(record, _)| record.data.record_type()) {
            compile_one(&mut sets, name, (rtype, run), stored);
        }
    }
    Sets(sets.into())
}

fn compile_one(sets: &mut Vec<u8>, name: &DomainName, (rtype, run): (RecordType, &[(&Record, &[Record])]), looked_up: bool) {
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
    let mut additional = 0_u16;
    for (target, place, source) in targets.iter().filter(|(_, place, _)| *place <= MOST_POINTER) {
        let addresses = at(source, target).iter().filter(|record| matches!(record.data, Data::A(_) | Data::Aaaa(_)));
        for record in addresses {
            push(&mut bytes, pointer(*place), record);
            additional += 1;
        }
    }
    // No set is longer than a message and a record.
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or_default();
    sets.extend_from_slice(&rtype.0.to_be_bytes());
    sets.extend_from_slice(&additional.to_be_bytes());
    sets.extend_from_slice(&(length(split) | if looked_up { LOOKED_UP } else { 0 }).to_be_bytes());
    sets.extend_from_slice(&length(bytes.len() - split).to_be_bytes());
    sets.extend_from_slice(&bytes);
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
