//! What an operator says about names outside.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::super::name::DomainName;
use super::super::views::View;
use crate::meta::Meta;
use crate::reason::{Malformed, Reason, shown};

/// The port of name servers.
const PORT: u16 = 53;

/// A server that is asked, by UDP and TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upstream(pub SocketAddr);

impl fmt::Display for Upstream {
    /// Without the port where it is the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.port() == PORT { self.0.ip().fmt(f) } else { self.0.fmt(f) }
    }
}

impl FromStr for Upstream {
    type Err = Malformed;

    /// An address, or an address and a port.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.contains("://") {
            let description = format!("`{}`: servers are asked by UDP and TCP; other transports are not offered yet", shown(text));
            return Err(Malformed::new(Reason::NotImplemented, description));
        }
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let alone = bracketed.unwrap_or(text).parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
        let address = alone.or_else(|_| text.parse::<SocketAddr>()).map_err(|_| {
            let description = format!("`{}` is not a server such as `192.0.2.53` or `[2001:db8::53]:5353`", shown(text));
            Malformed::new(Reason::AddressMalformed, description)
        })?;
        if address.port() == 0 {
            return Err(Malformed::new(Reason::PortMalformed, format!("`{}` has port 0; ports are 1 to 65535", shown(text))));
        }
        let ip = address.ip();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || broadcast {
            let description = format!("`{}` is not the address of one server", shown(text));
            return Err(Malformed::new(Reason::AddressMalformed, description));
        }
        Ok(Self(SocketAddr::new(ip, address.port())))
    }
}

/// The servers of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// The domain.
    pub domain: DomainName,
    /// Its servers: at least one, none twice.
    pub upstreams: Vec<Upstream>,
}

/// In which order the servers of a name are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// By chance.
    #[default]
    Random,
    /// Each in its turn.
    RoundRobin,
    /// As they are listed.
    Sequential,
}

/// What is kept, for how long. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSpec {
    /// The most answers; 0: none.
    pub entries: u32,
    /// The most bytes.
    pub bytes: u32,
    /// The longest time to keep an answer.
    pub ttl: u32,
    /// The longest time to keep a negative one (RFC 2308).
    pub negative_ttl: u32,
    /// The shortest time to keep any.
    pub minimum: u32,
    /// How long an answer may be given after its end (RFC 8767); 0: never.
    pub stale: u32,
    /// How often an answer must have been asked for to be fetched anew before its end; 0: never.
    pub prefetch: u32,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 16 << 20, ttl: 3600, negative_ttl: 1800, minimum: 0, stale: 86_400, prefetch: 3 }
    }
}

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The servers of all names that no stub domain has, none twice.
    pub upstreams: Vec<Upstream>,
    /// Servers of certain domains, none twice.
    pub stubs: Vec<Stub>,
    /// In which order servers are asked.
    pub policy: Policy,
    /// How long one server may take.
    pub timeout: Duration,
    /// How often a question is asked before it counts as failed.
    pub tries: u32,
    /// The most questions that are asked at the same time.
    pub in_flight: u32,
    /// What is kept.
    pub cache: CacheSpec,
    /// What certain clients see of our own names, in order: the first one that has the client counts.
    pub views: Vec<View>,
}

impl Default for Spec {
    /// Nobody is asked.
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            stubs: Vec::new(),
            policy: Policy::default(),
            timeout: Duration::from_millis(1500),
            tries: 3,
            in_flight: 1000,
            cache: CacheSpec::default(),
            views: Vec::new(),
        }
    }
}

/// The settings as they are stored: one record for the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Identity, version, times.
    pub meta: Meta,
    /// What was said.
    pub spec: Spec,
}
