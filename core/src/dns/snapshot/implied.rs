//! Names that no table has: those of services with virtual IPs. They follow from the service in brief alone, and are answered from it, so
//! that a service takes of memory what it takes as a service, and nothing as names.
//!
//! ```text
//! <svc>.<ns>.svc.<zone>                      the front: virtual IPs, ports
//! _<proto>.<svc>.<ns>.svc.<zone>             nothing: it stands between
//! _<port>._<proto>.<svc>.<ns>.svc.<zone>     the ports with this name
//! <virtual IP>.in-addr.arpa, .ip6.arpa       the fronts with this address
//! ```
//!
//! Names of endpoints below a front are in the table. So is the name of an address where something else stands there too, or below it: then
//! the table has everything that does.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::computed::{self, protocol};
use super::super::name::{DomainName, MOST_BYTES};
use super::super::reverse::{address_of, reverse_name};
use super::super::source::Source;
use super::super::wire::HEADER;
use super::{Node, Snapshot};
use crate::lb::{self, BriefRef, Protocol, ServiceKey, ServiceType};
use crate::packed::Near;

/// The label of services, on the wire.
pub(in crate::dns) const SVC: &[u8; 4] = b"\x03svc";

/// What stands at a name that no table has.
#[derive(Debug, Clone, Copy)]
pub(in crate::dns) enum Implied<'a> {
    /// The front of a service.
    Front(BriefRef<'a>),
    /// Nothing, but there are names below it.
    Between,
    /// The ports of a service that have the name and the protocol of this one.
    Port(BriefRef<'a>, usize),
    /// A virtual IP.
    Address(IpAddr),
}

/// What stands at a name.
#[derive(Debug, Clone, Copy)]
pub(in crate::dns) enum At<'a> {
    /// What the table has.
    Kept(&'a Node),
    /// What follows from services.
    Implied(Implied<'a>),
}

impl At<'_> {
    /// Whether something computed stands here and nothing in a stored zone.
    pub(in crate::dns) fn is_computed(&self) -> bool {
        match self {
            Self::Kept(node) => node.is_computed(),
            Self::Implied(_) => true,
        }
    }
}

/// Cuts a name at or below a service's: the labels below the service, and the service's name as [`ServiceKey::to_wire`] has it.
fn cut<'n>(name: &'n [u8], zone: &[u8]) -> Option<(&'n [u8], &'n [u8])> {
    let (labels, rest) = name.split_at_checked(name.len().checked_sub(zone.len() + SVC.len())?)?;
    if rest.strip_prefix(SVC) != Some(zone) {
        return None;
    }
    // Where the last two labels begin.
    let (mut at, mut before, mut two) = (0, None, None);
    while at < labels.len() {
        (two, before) = (before, Some(at));
        at += 1 + usize::from(*labels.get(at)?);
    }
    labels.split_at_checked(two.filter(|_| at == labels.len())?)
}

/// A label with `_` before its text, and what comes after it.
fn underscored(labels: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = labels.split_first()?;
    let (label, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((label.strip_prefix(b"_")?, rest))
}

/// Bytes of the name of a service in the cluster's domain.
fn front_length(brief: BriefRef<'_>, zone: &DomainName) -> usize {
    brief.name().len() + SVC.len() + zone.as_wire().len()
}

/// Whether this label is that of the protocol.
fn is_protocol(label: &[u8], of: Protocol) -> bool {
    protocol(of).as_bytes().strip_prefix(b"_") == Some(label)
}

/// The ports of a service that have a name which nobody is refused for its length: their place, name and protocol.
fn named_ports<'a>(brief: BriefRef<'a>, zone: &DomainName) -> impl Iterator<Item = (usize, &'a str, Protocol)> + use<'a> {
    let room = MOST_BYTES.saturating_sub(front_length(brief, zone));
    let named = brief.ports().enumerate().filter_map(|(nth, (name, protocol, _))| Some((nth, name?, protocol)));
    // Each label has a byte for its length, and a `_` before the name.
    named.filter(move |(_, name, of)| name.len() < 63 && 2 + name.len() + 1 + protocol(*of).len() <= room)
}

fn below<'a>(brief: BriefRef<'a>, labels: &[u8], zone: &DomainName) -> Option<Implied<'a>> {
    let (first, rest) = underscored(labels)?;
    let mut ports = named_ports(brief, zone);
    if rest.is_empty() {
        return ports.any(|(_, _, of)| is_protocol(first, of)).then_some(Implied::Between);
    }
    let (second, rest) = underscored(rest)?;
    let mut found = ports.filter(|(_, name, of)| name.as_bytes() == first && is_protocol(second, *of));
    found.next().filter(|_| rest.is_empty()).map(|(nth, ..)| Implied::Port(brief, nth))
}

impl Snapshot {
    fn services(&self) -> Option<&lb::View> {
        self.cluster.as_ref().map(|cluster| &cluster.lb).filter(|_| self.view.is_none())
    }

    /// Whether all names of the service but those of its endpoints are implied. It has one virtual IP in a family at most, as every
    /// service that was made by the rules has.
    fn implies(&self, brief: &BriefRef<'_>) -> bool {
        let of_type = matches!(brief.service_type(), Some(ServiceType::ClusterIp | ServiceType::LoadBalancer));
        let families =
            || brief.cluster().fold([0, 0], |[v4, v6], address| if address.is_ipv4() { [v4 + 1, v6] } else { [v4, v6 + 1] });
        of_type && front_length(*brief, self.settings.zone()) <= MOST_BYTES && families().iter().all(|count| *count <= 1)
    }

    /// A service whose names are implied.
    pub(super) fn implying(&self, key: &ServiceKey) -> Option<BriefRef<'_>> {
        self.services()?.brief(key).filter(|brief| self.implies(brief))
    }

    /// Every service whose names are implied, in no order.
    pub(super) fn all_implying(&self) -> impl Iterator<Item = BriefRef<'_>> {
        self.services().into_iter().flat_map(lb::View::briefs).filter(|brief| self.implies(brief))
    }

    /// What stands at a name.
    pub(in crate::dns) fn at(&self, name: &[u8]) -> Option<At<'_>> {
        let kept = || self.names.get(name).map(At::Kept);
        let Some((labels, key)) = cut(name, self.settings.zone().as_wire()) else {
            return kept().or_else(|| self.implied_address(name).map(At::Implied));
        };
        let Some(services) = self.services() else { return kept() };
        match services.brief_by_wire(key) {
            Some(brief) if self.implies(&brief) => match labels {
                [] => Some(At::Implied(Implied::Front(brief))),
                [_, b'_', ..] => below(brief, labels, self.settings.zone()).map(At::Implied),
                _ => kept(),
            },
            // All names of this shape are those of services: without the service there is none.
            None if services.is_in_brief() => None,
            _ => kept(),
        }
    }

    /// Where in memory is what the answer to a query is most likely made of: a guess that costs little, for whoever can have it fetched
    /// while others are answered. Nothing is wrong when the guess is; it is for a name with letters in upper case.
    #[must_use]
    pub fn near(&self, query: &[u8]) -> Option<Near<'_>> {
        let mut name = query.get(HEADER..).unwrap_or_default();
        // Labels of ports come before those of the service.
        while let [length, b'_', ..] = name {
            name = name.get(1 + usize::from(*length)..).unwrap_or_default();
        }
        let second = name.first().map_or(0, |length| 1 + usize::from(*length));
        let end = name.get(second).map_or(0, |length| second + 1 + usize::from(*length));
        match name.split_at_checked(end) {
            Some((key, rest)) if rest.starts_with(SVC) => self.services()?.near_brief(key),
            _ => None,
        }
    }

    /// Whether the name exists.
    pub(in crate::dns) fn contains(&self, name: &[u8]) -> bool {
        self.at(name).is_some()
    }

    fn implied_address(&self, name: &[u8]) -> Option<Implied<'_>> {
        let address = address_of(name)?;
        self.fronts(address).next().map(|_| Implied::Address(address))
    }

    /// The services whose fronts have this virtual IP: one, but in the middle of a batch.
    pub(in crate::dns) fn fronts(&self, address: IpAddr) -> impl Iterator<Item = BriefRef<'_>> {
        self.services().into_iter().flat_map(move |services| services.briefs_at(address)).filter(|brief| self.implies(brief))
    }

    /// How many services imply this front, or this name of an address. These count at the names above them, which the table has.
    pub(super) fn implied(&self, name: &[u8]) -> usize {
        match cut(name, self.settings.zone().as_wire()) {
            Some((labels, _)) => usize::from(labels.is_empty() && matches!(self.at(name), Some(At::Implied(_)))),
            None => address_of(name).map_or(0, |address| self.fronts(address).count()),
        }
    }

    /// The sources of the records of an implied name, sorted.
    pub(super) fn implying_sources(&self, name: &[u8]) -> Vec<Arc<Source>> {
        let source = |brief: BriefRef<'_>| brief.key().map(|key| Arc::new(Source::Service(key)));
        match cut(name, self.settings.zone().as_wire()) {
            Some(_) => match self.at(name) {
                Some(At::Implied(Implied::Front(brief) | Implied::Port(brief, _))) => source(brief).into_iter().collect(),
                _ => Vec::new(),
            },
            None => {
                let fronts = address_of(name).into_iter().flat_map(|address| self.fronts(address));
                let mut sources: Vec<Arc<Source>> = fronts.filter_map(source).collect();
                sources.sort_unstable();
                sources
            }
        }
    }

    /// The name of a service in the cluster's domain.
    pub(in crate::dns) fn front_of(&self, brief: BriefRef<'_>) -> Option<DomainName> {
        DomainName::from_wire(&[brief.name(), SVC, self.settings.zone().as_wire()].concat())
    }

    /// The names of a service that have a parent in the table: its front, and those of its addresses.
    pub(super) fn rooted(&self, brief: BriefRef<'_>) -> impl Iterator<Item = DomainName> + use<> {
        let addresses: Vec<DomainName> = brief.cluster().map(reverse_name).collect();
        self.front_of(brief).into_iter().chain(addresses)
    }

    /// How many other names a service implies.
    pub(super) fn count_below(&self, brief: BriefRef<'_>) -> usize {
        let ports: Vec<(&str, Protocol)> = named_ports(brief, self.settings.zone()).map(|(_, name, of)| (name, of)).collect();
        let is_first = |nth: usize, is_same: &dyn Fn(&(&str, Protocol)) -> bool| !ports.iter().take(nth).any(is_same);
        let each = ports.iter().enumerate();
        each.map(|(nth, port)| {
            let between = is_first(nth, &|(_, of)| *of == port.1);
            usize::from(is_first(nth, &|other| other == port)) + usize::from(between)
        })
        .sum()
    }

    /// The records of a source that are kept: of a service whose names are implied those of its endpoints.
    pub(super) fn kept_records_of(&self, source: &Source) -> Arc<[super::Record]> {
        let implying = |key| self.implying(key).and_then(BriefRef::service);
        match (source, &self.cluster) {
            (Source::Service(key), Some(cluster)) if let Some(service) = implying(key) => {
                computed::endpoint_records(&self.settings, cluster, &service)
            }
            _ => self.records_of(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{http, put, service, settings, snapshot};
    use super::super::super::record::RecordType;
    use super::super::super::wire::encode_query;
    use super::*;
    use crate::cluster::Cluster;

    fn wire(name: &str) -> DomainName {
        name.parse().unwrap()
    }

    #[test]
    fn a_name_is_cut_at_the_service() {
        let zone = settings().zone().clone();
        let read = |name: &str| {
            let name = wire(name);
            cut(name.as_wire(), zone.as_wire()).map(|(labels, key)| (labels.len(), ServiceKey::from_wire(key).unwrap().to_string()))
        };
        assert_eq!(read("web.shop.svc.cluster.local"), Some((0, "shop/web".to_owned())));
        assert_eq!(read("_http._tcp.web.shop.svc.cluster.local"), Some((11, "shop/web".to_owned())));
        for other in [
            "shop.svc.cluster.local",
            "svc.cluster.local",
            "web.shop.pod.cluster.local",
            "web.shop.svc.example",
            "a.b.xsvc.cluster.local",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        // The bytes of `svc` and the zone end this name too, but begin inside a label.
        let inside = [&b"\x01a\x16b"[..], SVC, b"\x07cluster\x05local\0"].concat();
        assert_eq!(cut(&inside, zone.as_wire()), None);
    }

    #[test]
    fn what_a_question_is_answered_from_is_guessed() {
        let mut cluster = Cluster::default();
        cluster.apply(&put(service("shop/web", ServiceType::ClusterIp, "", &["172.28.0.2"])));
        let names = snapshot(&cluster, 1);
        let near = |name: &str| {
            let near = names.near(&encode_query(1, &wire(name), RecordType::A));
            near.is_some_and(|near| near.entries().windows(9).any(|bytes| bytes == b"\x03web\x04shop"))
        };
        assert!(near("web.shop.svc.cluster.local") && near("_http._tcp.web.shop.svc.cluster.local"));
        assert!(names.near(&encode_query(1, &wire("web.shop.example"), RecordType::A)).is_none());
        for query in [&b""[..], &[0; HEADER], &[255; HEADER + 1], &[b'_'; 600]] {
            assert!(names.near(query).is_none_or(|near| near.entries().is_empty()));
        }
    }

    #[test]
    fn a_service_implies_its_front_its_ports_and_its_addresses() {
        let mut cluster = Cluster::default();
        let mut web = service("shop/web", ServiceType::ClusterIp, "", &["172.28.0.2", "fd00:28::2"]);
        web.spec.ports.push(http());
        let key = web.key.clone();
        cluster.apply(&put(web));
        let names = snapshot(&cluster, 1);
        let brief = names.implying(&key).unwrap();
        assert_eq!((names.rooted(brief).count(), names.count_below(brief)), (3, 2));
        let is_implied = |name: &str| matches!(names.at(wire(name).as_wire()), Some(At::Implied(_)));
        let front = "web.shop.svc.cluster.local";
        for name in [front, &format!("_tcp.{front}"), &format!("_http._tcp.{front}"), "2.0.28.172.in-addr.arpa"] {
            assert!(is_implied(name), "{name}");
        }
        for name in
            [&format!("_udp.{front}"), &format!("_http._udp.{front}"), &format!("_x._http._tcp.{front}"), "3.0.28.172.in-addr.arpa"]
        {
            assert!(!names.contains(wire(name).as_wire()), "{name}");
        }
        assert!(names.kept(wire("shop.svc.cluster.local").as_wire()).is_some() && names.kept(wire(front).as_wire()).is_none());
    }
}
