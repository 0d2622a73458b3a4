//! What an upstream sent: checked against the question, then read record by record and cleaned, so that nothing is passed on or kept
//! that was not asked for (RFC 5452 §6, RFC 2181 §5.4.1): the chain of aliases and what stands at its end, and with a negative answer
//! the SOA record that says so. The additional section is left out; a client that wants the address of a host asks for it.

use super::super::message::Reader;
use super::super::name::{DomainName, is_under};
use super::super::record::RecordType;
use super::super::wire::Rcode;
use super::question::Key;
use super::upstream::Upstream;

/// The longest chain of aliases that is followed.
const MOST_ALIASES: usize = 16;
/// Seconds for which it is remembered that a question failed.
const FAILURE_TTL: u32 = 5;
/// Times to live above this are none (RFC 2181 §8).
const MOST_TTL: u32 = i32::MAX as u32;
const CLASS_IN: u16 = 1;
const DNAME: RecordType = RecordType(39);
const RRSIG: RecordType = RecordType(46);
const NSEC: RecordType = RecordType(47);
const NSEC3: RecordType = RecordType(50);

/// Why a message is no answer to our question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It answers another question, or is no answer: somebody else may have sent it.
    Foreign,
    /// Not all of it came; it is to be asked for by TCP.
    Truncated,
    /// Somebody else may have sent it: it lacks what the server has always sent back before. It is to be asked for by TCP.
    Doubtful,
    /// It cannot be read.
    Malformed,
    /// The server says that it cannot answer.
    Failed(Rcode),
    /// The server does not resolve for others: it only says who else may know.
    Referral,
}

/// An answer, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of the question.
    pub rcode: Rcode,
    /// Who said so, where that is known.
    pub by: Option<Upstream>,
    /// The upstream says that it has validated it.
    pub(super) authentic: bool,
    pub(super) answers: u16,
    pub(super) authorities: u16,
    /// The records of both sections, without compression.
    pub(super) records: Box<[u8]>,
    /// Whether it says that there are no such records.
    pub(super) negative: bool,
    /// Seconds for which it may be kept; `None`: not at all.
    pub(super) ttl: Option<u32>,
}

/// What our own zones answer before others are asked: aliases.
#[derive(Debug, Clone, Default)]
pub(super) struct Leading {
    pub(super) answers: u16,
    pub(super) records: Box<[u8]>,
}

/// One record, as [`Answer::records`] has it: class IN, the data without compression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) owner: &'a [u8],
    pub(super) rtype: RecordType,
    pub(super) ttl: u32,
    pub(super) data: &'a [u8],
}

impl Answer {
    /// An answer without records that may not be kept.
    #[must_use]
    pub fn empty(rcode: Rcode) -> Self {
        Self { rcode, by: None, authentic: false, answers: 0, authorities: 0, records: Box::default(), negative: true, ttl: None }
    }

    /// The news that nobody could answer; remembered for a moment, so that those who ask again at once do not wait again.
    #[must_use]
    pub fn failure() -> Self {
        Self { ttl: Some(FAILURE_TTL), ..Self::empty(Rcode::ServFail) }
    }

    /// Whether it is the news that nobody could answer.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.rcode == Rcode::ServFail
    }

    /// Reads what came in on the socket on which `key` was asked under the number `id`.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(key: &Key, id: u16, message: &[u8]) -> Result<Self, Unusable> {
        let mut reader = Reader::new(message);
        let [its_id, flags, questions, counts @ ..] = reader.numbers::<6>().ok_or(Unusable::Foreign)?;
        let rcode = Rcode::of(flags & 0x0f);
        if its_id != id || flags & 0x8000 == 0 || flags >> 11 & 0x0f != 0 {
            return Err(Unusable::Foreign);
        }
        // Servers that cannot read a question may leave it out.
        if questions == 0 && is_failed(rcode) {
            return Err(Unusable::Failed(rcode));
        }
        if questions != 1 || !repeats(&mut reader, key) {
            return Err(Unusable::Foreign);
        }
        if flags & 0x0200 != 0 {
            return Err(Unusable::Truncated);
        }
        let sections = Sections::read(&mut reader, counts).ok_or(Unusable::Malformed)?;
        let rcode = Rcode::of(u16::from(sections.upper) << 4 | rcode.number());
        if is_failed(rcode) {
            return Err(Unusable::Failed(rcode));
        }
        sections.clean(key, rcode, flags & 0x20 != 0)
    }

    /// The records of the answer section, then those of the authority section.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        split(&self.records)
    }

    /// Whether it says that there are no such records.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.negative
    }
}

impl Leading {
    /// Takes the aliases out of an answer of our own, with the target of the last one.
    pub(super) fn read(key: &Key, partial: &[u8]) -> Option<(Self, DomainName)> {
        let mut reader = Reader::new(partial);
        let [_, _, _, counts @ ..] = reader.numbers::<6>()?;
        repeats(&mut reader, key).then_some(())?;
        let sections = Sections::read(&mut reader, counts)?;
        let last = sections.answer.last().filter(|record| record.rtype == RecordType::CNAME)?;
        let target = DomainName::from_wire(&last.data)?;
        let answers = u16::try_from(sections.answer.len()).ok()?;
        let mut records = Vec::new();
        sections.answer.iter().for_each(|record| record.write(&mut records));
        Some((Self { answers, records: records.into() }, target))
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        split(&self.records)
    }
}

/// Whether the server could not answer, so that another one is to be asked.
const fn is_failed(rcode: Rcode) -> bool {
    matches!(rcode, Rcode::FormErr | Rcode::ServFail | Rcode::NotImp | Rcode::Refused | Rcode::BadVers | Rcode::BadCookie)
}

/// Whether the question is `key`, in whatever letter case.
fn repeats(reader: &mut Reader<'_>, key: &Key) -> bool {
    let name = reader.name();
    let fixed = reader.numbers::<2>();
    name.as_ref() == Some(&key.name) && fixed == Some([key.rtype.0, CLASS_IN])
}

fn split(mut rest: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let length = super::super::name::suffixes(rest).last().map(|root| rest.len() - root.len() + 1)?;
        let (owner, after) = rest.split_at_checked(length)?;
        let (fixed, after) = after.split_first_chunk::<8>()?;
        let [t0, t1, s0, s1, s2, s3, l0, l1] = *fixed;
        let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        rest = after;
        let rtype = RecordType(u16::from_be_bytes([t0, t1]));
        Some(Record { owner, rtype, ttl: u32::from_be_bytes([s0, s1, s2, s3]), data })
    })
}

/// A record as it was read.
struct Read {
    /// In the upstream's letter case.
    owner: Vec<u8>,
    lower: Vec<u8>,
    rtype: RecordType,
    ttl: u32,
    data: Vec<u8>,
}

impl Read {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.owner);
        out.extend_from_slice(&self.rtype.0.to_be_bytes());
        out.extend_from_slice(&self.ttl.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.data.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&self.data);
    }
}

struct Sections {
    answer: Vec<Read>,
    authority: Vec<Read>,
    /// The upper bits of the response code.
    upper: u8,
}

impl Sections {
    fn read(reader: &mut Reader<'_>, [answers, authorities, additionals]: [u16; 3]) -> Option<Self> {
        let mut sections = Self { answer: Vec::new(), authority: Vec::new(), upper: 0 };
        for nth in 0..u32::from(answers) + u32::from(authorities) + u32::from(additionals) {
            let owner = reader.wire_name()?;
            let [rtype, class] = reader.numbers()?;
            let (rtype, ttl) = (RecordType(rtype), reader.long()?);
            let [length] = reader.numbers()?;
            let data = data(reader, rtype, usize::from(length))?;
            if rtype == RecordType::OPT {
                sections.upper = ttl.to_be_bytes()[0];
                continue;
            }
            if class != CLASS_IN {
                continue;
            }
            let ttl = if ttl > MOST_TTL { 0 } else { ttl };
            let record = Read { lower: owner.to_ascii_lowercase(), owner, rtype, ttl, data };
            match nth {
                nth if nth < u32::from(answers) => sections.answer.push(record),
                nth if nth < u32::from(answers) + u32::from(authorities) => sections.authority.push(record),
                _ => {}
            }
        }
        Some(sections)
    }

    /// The names from the question to the end of the aliases, in lower case.
    fn chain(&self, key: &Key) -> Result<Vec<Vec<u8>>, Unusable> {
        let mut chain = vec![key.name.as_wire().to_vec()];
        if matches!(key.rtype, RecordType::CNAME | RecordType::ANY) {
            return Ok(chain);
        }
        for _ in 0..=MOST_ALIASES {
            let at = chain.last().map(Vec::as_slice).unwrap_or_default();
            let alias = self.answer.iter().find(|record| record.rtype == RecordType::CNAME && record.lower == at);
            match alias.map(|record| record.data.to_ascii_lowercase()) {
                None => return Ok(chain),
                Some(target) if chain.contains(&target) => break,
                Some(target) => chain.push(target),
            }
        }
        Err(Unusable::Malformed)
    }

    fn clean(self, key: &Key, rcode: Rcode, authentic: bool) -> Result<Answer, Unusable> {
        let chain = self.chain(key)?;
        let last = chain.last().map(Vec::as_slice).unwrap_or_default();
        let wanted = |record: &&Read| record.rtype == key.rtype || key.rtype == RecordType::ANY;
        let above = |record: &&Read| chain.iter().any(|name| is_under(name, &record.lower));
        let (signed, proving) = (key.dnssec_ok, [RRSIG, NSEC, NSEC3]);
        let answer = self.answer.iter().filter(|record| {
            let at = chain.contains(&record.lower) && (wanted(record) || record.rtype == RecordType::CNAME);
            at || above(record) && (record.rtype == DNAME || signed && record.rtype == RRSIG)
        });
        let answer: Vec<&Read> = answer.collect();
        let negative = !answer.iter().any(|record| record.lower == last && wanted(record));
        let start = self.authority.iter().find(|record| record.rtype == RecordType::SOA && is_under(last, &record.lower));
        let start = start.filter(|_| negative);
        if negative && rcode == Rcode::NoError && answer.is_empty() && start.is_none() {
            let refers = self.authority.iter().any(|record| record.rtype == RecordType::NS);
            if refers {
                return Err(Unusable::Referral);
            }
        }
        let shortest = answer.iter().map(|record| record.ttl).min();
        // RFC 2308 §5: the SOA record's time to live and its last field, the smaller of the two.
        let start = start.map(|record| Read { ttl: record.ttl.min(minimum(&record.data)), ..record.copied() });
        let ttl = match (negative, &start) {
            (false, _) => shortest,
            (true, Some(start)) => Some(shortest.map_or(start.ttl, |ttl| ttl.min(start.ttl))),
            (true, None) => None,
        };
        let proof = self.authority.iter().filter(|record| signed && proving.contains(&record.rtype));
        let mut records = Vec::new();
        answer.iter().for_each(|record| record.write(&mut records));
        let mut authorities = 0;
        for record in start.iter().chain(proof) {
            record.write(&mut records);
            authorities += 1;
        }
        let answers = u16::try_from(answer.len()).map_err(|_| Unusable::Malformed)?;
        let ttl = ttl.filter(|_| matches!(rcode, Rcode::NoError | Rcode::NxDomain));
        Ok(Answer { rcode, by: None, authentic, answers, authorities, records: records.into(), negative, ttl })
    }
}

impl Read {
    fn copied(&self) -> Self {
        let Self { owner, lower, rtype, ttl, data } = self;
        Self { owner: owner.clone(), lower: lower.clone(), rtype: *rtype, ttl: *ttl, data: data.clone() }
    }
}

/// The last field of a SOA record.
fn minimum(data: &[u8]) -> u32 {
    data.last_chunk().map_or(0, |last| u32::from_be_bytes(*last))
}

/// The data of one record, with its names written out where the type allows that they are compressed (RFC 3597 §4).
fn data(reader: &mut Reader<'_>, rtype: RecordType, length: usize) -> Option<Vec<u8>> {
    // Bytes before the names, and names.
    let (before, names) = match rtype.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
        2..=5 | 7..=9 | 12 | 39 => (0, 1),
        // SOA, MINFO, RP.
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => (2, 1),
        // PX.
        26 => (2, 2),
        // SRV.
        33 => (6, 1),
        _ => (length, 0),
    };
    let end = reader.place().checked_add(length)?;
    let mut data = reader.take(before)?.to_vec();
    for _ in 0..names {
        data.extend(reader.wire_name()?);
    }
    let rest = end.checked_sub(reader.place())?;
    data.extend_from_slice(reader.take(rest)?);
    // SOA has five numbers after its names, the others end with them; addresses have their one length.
    let sized = match rtype {
        RecordType::SOA => rest == 20,
        RecordType::A => length == 4,
        RecordType::AAAA => length == 16,
        _ => names == 0 || rest == 0,
    };
    sized.then_some(data)
}
