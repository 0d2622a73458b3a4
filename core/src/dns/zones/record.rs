//! The stored records, and a change of one of them.

use std::sync::Arc;

use super::super::data::Data;
use super::super::name::DomainName;
use super::super::resolver::Resolver;
use super::super::settings::Settings;
use super::super::transfer::Secondaries;
use super::name::{RecordSetKey, ZoneName};
use crate::meta::Meta;
use crate::net::Labels;
use crate::schema::Domain;

/// What an operator says about a zone. All times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSpec {
    /// The primary name server; `None`: `ns.dns` in the cluster domain.
    pub primary: Option<DomainName>,
    /// The mailbox of who is responsible, as the SOA has it: the part before the `@` is the first label. `None`: `hostmaster` in
    /// the zone.
    pub mailbox: Option<DomainName>,
    /// The name servers, none twice; none: the primary one.
    pub name_servers: Vec<DomainName>,
    /// The time to live of records without one of their own, and of those at the apex that follow from the zone.
    pub ttl: u32,
    /// How long a negative answer may be kept (RFC 2308).
    pub negative_ttl: u32,
    /// How often secondaries look for changes.
    pub refresh: u32,
    /// How soon they try again.
    pub retry: u32,
    /// When they give up.
    pub expire: u32,
    /// Whether LoadBalancer services have names in it.
    pub publish_services: bool,
    /// The other servers of the zone.
    pub secondaries: Secondaries,
}

impl Default for ZoneSpec {
    fn default() -> Self {
        Self {
            primary: None,
            mailbox: None,
            name_servers: Vec::new(),
            ttl: 300,
            negative_ttl: 30,
            refresh: 7200,
            retry: 1800,
            expire: 86_400,
            publish_services: false,
            secondaries: Secondaries::default(),
        }
    }
}

impl ZoneSpec {
    /// The primary name server.
    #[must_use]
    pub fn primary(&self, settings: &Settings) -> DomainName {
        self.primary.clone().unwrap_or_else(|| settings.server_name())
    }

    /// The name servers: at least one.
    #[must_use]
    pub fn servers(&self, settings: &Settings) -> Vec<DomainName> {
        if self.name_servers.is_empty() { vec![self.primary(settings)] } else { self.name_servers.clone() }
    }
}

/// A zone that an operator made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: ZoneName,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// What was said about it.
    pub spec: ZoneSpec,
}

impl Zone {
    /// The mailbox of who is responsible, as the SOA has it.
    #[must_use]
    pub fn mailbox(&self) -> DomainName {
        let usual = || self.name.domain().child("hostmaster");
        self.spec.mailbox.clone().or_else(usual).unwrap_or_else(|| self.name.domain().clone())
    }
}

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// The zone, the name in it, the type.
    pub key: Arc<RecordSetKey>,
    /// Identity, version, times.
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// The time to live in seconds; `None`: the zone's.
    pub ttl: Option<u32>,
    /// The data of every record, sorted, none twice, all of the type.
    pub data: Arc<[Data]>,
}

/// One record put or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A zone.
    Zone(ZoneName, Option<Arc<Zone>>),
    /// A record set.
    RecordSet(Arc<RecordSetKey>, Option<Arc<RecordSet>>),
    /// How names outside are answered.
    Resolver(Option<Arc<Resolver>>),
}

impl Change {
    /// The domain whose head moves with it.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Zone(..) | Self::RecordSet(..) | Self::Resolver(_) => Domain::DnsZones,
        }
    }
}
