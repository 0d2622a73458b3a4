//! Reading a query.

use std::borrow::Cow;

use super::super::cookie::Presented;
use super::super::name::{DomainName, MOST_BYTES, MOST_LABEL};
use super::super::record::RecordType;
use super::{HEADER, PLAIN_UDP, Rcode};

const OPCODE_QUERY: u8 = 0;
const FLAG_RESPONSE: u8 = 0x80;
const FLAG_RECURSION_DESIRED: u8 = 0x01;
/// The option with a cookie (RFC 7873 §4).
pub(in crate::dns) const OPTION_COOKIE: u8 = 10;

/// What the client says about itself in its OPT record (RFC 6891).
#[derive(Debug, Clone, Copy)]
pub(in crate::dns) struct Edns {
    /// The largest answer it takes by UDP.
    pub(in crate::dns) size: u16,
    version: u8,
    /// It wants DNSSEC records; the bit is sent back (RFC 3225).
    pub(in crate::dns) dnssec_ok: bool,
    /// It shows a cookie, and wants one.
    pub(in crate::dns) cookie: Option<Presented>,
}

/// The head of a message: enough to answer that the rest cannot be read.
#[derive(Debug, Clone, Copy)]
pub(in crate::dns) struct Head {
    /// The client's number for the query.
    pub(in crate::dns) id: [u8; 2],
    /// Opcode and the wish for recursion, in their places: they are sent back.
    pub(in crate::dns) flags: u8,
}

/// Why a message gets no real answer.
pub(in crate::dns) enum Unreadable {
    /// It gets none at all: it is too short to be a query, or an answer itself. Two servers that answer answers never stop.
    Silent,
    /// It gets only a header with this code.
    Bad(Head, Rcode),
    /// It asks for nothing but a cookie, which it gets (RFC 7873 §5.4).
    Bare(Head, Edns),
}

/// One query, read.
pub(in crate::dns) struct Query<'a> {
    pub(in crate::dns) head: Head,
    /// The question as it came, in the client's letter case; it is sent back.
    pub(in crate::dns) question: &'a [u8],
    /// The message has it in lower case already, but where a client plays with the case.
    name: Cow<'a, [u8]>,
    pub(in crate::dns) rtype: RecordType,
    pub(in crate::dns) class: u16,
    pub(in crate::dns) edns: Option<Edns>,
}

/// The question section of a query.
struct Asked<'a> {
    question: &'a [u8],
    name: Cow<'a, [u8]>,
    rtype: RecordType,
    class: u16,
}

impl<'a> Query<'a> {
    pub(in crate::dns) fn read(message: &'a [u8]) -> Result<Self, Unreadable> {
        let header: &[u8; HEADER] = message.first_chunk().ok_or(Unreadable::Silent)?;
        let [id0, id1, flags, _, counts @ ..] = *header;
        if flags & FLAG_RESPONSE != 0 {
            return Err(Unreadable::Silent);
        }
        let head = Head { id: [id0, id1], flags: flags & !0x06 };
        let bad = |rcode| Unreadable::Bad(head, rcode);
        if (flags >> 3) & 0x0f != OPCODE_QUERY {
            return Err(bad(Rcode::NotImp));
        }
        let [q0, q1, an0, an1, ns0, ns1, ar0, ar1] = counts;
        let questions = u16::from_be_bytes([q0, q1]);
        let before = u32::from(u16::from_be_bytes([an0, an1])) + u32::from(u16::from_be_bytes([ns0, ns1]));
        let additional = u32::from(u16::from_be_bytes([ar0, ar1]));
        let mut reader = Reader { message, at: HEADER };
        // RFC 9619: exactly one question, or none.
        if questions != 1 {
            let edns = reader.edns(before, additional).flatten().filter(|edns| questions == 0 && edns.cookie.is_some());
            return Err(edns.map_or_else(|| bad(Rcode::FormErr), |edns| Unreadable::Bare(head, edns)));
        }
        let Asked { question, name, rtype, class } = reader.question().ok_or_else(|| bad(Rcode::FormErr))?;
        let edns = reader.edns(before, additional).ok_or_else(|| bad(Rcode::FormErr))?;
        Ok(Self { head, question, name, rtype, class, edns })
    }

    /// The name asked for, in lower case.
    pub(in crate::dns) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether the client speaks a version of EDNS that we do not.
    pub(in crate::dns) fn is_bad_version(&self) -> bool {
        self.edns.is_some_and(Edns::is_bad_version)
    }
}

impl Edns {
    /// Whether it is a version that we do not speak.
    pub(in crate::dns) const fn is_bad_version(self) -> bool {
        self.version > 0
    }
}

/// The cookie that a query shows, whether it asks for something else or not.
pub(in crate::dns) fn presented(message: &[u8]) -> Option<Presented> {
    match Query::read(message) {
        Ok(Query { edns, .. }) => edns?.cookie,
        Err(Unreadable::Bare(_, edns)) => edns.cookie,
        Err(Unreadable::Silent | Unreadable::Bad(..)) => None,
    }
}

impl Query<'_> {
    /// The serial number of the SOA record in the authority section of `message`, which is the one this query was read from: the
    /// state that a secondary has (RFC 1995 §3).
    pub(in crate::dns) fn serial(&self, message: &[u8]) -> Option<u32> {
        let [.., an0, an1, ns0, ns1, _, _] = *message.first_chunk::<HEADER>()?;
        if [an0, an1, ns0, ns1] != [0, 0, 0, 1] {
            return None;
        }
        let mut reader = Reader { message, at: HEADER + self.question.len() };
        reader.skip_name()?;
        let [t0, t1, ..] = *reader.take(8)?.first_chunk::<8>()?;
        if u16::from_be_bytes([t0, t1]) != RecordType::SOA.0 {
            return None;
        }
        reader.number()?;
        reader.skip_name()?;
        reader.skip_name()?;
        reader.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A pointer in a question's name would point into the header or at itself: it is refused like any other bad length.
    fn question(&mut self) -> Option<Asked<'a>> {
        let start = self.at;
        let rest = self.message.get(start..)?;
        let (mut length, mut label) = (1, usize::from(*rest.first()?));
        while label > 0 {
            length += label + 1;
            if label > MOST_LABEL || length > MOST_BYTES {
                return None;
            }
            label = usize::from(*rest.get(length - 1)?);
        }
        let written = self.take(length)?;
        let name = if has_upper_case(written) { Cow::Owned(written.to_ascii_lowercase()) } else { Cow::Borrowed(written) };
        let (rtype, class) = (RecordType(self.number()?), self.number()?);
        if rtype == RecordType::OPT {
            return None;
        }
        let question = self.message.get(start..self.at)?;
        Some(Asked { question, name, rtype, class })
    }

    /// Skips `before` records, then looks for the OPT record among `additional` ones. Each record takes at least 11 bytes, so the
    /// work is bounded by the message's length. `None`: cut off, two OPT records, or one in the wrong place.
    #[expect(clippy::option_option, reason = "unreadable, or read and absent, or read and present")]
    fn edns(&mut self, before: u32, additional: u32) -> Option<Option<Edns>> {
        let mut edns = None;
        for index in 0..before + additional {
            let is_root = self.skip_name()?;
            let (rtype, class) = (self.number()?, self.number()?);
            let [_, version, flags, _] = *self.take(4)?.first_chunk::<4>()?;
            let length = usize::from(self.number()?);
            let data = self.take(length)?;
            if rtype == RecordType::OPT.0 {
                if !is_root || index < before || edns.is_some() {
                    return None;
                }
                let cookie = if data.is_empty() { None } else { cookie(data)? };
                edns = Some(Edns { size: class.max(PLAIN_UDP), version, dnssec_ok: flags & 0x80 != 0, cookie });
            }
        }
        Some(edns)
    }

    /// Skips a name without following pointers, which end it; says whether it is the root.
    fn skip_name(&mut self) -> Option<bool> {
        let start = self.at;
        loop {
            let length = usize::from(*self.take(1)?.first()?);
            match length {
                0 => return Some(self.at == start + 1),
                1..=MOST_LABEL => self.take(length)?,
                0xc0.. => {
                    self.take(1)?;
                    return Some(false);
                }
                _ => return None,
            };
        }
    }
}

/// Whether there is a letter in upper case: eight bytes at a time, for every name is looked at.
fn has_upper_case(name: &[u8]) -> bool {
    const EACH: u64 = u64::MAX / 0xff;
    let in_word = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        // With the highest bit of every byte left free, none carries into the next one when it goes beyond `A` or `Z`.
        let low = word & (0x7f * EACH);
        let (from_a, beyond_z) = (low + (0x80 - u64::from(b'A')) * EACH, low + (0x7f - u64::from(b'Z')) * EACH);
        from_a & !beyond_z & !word & (0x80 * EACH) != 0
    };
    match name.last_chunk() {
        // The last eight bytes may be looked at twice.
        Some(last) => name.as_chunks().0.iter().chain([last]).any(in_word),
        None => name.iter().any(u8::is_ascii_uppercase),
    }
}

/// The first cookie among the options of an OPT record; those after it do not count (RFC 7873 §4). `None`: an option is cut off, or is
/// no cookie and should be one.
#[expect(clippy::option_option, reason = "unreadable, or read and absent, or read and present")]
fn cookie(options: &[u8]) -> Option<Option<Presented>> {
    let (mut reader, mut found) = (Reader { message: options, at: 0 }, None);
    while reader.at < options.len() {
        let (code, length) = (reader.number()?, usize::from(reader.number()?));
        let data = reader.take(length)?;
        if code == u16::from(OPTION_COOKIE) && found.is_none() {
            found = Some(Presented::read(data)?);
        }
    }
    Some(found)
}

/// The question of a query, for those who count and tell.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    name: Cow<'a, [u8]>,
    /// The type asked for.
    pub rtype: RecordType,
}

impl<'a> Question<'a> {
    /// Reads the question, whatever else is in the message; `None` when there is none that can be read.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let Asked { name, rtype, .. } = Reader { message, at: HEADER }.question()?;
        Some(Self { name, rtype })
    }

    /// The name asked for, on the wire and in lower case.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}

/// A query for one name and type, with EDNS, as a client sends it.
#[must_use]
pub fn encode_query(id: u16, name: &DomainName, rtype: RecordType) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.as_wire().len() + 4 + 11);
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[FLAG_RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    message.extend_from_slice(name.as_wire());
    message.extend_from_slice(&rtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.push(0);
    message.extend_from_slice(&RecordType::OPT.0.to_be_bytes());
    message.extend_from_slice(&super::MOST_UDP.to_be_bytes());
    message.extend_from_slice(&[0; 6]);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_in_upper_case_is_seen_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for length in [1, 7, 8, 9, 16, 17, 23] {
                for place in 0..length {
                    let mut name = vec![b'z'; length];
                    name[place] = byte;
                    assert_eq!(has_upper_case(&name), byte.is_ascii_uppercase(), "{byte:#x} at {place} of {length}");
                }
            }
        }
        assert!(!has_upper_case(b"") && !has_upper_case(&[0xff; 16]) && !has_upper_case(b"@[`{\x00\x7f\x80\xc1"));
    }
}
