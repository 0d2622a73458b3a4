//! The records of one source: those that are stored as they are, the others by the Kubernetes DNS specification 1.1.0.
//!
//! ```text
//! <zone>                                   NS                 ns.dns.<zone>
//! dns-version.<zone>                       TXT                "1.1.0"                        §2.2
//! <svc>.<ns>.svc.<zone>                    A, AAAA, SRV       virtual IPs, or endpoints      §2.3.1, §2.4.1
//! _<port>._<proto>.<svc>.<ns>.svc.<zone>   SRV                named ports                    §2.3.2, §2.4.2
//! <host>.<svc>.<ns>.svc.<zone>             A, AAAA            one endpoint                   §2.4.1
//! <address>.in-addr.arpa, .ip6.arpa        PTR                                               §2.3.3, §2.4.3
//! <svc>.<ns>.svc.<zone>                    CNAME              ExternalName                   §2.5
//! <address>.<ns>.pod.<zone>                A, AAAA            a pod's address with dashes
//! <svc>.<ns>.<operator's zone>             A, AAAA, SRV       external IPs
//! _<port>._<proto>.<svc>.<ns>.<operator's> SRV                named ports
//! ```
//!
//! What CoreDNS does beyond that text, and clients rely on, is here too: SRV at the service's own name, names of endpoints under
//! services that have a virtual IP, names of pods, and names for outside as its `k8s_external` gives them.

mod external;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::data::Texts;
use super::name::DomainName;
use super::record::{Data, Record};
use super::reverse::{reverse_name, reverse_zones};
use super::settings::{PodRecords, Settings};
use super::source::Source;
use super::zones::{RecordSetKey, Zone};
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::ipam::{Holding, OwnerKind, Purpose};
use crate::lb::{self, Endpoint, Protocol, Service, ServicePort, ServiceType, Vip};
use crate::net::Label;

/// The version of the Kubernetes DNS schema that the names follow.
const SCHEMA_VERSION: &str = "1.1.0";
/// Weight of every SRV record: all targets alike.
pub(super) const SRV_WEIGHT: u16 = 100;

/// The reverse zones we answer for: those of the pod and service pools. An address elsewhere has its name, but the fact that an
/// address has none is only ours to tell in these.
pub(super) fn reverse_apexes(cluster: &Cluster) -> BTreeSet<DomainName> {
    let ours = |purpose| matches!(purpose, Purpose::Pod | Purpose::ClusterService);
    let pools = cluster.ipam.pools().filter(|pool| ours(pool.purpose));
    pools.flat_map(|pool| &pool.ranges).flat_map(reverse_zones).collect()
}

/// The records that follow from `source`, sorted and without duplicates; none when it does not exist. In a `view` there are those of its
/// own zones only.
#[must_use]
pub fn records(settings: &Settings, cluster: &Cluster, source: &Source, view: Option<&Label>) -> Arc<[Record]> {
    collect((settings, view), |table| table.source(cluster, source))
}

/// Those of a service with virtual IPs that do not follow from the service alone: the names of its endpoints. Sorted in the same way.
pub(super) fn endpoint_records(settings: &Settings, cluster: &Cluster, service: &Service) -> Arc<[Record]> {
    collect((settings, None), |table| {
        if let Some(front) = table.front(service) {
            table.endpoint_names(cluster, service, &front);
        }
    })
}

fn collect<'a>((settings, view): (&'a Settings, Option<&'a Label>), fill: impl FnOnce(&mut Table<'a>)) -> Arc<[Record]> {
    let mut table = Table { settings, view, records: Vec::new() };
    fill(&mut table);
    table.records.sort_unstable();
    table.records.dedup();
    table.records.into()
}

/// Records in the making.
struct Table<'a> {
    settings: &'a Settings,
    view: Option<&'a Label>,
    records: Vec<Record>,
}

impl Table<'_> {
    fn source(&mut self, cluster: &Cluster, source: &Source) {
        match source {
            Source::Zones => self.zones(cluster),
            Source::Views => {}
            Source::Namespace(name) => self.namespace(cluster, name),
            Source::Service(key) => {
                if let Some(service) = cluster.lb.named(key) {
                    self.service(cluster, &service);
                }
            }
            Source::External(key) => {
                if let Some(service) = cluster.lb.named(key) {
                    self.external(cluster, &service);
                }
            }
            Source::Pod(uid) => self.pod(cluster, *uid),
            Source::Zone(name) => {
                if let Some(zone) = cluster.dns.zone(name.as_str()) {
                    self.apex(zone);
                }
            }
            Source::RecordSet(key) => self.stored(cluster, key),
            // They are no part of the cluster's state: the view of them has their records.
            Source::SkyDns(_) => {}
        }
    }

    /// A name that would be longer than DNS allows is left out: nobody can ask for it.
    fn add(&mut self, name: Option<DomainName>, data: Data) {
        if let Some(name) = name {
            self.records.push(Record { name, data, ttl: self.settings.ttl });
        }
    }

    fn zones(&mut self, cluster: &Cluster) {
        let zone = self.settings.zone();
        let server = self.settings.server_name();
        for apex in reverse_apexes(cluster).into_iter().chain([zone.clone()]) {
            self.add(Some(apex), Data::Ns(server.clone()));
        }
        for place in ["svc", "pod"] {
            self.add(zone.child(place), Data::Exists);
        }
        self.add(zone.child("dns-version"), Data::Txt(Texts::new([SCHEMA_VERSION.as_bytes()])));
        self.add(Some(server.clone()), Data::Exists);
        for address in &self.settings.servers {
            self.add(Some(server.clone()), Data::address(*address));
        }
    }

    /// The name servers of a stored zone. Its SOA is no record: the serial number moves with every revision.
    fn apex(&mut self, zone: &Zone) {
        for server in zone.spec.servers(self.settings) {
            self.records.push(Record { name: zone.name.domain().clone(), data: Data::Ns(server), ttl: zone.spec.ttl });
        }
    }

    /// A set without its zone is not served, nor one whose name has become part of a zone in its own.
    fn stored(&mut self, cluster: &Cluster, key: &RecordSetKey) {
        let zone = cluster.dns.zone_of(key.domain(), key.zone().view()).filter(|zone| zone.name == *key.zone());
        let Some((zone, set)) = zone.zip(cluster.dns.set(key)) else { return };
        let ttl = set.ttl.unwrap_or(zone.spec.ttl);
        self.records.extend(set.data.iter().map(|data| Record { name: key.domain().clone(), data: data.clone(), ttl }));
    }

    fn namespace(&mut self, cluster: &Cluster, name: &Label) {
        let exists = cluster.ipam.namespace(name).is_some() || cluster.ipam.allocations_in(name).next().is_some();
        if exists {
            self.add(self.settings.zone().below(&[name.as_str(), "svc"]), Data::Exists);
        }
        if exists && self.settings.pods != PodRecords::Disabled {
            self.add(self.settings.zone().below(&[name.as_str(), "pod"]), Data::Exists);
        }
    }

    fn pod(&mut self, cluster: &Cluster, uid: Uid) {
        let held = cluster.ipam.allocation(uid).filter(|held| held.is_held() && held.owner.kind == OwnerKind::Pod);
        let Some(held) = held.filter(|_| self.settings.pods == PodRecords::Verified) else { return };
        let Some(namespace) = &held.owner.namespace else { return };
        for Holding { address, .. } in &held.holdings {
            let name = self.settings.zone().below(&[&dashed(*address), namespace.as_str(), "pod"]);
            self.add(name, Data::address(*address));
        }
    }

    /// The name of a service.
    fn front(&self, service: &Service) -> Option<DomainName> {
        let key = &service.key;
        self.settings.zone().below(&[key.name.as_str(), key.namespace.as_str(), "svc"])
    }

    fn service(&mut self, cluster: &Cluster, service: &Service) {
        let Some(front) = self.front(service) else { return };
        match service.spec.service_type {
            ServiceType::ExternalName => self.alias(front, &service.spec.external_name),
            ServiceType::Headless => {
                let ready = self.endpoint_names(cluster, service, &front);
                self.headless(service, &front, &ready);
            }
            ServiceType::ClusterIp | ServiceType::LoadBalancer => {
                self.endpoint_names(cluster, service, &front);
                self.virtual_ips(service, &service.cluster, &front);
            }
        }
    }

    /// An IP literal is no name: the service has no records then.
    fn alias(&mut self, front: DomainName, external_name: &str) {
        if external_name.parse::<IpAddr>().is_err()
            && let Ok(target) = external_name.parse()
        {
            self.add(Some(front), Data::Cname(target));
        }
    }

    fn virtual_ips(&mut self, service: &Service, vips: &[Vip], front: &DomainName) {
        // The name exists while the service waits for its address: NODATA, not NXDOMAIN.
        self.add(Some(front.clone()), Data::Exists);
        for vip in vips {
            self.add(Some(front.clone()), Data::address(vip.address));
            self.add(Some(reverse_name(vip.address)), Data::Ptr { rank: 0, target: front.clone() });
        }
        for port in &service.spec.ports {
            self.srv(front, port, port.port, front);
        }
    }

    /// Names of single endpoints, forward and reverse; gives the endpoints that are published, with their names.
    fn endpoint_names(&mut self, cluster: &Cluster, service: &Service, front: &DomainName) -> Vec<(DomainName, Endpoint)> {
        let mut published = Vec::new();
        for endpoint in lb::endpoints(cluster, service) {
            let host = endpoint.hostname.as_ref().map_or_else(|| dashed(endpoint.address), |label| label.as_str().to_owned());
            let Some(name) = front.child(&host).filter(|_| endpoint.ready) else { continue };
            self.add(Some(name.clone()), Data::address(endpoint.address));
            self.add(Some(reverse_name(endpoint.address)), Data::Ptr { rank: 1, target: name.clone() });
            published.push((name, endpoint));
        }
        published
    }

    fn headless(&mut self, service: &Service, front: &DomainName, published: &[(DomainName, Endpoint)]) {
        for (name, endpoint) in published {
            self.add(Some(front.clone()), Data::address(endpoint.address));
            for (port, number) in service.spec.ports.iter().zip(&endpoint.ports) {
                if let Some(number) = number {
                    self.srv(front, port, *number, name);
                }
            }
        }
    }

    fn srv(&mut self, front: &DomainName, port: &ServicePort, number: u16, target: &DomainName) {
        let data = Data::Srv { priority: 0, weight: SRV_WEIGHT, port: number, target: target.clone() };
        if let Some(name) = &port.name {
            self.add(front.below(&[&format!("_{name}"), protocol(port.protocol)]), data.clone());
        }
        self.add(Some(front.clone()), data);
    }
}

/// The label of a protocol.
pub(super) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
        Protocol::Sctp => "_sctp",
    }
}

/// The host name of an endpoint that has none of its own: its address with dashes. A label may not end in a dash.
fn dashed(address: IpAddr) -> String {
    let mut text = address.to_string().replace(['.', ':'], "-");
    if text.ends_with('-') {
        text.push('0');
    }
    text
}

#[cfg(test)]
mod tests;
