//! Zone files (RFC 1035 §5, RFC 2308 §4), read: what a file says of a zone, whole or not at all. Every bad line is named.
//!
//! `$ORIGIN` and `$TTL` are understood, and times with units (`1h30m`). `$INCLUDE` and `$GENERATE` are refused: a file has to say
//! everything itself. The serial number is read and counts for nothing: ours follows from the revision.

mod lines;
mod record;

use std::collections::BTreeMap;

use self::lines::{Line, Lines};
use self::record::{Fields, duration};
use super::data::Data;
use super::name::{DomainName, is_whole};
use super::record::RecordType;
use super::text::Word;
use super::zones::{Owner, RecordSetKey, ZoneName, check};
use crate::reason::{Malformed, Reason, Refusal, Violations, shown};

/// The most bytes of a file.
pub const MOST_BYTES: usize = 4 << 20;
/// The most bad lines that are named.
const MOST_NAMED: usize = 20;

/// What a zone file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneFile {
    /// The start of the zone.
    pub start: Option<Start>,
    /// The first time to live that is said for all records, in seconds.
    pub ttl: Option<u32>,
    /// The zone's own name servers, in the file's order, none twice.
    pub name_servers: Vec<DomainName>,
    /// The other records.
    pub sets: BTreeMap<RecordSetKey, FileSet>,
}

/// What the SOA record says, in seconds where it is a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The primary name server.
    pub primary: DomainName,
    /// The mailbox of who is responsible.
    pub mailbox: DomainName,
    /// How often secondaries look for changes.
    pub refresh: u32,
    /// How soon they try again.
    pub retry: u32,
    /// When they give up.
    pub expire: u32,
    /// How long a negative answer may be kept.
    pub negative_ttl: u32,
}

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSet {
    /// The time to live in seconds; `None`: the file says none.
    pub ttl: Option<u32>,
    /// The data, sorted, none twice.
    pub data: Vec<Data>,
}

/// Reads a file as that of `zone`; names without a final dot lie below it until `$ORIGIN` says otherwise.
///
/// # Errors
/// The bad lines, as violations of the field `field`.
pub fn read(text: &str, zone: &ZoneName, field: &str) -> Result<ZoneFile, Refusal> {
    let mut reader = Reader::new(zone);
    let mut bad = Violations::new();
    if text.len() > MOST_BYTES {
        bad.add(field, Reason::FieldTooLong, format!("{} bytes are too many for a zone file; at most {MOST_BYTES}", text.len()));
        return bad.finish(None);
    }
    for line in Lines::new(text) {
        let number = line.number;
        if let Err(error) = line.words.and_then(|words| reader.line(line.indented, &words)) {
            bad.add(field, error.reason, format!("line {number}: {}", error.description));
        }
        if bad.count() >= MOST_NAMED {
            break;
        }
    }
    if bad.is_empty() {
        for (key, set) in &reader.file.sets {
            if let Err(error) = check::whole(key.rtype(), set.data.clone()) {
                bad.add(field, error.reason, format!("`{key}`: {}", error.description));
            }
        }
    }
    bad.finish(Some(reader.file))
}

/// The zone that a file is about: the owner of its SOA record, where that is a whole name.
#[must_use]
pub fn zone_of(text: &str) -> Option<ZoneName> {
    let mut origin: Option<DomainName> = None;
    let whole = |text: &str, origin: Option<&DomainName>| match (is_whole(text), origin) {
        (true, _) => text.parse().ok(),
        (false, Some(origin)) => DomainName::relative(text, origin).ok(),
        (false, None) => None,
    };
    for Line { indented, words, .. } in Lines::new(text) {
        let words = words.ok()?;
        let (first, rest) = words.split_first()?;
        if first.text.eq_ignore_ascii_case("$ORIGIN") {
            origin = whole(rest.first()?.text, origin.as_ref());
        } else if !indented && rest.iter().take(3).any(|word| word.text.eq_ignore_ascii_case("SOA")) {
            return whole(first.text, origin.as_ref())?.to_string().parse().ok();
        }
    }
    None
}

/// What stands so far.
struct Reader<'z> {
    zone: &'z ZoneName,
    origin: DomainName,
    ttl: Option<u32>,
    owner: Option<DomainName>,
    file: ZoneFile,
}

impl<'z> Reader<'z> {
    fn new(zone: &'z ZoneName) -> Self {
        Self { zone, origin: zone.domain().clone(), ttl: None, owner: None, file: ZoneFile::default() }
    }

    fn line(&mut self, indented: bool, words: &[Word<'_>]) -> Result<(), Malformed> {
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        if !indented && !first.quoted && first.text.starts_with('$') {
            return self.directive(first.text, rest);
        }
        let fields = if indented {
            words
        } else {
            self.owner = Some(name(first, &self.origin)?);
            rest
        };
        let Some(owner) = self.owner.clone() else {
            return Err(malformed("a line that begins with a blank goes on with the name before, and there is none"));
        };
        self.record(&owner, fields)
    }

    fn directive(&mut self, directive: &str, words: &[Word<'_>]) -> Result<(), Malformed> {
        match (directive.to_ascii_uppercase().as_str(), words) {
            ("$ORIGIN", [origin]) => self.origin = name(origin, &self.origin)?,
            ("$TTL", [ttl]) => {
                let seconds = duration(ttl).ok_or_else(|| malformed(&format!("`{}` is not a time", shown(ttl.text))))?;
                self.ttl = Some(check::seconds(seconds, check::MOST_TTL)?);
                self.file.ttl = self.file.ttl.or(self.ttl);
            }
            ("$ORIGIN" | "$TTL", _) => return Err(malformed(&format!("`{directive}` is followed by one word"))),
            ("$INCLUDE" | "$GENERATE", _) => {
                return Err(malformed(&format!("`{directive}` is not understood here; write its records into the file")));
            }
            _ => return Err(malformed(&format!("`{}` is no directive; there are $ORIGIN and $TTL", shown(directive)))),
        }
        Ok(())
    }

    fn record(&mut self, owner: &DomainName, words: &[Word<'_>]) -> Result<(), Malformed> {
        let Fields { ttl, rtype, data } = record::fields(words)?;
        if let Some(seconds) = ttl {
            check::seconds(seconds, check::MOST_TTL)?;
        }
        let place = Owner::of(owner, self.zone)?;
        if rtype == RecordType::SOA {
            return self.start(&place, data);
        }
        let key = RecordSetKey::new(self.zone.clone(), place, rtype)?;
        let data = Data::of_words(rtype, data, &self.origin)?;
        if let (Data::Ns(server), true) = (&data, key.owner().is_apex()) {
            return self.server(server);
        }
        check::place(&key)?;
        self.keep(key, ttl.or(self.ttl), data)
    }

    fn start(&mut self, place: &Owner, words: &[Word<'_>]) -> Result<(), Malformed> {
        if !place.is_apex() {
            return Err(malformed("the SOA record stands at the zone's own name"));
        }
        if self.file.start.is_some() {
            return Err(malformed("a zone has one SOA record, and this is the second"));
        }
        self.file.start = Some(record::start(words, &self.origin)?);
        Ok(())
    }

    fn server(&mut self, server: &DomainName) -> Result<(), Malformed> {
        let servers = &mut self.file.name_servers;
        if !servers.contains(server) {
            servers.push(server.clone());
        }
        match servers.len() {
            0..=check::MOST_SERVERS => Ok(()),
            _ => Err(Malformed::new(Reason::CountOutOfBounds, format!("a zone has at most {} name servers", check::MOST_SERVERS))),
        }
    }

    /// The records of a set have one time to live (RFC 2181 §5.2); one that is there twice counts once (§5).
    fn keep(&mut self, key: RecordSetKey, ttl: Option<u32>, data: Data) -> Result<(), Malformed> {
        let new = !self.file.sets.contains_key(&key);
        let set = self.file.sets.entry(key).or_default();
        if !new && set.ttl != ttl {
            let said = |ttl: Option<u32>| ttl.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds} s"));
            let why =
                format!("the records of a name and type have one time to live, and there are {} and {}", said(set.ttl), said(ttl));
            return Err(malformed(&why));
        }
        set.ttl = ttl;
        if let Err(place) = set.data.binary_search(&data) {
            set.data.insert(place, data);
        }
        match set.data.len() {
            0..=check::MOST_RECORDS => Ok(()),
            _ => {
                let why = format!("a name has at most {} records of a type", check::MOST_RECORDS);
                Err(Malformed::new(Reason::CountOutOfBounds, why))
            }
        }
    }
}

fn name(word: &Word<'_>, origin: &DomainName) -> Result<DomainName, Malformed> {
    if word.quoted {
        return Err(malformed(&format!("`\"{}\"` is text, and a name is not quoted", shown(word.text))));
    }
    DomainName::relative(word.text, origin)
}

fn malformed(why: &str) -> Malformed {
    Malformed::new(Reason::RecordMalformed, why)
}

#[cfg(test)]
mod tests;
