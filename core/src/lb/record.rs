//! The stored records of LB, and a change of one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::announce::{Announcement, Drain};
use super::bgp::{BgpAdvertisement, BgpPeer};
use super::brief::Brief;
use super::health::HealthCheck;
use crate::meta::Meta;
use crate::net::{Family, Label, Labels, Name, Selector};
use crate::reason::Reason;
use crate::schema::Domain;
use crate::time::Timestamp;

pub use super::rest::Rest;

/// The name of a service: namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: Label,
    /// Its name in the namespace.
    pub name: Label,
}

impl ServiceKey {
    /// Its name and its namespace as they stand in a domain name: each after its length.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(2 + self.name.as_str().len() + self.namespace.as_str().len());
        for label in [&self.name, &self.namespace] {
            // No label is longer than 63 bytes.
            wire.extend(u8::try_from(label.as_str().len()));
            wire.extend_from_slice(label.as_str().as_bytes());
        }
        wire
    }

    /// Reads what [`Self::to_wire`] has written.
    #[must_use]
    pub fn from_wire(mut wire: &[u8]) -> Option<Self> {
        let mut label = || {
            let length = usize::from(*wire.split_off_first()?);
            std::str::from_utf8(wire.split_off(..length)?).ok()?.parse().ok()
        };
        Some(Self { name: label()?, namespace: label()? })
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What kind of front a service is; as in Kubernetes, with headless as a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ServiceType {
    /// A constant virtual IP inside the cluster.
    #[default]
    ClusterIp,
    /// No virtual IP: its name answers with the endpoints themselves (`clusterIP: None`).
    Headless,
    /// A cluster IP and a virtual IP on the outside network.
    LoadBalancer,
    /// An alias for a name outside.
    ExternalName,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Upper-case text, as Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// The pod's side of a service port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// The name of a container's port.
    Name(Label),
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its name; required when there are several ports.
    pub name: Option<Label>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The port on the virtual IP.
    pub port: u16,
    /// The port on the pods.
    pub target: TargetPort,
    /// Application protocol, for people and proxies; may be empty.
    pub app_protocol: String,
}

/// How many families a service wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FamilyPolicy {
    /// One family.
    #[default]
    SingleStack,
    /// Both where both can be had.
    PreferDualStack,
    /// Both or none.
    RequireDualStack,
}

/// Which endpoints traffic may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TrafficPolicy {
    /// Any endpoint.
    #[default]
    Cluster,
    /// Only endpoints on the node that has the packet.
    Local,
}

/// Whether one client keeps one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Affinity {
    /// No.
    #[default]
    None,
    /// By the client's address, for this many seconds after its last connection.
    ClientIp {
        /// Seconds.
        timeout: u32,
    },
}

/// What a LoadBalancer service wants on the outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct External {
    /// These addresses, at most one a family; empty lets Polder choose.
    pub addresses: Vec<IpAddr>,
    /// From one of these pools, in this order; empty lets Polder choose.
    pub pools: Vec<Name>,
    /// The addresses of this reservation.
    pub reservation: Option<Name>,
    /// Services with the same non-empty key may share an address.
    pub sharing_key: String,
    /// The implementation that should serve it; empty is Polder.
    pub class: String,
    /// Clients that may come in; empty is everybody.
    pub source_ranges: Vec<IpNet>,
    /// Kubernetes' wish for ports on every node; kept, and not offered.
    pub allocate_node_ports: Option<bool>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSpec {
    /// What kind of front it is.
    pub service_type: ServiceType,
    /// The wish of Kubernetes' type NodePort, on a ClusterIp service: ports on the nodes. Kept, and not offered, which a
    /// condition says.
    pub node_ports: bool,
    /// The pods behind it, by label; empty: endpoints are given, not computed.
    pub selector: Selector,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Wanted cluster IPs, at most one a family.
    pub cluster_ips: Vec<IpAddr>,
    /// Families, the first is the primary one; empty lets Polder choose.
    pub families: Vec<Family>,
    /// One family or two.
    pub family_policy: FamilyPolicy,
    /// The outside.
    pub external: External,
    /// Session affinity.
    pub affinity: Affinity,
    /// Traffic from inside the cluster.
    pub internal_policy: TrafficPolicy,
    /// Traffic from outside.
    pub external_policy: TrafficPolicy,
    /// Not-ready endpoints are published too.
    pub publish_not_ready: bool,
    /// The name that an ExternalName service is an alias for.
    pub external_name: String,
    /// Given endpoints, for a service without selector.
    pub endpoints: Vec<Endpoint>,
    /// The port on which every node says whether it has a ready endpoint, with external policy Local; 0 is none.
    pub health_check_port: u16,
    /// How nodes find out whether an endpoint answers; `None`: they believe its readiness.
    pub health_check: Option<HealthCheck>,
}

/// One address behind a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// Whether it is ready for traffic.
    pub ready: bool,
    /// The node it is on.
    pub node: Option<Name>,
    /// The failure zone of that node; may be empty.
    pub zone: String,
    /// Its host name under a headless service.
    pub hostname: Option<Label>,
    /// The pod, as `namespace/name`; empty for given endpoints.
    pub pod: String,
    /// Number for each of the service's ports, in their order; `None` where the pod has no port of that name.
    pub ports: Vec<Option<u16>>,
}

/// An address held by a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// The pool it is from.
    pub pool: Name,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionKind {
    /// The service has its cluster IPs.
    ClusterAddresses,
    /// The service has its external IPs.
    ExternalAddresses,
    /// The nodes have the ports that the service wishes for.
    NodePorts,
    /// Nobody else on the network answers for its addresses. It lacks nothing: it keeps them.
    AddressConflict,
}

/// An unhappy condition of a service: it has not got what it asked for, and why. A happy service has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionKind,
    /// The stable reason.
    pub reason: Reason,
    /// For people, with the values.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// A constant front for a changing set of pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ServiceKey,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// Free text for other programs.
    pub annotations: BTreeMap<String, String>,
    /// What was asked for.
    pub spec: ServiceSpec,
    /// Cluster IPs it holds.
    pub cluster: Vec<Vip>,
    /// External IPs it holds.
    pub external: Vec<Vip>,
    /// What it has not got, and why.
    pub conditions: Vec<Condition>,
}

impl Service {
    /// Every address that it holds: cluster IPs first.
    pub fn vips(&self) -> impl Iterator<Item = &Vip> {
        self.cluster.iter().chain(&self.external)
    }

    /// The condition of a kind, if it is unhappy about that.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Since when it waits for addresses that it may get by itself: those that a condition names, or the second family of a
    /// service that would rather have both.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Timestamp> {
        let for_ever = |reason| matches!(reason, Reason::LoadBalancerClassForeign | Reason::TypeNotOffered);
        let waits = |condition: &&Condition| condition.kind != ConditionKind::AddressConflict && !for_ever(condition.reason);
        let unhappy = self.conditions.iter().filter(waits).map(|condition| condition.since).min();
        let prefers_both = self.spec.family_policy == FamilyPolicy::PreferDualStack;
        let single = |vips: &[Vip]| prefers_both && vips.len() == 1;
        unhappy.or_else(|| (single(&self.cluster) || single(&self.external)).then_some(self.meta.created))
    }

    /// Its primary family, once that is decided: by what was asked for, or by its cluster IPs. An external IP decides it only where
    /// there can be no other family: a service that would have both may have got its second one first outside.
    #[must_use]
    pub fn primary(&self) -> Option<Family> {
        let single = self.spec.family_policy == FamilyPolicy::SingleStack;
        let mut vips = self.cluster.iter().chain(self.external.iter().filter(|_| single));
        self.spec.families.first().copied().or_else(|| vips.next().map(|vip| Family::of(vip.address)))
    }

    /// The families it speaks, the primary one first; empty for a headless service that leaves it to its endpoints.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.spec.families.clone();
        for vip in self.vips() {
            if !families.contains(&Family::of(vip.address)) {
                families.push(Family::of(vip.address));
            }
        }
        families
    }
}

/// One record of LB put (`Some`) or deleted (`None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A service.
    Service(ServiceKey, Option<Arc<Service>>),
    /// The same as whoever reads it keeps it that needs no more than names follow from. Nobody commits one.
    Brief(ServiceKey, Option<Brief>),
    /// Which node answers for an address.
    Announcement(IpAddr, Option<Arc<Announcement>>),
    /// That a node is kept from answering for addresses.
    Drain(Name, Option<Arc<Drain>>),
    /// The newest epoch of announcements.
    Epoch(u64),
    /// A BGP peer.
    BgpPeer(Label, Option<Arc<BgpPeer>>),
    /// A BGP advertisement.
    BgpAdvertisement(Label, Option<Arc<BgpAdvertisement>>),
    /// An address that a service gave up.
    Rest(IpAddr, Option<Arc<Rest>>),
}

impl Change {
    /// The domain whose head moves with it.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Service(..) | Self::Brief(..) | Self::Rest(..) => Domain::LbServices,
            Self::Announcement(..) | Self::Drain(..) | Self::Epoch(_) | Self::BgpPeer(..) | Self::BgpAdvertisement(..) => {
                Domain::LbAnnouncements
            }
        }
    }
}
