//! What the fields of zones and record sets must be, whatever there is beside them.

use std::sync::Arc;

use super::super::data::Data;
use super::super::name::{DomainName, is_whole};
use super::super::record::RecordType;
use super::super::text::words;
use super::name::{RecordSetKey, ZoneName};
use crate::reason::{Malformed, Reason, Violations, shown};

/// The longest time to live, in seconds: a day.
pub const MOST_TTL: u32 = 86_400;
/// The longest time for which a negative answer may be kept, in seconds: an hour.
pub const MOST_NEGATIVE_TTL: u32 = 3600;
/// The longest time that secondaries are told, in seconds: 28 days.
pub const MOST_TIMER: u32 = 2_419_200;
/// The most name servers of a zone.
pub const MOST_SERVERS: usize = 16;
/// The most records of one set.
pub const MOST_RECORDS: usize = 100;
/// The most bytes of the data of one set, as it stands in a message: far from what one message takes.
pub const MOST_BYTES: usize = 16_384;
/// The most bytes of the text of one record.
const MOST_TEXT: usize = 4 * MOST_BYTES;

/// A time in seconds, at most `most`.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn seconds(number: u32, most: u32) -> Result<u32, Malformed> {
    if number > most {
        return Err(Malformed::new(Reason::CountOutOfBounds, format!("{number} s are out of bounds: at most {most}")));
    }
    Ok(number)
}

/// As [`seconds`], where 0 takes the usual time.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn seconds_or(number: u32, most: u32, usual: u32) -> Result<u32, Malformed> {
    seconds(if number == 0 { usual } else { number }, most)
}

/// Secondaries must not give up before they look again.
///
/// # Errors
/// [`Reason::ConflictingFields`].
pub fn expiry(expire: u32, refresh: u32) -> Result<(), Malformed> {
    if expire > refresh {
        return Ok(());
    }
    let description = format!("secondaries would give up after {expire} s, before they look again after {refresh} s");
    Err(Malformed::new(Reason::ConflictingFields, description))
}

/// A mail address as the SOA has it: the part before the `@` is the first label (RFC 1035 §8).
///
/// # Errors
/// [`Reason::NameMalformed`].
pub fn mailbox(text: &str) -> Result<DomainName, Malformed> {
    let read = text.rsplit_once('@').and_then(|(user, host)| {
        let host: DomainName = host.parse().ok()?;
        let plain = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'@'));
        host.child(user).filter(|_| plain)
    });
    read.ok_or_else(|| {
        let description = format!("`{}` is not a mail address such as `hostmaster@site-12.example`", shown(text));
        Malformed::new(Reason::NameMalformed, description)
    })
}

/// The mail address of a mailbox of the SOA.
#[must_use]
pub fn mail_address(mailbox: &DomainName) -> String {
    let wire = mailbox.as_wire();
    let user = wire.get(1..=usize::from(wire.first().copied().unwrap_or_default())).unwrap_or_default();
    let host = mailbox.parent().unwrap_or_else(DomainName::root).to_string();
    format!("{}@{}", String::from_utf8_lossy(user), host.strip_suffix('.').unwrap_or(&host))
}

/// A type that a set can have.
///
/// # Errors
/// [`Reason::RecordMalformed`].
pub fn rtype(rtype: RecordType) -> Result<RecordType, Malformed> {
    if rtype == RecordType::SOA {
        let description = "the SOA record follows from the zone: its name server, mailbox and times are set there";
        return Err(Malformed::new(Reason::RecordMalformed, description));
    }
    if Data::is_writable(rtype) {
        return Ok(rtype);
    }
    // What is said of a type that is not stored.
    Data::read(rtype, "", &DomainName::root()).map(|_| rtype)
}

/// Whether a set of this type can stand at this name.
///
/// # Errors
/// [`Reason::ConflictingFields`], [`Reason::CnameConflict`].
pub fn place(key: &RecordSetKey) -> Result<(), Malformed> {
    let (at_apex, wild) = (key.owner().is_apex(), key.owner().is_wildcard());
    match key.rtype() {
        RecordType::NS if at_apex => {
            let description = "the zone's own name servers are set in the zone, as its name_servers";
            Err(Malformed::new(Reason::ConflictingFields, description))
        }
        RecordType::NS if wild => {
            let description = "names that are not there cannot be delegated (RFC 4592); delegate them by name";
            Err(Malformed::new(Reason::ConflictingFields, description))
        }
        RecordType::CNAME if at_apex => {
            let description = "a zone's own name has SOA and NS records, and a CNAME is alone at its name; store addresses";
            Err(Malformed::new(Reason::CnameConflict, description))
        }
        _ => Ok(()),
    }
}

/// The data of a set, sorted: each text is that of one record, read in the zone.
pub fn data(rtype: RecordType, texts: &[String], zone: &ZoneName, field: &str, bad: &mut Violations) -> Option<Arc<[Data]>> {
    match texts.len() {
        0 => {
            bad.add(field, Reason::FieldRequired, "a record set has at least one record");
            return None;
        }
        1..=MOST_RECORDS => {}
        count => {
            bad.add(field, Reason::CountOutOfBounds, format!("{count} records are too many; at most {MOST_RECORDS} are taken"));
            return None;
        }
    }
    let read: Vec<Option<Data>> =
        texts.iter().enumerate().map(|(at, text)| bad.take(format!("{field}[{at}]"), one(rtype, text, zone))).collect();
    for (at, (data, text)) in read.iter().zip(texts).enumerate().filter(|(_, (data, _))| data.is_some()) {
        if read.iter().take(at).any(|other| other == data) {
            bad.add(format!("{field}[{at}]"), Reason::DuplicateValue, format!("`{}` is there already", shown(text)));
        }
    }
    let all: Vec<Data> = read.into_iter().collect::<Option<_>>()?;
    whole(rtype, all).map_err(|error| bad.add(field, error.reason, error.description)).ok()
}

/// The data of a whole set, sorted.
///
/// # Errors
/// [`Reason::FieldTooLong`], [`Reason::CnameConflict`].
pub(in crate::dns) fn whole(rtype: RecordType, mut all: Vec<Data>) -> Result<Arc<[Data]>, Malformed> {
    let bytes: usize = all.iter().map(|data| data.to_wire().len()).sum();
    if bytes > MOST_BYTES {
        let description = format!("{bytes} bytes are too many for one set; at most {MOST_BYTES} are taken");
        return Err(Malformed::new(Reason::FieldTooLong, description));
    }
    if rtype == RecordType::CNAME && all.len() > 1 {
        let description = format!("a name is an alias for one name, and there are {}", all.len());
        return Err(Malformed::new(Reason::CnameConflict, description));
    }
    all.sort_unstable();
    Ok(all.into())
}

fn one(rtype: RecordType, text: &str, zone: &ZoneName) -> Result<Data, Malformed> {
    if text.len() > MOST_TEXT {
        return Err(Malformed::new(Reason::FieldTooLong, format!("{} bytes are too many for one record", text.len())));
    }
    let data = Data::read(rtype, text, zone.domain())?;
    match words(text)?.iter().find(|word| !word.quoted && rtype != RecordType::TXT && is_doubled(word.text, zone)) {
        None => Ok(data),
        Some(word) => {
            let name = shown(word.text);
            let description =
                format!("`{name}` without a final dot means `{name}.{}.`, which has the zone twice; write `{name}.`", zone.apex());
            Err(Malformed::new(Reason::NameMalformed, description))
        }
    }
}

/// Whether a name without a final dot ends in the zone's own name: whoever wrote it meant the whole name.
fn is_doubled(text: &str, zone: &ZoneName) -> bool {
    let lower = text.to_ascii_lowercase();
    let before = lower.strip_suffix(zone.apex());
    !is_whole(text) && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// A name in a zone that does not have the zone's name once more.
///
/// # Errors
/// [`Reason::NameMalformed`], [`Reason::FieldRequired`].
pub fn owner(text: &str, zone: Option<&ZoneName>) -> Result<super::name::Owner, Malformed> {
    let inner = text.strip_suffix('.').unwrap_or(text);
    if let Some(zone) = zone.filter(|zone| is_doubled(inner, zone)) {
        let lower = inner.to_ascii_lowercase();
        let short = lower.strip_suffix(zone.apex()).and_then(|before| before.strip_suffix('.')).unwrap_or("@");
        let description = format!("`{}` is the whole name; in zone `{zone}` it is `{}`", shown(text), shown(short));
        return Err(Malformed::new(Reason::NameMalformed, description));
    }
    text.parse()
}
