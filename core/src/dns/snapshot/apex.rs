//! The start of a stored zone, as its SOA record has it.

use super::super::name::DomainName;
use super::super::settings::Settings;
use super::super::zones::Zone;

/// What the SOA record of a zone says, but for the serial number.
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
        }
    }
}
