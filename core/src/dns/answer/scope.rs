//! Whose name was asked for: for those who count.

use super::super::name::is_under;
use super::super::reverse::{IPV4, IPV6};
use super::super::snapshot::Snapshot;

/// Whose name was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nobody's, as far as it could be told: the question was not read, or no zone is known yet.
    Unknown,
    /// The cluster's.
    Cluster,
    /// That of an address in one of the cluster's reverse zones of IPv4.
    ReverseIpv4,
    /// The same of IPv6.
    ReverseIpv6,
    /// An operator's: the zone's name is so many last bytes of that in the question, on the wire.
    Stored(u8),
    /// One outside of our zones.
    Outside,
}

impl Scope {
    /// Whose name this is, in lower case, on the wire. A name of the cluster costs one comparison.
    pub(in crate::dns) fn of(snapshot: &Snapshot, name: &[u8]) -> Self {
        if is_under(name, snapshot.settings().zone().as_wire()) {
            return if snapshot.is_synced() { Self::Cluster } else { Self::Unknown };
        }
        if let Some(zone) = snapshot.stored_zone_of(name) {
            return u8::try_from(zone.len()).map_or(Self::Unknown, Self::Stored);
        }
        // Addresses outside of the reverse zones have their names too.
        if is_under(name, IPV4) {
            Self::ReverseIpv4
        } else if is_under(name, IPV6) {
            Self::ReverseIpv6
        } else {
            Self::Unknown
        }
    }
}
