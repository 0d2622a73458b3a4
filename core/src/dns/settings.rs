//! What an operator may set about the cluster's names.

use std::net::IpAddr;

use super::name::DomainName;
use super::transfer::Secondaries;
use crate::hash::Seed;
use crate::reason::{Malformed, Reason};

/// Which names of the form `<a-b-c-d>.<ns>.pod.<zone>` there are. They are not in the Kubernetes DNS specification 1.1.0; clusters have
/// had them for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PodRecords {
    /// None.
    Disabled,
    /// Every address, in every namespace that exists, whether a pod has it or not.
    Insecure,
    /// The addresses that pods of the namespace have.
    #[default]
    Verified,
}

/// Zone name, times to live and the servers' own addresses. Equal on all replicas, or their answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    zone: DomainName,
    /// Seconds for which a resolver may keep a record.
    pub ttl: u32,
    /// Seconds for which a resolver may keep the news that there is no record.
    pub negative_ttl: u32,
    /// The addresses under which pods ask: those of `ns.dns.<zone>`.
    pub servers: Vec<IpAddr>,
    /// The names of pods.
    pub pods: PodRecords,
    /// Whether names that are not there are looked for along the search path of pods.
    pub autopath: bool,
    /// The other servers of the cluster's domain and its reverse zones.
    pub secondaries: Secondaries,
    /// The seed of this process's name tables.
    pub seed: Seed,
}

impl Settings {
    /// The zone of clusters that do not say another one.
    pub const DEFAULT_ZONE: &'static str = "cluster.local";
    /// Short, because endpoints move; as CoreDNS has it.
    pub const DEFAULT_TTL: u32 = 5;
    /// The most bytes of a zone's name, so that names of services below it fit.
    const MOST_ZONE: usize = 100;

    /// The usual times to live under this zone, without addresses of name servers.
    ///
    /// # Errors
    /// [`Reason::NameMalformed`] when the zone is the root, lies under `arpa`, or is too long for names below it.
    pub fn new(zone: DomainName, seed: Seed) -> Result<Self, Malformed> {
        let wire = zone.as_wire();
        if wire.len() == 1 || wire.len() > Self::MOST_ZONE || wire.ends_with(b"\x04arpa\0") {
            let most = Self::MOST_ZONE - 2;
            let description =
                format!("`{zone}` cannot be the cluster domain: a name of at most {most} characters, not under `arpa`");
            return Err(Malformed::new(Reason::NameMalformed, description));
        }
        Ok(Self {
            zone,
            ttl: Self::DEFAULT_TTL,
            negative_ttl: Self::DEFAULT_TTL,
            servers: Vec::new(),
            pods: PodRecords::default(),
            autopath: false,
            secondaries: Secondaries::default(),
            seed,
        })
    }

    /// The cluster domain.
    #[must_use]
    pub const fn zone(&self) -> &DomainName {
        &self.zone
    }

    /// The name of the name servers.
    #[must_use]
    pub fn server_name(&self) -> DomainName {
        Self::server_name_in(&self.zone)
    }

    /// The name of the name servers of a cluster domain.
    #[must_use]
    pub fn server_name_in(domain: &DomainName) -> DomainName {
        domain.below(&["ns", "dns"]).unwrap_or_else(|| domain.clone())
    }
}
