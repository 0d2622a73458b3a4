//! The stored records of BGP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use super::community::Community;
use super::secret::Password;
use crate::ipam::{AnyOf, Pool, Purpose};
use crate::meta::Meta;
use crate::net::{Family, Label, Labels, Name};
use crate::reason::{Malformed, Reason};

/// The number of an autonomous system that can have routers: 1 to 4294967294.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(u32);

impl Asn {
    /// The autonomous system with this number.
    ///
    /// # Errors
    /// [`Reason::FieldRequired`] for 0, [`Reason::CountOutOfBounds`] for the number that is set aside.
    pub fn new(number: u32) -> Result<Self, Malformed> {
        match number {
            0 => Err(Malformed::new(Reason::FieldRequired, "the number of an autonomous system is required: 1 to 4294967294")),
            u32::MAX => {
                let description = "4294967295 is set aside (RFC 7300); an autonomous system is 1 to 4294967294";
                Err(Malformed::new(Reason::CountOutOfBounds, description))
            }
            number => Ok(Self(number)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// Where a router is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Router {
    /// At an address.
    Address(IpAddr),
    /// Behind an interface, by its link-local address.
    Interface(String),
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(name) => write!(f, "interface {name}"),
        }
    }
}

/// How a session is watched by BFD (RFC 5880).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bfd {
    /// How often to send, in milliseconds.
    pub transmit: u16,
    /// How often to receive at most, in milliseconds.
    pub receive: u16,
    /// How many missing packets end the session.
    pub multiplier: u8,
    /// Wait for the router to begin.
    pub passive: bool,
    /// The least TTL of packets; `None`: the usual one. Sessions over several hops only.
    pub minimum_ttl: Option<u8>,
}

/// What was asked for of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSpec {
    /// Where the router is found.
    pub router: Router,
    /// Its autonomous system.
    pub peer_asn: Asn,
    /// The nodes' autonomous system.
    pub local_asn: Asn,
    /// Its TCP port.
    pub port: u16,
    /// The address that nodes speak from; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// The router id of nodes; `None`: the node's IPv4 address.
    pub router_id: Option<Ipv4Addr>,
    /// How long a silent session lives, in seconds; 0: for ever.
    pub hold: u16,
    /// How often to send a keepalive, in seconds, at least 1; `None`: a third of the hold time.
    pub keepalive: Option<u16>,
    /// The router is more than one hop away.
    pub multihop: bool,
    /// The routes stay while the session is being made again.
    pub graceful_restart: bool,
    /// Nodes that have a session.
    pub nodes: AnyOf,
    /// How the session is watched; `None`: by the hold time alone.
    pub bfd: Option<Bfd>,
}

/// A router that nodes advertise addresses to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BgpPeer {
    /// Its name.
    pub name: Label,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// What was asked for.
    pub spec: PeerSpec,
    /// The password of its sessions.
    pub password: Option<Password>,
}

impl BgpPeer {
    /// Whether the router is of the nodes' own autonomous system.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.spec.peer_asn == self.spec.local_asn
    }
}

/// What was asked for of an advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisementSpec {
    /// Pools whose addresses are advertised, by name; with no selectors either, all pools for external addresses.
    pub pools: Vec<Name>,
    /// Pools whose addresses are advertised, by their labels.
    pub pool_selectors: AnyOf,
    /// Services whose addresses are advertised.
    pub services: AnyOf,
    /// Nodes that advertise.
    pub nodes: AnyOf,
    /// Peers that are told; none: all.
    pub peers: Vec<Label>,
    /// The prefix length to advertise IPv4 addresses with.
    pub length_v4: u8,
    /// The prefix length to advertise IPv6 addresses with.
    pub length_v6: u8,
    /// The local preference on internal sessions; `None`: none is said.
    pub local_pref: Option<NonZeroU32>,
    /// The communities, in order, none twice.
    pub communities: Vec<Community>,
}

impl AdvertisementSpec {
    /// The prefix length for addresses of a family.
    #[must_use]
    pub const fn length(&self, family: Family) -> u8 {
        match family {
            Family::V4 => self.length_v4,
            Family::V6 => self.length_v6,
        }
    }

    /// Whether it is about addresses of this pool.
    #[must_use]
    pub fn selects(&self, pool: &Pool) -> bool {
        let all = self.pools.is_empty() && self.pool_selectors.is_empty();
        let labelled = || !self.pool_selectors.is_empty() && self.pool_selectors.matches(&pool.labels);
        pool.purpose == Purpose::ExternalService && (all || self.pools.contains(&pool.name) || labelled())
    }

    /// Whether the peer is told.
    #[must_use]
    pub fn is_for(&self, peer: &BgpPeer) -> bool {
        self.peers.is_empty() || self.peers.contains(&peer.name)
    }
}

/// What is advertised, to whom, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BgpAdvertisement {
    /// Its name.
    pub name: Label,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// What was asked for.
    pub spec: AdvertisementSpec,
}
