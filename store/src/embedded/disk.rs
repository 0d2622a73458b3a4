//! The file: one redb database, `polder.redb`.
//!
//! Three tables: `entries` (key to created, modified, lease as 8 bytes each, then the value), `leases` (id to time to live in
//! seconds) and `meta` (`revision`, `lease`: the last ones given). One group of commits is one redb transaction with an fsync:
//! after a crash the file holds whole groups only, and every acknowledged one.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use polder_core::id::Revision;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::draft::Draft;
use super::state::Stored;
use crate::backend::LeaseId;
use crate::error::Error;

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const LEASES: TableDefinition<'_, i64, u64> = TableDefinition::new("leases");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const REVISION: &str = "revision";
const LAST_LEASE: &str = "lease";

/// The revision of an empty store, as etcd counts.
const FIRST: u64 = 1;
/// Bytes before the value in a stored entry.
const HEADER: usize = 24;

/// The open file.
pub(super) struct Disk {
    database: Database,
}

/// What the file held when it was opened.
pub(super) struct Loaded {
    pub(super) revision: Revision,
    pub(super) entries: BTreeMap<Bytes, Stored>,
    /// Every lease with its time to live in seconds.
    pub(super) leases: Vec<(LeaseId, u64)>,
    pub(super) last_lease: LeaseId,
}

impl Disk {
    /// Opens or makes the file, and reads it whole.
    pub(super) fn open(path: &Path) -> Result<(Self, Loaded), Error> {
        let database = Database::create(path).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        transaction.open_table(ENTRIES).map_err(failed)?;
        transaction.open_table(LEASES).map_err(failed)?;
        transaction.open_table(META).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        let loaded = load(&database)?;
        Ok((Self { database }, loaded))
    }

    /// Makes one group of commits durable.
    pub(super) fn write(&self, draft: &Draft) -> Result<(), Error> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(failed)?;
            for (key, stored) in draft.overlay() {
                match stored {
                    Some(stored) => entries.insert(&key[..], &pack(stored)[..]).map_err(failed)?,
                    None => entries.remove(&key[..]).map_err(failed)?,
                };
            }
            let mut leases = transaction.open_table(LEASES).map_err(failed)?;
            for (lease, ttl) in draft.granted() {
                leases.insert(lease.0, ttl).map_err(failed)?;
            }
            for lease in draft.ended() {
                leases.remove(lease.0).map_err(failed)?;
            }
            let mut meta = transaction.open_table(META).map_err(failed)?;
            meta.insert(REVISION, draft.revision().0).map_err(failed)?;
            if let Some((lease, _)) = draft.granted().last() {
                meta.insert(LAST_LEASE, lease.0.unsigned_abs()).map_err(failed)?;
            }
        }
        // Once redb begins to commit, a failure leaves open which of the two states the next start finds.
        transaction.commit().map_err(|error| match failed(error) {
            Error::NoSpace => Error::NoSpace,
            error => Error::OutcomeUnknown(error.to_string()),
        })
    }
}

fn load(database: &Database) -> Result<Loaded, Error> {
    let transaction = database.begin_read().map_err(failed)?;
    let meta = transaction.open_table(META).map_err(failed)?;
    let number = |name: &str| Ok::<_, Error>(meta.get(name).map_err(failed)?.map(|value| value.value()));
    let revision = Revision(number(REVISION)?.unwrap_or(FIRST));
    let last_lease = LeaseId(i64::try_from(number(LAST_LEASE)?.unwrap_or(0)).unwrap_or(i64::MAX));
    let mut entries = BTreeMap::new();
    for row in transaction.open_table(ENTRIES).map_err(failed)?.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        let key = Bytes::copy_from_slice(key.value());
        let stored =
            unpack(value.value()).ok_or_else(|| Error::Corrupt(format!("the entry `{}` is cut short", key.escape_ascii())))?;
        entries.insert(key, stored);
    }
    let mut leases = Vec::new();
    for row in transaction.open_table(LEASES).map_err(failed)?.iter().map_err(failed)? {
        let (lease, ttl) = row.map_err(failed)?;
        leases.push((LeaseId(lease.value()), ttl.value()));
    }
    Ok(Loaded { revision, entries, leases, last_lease })
}

fn pack(stored: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + stored.value.len());
    bytes.extend_from_slice(&stored.created.0.to_be_bytes());
    bytes.extend_from_slice(&stored.modified.0.to_be_bytes());
    bytes.extend_from_slice(&stored.lease.map_or(0, |lease| lease.0).to_be_bytes());
    bytes.extend_from_slice(&stored.value);
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Stored> {
    let (created, rest) = bytes.split_first_chunk::<8>()?;
    let (modified, rest) = rest.split_first_chunk::<8>()?;
    let (lease, value) = rest.split_first_chunk::<8>()?;
    let lease = i64::from_be_bytes(*lease);
    Some(Stored {
        value: Bytes::copy_from_slice(value),
        created: Revision(u64::from_be_bytes(*created)),
        modified: Revision(u64::from_be_bytes(*modified)),
        lease: (lease != 0).then_some(LeaseId(lease)),
    })
}

fn failed(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Error::NoSpace,
        redb::Error::Corrupted(why) => Error::Corrupt(why),
        error => Error::Unavailable(error.to_string()),
    }
}
