//! Records and their types.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use super::data::Data;
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
    /// A host that takes mail.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Host and port of a service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// The pseudo-record of EDNS (RFC 6891); never asked for.
    pub const OPT: Self = Self(41);
    /// The keys of a delegated zone (RFC 4034): the one type that the delegating zone answers for.
    pub const DS: Self = Self(43);
    /// Incremental zone transfer.
    pub const IXFR: Self = Self(251);
    /// Zone transfer.
    pub const AXFR: Self = Self(252);
    /// Any type.
    pub const ANY: Self = Self(255);
    /// Who may issue certificates (RFC 8659).
    pub const CAA: Self = Self(257);

    /// The type that an address has.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::A } else { Self::AAAA }
    }

    const NAMED: [(Self, &'static str); 15] = [
        (Self::A, "A"),
        (Self::NS, "NS"),
        (Self::CNAME, "CNAME"),
        (Self::SOA, "SOA"),
        (Self::PTR, "PTR"),
        (Self::MX, "MX"),
        (Self::TXT, "TXT"),
        (Self::AAAA, "AAAA"),
        (Self::SRV, "SRV"),
        (Self::OPT, "OPT"),
        (Self::DS, "DS"),
        (Self::IXFR, "IXFR"),
        (Self::AXFR, "AXFR"),
        (Self::ANY, "ANY"),
        (Self::CAA, "CAA"),
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
            let description =
                format!("`{}` is not a record type: A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, or TYPE123", shown(text));
            Malformed::new(Reason::RecordMalformed, description)
        })
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
