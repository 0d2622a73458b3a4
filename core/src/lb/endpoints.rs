//! The endpoints of a service: computed from the allocations of its namespace, never stored.

use std::net::IpAddr;

use super::record::{Endpoint, Service, ServicePort, ServiceType, TargetPort};
use crate::cluster::Cluster;
use crate::ipam::Allocation;
use crate::net::{Family, Name};

/// The endpoints of a service, by address.
///
/// With a selector: every held allocation of the namespace whose labels match gives one endpoint for each family that the
/// service speaks. Without: the endpoints it was given. Not-ready endpoints are in the list, marked as such; where the service
/// publishes them, they count as ready.
#[must_use]
pub fn endpoints(cluster: &Cluster, service: &Service) -> Vec<Endpoint> {
    behind(cluster, service, None)
}

/// Those of the endpoints that are on a node, found without looking at the others.
#[must_use]
pub fn endpoints_on(cluster: &Cluster, service: &Service, node: &Name) -> Vec<Endpoint> {
    behind(cluster, service, Some(node))
}

fn behind(cluster: &Cluster, service: &Service, on: Option<&Name>) -> Vec<Endpoint> {
    if service.spec.service_type == ServiceType::ExternalName {
        return Vec::new();
    }
    if service.spec.selector.is_empty() {
        let given = service.spec.endpoints.iter().filter(|endpoint| on.is_none() || endpoint.node.as_ref() == on).cloned();
        return given.map(|endpoint| Endpoint { ready: endpoint.ready || service.spec.publish_not_ready, ..endpoint }).collect();
    }
    let families = service.families();
    let speaks = |family: Family| families.is_empty() || families.contains(&family);
    let selected = cluster.ipam.selected(&service.key.namespace, &service.spec.selector, on);
    let mut endpoints: Vec<Endpoint> = selected
        .flat_map(|allocation| {
            [Family::V4, Family::V6].into_iter().filter(|family| speaks(*family)).filter_map(|family| {
                let holding = allocation.holdings.iter().find(|holding| Family::of(holding.address) == family)?;
                Some(endpoint(cluster, service, allocation, holding.address))
            })
        })
        .collect();
    endpoints.sort_unstable_by_key(|endpoint| endpoint.address);
    endpoints
}

fn endpoint(cluster: &Cluster, service: &Service, allocation: &Allocation, address: IpAddr) -> Endpoint {
    let node = allocation.owner.node.clone();
    let published = allocation.subdomain.as_ref() == Some(&service.key.name);
    Endpoint {
        address,
        ready: allocation.ready || service.spec.publish_not_ready,
        zone: node.as_ref().and_then(|name| cluster.ipam.node(name)).map_or_else(String::new, |node| node.zone.clone()),
        node,
        hostname: allocation.hostname.clone().filter(|_| published),
        pod: format!("{}/{}", service.key.namespace, allocation.owner.name),
        ports: service.spec.ports.iter().map(|port| target(allocation, port)).collect(),
    }
}

/// The number of a service port's target on the pod.
fn target(allocation: &Allocation, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => allocation.named_ports.iter().find(|(port, _)| port == name).map(|(_, number)| *number),
    }
}
