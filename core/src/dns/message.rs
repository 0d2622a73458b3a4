//! Reading an answer again, for people: the `Resolve` RPC shows what the engine put on the wire.

use std::fmt::Write;

use super::name::{DomainName, MOST_BYTES, MOST_LABEL};
use super::record::{Data, RecordType};
use super::wire::Rcode;

/// Pointers followed in one name: more than a name has labels is a loop.
const MOST_JUMPS: usize = 128;

/// One record as it stands in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its owner, lower case.
    pub name: DomainName,
    /// Its type.
    pub rtype: RecordType,
    /// Seconds for which it may be kept.
    pub ttl: u32,
    /// Its data, as a zone file has it.
    pub data: String,
}

/// An answer, read. The OPT record is not among the additional ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number of the query.
    pub id: u16,
    /// What became of the query.
    pub rcode: Rcode,
    /// The AA bit.
    pub authoritative: bool,
    /// The TC bit.
    pub truncated: bool,
    /// The answer section.
    pub answer: Vec<Answered>,
    /// The authority section.
    pub authority: Vec<Answered>,
    /// The additional section.
    pub additional: Vec<Answered>,
}

impl Message {
    /// Reads a whole message; `None` when it is not one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let [id, flags, questions, answers, authorities, additionals] = reader.numbers()?;
        for _ in 0..questions {
            reader.name()?;
            reader.numbers::<2>()?;
        }
        let mut upper = 0;
        let mut section = |count: u16| {
            let mut records = Vec::new();
            for _ in 0..count {
                match reader.record()? {
                    Read::Record(record) => records.push(record),
                    Read::Opt(code) => upper = u16::from(code),
                }
            }
            Some(records)
        };
        let (answer, authority, additional) = (section(answers)?, section(authorities)?, section(additionals)?);
        Some(Self {
            id,
            rcode: Rcode::of(upper << 4 | flags & 0x0f),
            authoritative: flags & 0x0400 != 0,
            truncated: flags & 0x0200 != 0,
            answer,
            authority,
            additional,
        })
    }
}

enum Read {
    Record(Answered),
    /// The upper bits of the response code.
    Opt(u8),
}

/// Reads a message from its start. Every step says `None` where the message ends too early.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes are read.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    pub(super) fn numbers<const N: usize>(&mut self) -> Option<[u16; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        }
        Some(numbers)
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn name(&mut self) -> Option<DomainName> {
        DomainName::from_wire(&self.wire_name()?)
    }

    /// A name without compression, in the letter case that it has in the message.
    pub(super) fn wire_name(&mut self) -> Option<Vec<u8>> {
        let mut wire = Vec::new();
        let mut at = self.at;
        let mut jumps = 0;
        loop {
            let length = usize::from(*self.bytes.get(at)?);
            if length >= 0xc0 {
                if jumps == 0 {
                    self.at = at + 2;
                }
                jumps += 1;
                if jumps > MOST_JUMPS {
                    return None;
                }
                at = (length & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                continue;
            }
            if length > MOST_LABEL || wire.len() + 1 + length > MOST_BYTES {
                return None;
            }
            wire.extend_from_slice(self.bytes.get(at..=at + length)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
        if jumps == 0 {
            self.at = at;
        }
        Some(wire)
    }

    fn record(&mut self) -> Option<Read> {
        let name = self.name()?;
        let [rtype, _class] = self.numbers()?;
        let (rtype, ttl) = (RecordType(rtype), self.long()?);
        let [length] = self.numbers()?;
        let end = self.at.checked_add(usize::from(length))?;
        let whole = self.bytes.get(self.at..end)?;
        if rtype == RecordType::OPT {
            self.at = end;
            return Some(Read::Opt(ttl.to_be_bytes()[0]));
        }
        let data = self.data(rtype, whole)?;
        (self.at <= end).then_some(())?;
        self.at = end;
        Some(Read::Record(Answered { name, rtype, ttl, data }))
    }

    fn data(&mut self, rtype: RecordType, whole: &[u8]) -> Option<String> {
        Some(match rtype {
            RecordType::A | RecordType::AAAA | RecordType::TXT | RecordType::CAA => Data::from_wire(rtype, whole)?.to_string(),
            RecordType::PTR | RecordType::CNAME | RecordType::NS => self.name()?.to_string(),
            RecordType::SRV => {
                let [priority, weight, port] = self.numbers()?;
                format!("{priority} {weight} {port} {}", self.name()?)
            }
            RecordType::SOA => {
                let (server, mailbox) = (self.name()?, self.name()?);
                let timers = [self.long()?, self.long()?, self.long()?, self.long()?, self.long()?];
                timers.iter().fold(format!("{server} {mailbox}"), |text, timer| format!("{text} {timer}"))
            }
            RecordType::MX => {
                let [preference] = self.numbers()?;
                format!("{preference} {}", self.name()?)
            }
            _ => opaque(whole),
        })
    }
}

/// Data of a type that is not known (RFC 3597 §5).
fn opaque(bytes: &[u8]) -> String {
    let mut text = format!("\\# {} ", bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_points_at_itself_is_refused() {
        let mut message = vec![0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(Message::read(&message), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Message::read(&bytes);
        }
    }
}
