//! The stored form of a journal record: protobuf, guarded by golden bytes. Fields are added, never renumbered.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::time::Timestamp;

/// One batch: everything that one commit changed, and the answers it gave.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JournalRecord {
    /// The version of this form; now 1.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// When the batch was planned, in microseconds since the Unix epoch.
    #[prost(uint64, tag = "2")]
    pub at_micros: u64,
    /// The batch id, as in the key.
    #[prost(string, tag = "3")]
    pub batch: String,
    /// One entry per request of the batch that changed something or carried a request id.
    #[prost(message, repeated, tag = "4")]
    pub entries: Vec<JournalEntry>,
    /// Entries of this service's journal up to and with this record: the distance between two records tells how many lie between.
    #[prost(uint64, tag = "5")]
    pub ordinal: u64,
    /// The record only bars its batch, whose outcome was unknown, from ever being committed.
    #[prost(bool, tag = "6")]
    pub barred: bool,
}

/// One request of a batch.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JournalEntry {
    /// Who asked.
    #[prost(string, tag = "1")]
    pub actor: String,
    /// The caller's request id; empty when it gave none.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// The digest of the request's body, to tell a repetition from a reused id.
    #[prost(bytes = "bytes", tag = "3")]
    pub digest: Bytes,
    /// The encoded answer.
    #[prost(bytes = "bytes", tag = "4")]
    pub answer: Bytes,
    /// The W3C trace id of the request; empty when there is none.
    #[prost(string, tag = "5")]
    pub trace_id: String,
    /// The method, as `AllocateAddresses`.
    #[prost(string, tag = "6")]
    pub method: String,
    /// What changed, in order.
    #[prost(message, repeated, tag = "7")]
    pub changes: Vec<JournalChange>,
}

/// One key's change.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JournalChange {
    /// The key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The stored value before; absent when the key was.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub before: Option<Bytes>,
    /// The stored value after; absent when the key was deleted.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub after: Option<Bytes>,
}

/// The version that is written now.
pub const VERSION: u32 = 1;

/// The name of one batch, unique among all replicas. Ids sort by time: microseconds, then replica, then a counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(Arc<str>);

impl BatchId {
    pub(crate) fn new(at: Timestamp, replica: u32, counter: u32) -> Self {
        Self(format!("{:016x}-{replica:08x}-{counter:08x}", at.0).into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `key` is this batch's key in the journal with the prefix.
    pub(crate) fn has_key(&self, prefix: &str, key: &[u8]) -> bool {
        key.strip_prefix(prefix.as_bytes()) == Some(self.0.as_bytes())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The prefix of a service's journal: `/polder/ipam/journal/`.
pub(crate) fn prefix(service: &str) -> String {
    format!("/polder/{service}/journal/")
}

/// The key of one batch's record.
pub(crate) fn key(service: &str, batch: &BatchId) -> Bytes {
    format!("/polder/{service}/journal/{batch}").into()
}

/// The first key that a record of `at` or later can have.
pub(crate) fn first_key(service: &str, at: Timestamp) -> Bytes {
    format!("/polder/{service}/journal/{:016x}", at.0).into()
}

/// The value of a head: the batch that moved it last, and the journal's ordinal then.
pub(crate) fn head(batch: &BatchId, ordinal: u64) -> Bytes {
    format!("{batch} {ordinal}").into()
}

/// The ordinal in the value of a head.
pub(crate) fn ordinal(head: &[u8]) -> Option<u64> {
    std::str::from_utf8(head).ok()?.split_once(' ')?.1.parse().ok()
}

/// The batch that a key of the journal names; `None` for a key that is none.
pub(crate) fn batch_of(prefix: &str, key: &[u8]) -> Option<BatchId> {
    let text = std::str::from_utf8(key.strip_prefix(prefix.as_bytes())?).ok()?;
    Some(BatchId(text.into()))
}
