//! Answers that are made of services in brief: as those that are kept, to the byte.

use std::net::IpAddr;

use super::super::computed::SRV_WEIGHT;
use super::super::record::RecordType;
use super::super::snapshot::SVC;
use super::super::wire::{FIXED, HEADER, Reply, Section, pointer};
use super::Asked;
use crate::lb::BriefRef;
use crate::lb::check::MOST_PORTS;

/// The numbers of a service's ports, each once, in order: of all of them, or of those with the name and the protocol of one. No service has
/// more than [`MOST_PORTS`].
pub(super) fn numbers(service: BriefRef<'_>, port: Option<usize>) -> impl Iterator<Item = u16> {
    let same = port.and_then(|nth| service.ports().nth(nth)).map(|(name, protocol, _)| (name, protocol));
    let wanted = service.ports().filter(|(name, protocol, _)| same.is_none_or(|same| same == (*name, *protocol)));
    let (mut numbers, mut count) = ([0; MOST_PORTS], 0);
    for (place, (.., number)) in numbers.iter_mut().zip(wanted) {
        (*place, count) = (number, count + 1);
    }
    if let Some(found) = numbers.get_mut(..count) {
        found.sort_unstable();
    }
    let mut last = None;
    numbers.into_iter().take(count).filter(move |number| last.replace(*number) != Some(*number))
}

/// The virtual IPs of a service, IPv4 first.
pub(super) fn in_order(service: BriefRef<'_>) -> impl Iterator<Item = IpAddr> {
    let of = move |is_ipv4| service.cluster().filter(move |address| address.is_ipv4() == is_ipv4);
    of(true).chain(of(false))
}

impl Asked<'_> {
    /// Appends SRV records under the name at `place`, and where that is the question's, of which the length is given, the addresses
    /// of the service.
    pub(super) fn put_ports(
        &self,
        reply: &mut Reply<'_>,
        (service, port): (BriefRef<'_>, Option<usize>),
        place: usize,
        asked: Option<usize>,
    ) {
        let zone = self.sight.names().settings().zone().as_wire();
        let fixed = self.fixed(pointer(place), RecordType::SRV);
        let [w0, w1] = SRV_WEIGHT.to_be_bytes();
        for number in numbers(service, port) {
            let [p0, p1] = number.to_be_bytes();
            if !reply.put_record(Section::Answer, fixed, &[&[0, 0, w0, w1, p0, p1], service.name(), SVC, zone]) {
                return;
            }
        }
        let front = service.name().len() + SVC.len() + zone.len();
        let Some(owner) = asked.and_then(|length| (HEADER + length).checked_sub(front)) else { return };
        let mut records = in_order(service).map(|address| self.address_record(address, pointer(owner)));
        // There is one of each family at most.
        match (records.next(), records.next()) {
            (Some(one), Some(two)) => reply.put_additional(&[one.as_bytes(), two.as_bytes()], 2),
            (Some(one), None) => reply.put_additional(&[one.as_bytes()], 1),
            (None, _) => true,
        };
    }

    /// Appends the names of the services with a virtual IP under the name at `place`.
    pub(super) fn put_fronts(&self, reply: &mut Reply<'_>, address: IpAddr, place: usize) {
        let names = self.sight.names();
        let fixed = self.fixed(pointer(place), RecordType::PTR);
        let mut before = None;
        // In the order of their names; there is hardly ever more than one.
        while let Some(name) = names.fronts(address).map(BriefRef::name).filter(|name| Some(*name) > before).min() {
            if !reply.put_record(Section::Answer, fixed, &[name, SVC, names.settings().zone().as_wire()]) {
                return;
            }
            before = Some(name);
        }
    }

    /// An address record.
    pub(super) fn address_record(&self, address: IpAddr, owner: [u8; 2]) -> AddressRecord {
        let mut record = AddressRecord { bytes: [0; FIXED + 16], length: 0 };
        record.put(&self.fixed(owner, RecordType::of(address)));
        match address {
            IpAddr::V4(v4) => {
                record.put(&[0, 4]);
                record.put(&v4.octets());
            }
            IpAddr::V6(v6) => {
                record.put(&[0, 16]);
                record.put(&v6.octets());
            }
        }
        record
    }
}

/// An address record as it stands in a message.
pub(super) struct AddressRecord {
    bytes: [u8; FIXED + 16],
    length: usize,
}

impl AddressRecord {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{key, port, put, service};
    use super::*;
    use crate::cluster::Cluster;
    use crate::lb::{Protocol, ServiceType, TargetPort};

    #[test]
    fn every_number_comes_once_and_in_order_however_many_there_are() {
        let mut many = service("shop/many", ServiceType::ClusterIp, "", &["172.28.0.2"]);
        let number = |nth: usize| u16::try_from(nth * 7919 % 200).unwrap();
        let one = |nth: usize| port(&format!("p{}", nth % 9), Protocol::Tcp, number(nth), TargetPort::Number(1));
        many.spec.ports = (0..MOST_PORTS).map(one).collect();
        let mut cluster = Cluster::default();
        cluster.apply(&put(many));
        let brief = cluster.lb.brief(&key("shop/many")).unwrap();
        let expected = |is_meant: &dyn Fn(usize) -> bool| {
            let mut numbers: Vec<u16> = (0..MOST_PORTS).filter(|nth| is_meant(*nth)).map(number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        assert_eq!(numbers(brief, None).collect::<Vec<_>>(), expected(&|_| true));
        assert_eq!(numbers(brief, Some(11)).collect::<Vec<_>>(), expected(&|nth| nth % 9 == 2));
    }
}
