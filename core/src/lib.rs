//! Polder's domain, pure: no async, no clock, no randomness, no I/O. Time and entropy are arguments; only the table of services in
//! brief draws the seed of its hashes itself, as those of the standard library do, and nothing that anybody sees depends on it.
//!
//! * [`reason`]: the one list of reasons, and what a refusal carries.
//! * [`schema`]: what the ledger needs to know of a view; plans as data.
//! * [`id`], [`meta`], [`time`]: identifiers, revisions, what every stored object carries, points in time.
//! * [`net`]: ranges, names, labels and selectors: parse or refuse.
//! * [`filter`]: the filters of List and Watch requests.
//! * [`cluster`]: the whole state as one value.
//! * [`ipam`]: pools, nodes, blocks, allocations.
//! * [`lb`]: services, virtual IPs, endpoints. It reads ipam's types.
//! * [`dns`]: names, records and the answers to queries. It reads ipam's and lb's types.
//!
//! With the feature `testing` there is also `testing`: records to begin tests with.

pub mod cluster;
pub mod dns;
pub mod filter;
mod hash;
pub mod id;
pub mod ipam;
pub mod lb;
pub mod meta;
pub mod net;
mod packed;
pub mod reason;
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
