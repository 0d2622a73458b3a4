//! One key with its value.

use std::net::IpAddr;

use super::super::name::{DomainName, suffixes};
use super::super::zones::{Owner, ZoneName};
use crate::reason::shown;

/// The most bytes of a key that are read.
pub const MOST_KEY: usize = 1024;
/// The most bytes of a value that are read.
pub const MOST_VALUE: usize = 8192;
/// The most seconds that a record may be kept: a day.
const MOST_TTL: i64 = 86_400;
/// What stands for a priority that is not said.
const PRIORITY: u16 = 10;
/// What stands for a weight that is not said.
const WEIGHT: u16 = 100;
/// A port that says that there is none.
const NO_PORT: i64 = -1;

/// What a value says, as it stands there: nothing is 0, or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// An address, or a name.
    pub host: String,
    /// The port of SRV records.
    pub port: i64,
    /// Of SRV and MX records.
    pub priority: i64,
    /// Of SRV records.
    pub weight: i64,
    /// Text of TXT records.
    pub text: String,
    /// Seconds for which the records may be kept.
    pub ttl: i64,
    /// Whether the host takes mail.
    pub mail: bool,
    /// How many labels of the key's name are no part of the record's.
    pub targetstrip: i64,
}

/// Why an entry cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// The key is no name.
    Key,
    /// The value is no object of JSON with the fields and their types.
    Json,
    /// The host is neither an address nor a name.
    Host,
    /// A number is out of bounds.
    Number,
    /// There is neither a host nor a text.
    Empty,
    /// The key or the value is too long.
    Long,
    /// There are too many others.
    Many,
}

impl Why {
    /// Every one of them.
    pub const ALL: [Self; 7] = [Self::Key, Self::Json, Self::Host, Self::Number, Self::Empty, Self::Long, Self::Many];

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Json => "json",
            Self::Host => "host",
            Self::Number => "number",
            Self::Empty => "empty",
            Self::Long => "long",
            Self::Many => "many",
        }
    }
}

/// An entry that cannot be used: why, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unusable {
    /// Why.
    pub why: Why,
    /// The value, what is wrong with it, what is right.
    pub text: String,
}

impl Unusable {
    /// For a reason.
    #[must_use]
    pub const fn new(why: Why, text: String) -> Self {
        Self { why, text }
    }
}

/// Where an entry leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// To an address.
    Address(IpAddr),
    /// To another name.
    Name(DomainName),
}

/// A key with its value, both understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: DomainName,
    pub(super) host: Option<Host>,
    /// Of SRV records; without one there is none.
    pub(super) port: Option<u16>,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) text: String,
    /// `None`: that of the zone.
    pub(super) ttl: Option<u32>,
    pub(super) mail: bool,
    strip: u8,
}

impl Entry {
    /// Reads an entry: `path` is the key behind the prefix, such as `/org/example/www`.
    ///
    /// # Errors
    /// [`Unusable`] with the first reason.
    pub fn read(path: &str, fields: &Fields) -> Result<Self, Unusable> {
        let name = name(path)?;
        let labels = suffixes(name.as_wire()).count() - 1;
        let most_strip = i64::try_from(labels).unwrap_or_default();
        let port = if fields.port == NO_PORT { 0 } else { number("port", fields.port, i64::from(u16::MAX))? };
        let or = |value: u16, other: u16| if value == 0 { other } else { value };
        let entry = Self {
            name,
            host: host(&fields.host)?,
            port: Some(port).filter(|port| *port > 0),
            priority: or(number("priority", fields.priority, i64::from(u16::MAX))?, PRIORITY),
            weight: or(number("weight", fields.weight, i64::from(u16::MAX))?, WEIGHT),
            text: fields.text.clone(),
            ttl: Some(number("ttl", fields.ttl.min(MOST_TTL), MOST_TTL)?).filter(|ttl| *ttl > 0),
            mail: fields.mail,
            strip: number("targetstrip", fields.targetstrip, most_strip)?,
        };
        // Before a wildcard there may be labels that are no part of the name.
        let stands = entry.stripped().unwrap_or_else(|| entry.name.clone()).to_string();
        if stands != "." && stands.trim_end_matches('.').parse::<Owner>().is_err() {
            return Err(no_name(path));
        }
        if entry.host.is_none() && entry.text.is_empty() {
            return Err(Unusable::new(Why::Empty, "it has neither `host` nor `text`".to_owned()));
        }
        Ok(entry)
    }

    /// What its value says: [`Self::read`] makes the same of it.
    #[must_use]
    pub fn fields(&self) -> Fields {
        Fields {
            host: self.host.as_ref().map_or_else(String::new, |host| match host {
                Host::Address(address) => address.to_string(),
                Host::Name(name) => name.to_string(),
            }),
            port: self.port.map_or(0, i64::from),
            priority: self.priority.into(),
            weight: self.weight.into(),
            text: self.text.clone(),
            ttl: self.ttl.map_or(0, i64::from),
            mail: self.mail,
            targetstrip: self.strip.into(),
        }
    }

    /// The name that the key says.
    #[must_use]
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// The name without the labels that are no part of the record's; `None` where it says none of these.
    pub(super) fn stripped(&self) -> Option<DomainName> {
        let strip = usize::from(self.strip);
        suffixes(self.name.as_wire()).nth(strip).filter(|_| strip > 0).and_then(DomainName::from_wire)
    }
}

/// The labels of a key are those of the name from the end on.
fn name(path: &str) -> Result<DomainName, Unusable> {
    let labels = path.strip_prefix('/').ok_or_else(|| no_name(path))?.rsplit('/');
    let labels: Vec<&str> = labels.collect();
    let legal = |label: &&str| *label == "*" || plain(label).is_some_and(|_| !label.contains('.'));
    let name = labels.iter().all(legal).then(|| DomainName::root().below(&labels)).flatten();
    name.ok_or_else(|| no_name(path))
}

/// A name in the letters that zones have, not in a view.
fn plain(text: &str) -> Option<ZoneName> {
    text.parse().ok().filter(|name: &ZoneName| name.view().is_none())
}

fn no_name(path: &str) -> Unusable {
    let text = format!("`{}` is no name: letters, digits, `-` and `_` between slashes, `*` as the last label alone", shown(path));
    Unusable::new(Why::Key, text)
}

fn host(text: &str) -> Result<Option<Host>, Unusable> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Some(Host::Address(address)));
    }
    // Digits and dots that are no address are a mistake, and no name.
    let is_number =
        text.trim_end_matches('.').rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    match plain(text) {
        Some(name) if !is_number => Ok(Some(Host::Name(name.domain().clone()))),
        _ => Err(Unusable::new(Why::Host, format!("`host` is `{}`: neither an address nor a name", shown(text)))),
    }
}

fn number<T: TryFrom<i64>>(field: &str, value: i64, most: i64) -> Result<T, Unusable> {
    let bad = || Unusable::new(Why::Number, format!("`{field}` is {value}: it has to be 0 to {most}"));
    if !(0..=most).contains(&value) {
        return Err(bad());
    }
    T::try_from(value).map_err(|_| bad())
}
