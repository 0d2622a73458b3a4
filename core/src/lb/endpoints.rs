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
    let given = given(service).iter().cloned();
    let given = given.map(|endpoint| Endpoint { ready: endpoint.ready || service.spec.publish_not_ready, ..endpoint });
    let selected = selected(cluster, service).map(|(allocation, address)| endpoint(cluster, service, allocation, address));
    let mut endpoints: Vec<Endpoint> = given.chain(selected).collect();
    if !service.spec.selector.is_empty() {
        endpoints.sort_unstable_by_key(|endpoint| endpoint.address);
    }
    endpoints
}

/// The node of each ready endpoint of a service, in no order; `None` for one outside the cluster. Finds the first without looking
/// at the others.
pub fn ready_on<'c>(cluster: &'c Cluster, service: &'c Service) -> impl Iterator<Item = Option<&'c Name>> {
    let all = service.spec.publish_not_ready;
    let given = given(service).iter().filter(move |endpoint| all || endpoint.ready).map(|endpoint| endpoint.node.as_ref());
    let selected = selected(cluster, service).filter(move |(allocation, _)| all || allocation.ready);
    given.chain(selected.map(|(allocation, _)| allocation.owner.node.as_ref()))
}

/// The endpoints that a service without selector was given.
fn given(service: &Service) -> &[Endpoint] {
    let has = service.spec.selector.is_empty() && service.spec.service_type != ServiceType::ExternalName;
    if has { &service.spec.endpoints } else { &[] }
}

/// The allocations that the service selects, each with every address that is an endpoint.
fn selected<'c>(cluster: &'c Cluster, service: &'c Service) -> impl Iterator<Item = (&'c Allocation, IpAddr)> {
    let spec = &service.spec;
    let selects = !spec.selector.is_empty() && spec.service_type != ServiceType::ExternalName;
    let families: Vec<Family> = match service.families() {
        none if none.is_empty() => vec![Family::V4, Family::V6],
        spoken => [Family::V4, Family::V6].into_iter().filter(|family| spoken.contains(family)).collect(),
    };
    let allocations = selects.then(|| cluster.ipam.selected(&service.key.namespace, &spec.selector)).into_iter().flatten();
    allocations.flat_map(move |allocation| {
        let of = |family: &Family| allocation.holdings.iter().find(|holding| Family::of(holding.address) == *family);
        let addresses: Vec<IpAddr> = families.iter().filter_map(of).map(|holding| holding.address).collect();
        addresses.into_iter().map(move |address| (allocation.as_ref(), address))
    })
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
