//! The stored form of every record: the schema that ledgers and mirrors work with.
//!
//! A key names its service and its object, a value is a message of [`state`](crate::state). Heads and journal records lie below
//! the same prefixes and belong to the ledger; keys of services that this build does not know are passed over, so that an older
//! process can follow a newer one.

pub mod dns;
mod fields;
pub mod ipam;
pub mod lb;
mod names;

pub use self::names::ForNames;

use polder_core::cluster::{Change, Cluster};
use polder_core::schema::{Corrupt, Domain, Schema, StoredWrite};

/// The schema of the whole cluster.
#[derive(Debug, Clone, Copy)]
pub struct Stored;

impl Schema for Stored {
    type View = Cluster;
    type Change = Change;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
        let Ok(key) = std::str::from_utf8(key) else {
            return Err(Corrupt { key: String::from_utf8_lossy(key).into_owned(), why: "it is not text".to_owned() });
        };
        if let Some(rest) = key.strip_prefix(ipam::PREFIX) {
            return Ok(ipam::decode(rest, value)?.map(Change::Ipam));
        }
        if let Some(rest) = key.strip_prefix(lb::PREFIX) {
            return Ok(lb::decode(rest, value)?.map(Change::Lb));
        }
        if let Some(rest) = key.strip_prefix(dns::PREFIX) {
            return Ok(dns::decode(rest, value)?.map(Change::Dns));
        }
        Ok(None)
    }

    fn encode(change: &Change) -> StoredWrite {
        match change {
            Change::Ipam(change) => ipam::encode(change),
            Change::Lb(change) => lb::encode(change),
            Change::Dns(change) => dns::encode(change),
        }
    }

    fn domain(change: &Change) -> Domain {
        change.domain()
    }

    fn apply(view: &mut Cluster, change: &Change) {
        view.apply(change);
    }

    fn before(view: &Cluster, change: &Change) -> Option<Vec<u8>> {
        match change {
            Change::Ipam(change) => ipam::before(&view.ipam, change),
            Change::Lb(change) => lb::before(&view.lb, change),
            Change::Dns(change) => dns::before(&view.dns, change),
        }
    }

    fn journaled(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let key = std::str::from_utf8(key).ok()?;
        lb::journaled(key.strip_prefix(lb::PREFIX)?, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_journals_and_strangers_are_no_records() {
        for key in [
            "/polder/ipam/head/pools",
            "/polder/lb/journal/00",
            "/polder/dns/head/zones",
            "/polder/dns/serving/a",
            "/polder/later/thing/x",
            "/other",
        ] {
            assert_eq!(Stored::decode(key.as_bytes(), Some(b"x")), Ok(None), "{key}");
        }
    }

    #[test]
    fn damage_is_named_by_its_key() {
        let damaged = Stored::decode(b"/polder/ipam/pools/external", Some(b"\xff\xff")).unwrap_err();
        assert_eq!(damaged.key, "/polder/ipam/pools/external");
        assert!(Stored::decode(b"/polder/\xff", None).is_err());
    }
}
