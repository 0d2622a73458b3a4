//! Records: a name's data, computed or stored, with its wire form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::name::DomainName;
use crate::reason::{Malformed, Reason, shown};

/// A record type's number (RFC 1035 §3.2.2 and the IANA registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

impl RecordType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// A name server of a zone.
    pub const NS: Self = Self(2);
    /// The name this one is an alias for.
    pub const CNAME: Self = Self(5);
    /// The start of a zone.
    pub const SOA: Self = Self(6);
    /// The name of an address.
    pub const PTR: Self = Self(12);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Host and port of a service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// The pseudo-record of EDNS (RFC 6891); never asked for.
    pub const OPT: Self = Self(41);
    /// Incremental zone transfer.
    pub const IXFR: Self = Self(251);
    /// Zone transfer.
    pub const AXFR: Self = Self(252);
    /// Any type.
    pub const ANY: Self = Self(255);

    const NAMED: [(Self, &'static str); 12] = [
        (Self::A, "A"),
        (Self::NS, "NS"),
        (Self::CNAME, "CNAME"),
        (Self::SOA, "SOA"),
        (Self::PTR, "PTR"),
        (Self::TXT, "TXT"),
        (Self::AAAA, "AAAA"),
        (Self::SRV, "SRV"),
        (Self::OPT, "OPT"),
        (Self::IXFR, "IXFR"),
        (Self::AXFR, "AXFR"),
        (Self::ANY, "ANY"),
    ];
}

impl fmt::Display for RecordType {
    /// The mnemonic, or `TYPE123` (RFC 3597 §5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(number, _)| number == self) {
            Some((_, text)) => f.write_str(text),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl FromStr for RecordType {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Some((number, _)) = Self::NAMED.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            return Ok(*number);
        }
        let number = text.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("TYPE")).and_then(|_| text.get(4..)?.parse().ok());
        number.map(Self).ok_or_else(|| {
            let description = format!("`{}` is not a record type: A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, or TYPE123", shown(text));
            Malformed::new(Reason::RecordMalformed, description)
        })
    }
}

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
        /// 0 for a virtual IP, 1 for an endpoint.
        rank: u8,
        /// The name.
        target: DomainName,
    },
    /// The name this one is an alias for.
    Cname(DomainName),
    /// A name server of the zone.
    Ns(DomainName),
    /// One text of at most 255 bytes.
    Txt(Arc<str>),
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
        }
    }

    /// The host whose addresses belong into the additional section.
    #[must_use]
    pub const fn glue(&self) -> Option<&DomainName> {
        match self {
            Self::Srv { target, .. } | Self::Ns(target) => Some(target),
            _ => None,
        }
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
            Self::Txt(text) => {
                let bytes = text.as_bytes();
                let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
                out.push(length);
                out.extend(bytes.iter().take(usize::from(length)));
            }
        }
    }
}

impl fmt::Display for Data {
    /// As a zone file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => Ok(()),
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Srv { priority, weight, port, target } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Ptr { target, .. } | Self::Cname(target) | Self::Ns(target) => target.fmt(f),
            Self::Txt(text) => write!(f, "{text:?}"),
        }
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The name.
    pub name: DomainName,
    /// What it says.
    pub data: Data,
    /// Seconds for which a resolver may keep it.
    pub ttl: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_numbers() {
        for text in ["A", "aaaa", "SRV", "TYPE64", "type65535"] {
            let parsed: RecordType = text.parse().unwrap();
            assert_eq!(parsed.to_string().parse::<RecordType>().unwrap(), parsed);
        }
        assert_eq!("TYPE1".parse::<RecordType>().unwrap(), RecordType::A);
        for bad in ["", "TYPE", "TYPE65536", "TYPE-1", "AAAAA", "täpe1"] {
            assert_eq!(bad.parse::<RecordType>().unwrap_err().reason, Reason::RecordMalformed, "{bad}");
        }
    }
}
