//! Names of services in zones of operators, for those outside of the cluster: what CoreDNS' `k8s_external` and ExternalDNS do.

use super::Table;
use crate::cluster::Cluster;
use crate::dns::name::DomainName;
use crate::dns::record::RecordType;
use crate::dns::zones::{Owner, Zone};
use crate::lb::{Service, ServiceType};

impl Table<'_> {
    /// The external IPs of a service under its name in every zone that has the names of services.
    pub(super) fn external(&mut self, cluster: &Cluster, service: &Service) {
        if service.spec.service_type != ServiceType::LoadBalancer {
            return;
        }
        let view = self.view;
        for zone in cluster.dns.zones().filter(|zone| zone.spec.publish_services && zone.name.view() == view) {
            if let Some(front) = front(cluster, zone, service) {
                self.virtual_ips(service, &service.external, &front);
            }
        }
    }
}

/// The name of a service in a zone, unless somebody else has it: a zone in the zone, other name servers, or what is stored there.
fn front(cluster: &Cluster, zone: &Zone, service: &Service) -> Option<DomainName> {
    let space = zone.name.domain().child(service.key.namespace.as_str())?;
    let front = space.child(service.key.name.as_str())?;
    let innermost = cluster.dns.zone_of(&front, zone.name.view())?;
    if innermost.name != zone.name {
        return None;
    }
    let (space, owner) = (Owner::of(&space, &zone.name).ok()?, Owner::of(&front, &zone.name).ok()?);
    let is_delegated = cluster.dns.sets_at(&zone.name, &space).any(|set| set.key.rtype() == RecordType::NS);
    let is_taken = cluster.dns.sets_at(&zone.name, &owner).next().is_some();
    (!is_delegated && !is_taken).then_some(front)
}
