//! The objects: what of the state a node needs.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Duty, Endpoints, Front, Key, Object, Peer, Settings, Target};
use crate::cluster::Cluster;
use crate::ipam::{CLUSTER_DNS, Liveness, Node, OwnerKind, Purpose};
use crate::lb::address::is_foreign;
use crate::lb::endpoints::{endpoints, endpoints_on};
use crate::lb::record::{Endpoint, Service, ServiceType, TrafficPolicy};
use crate::net::{AddrRange, Name, RangeSet};

/// What there is under a key for all nodes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The same for every node.
    Same(Object),
    /// Each node has an object of its own, or none: ask [`object`].
    ByNode,
}

/// What nodes hold under the key; `None` when no node holds anything.
#[must_use]
pub fn shown(cluster: &Cluster, key: &Key) -> Option<Shown> {
    let object = match key {
        Key::Settings => Object::Settings(settings(cluster)),
        Key::Node(name) => Object::Node(Box::new(peer(cluster, cluster.ipam.node(name)?))),
        Key::Front(key) => Object::Front(Box::new(front(cluster.lb.service(key).filter(|service| has_front(service))?))),
        Key::Endpoints(key) => {
            let service = cluster.lb.service(key).filter(|service| has_front(service))?;
            if is_local(service) {
                return Some(Shown::ByNode);
            }
            Object::Endpoints(behind(service, endpoints(cluster, service)))
        }
        Key::Announcement(address) => return cluster.lb.board().of(*address).map(|_| Shown::ByNode),
    };
    Some(Shown::Same(object))
}

/// What a node holds under the key.
#[must_use]
pub fn object(cluster: &Cluster, node: &Name, key: &Key) -> Option<Object> {
    match shown(cluster, key)? {
        Shown::Same(object) => Some(object),
        Shown::ByNode => own(cluster, node, key),
    }
}

/// The object of one node under a key that each node has an object of its own under.
fn own(cluster: &Cluster, node: &Name, key: &Key) -> Option<Object> {
    match key {
        Key::Endpoints(key) => {
            let service = cluster.lb.service(key)?;
            Some(Object::Endpoints(behind(service, endpoints_on(cluster, service, node))))
        }
        Key::Announcement(address) => {
            let record = cluster.lb.board().of(*address)?;
            let concerned = record.node == *node || record.previous.as_ref() == Some(node);
            let pool = cluster.ipam.pool_of(*address).filter(|_| concerned)?;
            Some(Object::Announcement(Duty {
                announcement: Arc::clone(record),
                pool: pool.name.clone(),
                interfaces: pool.announce_interfaces.clone(),
            }))
        }
        Key::Settings | Key::Node(_) | Key::Front(_) => None,
    }
}

/// Whether nodes have anything to program for the service.
pub(super) fn has_front(service: &Service) -> bool {
    match service.spec.service_type {
        ServiceType::ClusterIp | ServiceType::LoadBalancer => true,
        ServiceType::Headless | ServiceType::ExternalName => false,
    }
}

/// Whether nodes serve the outside of the service.
fn has_outside(service: &Service) -> bool {
    service.spec.service_type == ServiceType::LoadBalancer && !is_foreign(&service.spec)
}

/// Whether a node sends traffic to endpoints of its own only, wherever the traffic comes from.
fn is_local(service: &Service) -> bool {
    let outside = has_outside(service) && service.spec.external_policy == TrafficPolicy::Cluster;
    service.spec.internal_policy == TrafficPolicy::Local && !outside
}

fn front(service: &Service) -> Front {
    let spec = &service.spec;
    let outside = has_outside(service);
    Front {
        key: service.key.clone(),
        uid: service.meta.uid,
        cluster: service.cluster.iter().map(|vip| vip.address).collect(),
        external: service.external.iter().filter(|_| outside).map(|vip| vip.address).collect(),
        ports: spec.ports.clone(),
        affinity: spec.affinity,
        internal_policy: spec.internal_policy,
        external_policy: spec.external_policy,
        source_ranges: if outside { spec.external.source_ranges.clone() } else { Vec::new() },
        health_check_port: if outside && spec.external_policy == TrafficPolicy::Local { spec.health_check_port } else { 0 },
        health_check: spec.health_check.clone(),
    }
}

fn behind(service: &Service, endpoints: Vec<Endpoint>) -> Endpoints {
    let ready = endpoints.into_iter().filter(|endpoint| endpoint.ready);
    let target = |Endpoint { address, node, ports, .. }| Target { address, node, ports };
    let mut targets: Vec<Target> = ready.map(target).collect();
    targets.sort_by_key(|target| target.address);
    Endpoints { key: service.key.clone(), targets }
}

fn peer(cluster: &Cluster, node: &Node) -> Peer {
    let view = &cluster.ipam;
    let pods = view.allocations_on(&node.name).filter(|held| held.owner.kind != OwnerKind::Node);
    let addresses = pods.flat_map(|pod| &pod.holdings).map(|holding| holding.address);
    let mut borrowed: Vec<IpAddr> = addresses.filter(|address| view.is_borrowed(&node.name, *address)).collect();
    borrowed.sort_unstable();
    Peer {
        name: node.name.clone(),
        uid: node.meta.uid,
        number: node.number,
        addresses: view.node_addresses(&node.name).collect(),
        blocks: view.blocks_of(&node.name).map(|block| block.cidr).collect(),
        borrowed,
        tunnel_mac: node.tunnel_mac.clone(),
        live: matches!(node.liveness, Liveness::Alive(_)),
        draining: node.draining,
        zone: node.zone.clone(),
    }
}

fn settings(cluster: &Cluster) -> Settings {
    let view = &cluster.ipam;
    let subnets = |purpose: Purpose| -> Vec<IpNet> {
        let pools = view.pools().filter(|pool| pool.purpose == purpose);
        let ranges: RangeSet = pools.flat_map(|pool| &pool.ranges).copied().collect();
        ranges.ranges().iter().flat_map(AddrRange::nets).collect()
    };
    let dns = view.reservations().filter(|kept| kept.system && kept.name.as_str() == CLUSTER_DNS);
    Settings {
        pod_subnets: subnets(Purpose::Pod),
        service_subnets: subnets(Purpose::ClusterService),
        dns_addresses: dns.flat_map(|kept| &kept.ranges).map(AddrRange::start).collect(),
    }
}
