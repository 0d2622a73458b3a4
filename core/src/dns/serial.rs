//! Serial numbers of zones (RFC 1982): the newest revision of what a zone is made from, so that they are equal on all servers, rise
//! with every change of the zone, and stay where they are while others change.
//!
//! ```text
//! the cluster's domain                     pools, allocations, services
//! a zone of an operator                    zones
//!   with the names of services             zones, services
//! a reverse zone, computed or stored       all of these: names of addresses come from everywhere
//! ```
//!
//! What a zone is made from may become less, when it has the names of services no longer: that is a change of the zone itself, newer
//! than all there is, so that its serial number rises nevertheless.

use super::name::DomainName;
use super::zones::Zone;
use crate::id::Revision;
use crate::schema::Domain;

/// What lies under this has names of addresses.
const ARPA: &[u8] = b"\x04arpa\0";

/// Where the parts of the state stand that names follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heads {
    newest: Revision,
    pools: Revision,
    allocations: Revision,
    services: Revision,
    zones: Revision,
}

impl Heads {
    /// How many numbers they are.
    pub const COUNT: usize = 5;

    /// Where every domain stands.
    #[must_use]
    pub fn of(head: impl Fn(Domain) -> Option<Revision>) -> Self {
        let head = |domain| head(domain).unwrap_or_default();
        Self {
            newest: Domain::ALL.into_iter().map(head).max().unwrap_or_default(),
            pools: head(Domain::IpamPools),
            allocations: head(Domain::IpamAllocations),
            services: head(Domain::LbServices),
            zones: head(Domain::DnsZones),
        }
    }

    /// All parts at one revision.
    #[must_use]
    pub const fn at(revision: Revision) -> Self {
        Self { newest: revision, pools: revision, allocations: revision, services: revision, zones: revision }
    }

    /// The revision of the newest change.
    #[must_use]
    pub const fn newest(&self) -> Revision {
        self.newest
    }

    /// The same, with what other programs store for zones of operators: that moves as these do.
    #[must_use]
    pub fn with_imports(self, at: Revision) -> Self {
        Self { zones: self.zones.max(at), ..self }
    }

    /// Where zones of operators stand, and what is stored for them.
    #[must_use]
    pub const fn zones(&self) -> Revision {
        self.zones
    }

    /// As numbers, to be kept.
    #[must_use]
    pub const fn to_numbers(&self) -> [u64; Self::COUNT] {
        [self.newest.0, self.pools.0, self.allocations.0, self.services.0, self.zones.0]
    }

    /// What [`Self::to_numbers`] gave.
    #[must_use]
    pub const fn from_numbers(numbers: [u64; Self::COUNT]) -> Self {
        let [newest, pools, allocations, services, zones] = numbers;
        Self {
            newest: Revision(newest),
            pools: Revision(pools),
            allocations: Revision(allocations),
            services: Revision(services),
            zones: Revision(zones),
        }
    }

    /// The serial number of a zone that is stored.
    #[must_use]
    pub fn serial_of(&self, zone: &Zone) -> u32 {
        self.serial(Basis::of(zone))
    }

    /// The serial number of a zone that rests on this.
    pub(super) fn serial(&self, basis: Basis) -> u32 {
        let of_cluster = self.pools.max(self.allocations).max(self.services);
        serial_at(match basis {
            Basis::Cluster => of_cluster,
            Basis::Zones => self.zones,
            Basis::ZonesAndServices => self.zones.max(self.services),
            Basis::Everything => of_cluster.max(self.zones),
        })
    }
}

/// The serial number of a revision. It counts in 32 bits, and is never 0, which secondaries take for a zone that is not there.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "serial numbers count in 32 bits and wrap")]
pub fn serial_at(revision: Revision) -> u32 {
    (revision.0 as u32).max(1)
}

/// What a zone is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// What the cluster is made from.
    Cluster,
    /// What operators store as names.
    Zones,
    /// The same, and services.
    ZonesAndServices,
    /// All that names follow from.
    Everything,
}

impl Basis {
    /// Of a zone that is stored.
    pub(super) fn of(zone: &Zone) -> Self {
        if is_reverse(zone.name.domain()) {
            Self::Everything
        } else if zone.spec.publish_services {
            Self::ZonesAndServices
        } else {
            Self::Zones
        }
    }

    /// Of a zone that is computed.
    pub(super) fn computed(zone: &[u8]) -> Self {
        if zone.ends_with(ARPA) { Self::Everything } else { Self::Cluster }
    }
}

fn is_reverse(zone: &DomainName) -> bool {
    zone.as_wire().ends_with(ARPA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::fixture::{public, zone};
    use crate::dns::zones::Change as ZoneChange;

    /// Each domain at the revision that is its place, times ten.
    fn heads() -> Heads {
        Heads::of(|domain| Some(Revision(10 * (1 + domain as u64))))
    }

    fn serial(change: crate::cluster::Change) -> u32 {
        let crate::cluster::Change::Dns(ZoneChange::Zone(_, Some(zone))) = change else { panic!("it is a zone") };
        Heads { zones: Revision(7), ..heads() }.serial_of(&zone)
    }

    #[test]
    fn a_zone_has_the_newest_revision_of_what_it_is_made_from() {
        assert_eq!(heads().newest(), Revision(60));
        assert_eq!((heads().serial(Basis::Cluster), heads().serial(Basis::Zones)), (40, 60));
        assert_eq!((serial(zone("example.com")), serial(public("example.com"))), (7, 40));
        assert_eq!((serial(zone("2.0.192.in-addr.arpa")), serial(zone("8.b.d.0.1.0.0.2.ip6.arpa"))), (40, 40));
        assert_eq!(Basis::computed(b"\x0228\x03172\x07in-addr\x04arpa\0"), Basis::Everything);
        assert_eq!(Basis::computed(b"\x07cluster\x05local\0"), Basis::Cluster);
    }

    #[test]
    fn no_serial_number_is_0() {
        assert_eq!(Heads::default().serial(Basis::Everything), 1);
        assert_eq!((serial_at(Revision(1 << 32)), serial_at(Revision((1 << 32) + 5))), (1, 5));
    }

    #[test]
    fn heads_are_kept_as_numbers() {
        assert_eq!(Heads::from_numbers(heads().to_numbers()), heads());
    }
}
