//! What the ledger and the mirrors need to know of a view: how a stored key and value become a change, and how a change moves
//! the view.
//!
//! A *view* is a value computed from stored records and nothing else: applying the same records in any order that keeps the
//! order per key gives the same view. It is cheap to clone (persistent maps), so that a batch of requests can be planned on a
//! copy and thrown away when the commit loses.

use crate::id::{Entropy, RequestId};
use crate::reason::Refusal;
use crate::time::Timestamp;

/// A part of the state with a head key of its own, whose revision moves with every commit in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// Pools, reservations, namespaces, the compute network: configuration.
    IpamPools,
    /// Nodes.
    IpamNodes,
    /// Blocks and allocations.
    IpamAllocations,
    /// Services with their addresses.
    LbServices,
    /// Announcements, BGP peers and advertisements.
    LbAnnouncements,
    /// Zones, record sets, resolver settings.
    DnsZones,
}

impl Domain {
    /// Every domain.
    pub const ALL: [Self; 6] =
        [Self::IpamPools, Self::IpamNodes, Self::IpamAllocations, Self::LbServices, Self::LbAnnouncements, Self::DnsZones];

    /// The key whose revision moves with every commit in the domain.
    #[must_use]
    pub const fn head_key(self) -> &'static str {
        match self {
            Self::IpamPools => "/polder/ipam/head/pools",
            Self::IpamNodes => "/polder/ipam/head/nodes",
            Self::IpamAllocations => "/polder/ipam/head/allocations",
            Self::LbServices => "/polder/lb/head/services",
            Self::LbAnnouncements => "/polder/lb/head/announcements",
            Self::DnsZones => "/polder/dns/head/zones",
        }
    }
}

/// Who asks for what: everything about a request but its decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The caller's id for this mutation, if it gave one.
    pub request_id: Option<RequestId>,
    /// A digest of the request's body, without the id.
    pub digest: [u8; 32],
    /// Who asks.
    pub actor: String,
    /// The W3C trace id; empty when there is none.
    pub trace_id: String,
    /// The method, as `AllocateAddresses`.
    pub method: &'static str,
}

impl Intent {
    /// What a service does by itself, for no caller.
    #[must_use]
    pub fn own(service: &str, method: &'static str) -> Self {
        Self { request_id: None, digest: [0; 32], actor: service.to_owned(), trace_id: String::new(), method }
    }
}

/// A stored key or value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored key `{key}` cannot be read: {why}")]
pub struct Corrupt {
    /// The key, as text where it is text.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// One stored write: a key with its new value, or the key's deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWrite {
    /// The whole key.
    pub key: Vec<u8>,
    /// The new value; `None` deletes the key.
    pub value: Option<Vec<u8>>,
}

/// How stored records become a view. Implementations are pure and hold no state.
pub trait Schema: Send + Sync + 'static {
    /// The view; cheap to clone.
    type View: Clone + Default + Send + Sync + 'static;
    /// One record put or deleted.
    type Change: Clone + Send + Sync + 'static;

    /// Reads one stored key. `Ok(None)` for a key this view has no interest in.
    ///
    /// # Errors
    /// [`Corrupt`] when the key is of interest and cannot be read.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Change>, Corrupt>;

    /// The stored form of a change.
    fn encode(change: &Self::Change) -> StoredWrite;

    /// The domain that the change belongs to.
    fn domain(change: &Self::Change) -> Domain;

    /// Moves the view.
    fn apply(view: &mut Self::View, change: &Self::Change);

    /// The stored value that the view holds now under the key of `change`: the "before" of a journal entry.
    fn before(view: &Self::View, change: &Self::Change) -> Option<Vec<u8>>;

    /// The stored value as the journal keeps it, where that is another: secrets are no part of the history.
    fn journaled(_key: &[u8], _value: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// What a planner is given besides the view: time and randomness are arguments.
#[derive(Debug, Clone, Copy)]
pub struct PlanContext {
    /// The time of the commit.
    pub now: Timestamp,
    /// Fresh randomness for this request.
    pub entropy: Entropy,
}

/// What a planner decided: the changes it wants, the domains it read, and the answer to give once they are committed.
#[derive(Debug, Clone)]
pub struct Plan<C> {
    /// The changes, in order; at most one per key.
    pub changes: Vec<C>,
    /// The domains whose state the decision rests on. The domains that `changes` touch are guarded anyway.
    pub reads: Vec<Domain>,
    /// The encoded answer; a repeated request id gets the same bytes again.
    pub answer: Vec<u8>,
}

/// A planner's verdict.
pub type Verdict<C> = Result<Plan<C>, Refusal>;
