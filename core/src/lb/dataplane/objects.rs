//! The objects: what of the state a node needs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Basis, Duty, Endpoints, Front, Key, Object, Peer, Receiver, Settings, Target};
use crate::cluster::Cluster;
use crate::ipam::{CLUSTER_DNS, Liveness, Node, OwnerKind, Purpose};
use crate::lb::address::is_foreign;
use crate::lb::bgp::advertised;
use crate::lb::endpoints::endpoints;
use crate::lb::record::{Endpoint, Service, ServiceType, TrafficPolicy};
use crate::net::{AddrRange, Name, RangeSet};

/// What there is under a key for all nodes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The same for every node.
    Same(Object),
    /// Each node has an object of its own, or none, which follows from this and the node.
    ByNode(Basis),
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
            let behind = behind(cluster, service);
            if is_local(service) {
                return Some(Shown::ByNode(by_node(behind)));
            }
            Object::Endpoints(behind)
        }
        Key::Announcement(address) => return Some(Shown::ByNode(Basis::Announcement(duty(cluster, *address)?))),
        Key::BgpSession(name) => return Some(Shown::ByNode(Basis::BgpSession(Arc::clone(cluster.lb.bgp_peer(name)?)))),
        Key::BgpRoutes(address) => {
            return Some(Shown::ByNode(Basis::BgpRoutes(*address, advertised(cluster, *address)?.into())));
        }
    };
    Some(Shown::Same(object))
}

/// What a node holds under the key.
#[must_use]
pub fn object(cluster: &Cluster, node: &Name, key: &Key) -> Option<Object> {
    match shown(cluster, key)? {
        Shown::Same(object) => Some(object),
        Shown::ByNode(basis) => Receiver::of(cluster, node).object(&basis),
    }
}

fn duty(cluster: &Cluster, address: IpAddr) -> Option<Duty> {
    let record = cluster.lb.board().of(address)?;
    let pool = cluster.ipam.pool_of(address)?;
    let (pool, interfaces) = (pool.name.clone(), pool.announce_interfaces.clone());
    Some(Duty { announcement: Arc::clone(record), pool, interfaces })
}

/// Whether nodes have anything to program for the service.
#[must_use]
pub fn has_front(service: &Service) -> bool {
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

fn behind(cluster: &Cluster, service: &Service) -> Endpoints {
    let ready = endpoints(cluster, service).into_iter().filter(|endpoint| endpoint.ready);
    let target = |Endpoint { address, node, ports, .. }| Target { address, node, ports };
    let mut targets: Vec<Target> = ready.map(target).collect();
    targets.sort_by_key(|target| target.address);
    Endpoints { key: service.key.clone(), targets }
}

/// Endpoints of which each node is told its own.
fn by_node(Endpoints { key, targets }: Endpoints) -> Basis {
    let mut on: BTreeMap<Name, Vec<Target>> = BTreeMap::new();
    for target in targets {
        if let Some(node) = &target.node {
            on.entry(node.clone()).or_default().push(target);
        }
    }
    Basis::Endpoints(key, on.into())
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
