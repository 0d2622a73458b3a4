//! For tests: real etcd processes, throw-away embedded stores, and a backend whose faults are scripted.
//!
//! A missing etcd is a failure of the test, never a reason to skip it.

mod cluster;
mod faulty;

use std::sync::Arc;

use polder_core::id::Entropy;
use polder_core::time::Timestamp;

pub use self::cluster::Etcd;
pub use self::faulty::{Fault, Faulty};
use crate::embedded::Embedded;
use crate::handle::Store;
use crate::ledger::EntropySource;
use crate::mirror::Clock;

/// An embedded store in a folder that goes with the test.
///
/// # Panics
/// When the folder cannot be made or the store not opened.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without its store has failed")]
pub fn embedded() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::new(Arc::new(Embedded::open(folder.path()).expect("an embedded store")));
    (folder, store)
}

/// The machine's clock.
#[must_use]
pub fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the clock of tests")]
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Arc::new(move || Timestamp(u64::try_from(now().as_micros()).unwrap_or(u64::MAX)))
}

/// Randomness that differs from call to call and from process to process.
#[must_use]
pub fn entropy() -> EntropySource {
    use std::hash::{BuildHasher as _, RandomState};
    // Every `RandomState` has keys of its own, drawn from the system's randomness.
    let draw = || u128::from(RandomState::new().hash_one(0));
    Arc::new(move || Entropy(draw() << 64 | draw()))
}
