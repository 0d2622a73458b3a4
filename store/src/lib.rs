//! Polder's store: a revisioned key-value contract, two backends, mirrors and ledgers.
//!
//! * [`backend`]: the contract, in bytes. [`embedded`] and [`etcd`](mod@etcd) fulfil it; [`Store`] is the handle on either.
//! * [`mirror`]: the view of everything stored, kept current by one watch.
//! * [`ledger`]: the one way to write: plan against the view, commit a batch guarded by the heads it read, apply, answer.
//! * [`Exporter`]: what all of these count, for Prometheus.
//! * [`journal`]: the record that every batch leaves behind: who changed what, and the answers to request ids.

pub mod backend;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod embedded;
pub mod error;
pub mod etcd;
mod export;
mod handle;
pub mod journal;
pub mod ledger;
pub mod metrics;
pub mod mirror;
#[cfg(feature = "testing")]
pub mod testing;
mod url;

pub use backend::{Backend, Commit, Guard, KeyRange, Outcome, Write};
pub use error::Error;
pub use export::Exporter;
pub use handle::{DEADLINE, Pages, Store};
pub use ledger::{Committed, Ledger, LedgerConfig};
pub use mirror::{Clock, Mirror, MirrorConfig, Snapshot};
pub use polder_core::schema::Intent;
pub use url::StoreUrl;
