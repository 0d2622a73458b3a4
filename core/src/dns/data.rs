//! What a record says, in its three forms: as a value, as a zone file writes it, and as it stands in a message. This is the one
//! place that knows them.

mod parse;

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::name::DomainName;
use super::record::RecordType;

/// The most bytes of one text.
const MOST_TEXT: usize = 255;
/// The most bytes of a property of CAA (RFC 8659 §4.1: at least 1; longer ones than these are in no registry).
const MOST_TAG: usize = 15;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Data {
    /// Nothing: the name exists, without data of its own.
    Exists,
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Host and port of a service.
    Srv {
        /// The lower one is tried first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: DomainName,
    },
    /// The name of an address. Only the targets of the lowest rank are served: a virtual IP hides names of endpoints.
    Ptr {
        /// 0 for a virtual IP and what an operator stored, 1 for an endpoint.
        rank: u8,
        /// The name.
        target: DomainName,
    },
    /// The name this one is an alias for.
    Cname(DomainName),
    /// A name server of the zone.
    Ns(DomainName),
    /// Texts.
    Txt(Texts),
    /// A host that takes mail.
    Mx {
        /// The lower one is tried first.
        preference: u16,
        /// The host; the root: none takes mail (RFC 7505).
        target: DomainName,
    },
    /// Who may issue certificates (RFC 8659).
    Caa {
        /// 128: an issuer that does not know the property must not issue.
        flags: u8,
        /// The property, lower case: `issue`.
        tag: Arc<str>,
        /// Its value.
        value: Arc<[u8]>,
    },
}

/// One or more texts of at most 255 bytes each, as they stand in a message: each after its length.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Texts(Arc<[u8]>);

impl Texts {
    /// These texts; longer ones are cut off.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut wire = Vec::new();
        for text in texts {
            let text = text.get(..MOST_TEXT).unwrap_or(text);
            wire.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            wire.extend_from_slice(text);
        }
        Self(wire.into())
    }

    /// Each text.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (text, next) = after.split_at_checked(usize::from(*length))?;
            rest = next;
            Some(text)
        })
    }
}

impl Data {
    /// An address record.
    #[must_use]
    pub const fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::A(v4),
            IpAddr::V6(v6) => Self::Aaaa(v6),
        }
    }

    /// The type; `None` for a name without data.
    #[must_use]
    pub const fn record_type(&self) -> Option<RecordType> {
        match self {
            Self::Exists => None,
            Self::A(_) => Some(RecordType::A),
            Self::Aaaa(_) => Some(RecordType::AAAA),
            Self::Srv { .. } => Some(RecordType::SRV),
            Self::Ptr { .. } => Some(RecordType::PTR),
            Self::Cname(_) => Some(RecordType::CNAME),
            Self::Ns(_) => Some(RecordType::NS),
            Self::Txt(_) => Some(RecordType::TXT),
            Self::Mx { .. } => Some(RecordType::MX),
            Self::Caa { .. } => Some(RecordType::CAA),
        }
    }

    /// The host whose addresses belong into the additional section.
    #[must_use]
    pub const fn glue(&self) -> Option<&DomainName> {
        match self {
            Self::Srv { target, .. } | Self::Ns(target) | Self::Mx { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Its bytes on the wire, without compression.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        self.write(&mut wire);
        wire
    }

    /// The record's data on the wire. Names in it are never compressed: RFC 2782 forbids it for SRV, and bytes that name no place
    /// in the message can be copied anywhere.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exists => {}
            Self::A(address) => out.extend_from_slice(&address.octets()),
            Self::Aaaa(address) => out.extend_from_slice(&address.octets()),
            Self::Srv { priority, weight, port, target } => {
                [priority, weight, port].iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
                out.extend_from_slice(target.as_wire());
            }
            Self::Ptr { target, .. } | Self::Cname(target) | Self::Ns(target) => out.extend_from_slice(target.as_wire()),
            Self::Txt(texts) => out.extend_from_slice(&texts.0),
            Self::Mx { preference, target } => {
                out.extend_from_slice(&preference.to_be_bytes());
                out.extend_from_slice(target.as_wire());
            }
            Self::Caa { flags, tag, value } => {
                out.extend([*flags, u8::try_from(tag.len()).unwrap_or_default()]);
                out.extend_from_slice(tag.as_bytes());
                out.extend_from_slice(value);
            }
        }
    }

    /// Reads data that stands alone, names in it not compressed. `None` when it is not of this type, or the type is one that is
    /// not stored.
    #[must_use]
    pub fn from_wire(rtype: RecordType, wire: &[u8]) -> Option<Self> {
        let mut rest = Rest(wire);
        let data = match rtype {
            RecordType::A => Self::A(rest.array::<4>()?.into()),
            RecordType::AAAA => Self::Aaaa(rest.array::<16>()?.into()),
            RecordType::SRV => {
                Self::Srv { priority: rest.number()?, weight: rest.number()?, port: rest.number()?, target: rest.name()? }
            }
            RecordType::PTR => Self::Ptr { rank: 0, target: rest.name()? },
            RecordType::CNAME => Self::Cname(rest.name()?),
            RecordType::NS => Self::Ns(rest.name()?),
            RecordType::MX => Self::Mx { preference: rest.number()?, target: rest.name()? },
            RecordType::TXT => rest.texts()?,
            RecordType::CAA => rest.caa()?,
            _ => return None,
        };
        rest.0.is_empty().then_some(data)
    }
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.0.split_off(..N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn name(&mut self) -> Option<DomainName> {
        let name = DomainName::from_wire(self.0)?;
        self.0.split_off(..name.as_wire().len())?;
        Some(name)
    }

    fn texts(&mut self) -> Option<Data> {
        let whole = self.0;
        while let Some(length) = self.0.first() {
            self.0.split_off(..=usize::from(*length))?;
        }
        (!whole.is_empty()).then(|| Data::Txt(Texts(whole.into())))
    }

    fn caa(&mut self) -> Option<Data> {
        let [flags, length] = self.array()?;
        let tag = std::str::from_utf8(self.0.split_off(..usize::from(length))?).ok().and_then(property)?;
        let value = std::mem::take(&mut self.0).into();
        Some(Data::Caa { flags, tag, value })
    }
}

/// A property of CAA, in lower case.
fn property(text: &str) -> Option<Arc<str>> {
    let legal = (1..=MOST_TAG).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    legal.then(|| text.to_ascii_lowercase().into())
}

impl fmt::Display for Data {
    /// As a zone file has it, with whole names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => Ok(()),
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Srv { priority, weight, port, target } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Ptr { target, .. } | Self::Cname(target) | Self::Ns(target) => target.fmt(f),
            Self::Txt(texts) => texts.fmt(f),
            Self::Mx { preference, target } => write!(f, "{preference} {target}"),
            Self::Caa { flags, tag, value } => {
                write!(f, "{flags} {tag} ")?;
                quote(value, f)
            }
        }
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            quote(text, f)?;
        }
        Ok(())
    }
}

/// Text in quotes, so that every byte comes back.
fn quote(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for byte in bytes {
        match byte {
            b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
            b' '..=b'~' => f.write_char(char::from(*byte))?,
            _ => write!(f, "\\{byte:03}")?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests;
