//! What an operator says about names outside.

use std::time::Duration;

use super::super::name::DomainName;
use super::super::views::View;
use super::upstream::Upstream;
use crate::meta::Meta;

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
