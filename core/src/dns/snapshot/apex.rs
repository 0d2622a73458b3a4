//! The start of a zone, as its SOA record has it.

use super::super::name::DomainName;
use super::super::serial::Basis;
use super::super::settings::Settings;
use super::super::transfer::Secondaries;
use super::super::zones::Zone;
use super::Snapshot;

/// SOA timers of computed zones: refresh, retry, expire (seconds). The usual ones.
const TIMERS: [u32; 3] = [7200, 1800, 86_400];

/// What the SOA record of a stored zone says, but for the serial number, and what else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) struct Apex {
    /// The primary name server.
    pub(in crate::dns) primary: DomainName,
    /// The mailbox of who is responsible.
    pub(in crate::dns) mailbox: DomainName,
    /// Seconds for which the record may be kept.
    pub(in crate::dns) ttl: u32,
    /// Refresh, retry, expire, in seconds.
    pub(in crate::dns) timers: [u32; 3],
    /// Seconds for which a negative answer may be kept.
    pub(in crate::dns) negative_ttl: u32,
    /// What the serial number follows from.
    pub(in crate::dns) basis: Basis,
    /// Who may have the zone.
    pub(in crate::dns) secondaries: Secondaries,
}

impl Apex {
    pub(super) fn of(zone: &Zone, settings: &Settings) -> Self {
        let spec = &zone.spec;
        Self {
            primary: spec.primary(settings),
            mailbox: zone.mailbox(),
            ttl: spec.ttl,
            timers: [spec.refresh, spec.retry, spec.expire],
            negative_ttl: spec.negative_ttl,
            basis: Basis::of(zone),
            secondaries: spec.secondaries.clone(),
        }
    }
}

/// What the SOA record of a zone says.
pub(in crate::dns) struct Start<'a> {
    /// The serial number.
    pub(in crate::dns) serial: u32,
    /// The primary name server and the mailbox, each in two parts.
    pub(in crate::dns) names: [&'a [u8]; 4],
    /// Seconds for which the record may be kept.
    pub(in crate::dns) ttl: u32,
    /// Seconds for which a negative answer may be kept.
    pub(in crate::dns) negative_ttl: u32,
    /// Refresh, retry, expire, in seconds.
    pub(in crate::dns) timers: [u32; 3],
}

impl Start<'_> {
    /// The numbers in the order of the record: serial, refresh, retry, expire, minimum.
    pub(in crate::dns) fn numbers(&self) -> [[u8; 4]; 5] {
        let [refresh, retry, expire] = self.timers;
        [self.serial, refresh, retry, expire, self.negative_ttl].map(u32::to_be_bytes)
    }
}

impl Snapshot {
    /// The start of one of our zones; `domain` stands for the name of the cluster's domain in it.
    pub(in crate::dns) fn start<'a>(&'a self, zone: &[u8], domain: &'a [u8]) -> Start<'a> {
        match self.apex(zone) {
            Some(apex) => Start {
                serial: self.heads.serial(apex.basis),
                names: [apex.primary.as_wire(), &[], apex.mailbox.as_wire(), &[]],
                ttl: apex.ttl,
                negative_ttl: apex.negative_ttl,
                timers: apex.timers,
            },
            None => Start {
                serial: self.heads.serial(Basis::computed(zone)),
                names: [b"\x02ns\x03dns", domain, b"\x0ahostmaster", domain],
                ttl: self.settings.negative_ttl,
                negative_ttl: self.settings.negative_ttl,
                timers: TIMERS,
            },
        }
    }
}
