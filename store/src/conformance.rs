//! What every backend must do, checked one promise at a time over `&dyn Backend`. The same list runs on each of them.
//!
//! Every check uses keys under a prefix of its own, so that one store serves them all.

mod commits;
mod leases;
mod watches;

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use polder_core::id::Revision;

use crate::backend::{Backend, Batch, Commit, Guard, KeyRange, Outcome, Write};
use crate::error::Error;

/// Runs every check.
///
/// # Panics
/// When a promise is broken.
pub async fn all(backend: &dyn Backend) {
    commits::all(backend).await;
    watches::all(backend).await;
    leases::all(backend).await;
}

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

async fn put(backend: &dyn Backend, key: &str, value: &str) -> Revision {
    committed(backend, Vec::new(), vec![Write::put(key.to_owned(), value.to_owned())]).await
}

#[expect(clippy::expect_used, clippy::panic, reason = "a conformance check fails by a panic")]
async fn committed(backend: &dyn Backend, guards: Vec<Guard>, writes: Vec<Write>) -> Revision {
    match backend.commit(Commit { guards, writes }).await.expect("a commit") {
        Outcome::Committed { revision } => revision,
        conflict @ Outcome::Conflict { .. } => panic!("an unexpected conflict: {conflict:?}"),
    }
}

#[expect(clippy::expect_used, reason = "a conformance check fails by a panic")]
async fn keys(backend: &dyn Backend, prefix: &str, at: Option<Revision>) -> Vec<String> {
    let page = backend.range(KeyRange::prefix(prefix), 1000, at).await.expect("a range");
    page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect()
}

#[expect(clippy::expect_used, reason = "a conformance check fails by a panic")]
async fn next(batches: &mut BoxStream<'static, Result<Batch, Error>>) -> Result<Batch, Error> {
    loop {
        let item = tokio::time::timeout(PATIENCE, batches.next()).await.expect("a batch in time").expect("an open watch");
        // A batch without events only says how far the watch has come.
        if !item.as_ref().is_ok_and(|batch| batch.events.is_empty()) {
            return item;
        }
    }
}
