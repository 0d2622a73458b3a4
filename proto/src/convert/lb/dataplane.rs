//! What nodes are told, as the API shows it.

use std::net::IpAddr;
use std::num::NonZeroU32;

use polder_core::lb::bgp::{BgpPeer, BgpRoute, Password};
use polder_core::lb::dataplane::{Duty, Endpoints, Front, Key, Object, Peer, Settings, Target};

use super::super::common::show_time;
use super::bgp::Shown as _;
use super::health::health_check;
use super::show::{affinity, policy, port};
use crate::lb::v1 as pb;
use crate::lb::v1::watch_dataplane_response::Object as Told;

/// An object as a node is told of it. The cluster's domain is in no record.
#[must_use]
pub fn object(object: Object, domain: &str) -> Told {
    match object {
        Object::Settings(told) => Told::Settings(settings(&told, domain)),
        Object::Node(told) => Told::Node(node(*told)),
        Object::Front(told) => Told::Front(front(&told)),
        Object::Endpoints(told) => Told::Endpoints(endpoints(&told)),
        Object::Announcement(told) => Told::Announcement(announcement(&told)),
        Object::BgpSession(told) => Told::BgpSession(bgp_session(&told)),
        Object::BgpRoutes(address, routes) => Told::BgpRoutes(bgp_routes(address, &routes)),
    }
}

/// An object of which only the key is known.
#[must_use]
pub fn bare(key: &Key) -> Told {
    match key {
        Key::Settings => Told::Settings(pb::DataplaneSettings::default()),
        Key::Node(name) => Told::Node(pb::DataplaneNode { name: name.to_string(), ..pb::DataplaneNode::default() }),
        Key::Front(key) => {
            let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
            Told::Front(pb::DataplaneFront { namespace, name, ..pb::DataplaneFront::default() })
        }
        Key::Endpoints(key) => {
            let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
            Told::Endpoints(pb::DataplaneEndpoints { namespace, name, endpoints: Vec::new() })
        }
        Key::Announcement(address) => {
            Told::Announcement(pb::Announcement { address: address.to_string(), ..pb::Announcement::default() })
        }
        Key::BgpSession(name) => {
            let peer = pb::BgpPeer { name: name.to_string(), ..pb::BgpPeer::default() };
            Told::BgpSession(pb::DataplaneBgpSession { peer: Some(peer), password: String::new() })
        }
        Key::BgpRoutes(address) => Told::BgpRoutes(bgp_routes(*address, &[])),
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn settings(settings: &Settings, domain: &str) -> pb::DataplaneSettings {
    pb::DataplaneSettings {
        pod_subnets: texts(&settings.pod_subnets),
        service_subnets: texts(&settings.service_subnets),
        dns_addresses: texts(&settings.dns_addresses),
        cluster_domain: domain.to_owned(),
        pod_transport: pb::PodTransport::Auto.into(),
        pod_mtu: 0,
    }
}

fn node(peer: Peer) -> pb::DataplaneNode {
    pb::DataplaneNode {
        name: peer.name.to_string(),
        uid: peer.uid.to_string(),
        number: peer.number.into(),
        addresses: texts(&peer.addresses),
        blocks: texts(&peer.blocks),
        borrowed_addresses: texts(&peer.borrowed),
        tunnel_mac: peer.tunnel_mac,
        live: peer.live,
        draining: peer.draining,
        zone: peer.zone,
    }
}

fn front(front: &Front) -> pb::DataplaneFront {
    let (session_affinity, session_affinity_timeout_seconds) = affinity(front.affinity);
    pb::DataplaneFront {
        namespace: front.key.namespace.to_string(),
        name: front.key.name.to_string(),
        uid: front.uid.to_string(),
        cluster_vips: texts(&front.cluster),
        external_vips: texts(&front.external),
        ports: front.ports.iter().map(port).collect(),
        session_affinity: session_affinity.into(),
        session_affinity_timeout_seconds,
        internal_traffic_policy: policy(front.internal_policy).into(),
        external_traffic_policy: policy(front.external_policy).into(),
        source_ranges: texts(&front.source_ranges),
        health_check_port: front.health_check_port.into(),
        health_check: front.health_check.as_ref().map(health_check),
    }
}

/// What a node needs of it to answer: whom it serves and who else could is nothing to a node.
fn announcement(duty: &Duty) -> pb::Announcement {
    let record = &duty.announcement;
    pb::Announcement {
        address: record.address.to_string(),
        pool: duty.pool.to_string(),
        node: record.node.to_string(),
        epoch: record.epoch,
        interfaces: duty.interfaces.clone(),
        previous_node: record.previous.as_ref().map(ToString::to_string).unwrap_or_default(),
        pinned: record.pinned,
        update_time: Some(show_time(record.since)),
        etag: record.meta.etag(),
        ..pb::Announcement::default()
    }
}

/// The only place where a password is told: the node cannot speak to the router without it.
fn bgp_session(peer: &BgpPeer) -> pb::DataplaneBgpSession {
    let password = peer.password.as_ref().map(Password::reveal).unwrap_or_default().to_owned();
    pb::DataplaneBgpSession { peer: Some(pb::BgpPeer::asked(peer)), password }
}

fn bgp_routes(address: IpAddr, routes: &[BgpRoute]) -> pb::DataplaneBgpRoutes {
    pb::DataplaneBgpRoutes { address: address.to_string(), routes: routes.iter().map(bgp_route).collect() }
}

fn bgp_route(route: &BgpRoute) -> pb::BgpRoute {
    pb::BgpRoute {
        peer: route.peer.to_string(),
        prefix: route.prefix.to_string(),
        local_pref: route.local_pref.map_or(0, NonZeroU32::get),
        communities: texts(&route.communities),
    }
}

fn endpoints(endpoints: &Endpoints) -> pb::DataplaneEndpoints {
    pb::DataplaneEndpoints {
        namespace: endpoints.key.namespace.to_string(),
        name: endpoints.key.name.to_string(),
        endpoints: endpoints.targets.iter().map(endpoint).collect(),
    }
}

fn endpoint(target: &Target) -> pb::DataplaneEndpoint {
    pb::DataplaneEndpoint {
        address: target.address.to_string(),
        node: target.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        ports: target.ports.iter().map(|port| port.unwrap_or(0).into()).collect(),
    }
}
