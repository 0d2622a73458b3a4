//! Names of services in zones of operators, for those outside of the cluster: what CoreDNS' `k8s_external` and ExternalDNS do.

use super::Table;
use crate::cluster::Cluster;
use crate::dns::data::Data;
use crate::dns::name::DomainName;
use crate::dns::record::RecordType;
use crate::dns::reverse::reverse_name;
use crate::dns::zones::{Owner, Zone};
use crate::lb::{Service, ServiceType};

impl Table<'_> {
    /// The external IPs of a service under its name in every zone that has the names of services. While it has none the name
    /// exists: NODATA, not NXDOMAIN.
    pub(super) fn external(&mut self, cluster: &Cluster, service: &Service) {
        if service.spec.service_type != ServiceType::LoadBalancer {
            return;
        }
        for zone in cluster.dns.zones().filter(|zone| zone.spec.publish_services) {
            let Some(front) = front(cluster, zone, service) else { continue };
            self.add(Some(front.clone()), Data::Exists);
            for vip in &service.external {
                self.add(Some(front.clone()), Data::address(vip.address));
                self.add(Some(reverse_name(vip.address)), Data::Ptr { rank: 0, target: front.clone() });
            }
            for port in &service.spec.ports {
                self.srv(&front, port, port.port, &front);
            }
        }
    }
}

/// The name of a service in a zone, unless somebody else has it: a zone in the zone, other name servers, or what is stored there.
fn front(cluster: &Cluster, zone: &Zone, service: &Service) -> Option<DomainName> {
    let space = zone.name.domain().child(service.key.namespace.as_str())?;
    let front = space.child(service.key.name.as_str())?;
    let innermost = cluster.dns.zone_of(&front)?;
    if innermost.name != zone.name {
        return None;
    }
    let (space, owner) = (Owner::of(&space, &zone.name).ok()?, Owner::of(&front, &zone.name).ok()?);
    let is_delegated = cluster.dns.sets_at(&zone.name, &space).any(|set| set.key.rtype() == RecordType::NS);
    let is_taken = cluster.dns.sets_at(&zone.name, &owner).next().is_some();
    (!is_delegated && !is_taken).then_some(front)
}
