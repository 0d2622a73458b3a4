//! Writing an answer into the caller's buffer.

use super::super::cookie::{CLIENT, Presented, SERVER};
use super::super::record::RecordType;
use super::super::snapshot::Set;
use super::query::{Edns, Head, OPTION_COOKIE, Query};
use super::{FIXED, HEADER, MOST_UDP, QUESTION, Rcode, split_records};

/// Bytes of our OPT record without options.
const OPT: usize = 11;
/// Bytes of a cookie's option with both parts of it.
pub(in crate::dns) const COOKIE: usize = 4 + CLIENT + SERVER;
/// Of which this much is the cookie.
const COOKIE_DATA: u8 = 24;
const FLAG_RESPONSE: u8 = 0x80;
const FLAG_AUTHORITATIVE: u8 = 0x04;
const FLAG_TRUNCATED: u8 = 0x02;

/// The sections of a message in which records stand.
#[derive(Debug, Clone, Copy)]
pub(in crate::dns) enum Section {
    Answer,
    Authority,
    Additional,
}

/// An answer in the making. What does not fit is left out, and the client is told by the TC bit.
pub(in crate::dns) struct Reply<'a> {
    out: &'a mut [u8],
    length: usize,
    /// No record may end after this: room for the OPT record is kept.
    limit: usize,
    head: Head,
    questions: u8,
    counts: [u16; 3],
    edns: Option<Edns>,
    /// The answer comes from our own data.
    pub(in crate::dns) authoritative: bool,
    truncated: bool,
}

impl<'a> Reply<'a> {
    /// An answer that repeats the question; `None` when `out` is too small for it.
    pub(in crate::dns) fn to(query: &Query<'_>, out: &'a mut [u8], most: usize) -> Option<Self> {
        let mut reply = Self { questions: 1, ..Self::empty(query.head, query.edns, out, most)? };
        reply.put(query.question).then_some(reply)
    }

    /// An answer to a query without a question; `None` when `out` is too small for it.
    pub(in crate::dns) fn empty(head: Head, edns: Option<Edns>, out: &'a mut [u8], most: usize) -> Option<Self> {
        let reserved = edns.map_or(0, |edns| OPT + edns.cookie.map_or(0, |_| COOKIE));
        let limit = most.min(out.len()).checked_sub(reserved)?;
        Some(Self { limit, edns, ..Self::bare(head, out)? }).filter(|reply| reply.length <= limit)
    }

    /// An answer of a header alone.
    pub(in crate::dns) fn bare(head: Head, out: &'a mut [u8]) -> Option<Self> {
        let limit = out.len();
        let counts = [0; 3];
        let reply =
            Self { out, length: HEADER, limit, head, questions: 0, counts, edns: None, authoritative: false, truncated: false };
        (limit >= HEADER).then_some(reply)
    }

    /// Whether the answer ends in a cookie whose second part is still to be written.
    pub(in crate::dns) fn has_cookie(&self) -> bool {
        self.edns.is_some_and(|edns| edns.cookie.is_some())
    }

    /// How many bytes are written.
    pub(in crate::dns) const fn len(&self) -> usize {
        self.length
    }

    /// Appends the bytes if they fit.
    fn put(&mut self, bytes: &[u8]) -> bool {
        let end = self.length + bytes.len();
        if end > self.limit {
            return false;
        }
        let Some(place) = self.out.get_mut(self.length..end) else { return false };
        place.copy_from_slice(bytes);
        self.length = end;
        true
    }

    const fn count(&mut self, section: Section, records: u16) {
        let [answer, authority, additional] = &mut self.counts;
        let counter = match section {
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        };
        *counter = counter.saturating_add(records);
    }

    /// Appends the records of a set to a section, under the owner to which `owner` points, beginning with record `first` of those
    /// that are all alike. Says whether all fitted; the TC bit is set when they did not.
    pub(in crate::dns) fn put_set(&mut self, section: Section, set: Set<'_>, owner: [u8; 2], first: u32) -> bool {
        let block = set.answer();
        let turn = set.stride().filter(|stride| block.len() > *stride).map_or(0, |stride| {
            let records = block.len() / stride;
            usize::try_from(first).unwrap_or_default() % records * stride
        });
        let (tail, head) = block.split_at_checked(turn).unwrap_or((&[], block));
        let complete = self.put_records(section, head, owner) && self.put_records(section, tail, owner);
        self.truncated |= !complete;
        complete
    }

    /// Appends the addresses of a target as additional records, all or none. Says whether they fitted.
    pub(in crate::dns) fn put_addresses(&mut self, set: Set<'_>, owner: [u8; 2]) -> bool {
        let room = self.length + set.answer().len() <= self.limit;
        room && self.put_records(Section::Additional, set.answer(), owner)
    }

    /// Says that the answer is not all there is: what was left out is needed.
    pub(in crate::dns) const fn cut_off(&mut self) {
        self.truncated = true;
    }

    fn put_records(&mut self, section: Section, block: &[u8], owner: [u8; 2]) -> bool {
        let start = self.length;
        if owner == QUESTION && self.put(block) {
            self.count(section, count_records(block));
            return true;
        }
        for record in split_records(block) {
            if !self.put(record) {
                return false;
            }
            let at = self.length - record.len();
            if let Some(place) = self.out.get_mut(at..at + owner.len()) {
                place.copy_from_slice(&owner);
            }
            self.count(section, 1);
        }
        debug_assert_eq!(self.length, start + block.len());
        true
    }

    /// Appends additional records, all or none: they are a courtesy (RFC 2181 §9). Says whether they fitted.
    pub(in crate::dns) fn put_additional(&mut self, blocks: &[&[u8]], records: u16) -> bool {
        let start = self.length;
        let whole = blocks.iter().all(|block| self.put(block));
        if whole {
            self.count(Section::Additional, records);
        } else {
            self.length = start;
        }
        whole
    }

    /// Appends one record with the data given in parts, and says whether it fitted; the TC bit is set when it did not.
    pub(in crate::dns) fn put_record(&mut self, section: Section, fixed: [u8; FIXED - 2], data: &[&[u8]]) -> bool {
        let length: usize = data.iter().map(|part| part.len()).sum();
        let start = self.length;
        let whole = u16::try_from(length).is_ok_and(|length| self.put(&fixed) && self.put(&length.to_be_bytes()));
        let complete = whole && self.put_whole(section, data);
        if !complete {
            self.length = start;
            self.truncated = true;
        }
        complete
    }

    /// Appends one record that is given in parts, or the end of one, if all of it fits.
    pub(in crate::dns) fn put_whole(&mut self, section: Section, parts: &[&[u8]]) -> bool {
        let start = self.length;
        let whole = parts.iter().all(|part| self.put(part));
        if whole {
            self.count(section, 1);
        } else {
            self.length = start;
        }
        whole
    }

    /// Writes the header and the OPT record; gives the message's length.
    pub(in crate::dns) fn finish(mut self, rcode: Rcode) -> usize {
        let number = rcode.number();
        let [upper, lower] = (number << 4).to_be_bytes();
        let mut additional = self.counts[2];
        if let Some(edns) = self.edns {
            self.limit = self.out.len();
            let size = MOST_UDP.to_be_bytes();
            let flags = if edns.dnssec_ok { 0x80 } else { 0 };
            let cookie = edns.cookie.map(cookie_option);
            let length = cookie.map_or(0, |_| COOKIE_DATA + 4);
            let opt = [0, 0, RecordType::OPT.0.to_be_bytes()[1], size[0], size[1], upper, 0, flags, 0, 0, length];
            additional += u16::from(self.put(&opt));
            if let Some(cookie) = cookie {
                self.put(&cookie);
            }
        }
        let mut flags = self.head.flags | FLAG_RESPONSE;
        for (set, bit) in [(self.authoritative, FLAG_AUTHORITATIVE), (self.truncated, FLAG_TRUNCATED)] {
            flags |= if set { bit } else { 0 };
        }
        let [an, ns, ar] = [self.counts[0], self.counts[1], additional].map(u16::to_be_bytes);
        let [id0, id1] = self.head.id;
        let header = [id0, id1, flags, lower >> 4, 0, self.questions, an[0], an[1], ns[0], ns[1], ar[0], ar[1]];
        if let Some(place) = self.out.first_chunk_mut::<HEADER>() {
            *place = header;
        }
        self.length
    }
}

/// The option that shows a client its cookie again. The server's part comes last, and is written by whoever has the secret.
pub(in crate::dns) fn cookie_option(presented: Presented) -> [u8; COOKIE] {
    let mut option = [0; COOKIE];
    let [c0, c1, c2, c3, c4, c5, c6, c7] = presented.client;
    if let Some(start) = option.first_chunk_mut() {
        *start = [0, OPTION_COOKIE, 0, COOKIE_DATA, c0, c1, c2, c3, c4, c5, c6, c7];
    }
    option
}

fn count_records(block: &[u8]) -> u16 {
    u16::try_from(split_records(block).count()).unwrap_or(u16::MAX)
}
