//! Nodes.

use std::net::IpAddr;

use ipnet::IpNet;
use polder_core::id::Uid;
use polder_core::ipam::neighbors::Report;
use polder_core::ipam::node::{Deletion, Registration, Update, pods_on};
use polder_core::ipam::{Answer, Fields, Interface, Liveness, Node, Route, View};
use polder_core::net::{Family, Mac, Name, parse_addr, parse_host_net};
use polder_core::reason::{Malformed, Reason, Refusal, Violations, shown};
use polder_core::time::Timestamp;

use super::Mutation;
use super::values::{addresses, few, fields, text};
use crate::convert::common::{labels, optional, parsed, show_labels, show_time};
use crate::ipam::v1 as pb;
use crate::types::v1 as types;

/// The most interfaces of a node, and the most addresses of one.
const MOST_INTERFACES: usize = 100;
/// The most octets of a hardware address, as Linux has it.
const MOST_HARDWARE: usize = 32;
/// The most routes of a node.
const MOST_ROUTES: usize = 1000;

/// The most neighbors of one report.
const MOST_NEIGHBORS: usize = 1024;

/// The fields of a node that an operator may change.
const FIELDS: &[&str] = &["labels", "zone", "unschedulable", "exclude_from_external_load_balancers"];

/// Reads a registration.
///
/// # Errors
/// The refusal that names every bad field.
pub fn register(request: &pb::RegisterNodeRequest) -> Result<Mutation<Registration>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    let labels = labels(request.labels.clone(), "labels", &mut bad);
    let zone = text(&request.zone, "zone", &mut bad);
    let interfaces = interfaces(&request.interfaces, &mut bad);
    let routes = routes(&request.routes, &mut bad);
    let agent_version = text(&request.agent_version, "agent_version", &mut bad);
    let tunnel_mac: Option<Mac> = optional(&request.tunnel_mac, "tunnel_mac", &mut bad);
    let tunnel_mac = tunnel_mac.map(|mac| mac.to_string()).unwrap_or_default();
    let addresses = addresses(&request.addresses, 2, "addresses", &mut bad);
    let wish = name.map(|name| Registration { name, labels, zone, interfaces, routes, agent_version, tunnel_mac, addresses });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request for a changed node.
///
/// # Errors
/// The refusal that names every bad field.
pub fn update(request: &pb::UpdateNodeRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let node = request.node.clone().unwrap_or_default();
    let named = fields(request.update_mask.as_ref(), FIELDS, &mut bad);
    // All of these and no others: that a node is drained is said by DrainNode.
    let all = || Fields::new(FIELDS.iter().map(|field| (*field).to_owned()));
    let fields = if request.update_mask.as_ref().is_none_or(|mask| mask.paths.is_empty()) { all() } else { named };
    if request.allow_missing {
        bad.add("allow_missing", Reason::ConflictingFields, "a node is made by RegisterNode; an update cannot make one");
    }
    let labels = labels(node.labels, "node.labels", &mut bad);
    let zone = text(&node.zone, "node.zone", &mut bad);
    let wish = parsed(&node.name, "node.name", &mut bad).map(|name| Update {
        name,
        etag: node.etag,
        fields,
        labels,
        zone,
        unschedulable: node.unschedulable,
        draining: node.draining,
        excluded_from_external: node.exclude_from_external_load_balancers,
    });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request to drain a node, or to end that.
///
/// # Errors
/// The refusal that names every bad field.
pub fn drain(request: &pb::DrainNodeRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    let wish = name.map(|name| Update::drain(name, request.etag.clone(), !request.end));
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request to delete a node.
///
/// # Errors
/// The refusal that names every bad field.
pub fn delete(request: &pb::DeleteNodeRequest) -> Result<Mutation<Deletion>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    let wish = name.map(|name| Deletion { name, etag: request.etag.clone(), force: request.force });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a report of neighbors.
///
/// # Errors
/// The refusal that names every bad field.
pub fn report(request: &pb::ReportNeighborsRequest) -> Result<Mutation<Report>, Refusal> {
    let mut bad = Violations::new();
    let node = parsed(&request.name, "name", &mut bad);
    let uid = parsed(&request.uid, "uid", &mut bad);
    let answers = match few(request.neighbors.len(), MOST_NEIGHBORS, "neighbors", &mut bad) {
        true => request.neighbors.iter().enumerate().filter_map(|(at, one)| read_neighbor(one, at, &mut bad)).collect(),
        false => Vec::new(),
    };
    let wish = node.zip(uid).map(|(node, uid)| Report { node, uid, answers });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

fn read_neighbor(given: &pb::Neighbor, at: usize, bad: &mut Violations) -> Option<Answer> {
    let address = bad.take(format!("neighbors[{at}].address"), parse_addr(&given.address));
    let mac = parsed(&given.mac, format!("neighbors[{at}].mac"), bad);
    Some(Answer { address: address?, mac: mac? })
}

fn interfaces(given: &[pb::NetworkInterface], bad: &mut Violations) -> Vec<Interface> {
    if !few(given.len(), MOST_INTERFACES, "interfaces", bad) {
        return Vec::new();
    }
    let mut read: Vec<Interface> = Vec::with_capacity(given.len());
    for (at, interface) in given.iter().enumerate() {
        let field = format!("interfaces[{at}]");
        if interface.name.is_empty() {
            bad.add(format!("{field}.name"), Reason::FieldRequired, "a name of an interface is required");
        } else if read.iter().any(|other| other.name == interface.name) {
            bad.add(format!("{field}.name"), Reason::DuplicateValue, format!("`{}` is given twice", shown(&interface.name)));
        }
        read.push(read_interface(interface, &field, bad));
    }
    read
}

fn read_interface(given: &pb::NetworkInterface, field: &str, bad: &mut Violations) -> Interface {
    let few_addresses = few(given.addresses.len(), MOST_INTERFACES, &format!("{field}.addresses"), bad);
    let addresses = given.addresses.iter().enumerate().filter(|_| few_addresses);
    let addresses = addresses.filter_map(|(at, text)| bad.take(format!("{field}.addresses[{at}]"), with_host_bits(text))).collect();
    Interface {
        name: text(&given.name, &format!("{field}.name"), bad),
        addresses,
        mac: bad.take(format!("{field}.mac"), hardware(&given.mac)).unwrap_or_default(),
        mtu: given.mtu,
        gateways: gateways(&given.gateways, &format!("{field}.gateways"), bad),
        up: given.up,
    }
}

/// The gateways of an interface, at most one a family.
fn gateways(given: &[String], field: &str, bad: &mut Violations) -> Vec<IpAddr> {
    let read = addresses(given, 2, field, bad);
    if let [one, other] = read[..]
        && Family::of(one) == Family::of(other)
    {
        bad.add(format!("{field}[1]"), Reason::DuplicateValue, format!("{other} is a second gateway of its family; one is taken"));
    }
    read
}

/// What a kernel calls the hardware address of a device, which not every kind has, and not every kind with six octets.
fn hardware(text: &str) -> Result<String, Malformed> {
    let octet = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || (text.len() <= MOST_HARDWARE * 3 && text.split([':', '-']).all(octet)) {
        return Ok(text.to_owned());
    }
    let why = format!("`{}` is not a hardware address; write its octets as `00:15:5d:01:02:03`", shown(text));
    Err(Malformed::new(Reason::InvalidArgument, why))
}

/// An interface's address with its prefix length; one without is a prefix of its own.
fn with_host_bits(text: &str) -> Result<IpNet, Malformed> {
    if text.contains('/') { parse_host_net(text) } else { parse_addr(text).map(IpNet::from) }
}

fn routes(given: &[pb::Route], bad: &mut Violations) -> Vec<Route> {
    if !few(given.len(), MOST_ROUTES, "routes", bad) {
        return Vec::new();
    }
    let read = given.iter().enumerate().filter_map(|(at, route)| {
        let destination = bad.take(format!("routes[{at}].destination"), with_host_bits(&route.destination));
        let gateway = Some(route.gateway.as_str()).filter(|text| !text.is_empty());
        let gateway: Option<IpAddr> = gateway.and_then(|text| bad.take(format!("routes[{at}].gateway"), parse_addr(text)));
        let interface = text(&route.interface, &format!("routes[{at}].interface"), bad);
        Some(Route { destination: destination?.trunc(), gateway, interface })
    });
    read.collect()
}

/// A node with its addresses and blocks.
#[must_use]
pub fn show(view: &View, node: &Node) -> pb::Node {
    let state = match node.liveness {
        Liveness::NotSeen => pb::NodeState::Pending,
        Liveness::Alive(_) => pb::NodeState::Ready,
        Liveness::Lost(_) => pb::NodeState::Lost,
    };
    let pods = view.allocations_on(&node.name).filter(|held| held.owner.kind != polder_core::ipam::OwnerKind::Node);
    pb::Node {
        name: node.name.to_string(),
        uid: node.meta.uid.to_string(),
        etag: node.meta.etag(),
        labels: show_labels(&node.labels),
        create_time: Some(show_time(node.meta.created)),
        update_time: Some(show_time(node.meta.updated)),
        addresses: view.node_addresses(&node.name).map(|address| address.to_string()).collect(),
        zone: node.zone.clone(),
        interfaces: node.interfaces.iter().map(show_interface).collect(),
        routes: node.routes.iter().map(show_route).collect(),
        state: state.into(),
        unschedulable: node.unschedulable,
        draining: node.draining,
        exclude_from_external_load_balancers: node.excluded_from_external,
        last_heartbeat_time: None,
        blocks: view.blocks_of(&node.name).map(|block| block.cidr.to_string()).collect(),
        conditions: [ready(node), addressed(view, node)].into_iter().chain(removing(view, node)).collect(),
        agent_version: node.agent_version.clone(),
        tunnel_mac: node.tunnel_mac.clone(),
        allocations: u32::try_from(pods.count()).unwrap_or(u32::MAX),
    }
}

/// Whether the node's agent renews its lease.
fn ready(node: &Node) -> types::Condition {
    let (status, reason, message, since) = match node.liveness {
        Liveness::Alive(since) => (types::ConditionStatus::True, None, "its agent renews its lease", since),
        Liveness::NotSeen => {
            let message = "an operator made it, and its agent has never been seen";
            (types::ConditionStatus::Unknown, Some(Reason::NodeNotSeen), message, node.meta.created)
        }
        Liveness::Lost(since) => {
            let message =
                "its agent has not renewed its lease in time; it keeps its addresses, and is ready again with the next renewal";
            (types::ConditionStatus::False, Some(Reason::NodeLost), message, since)
        }
    };
    condition("Ready", (status, reason), message.to_owned(), since)
}

/// Whether the node has an address.
fn addressed(view: &View, node: &Node) -> types::Condition {
    let addresses: Vec<String> = view.node_addresses(&node.name).map(|address| address.to_string()).collect();
    let (status, reason, message) = match addresses.is_empty() {
        false => (types::ConditionStatus::True, None, format!("it has {}", addresses.join(", "))),
        true => (types::ConditionStatus::False, Some(Reason::NoEligiblePool), "it has no address; register it again".to_owned()),
    };
    condition("AddressAssigned", (status, reason), message, node.meta.created)
}

/// How far the removal of the node has come.
fn removing(view: &View, node: &Node) -> Option<types::Condition> {
    let since = node.removing?;
    let message = format!("it is being removed; {} pods of it are still to be freed", pods_on(view, &node.name).count());
    Some(condition("Removing", (types::ConditionStatus::True, Some(Reason::NodeDraining)), message, since))
}

fn condition(
    name: &str,
    (status, reason): (types::ConditionStatus, Option<Reason>),
    message: String,
    since: Timestamp,
) -> types::Condition {
    types::Condition {
        r#type: name.to_owned(),
        status: status.into(),
        reason: reason.map_or("", Reason::as_str).to_owned(),
        message,
        last_transition_time: Some(show_time(since)),
    }
}

/// A renewal of a node's lease: whose it is, and its number in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The node.
    pub name: Name,
    /// The node's identity, as its registration told it.
    pub uid: Uid,
    /// Carried back by the answer.
    pub sequence: u64,
}

/// Reads a renewal.
///
/// # Errors
/// Every field that is wrong.
pub fn renewal(request: &pb::KeepAliveRequest) -> Result<Renewal, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    let uid = parsed(&request.uid, "uid", &mut bad);
    bad.finish(name.zip(uid).map(|(name, uid)| Renewal { name, uid, sequence: request.sequence }))
}

fn show_interface(interface: &Interface) -> pb::NetworkInterface {
    pb::NetworkInterface {
        name: interface.name.clone(),
        addresses: interface.addresses.iter().map(ToString::to_string).collect(),
        mac: interface.mac.clone(),
        mtu: interface.mtu,
        gateways: interface.gateways.iter().map(ToString::to_string).collect(),
        up: interface.up,
    }
}

fn show_route(route: &Route) -> pb::Route {
    pb::Route {
        destination: route.destination.to_string(),
        gateway: route.gateway.map(|address| address.to_string()).unwrap_or_default(),
        interface: route.interface.clone(),
    }
}
