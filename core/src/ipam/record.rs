//! The stored records of IPAM, and a change of one of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::neighbors::Neighbors;
use crate::id::Uid;
use crate::meta::Meta;
use crate::net::{AddrRange, Label, Labels, Name, Selector};
use crate::schema::Domain;
use crate::time::Timestamp;

/// A namespace: labels for selectors, quotas. A namespace without a record exists as soon as an object names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Label,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels; selectors also see `kubernetes.io/metadata.name`.
    pub labels: Labels,
    /// Limits; `None` is no limit.
    pub quotas: Quotas,
}

/// The most that a namespace may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Pod addresses.
    pub pod_addresses: Option<u64>,
    /// External virtual IPs.
    pub external_addresses: Option<u64>,
    /// Services.
    pub services: Option<u64>,
}

/// What the addresses of a pool are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Addresses of nodes.
    Node,
    /// Addresses of pods, lent to nodes in blocks.
    Pod,
    /// Virtual IPs inside the cluster.
    ClusterService,
    /// Virtual IPs on the outside network.
    ExternalService,
}

/// Whether a pool gives addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PoolState {
    /// Gives addresses.
    #[default]
    Enabled,
    /// Keeps what it has and gives nothing new.
    Draining,
    /// Gives nothing; what is held in it stays held.
    Disabled,
}

impl PoolState {
    /// A word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}

/// Which free address comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The lowest free address: what users of MetalLB expect.
    Lowest,
    /// The address longest free: what users of Calico expect.
    LongestFree,
}

/// Selectors of which one must match. None at all match everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnyOf(pub Vec<Selector>);

impl AnyOf {
    /// Whether some selector matches the labels, or there is none.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.is_empty() || self.0.iter().any(|selector| selector.matches(labels))
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Who may get addresses from a pool without naming it. Empty selectors match everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolSelectors {
    /// Nodes, by their labels.
    pub nodes: AnyOf,
    /// Namespaces, by name; empty is every namespace.
    pub namespaces: Vec<Label>,
    /// Namespaces, by their labels.
    pub namespace_labels: AnyOf,
    /// The pods or services themselves, by their labels.
    pub objects: AnyOf,
}

impl PoolSelectors {
    /// Whether the pool serves a namespace with these labels: it is listed or selected, or nothing is listed and selected at all.
    #[must_use]
    pub fn serves(&self, namespace: Option<&Label>, labels: Option<&Labels>) -> bool {
        let listed = namespace.is_some_and(|name| self.namespaces.contains(name));
        let selected = !self.namespace_labels.is_empty() && labels.is_some_and(|labels| self.namespace_labels.matches(labels));
        listed || selected || (self.namespaces.is_empty() && self.namespace_labels.is_empty())
    }
}

/// A named set of address ranges with one purpose. Pools never overlap, whatever their purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// Identity, version, times.
    pub meta: Meta,
    /// What its addresses are for.
    pub purpose: Purpose,
    /// Its addresses: disjoint, in the order in which they are used up.
    pub ranges: Vec<AddrRange>,
    /// Whether it gives addresses.
    pub state: PoolState,
    /// The lower number is asked first; 0 comes last; ties by name.
    pub priority: u32,
    /// Who may use it without naming it.
    pub selectors: PoolSelectors,
    /// Whether it is used at all without being named.
    pub auto_assign: bool,
    /// Keeps the first and last address of every range free.
    pub avoid_first_last: bool,
    /// Keeps IPv4 addresses ending in .0 and .255 free.
    pub avoid_buggy_ips: bool,
    /// Prefix length of IPv4 blocks lent to nodes (pod pools).
    pub block_len_v4: u8,
    /// Prefix length of IPv6 blocks lent to nodes (pod pools).
    pub block_len_v6: u8,
    /// The most blocks of one family that this pool lends to one node.
    pub max_blocks_per_node: u32,
    /// A pod never gets an address from a block lent to another node.
    pub strict_affinity: bool,
    /// Which free address comes first.
    pub order: Order,
    /// How long a released address rests before it is given again without being asked for by name.
    pub cooldown: Duration,
    /// Services of different namespaces may share an address of this pool.
    pub share_across_namespaces: bool,
    /// The interfaces on which external addresses are answered for; empty: the one whose subnet has them.
    pub announce_interfaces: Vec<String>,
    /// External addresses are advertised by BGP and not answered for on the local network.
    pub bgp_only: bool,
    /// Addresses are given although strangers on the network answer for them.
    pub ignore_neighbors: bool,
    /// Labels of the pool itself.
    pub labels: Labels,
    /// For people.
    pub description: String,
}

/// Addresses kept by name, with or without an owner; never given to anybody who does not name the reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its name.
    pub name: Name,
    /// Identity, version, times.
    pub meta: Meta,
    /// The addresses.
    pub ranges: Vec<AddrRange>,
    /// For whom they are kept, in words: `cluster DNS`.
    pub owner: String,
    /// When the reservation ends by itself.
    pub expires: Option<Timestamp>,
    /// How long it lasts after a change; `None` for ever.
    pub ttl: Option<Duration>,
    /// Labels.
    pub labels: Labels,
    /// Made by Polder for itself; nobody else changes or deletes it.
    pub system: bool,
}

/// The operator's page: what was typed in. The pools that follow from it are written in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeNetwork {
    /// Identity, version, times.
    pub meta: Meta,
    /// The network interface of the nodes on the outside network; may be empty.
    pub interface: String,
    /// The subnet on that interface, when it is known: everything typed in is checked against it.
    pub subnet: Option<IpNet>,
    /// The gateway in that subnet.
    pub gateway: Option<IpAddr>,
    /// Addresses for nodes.
    pub node_ranges: Vec<AddrRange>,
    /// Addresses for services on the outside.
    pub external_ranges: Vec<AddrRange>,
    /// Pod subnets, at most one a family.
    pub pod_subnets: Vec<IpNet>,
    /// Service subnets, at most one a family.
    pub service_subnets: Vec<IpNet>,
}

/// A network interface as a node's agent reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name on the node.
    pub name: String,
    /// Its addresses with prefix lengths.
    pub addresses: Vec<IpNet>,
    /// Hardware address, in text.
    pub mac: String,
    /// Bytes.
    pub mtu: u32,
    /// The default gateways through it, at most one a family.
    pub gateways: Vec<IpAddr>,
    /// Whether the link is up.
    pub up: bool,
}

/// A route of a node's kernel, as its agent reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: IpNet,
    /// The next hop; `None` for a directly connected prefix.
    pub gateway: Option<IpAddr>,
    /// The interface it leaves by.
    pub interface: String,
}

/// A machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels, for selectors of pools and announcements.
    pub labels: Labels,
    /// Failure zone; may be empty.
    pub zone: String,
    /// What its agent reported.
    pub interfaces: Vec<Interface>,
    /// Version of its agent; may be empty.
    pub agent_version: String,
    /// Routes its agent reported, Polder's own left out.
    pub routes: Vec<Route>,
    /// Hardware address of its tunnel interface, in text; may be empty.
    pub tunnel_mac: String,
    /// Gets no new pods while this is set.
    pub unschedulable: bool,
    /// Being emptied: gets no new pods, and announcements move away.
    pub draining: bool,
    /// Never announces an external virtual IP.
    pub excluded_from_external: bool,
    /// Keys of the labels that an operator set: a registration leaves those alone.
    pub operator_labels: Vec<String>,
    /// Whether its agent renews its lease.
    pub liveness: Liveness,
    /// Since when it is being removed: its pods are freed some at a time, and then it goes.
    pub removing: Option<Timestamp>,
    /// A small number of its own, which it keeps as long as it exists; 0 on a node from before there were numbers.
    pub number: u16,
}

/// Whether a node lives, as the renewals of its agent tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Liveness {
    /// No agent has ever renewed its lease: an operator made it.
    #[default]
    NotSeen,
    /// Its lease is renewed, since then without a gap.
    Alive(Timestamp),
    /// Its lease ran out then.
    Lost(Timestamp),
}

/// A slice of a pod pool lent to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its addresses.
    pub cidr: IpNet,
    /// The pool it was cut from, by its name then; pools are renamed, split and merged, and a block belongs to those that have its
    /// addresses.
    pub pool: Name,
    /// The node it is lent to.
    pub node: Name,
    /// When it was lent.
    pub claimed: Timestamp,
}

/// What kind of thing holds an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// A pod.
    Pod,
    /// A node.
    Node,
    /// Anything else that asked by handle.
    Other,
}

/// Who holds an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Pod, node, or other.
    pub kind: OwnerKind,
    /// The namespace of a pod.
    pub namespace: Option<Label>,
    /// The pod's or node's name.
    pub name: Name,
    /// The node it runs on.
    pub node: Option<Name>,
    /// The interface inside the pod; may be empty.
    pub interface: String,
    /// The container; may be empty.
    pub container: String,
    /// The owner's identity in the system it comes from; may be empty.
    pub uid: String,
}

impl OwnerKind {
    /// A word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Node => "node",
            Self::Other => "owner",
        }
    }
}

impl Owner {
    /// The name with its namespace, if there is one: `shop/web-1`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// One address of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holding {
    /// The address.
    pub address: IpAddr,
    /// The block it lies in, for addresses of pod pools.
    pub block: Option<IpNet>,
}

/// One owner holding addresses under one handle.
///
/// A released allocation stays for a while as a record of when its addresses became free, so that they rest and are reused in
/// order; it holds neither its addresses nor its handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The caller's own key.
    pub handle: Arc<str>,
    /// Identity, version, times.
    pub meta: Meta,
    /// Its addresses, in the order in which they were asked for.
    pub holdings: Vec<Holding>,
    /// Who holds it.
    pub owner: Owner,
    /// Labels, for selectors of services.
    pub labels: Labels,
    /// Whether the owner is ready for traffic.
    pub ready: bool,
    /// The pod's host name, for its DNS name under a headless service.
    pub hostname: Option<Label>,
    /// The headless service under which the host name is published.
    pub subdomain: Option<Label>,
    /// Numbers of named ports of the pod's containers: (name, number), for target ports given by name.
    pub named_ports: Vec<(Label, u16)>,
    /// When it was released.
    pub released: Option<Timestamp>,
}

impl Allocation {
    /// Whether its addresses and its handle are held.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.released.is_none()
    }
}

/// One record of IPAM put (`Some`) or deleted (`None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A namespace.
    Namespace(Label, Option<Arc<Namespace>>),
    /// A pool.
    Pool(Name, Option<Arc<Pool>>),
    /// A reservation.
    Reservation(Name, Option<Arc<Reservation>>),
    /// The compute network.
    Network(Option<Arc<ComputeNetwork>>),
    /// A node.
    Node(Name, Option<Arc<Node>>),
    /// A block.
    Block(IpNet, Option<Arc<Block>>),
    /// An allocation.
    Allocation(Uid, Option<Arc<Allocation>>),
    /// What a node has reported of its neighbors.
    Neighbors(Name, Option<Arc<Neighbors>>),
}

impl Change {
    /// The domain whose head moves with it.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Namespace(..) | Self::Pool(..) | Self::Reservation(..) | Self::Network(_) | Self::Neighbors(..) => {
                // What it says takes addresses out of pools, or gives them back.
                Domain::IpamPools
            }
            Self::Node(..) => Domain::IpamNodes,
            Self::Block(..) | Self::Allocation(..) => Domain::IpamAllocations,
        }
    }

    /// Whether both put or delete the same record.
    #[must_use]
    pub fn is_of_same_record(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Namespace(one, _), Self::Namespace(two, _)) => one == two,
            (Self::Pool(one, _), Self::Pool(two, _))
            | (Self::Reservation(one, _), Self::Reservation(two, _))
            | (Self::Node(one, _), Self::Node(two, _))
            | (Self::Neighbors(one, _), Self::Neighbors(two, _)) => one == two,
            (Self::Network(_), Self::Network(_)) => true,
            (Self::Block(one, _), Self::Block(two, _)) => one == two,
            (Self::Allocation(one, _), Self::Allocation(two, _)) => one == two,
            _ => false,
        }
    }
}
