//! Asking the store where the heads stand, in one round trip: a commit without writes, guarded by every head as it is known.
//!
//! Every commit moves a head, so equal heads mean that nothing is missing. Asking beats etcd's progress notices, which some of
//! its versions send ahead of the events they stand for.

use polder_core::schema::Domain;

use super::heads::Heads;
use crate::backend::{Commit, Outcome};
use crate::error::Error;
use crate::handle::Store;

/// What the store says of known heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They are the current ones.
    Current,
    /// They have moved, to these.
    Moved(Heads),
}

/// Compares `heads` with the store's, linearizably.
pub(crate) async fn check(store: &Store, heads: &Heads) -> Result<Standing, Error> {
    let guards = Domain::ALL.into_iter().map(|domain| heads.guard(domain)).collect();
    match store.commit(Commit { guards, writes: Vec::new() }).await? {
        Outcome::Committed { .. } => Ok(Standing::Current),
        Outcome::Conflict { current, .. } => Ok(Standing::Moved(heads.found(&current))),
    }
}
