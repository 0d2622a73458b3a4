//! What every node has to make true on the wire: a function of the state, cut into objects with keys.
//!
//! A node holds an object for every key that has one for it, and is told of those that differ between two states. Most objects are
//! the same for every node, so that what tells nodes makes them once; of the others it makes the [`Basis`] once. [`shown`] says which.
//!
//! * [`keys()`]: everything that may have an object, in order, from any key on.
//! * [`touched`]: the keys whose objects, or the bases of whose objects, a change may alter.
//! * [`object`]: what a node holds under a key.
//!
//! A node's own object follows from the basis and from the [`Receiver`]: the node itself and the peers it has sessions with. Where the
//! receiver has changed, every object of its own may have.
//!
//! What no node needs has no object: headless services and aliases. A service whose class names another load balancer keeps its
//! inside only. Where nothing but endpoints on the spot may be used, a node is told of its own ones only. Of announcements a node is
//! told those that make it answer, and those that it is to go on forwarding for. Of BGP a node is told the peers that it has sessions
//! with, and for each external address what it advertises to them.

mod keys;
mod objects;
mod receiver;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

pub use self::keys::{keys, touched};
pub use self::objects::{Shown, has_front as concerns, object, shown};
pub use self::receiver::{Basis, Receiver};
use super::announce::Announcement;
use super::bgp::{BgpPeer, BgpRoute};
use super::health::HealthCheck;
use super::record::{Affinity, ServiceKey, ServicePort, TrafficPolicy};
use crate::id::Uid;
use crate::net::{Label, Name};

/// What an object is about. The order is that in which a snapshot tells them: nodes before what stands on them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// What holds for the whole cluster.
    Settings,
    /// A node of the cluster.
    Node(Name),
    /// A service's front.
    Front(ServiceKey),
    /// What stands behind a service.
    Endpoints(ServiceKey),
    /// Who answers for an external address.
    Announcement(IpAddr),
    /// A BGP session.
    BgpSession(Label),
    /// What is advertised for an external address.
    BgpRoutes(IpAddr),
}

/// What a node holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// What holds for the whole cluster.
    Settings(Settings),
    /// A node of the cluster.
    Node(Box<Peer>),
    /// A service's front.
    Front(Box<Front>),
    /// What stands behind a service.
    Endpoints(Endpoints),
    /// Who answers for an external address.
    Announcement(Duty),
    /// A BGP session of the node's.
    BgpSession(Arc<BgpPeer>),
    /// What the node advertises for an external address.
    BgpRoutes(IpAddr, Vec<BgpRoute>),
}

/// What holds for the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The addresses of all pod pools.
    pub pod_subnets: Vec<IpNet>,
    /// The addresses of all pools for services inside.
    pub service_subnets: Vec<IpNet>,
    /// The addresses of the cluster's DNS.
    pub dns_addresses: Vec<IpAddr>,
}

/// A node as the others need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub uid: Uid,
    /// Its small number; 0 is none yet.
    pub number: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The blocks of pod addresses behind it.
    pub blocks: Vec<IpNet>,
    /// Addresses of its pods that lie in none of its blocks, in order.
    pub borrowed: Vec<IpAddr>,
    /// The hardware address of its tunnel device, in text; may be empty.
    pub tunnel_mac: String,
    /// It lives, as far as is known.
    pub live: bool,
    /// It takes no new connections.
    pub draining: bool,
    /// Its failure zone; may be empty.
    pub zone: String,
}

/// A service's front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Namespace and name.
    pub key: ServiceKey,
    /// Its identity.
    pub uid: Uid,
    /// Its addresses inside the cluster.
    pub cluster: Vec<IpAddr>,
    /// Its addresses outside.
    pub external: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Session affinity.
    pub affinity: Affinity,
    /// Traffic from inside the cluster.
    pub internal_policy: TrafficPolicy,
    /// Traffic from outside.
    pub external_policy: TrafficPolicy,
    /// Clients that may come in from outside; empty is everybody.
    pub source_ranges: Vec<IpNet>,
    /// The port on which to say whether the node has a ready endpoint; 0 is none.
    pub health_check_port: u16,
    /// How nodes find out whether its endpoints answer; `None`: they do not ask.
    pub health_check: Option<HealthCheck>,
}

/// What stands behind a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The service.
    pub key: ServiceKey,
    /// Those that traffic may go to, by address.
    pub targets: Vec<Target>,
}

/// Who answers for an external address, as the node that does and the one before are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The assignment.
    pub announcement: Arc<Announcement>,
    /// The pool of the address.
    pub pool: Name,
    /// The interfaces to answer on; empty: the one whose subnet has the address.
    pub interfaces: Vec<String>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub address: IpAddr,
    /// The node it is on; `None` outside the cluster.
    pub node: Option<Name>,
    /// The port for each port of the service, in their order; `None` where it has none.
    pub ports: Vec<Option<u16>>,
}
