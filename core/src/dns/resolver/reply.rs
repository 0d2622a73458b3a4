//! The answer to a client: what an upstream said, under the client's own number and question.

use super::super::answer::{Scope, Sent};
use super::super::cookie::Presented;
use super::super::record::RecordType;
use super::super::wire::{COOKIE, HEADER, MOST_POINTER, MOST_UDP, QUESTION, Rcode, cookie_option};
use super::question::Asked;
use super::response::{Answer, Record};

/// Seconds for which clients may keep an answer whose time is over (RFC 8767 §4).
const STALE_TTL: u32 = 30;
/// The most places of names that are remembered, so that owners can point at them.
const MOST_PLACES: usize = 32;
/// Bytes of our OPT record without options, and of an extended error in it.
const OPT: usize = 11;
const EXTENDED: usize = 6;
const FLAG_RESPONSE: u8 = 0x80;
const FLAG_AUTHORITATIVE: u8 = 0x04;
const FLAG_TRUNCATED: u8 = 0x02;
/// In the second byte of flags.
pub const FLAG_RECURSION_AVAILABLE: u8 = 0x80;
const FLAG_AUTHENTIC: u8 = 0x20;
const FLAG_CHECKING_DISABLED: u8 = 0x10;

/// What is left of the times to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// So many seconds are over; clients are told no time above `most`.
    Fresh {
        /// Seconds since the upstream answered.
        spent: u32,
        /// The longest time in seconds that clients are told.
        most: u32,
    },
    /// The whole time is over.
    Stale,
}

impl Life {
    const fn left(self, ttl: u32) -> u32 {
        match self {
            Self::Fresh { spent, most } => if ttl < most { ttl } else { most }.saturating_sub(spent),
            Self::Stale if ttl < STALE_TTL => ttl,
            Self::Stale => STALE_TTL,
        }
    }
}

/// Why an answer is as it is (RFC 8914), for clients with EDNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is nothing to say.
    Plain,
    /// No upstream answers, and this is what one said before: code 3.
    Stale,
    /// No upstream answers: code 22.
    Unreachable,
    /// There are too many questions: code 0 (other error).
    Overloaded,
}

impl Why {
    const fn code(self) -> Option<u16> {
        match self {
            Self::Plain => None,
            Self::Stale => Some(3),
            Self::Unreachable => Some(22),
            Self::Overloaded => Some(0),
        }
    }
}

impl Asked {
    /// Writes the answer into `out`. One that does not fit is cut to nothing, with the TC bit: the client asks again by TCP. `None`
    /// when not even the question fits.
    #[must_use]
    pub fn reply(&self, answer: &Answer, life: Life, why: Why, out: &mut [u8]) -> Option<Sent> {
        let code = why.code().filter(|_| self.has_edns);
        let options = code.map_or(0, |_| EXTENDED) + self.cookie.map_or(0, |_| COOKIE);
        let opt = if self.has_edns { OPT + options } else { 0 };
        let limit = self.most.min(out.len()).checked_sub(opt)?;
        let mut writer = Writer { out, at: HEADER, limit, places: Vec::new() };
        writer.put(&self.question)?;
        let start = writer.at;
        let name = self.question.get(..self.question.len().checked_sub(4)?)?;
        writer.remember(name, HEADER);
        let mut authorities = answer.authorities;
        if self.searched {
            // The start of a zone that does not have the question's name would say nothing about it.
            authorities = 0;
            writer.remember(self.key.name.as_wire(), HEADER);
        }
        // An answer that says nobody could answer has no records, ours neither.
        let leading = self.leading.records().take(if answer.is_failure() { 0 } else { usize::MAX });
        let leading = leading.map(|record| (record, record.ttl));
        let told = usize::from(answer.answers) + usize::from(authorities);
        let others = answer.records().take(told).map(|record| (record, life.left(record.ttl)));
        let whole = leading.chain(others).all(|(record, ttl)| writer.record(&record, ttl).is_some());
        let mut counts = [self.leading.answers.saturating_add(answer.answers), authorities];
        if answer.is_failure() || !whole {
            counts = [0, 0];
        }
        if !whole {
            writer.at = start;
        }
        if self.has_edns {
            writer.limit = writer.out.len();
            writer.opt(answer.rcode, self.key.dnssec_ok, (code, self.cookie))?;
        }
        let length = writer.at;
        *out.first_chunk_mut()? = self.header(answer, counts, whole);
        let (rtype, cookie) = (Some(self.rtype), self.cookie.is_some());
        Some(Sent { length, rcode: answer.rcode, rtype, cookie, scope: Scope::Outside })
    }

    fn header(&self, answer: &Answer, [answers, authorities]: [u16; 2], whole: bool) -> [u8; HEADER] {
        let set = |on: bool, flag: u8| if on { flag } else { 0 };
        // The first name of the answer is ours then (RFC 1035 §4.1.1).
        let ours = self.leading.answers > 0 && !answer.is_failure();
        let first = self.head.flags | FLAG_RESPONSE | set(ours, FLAG_AUTHORITATIVE) | set(!whole, FLAG_TRUNCATED);
        let authentic = answer.authentic && self.wants_authentic && !ours;
        let second = FLAG_RECURSION_AVAILABLE
            | set(authentic, FLAG_AUTHENTIC)
            | set(self.key.checking_disabled, FLAG_CHECKING_DISABLED)
            | answer.rcode.number().to_be_bytes()[1] & 0x0f;
        let ([id0, id1], [an0, an1], [ns0, ns1]) = (self.head.id, answers.to_be_bytes(), authorities.to_be_bytes());
        [id0, id1, first, second, 0, 1, an0, an1, ns0, ns1, 0, u8::from(self.has_edns)]
    }
}

struct Writer<'a, 'n> {
    out: &'a mut [u8],
    at: usize,
    limit: usize,
    places: Vec<(&'n [u8], usize)>,
}

impl<'n> Writer<'_, 'n> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len()).filter(|end| *end <= self.limit)?;
        self.out.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    fn remember(&mut self, name: &'n [u8], at: usize) {
        if self.places.len() < MOST_PLACES && at <= MOST_POINTER {
            self.places.push((name, at));
        }
    }

    fn name(&mut self, name: &'n [u8]) -> Option<()> {
        let known = self.places.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, at)| *at);
        match known {
            Some(HEADER) => self.put(&QUESTION),
            Some(at) => self.put(&(0xc000 | u16::try_from(at).ok()?).to_be_bytes()),
            None => {
                self.remember(name, self.at);
                self.put(name)
            }
        }
    }

    fn record(&mut self, record: &Record<'n>, ttl: u32) -> Option<()> {
        self.name(record.owner)?;
        self.put(&record.rtype.0.to_be_bytes())?;
        self.put(&[0, 1])?;
        self.put(&ttl.to_be_bytes())?;
        self.put(&u16::try_from(record.data.len()).ok()?.to_be_bytes())?;
        if record.rtype == RecordType::CNAME {
            self.remember(record.data, self.at);
        }
        self.put(record.data)
    }

    fn opt(&mut self, rcode: Rcode, dnssec_ok: bool, (code, cookie): (Option<u16>, Option<Presented>)) -> Option<()> {
        self.put(&[0])?;
        self.put(&RecordType::OPT.0.to_be_bytes())?;
        self.put(&MOST_UDP.to_be_bytes())?;
        let upper = (rcode.number() >> 4).to_be_bytes()[1];
        self.put(&[upper, 0, if dnssec_ok { 0x80 } else { 0 }, 0])?;
        let options = code.map_or(0, |_| EXTENDED) + cookie.map_or(0, |_| COOKIE);
        self.put(&u16::try_from(options).ok()?.to_be_bytes())?;
        if let Some(code) = code {
            self.put(&[0, 15, 0, 2])?;
            self.put(&code.to_be_bytes())?;
        }
        // Last in the message, as everywhere: its second part is still to be written.
        cookie.map_or(Some(()), |cookie| self.put(&cookie_option(cookie)))
    }
}
