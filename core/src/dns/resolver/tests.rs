//! Messages of made-up upstreams, by hand: a builder that writes what honest servers send, and what others do.

mod cache;
mod marks;
mod pipeline;
mod question;
mod response;
mod settings;

use super::super::data::Data;
use super::super::name::DomainName;
use super::super::record::RecordType;
use super::question::Key;

pub(super) fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub(super) fn key(text: &str, rtype: RecordType) -> Key {
    Key::plain(name(text), rtype)
}

/// A message of an upstream.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    section: usize,
}

impl Sent {
    /// Without records: number 7, recursion available, the question of `key`.
    pub(super) fn to(key: &Key, rcode: u8) -> Self {
        let mut bytes = key.encode(7, false);
        bytes[2] |= 0x80;
        bytes[3] = 0x80 | rcode;
        Self { bytes, section: 0 }
    }

    /// Further records are of this section, which counts from 0; sections come in order.
    pub(super) fn at(self, section: usize) -> Self {
        Self { section, ..self }
    }

    /// One more record.
    pub(super) fn with(mut self, owner: &str, ttl: u32, rtype: RecordType, data: &str) -> Self {
        let data = match rtype {
            RecordType::SOA => soa(data),
            rtype => Data::read(rtype, data, &DomainName::root()).unwrap().to_wire(),
        };
        self.bytes.extend_from_slice(name(owner).as_wire());
        self.bytes.extend_from_slice(&rtype.0.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 1]);
        self.bytes.extend_from_slice(&ttl.to_be_bytes());
        self.bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        self.bytes.extend_from_slice(&data);
        self.bytes[7 + 2 * self.section] += 1;
        self
    }
}

/// The data of a SOA record whose last field is the number in `text`.
fn soa(text: &str) -> Vec<u8> {
    let mut data = [name("ns.example").as_wire(), name("it.example").as_wire()].concat();
    data.extend([1, 7200, 1800, 86_400, text.parse().unwrap()].iter().flat_map(|number: &u32| number.to_be_bytes()));
    data
}
