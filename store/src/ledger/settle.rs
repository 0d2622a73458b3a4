//! Sending a batch, and finding out what became of it when no answer comes.
//!
//! An unanswered commit may arrive later still, so reading that it is absent proves nothing. Every batch therefore demands that
//! its own journal key does not exist, and settling means to write that key first: whoever gets it, the batch or the bar, the
//! other can never happen.

use std::time::Duration;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use prost::Message as _;
use tokio::time::Instant;

use crate::backend::{Commit, Guard, Outcome, Write};
use crate::error::Error;
use crate::handle::Store;
use crate::journal::{self, BatchId, JournalRecord};

/// The pause before the store is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a store may be out of reach before its outcome is left unknown: nobody else should wait for it.
const OUT_OF_REACH: Duration = Duration::from_millis(500);

/// What became of a batch, with certainty.
pub(super) enum Fate {
    /// It is in, at this revision.
    In(Revision),
    /// A guard did not hold; what the store has now under the guarded keys.
    Lost(Vec<(Bytes, Option<Revision>)>),
    /// It is not in and never will be, though nothing stood against it.
    Barred,
    /// It is not in.
    Failed(Refusal),
    /// Nobody knows, and the time is over.
    Unknown,
}

/// One batch on its way.
pub(super) struct Sending<'a> {
    pub(super) store: &'a Store,
    pub(super) service: &'a str,
    /// The batch and the journal record among the writes, if there is one.
    pub(super) record: Option<(&'a BatchId, &'a JournalRecord)>,
    /// Until when to look for the outcome.
    pub(super) until: Instant,
}

impl Sending<'_> {
    /// Sends the commit and answers what became of it.
    pub(super) async fn send(&self, commit: Commit) -> Fate {
        match self.store.commit(commit).await {
            Ok(Outcome::Committed { revision }) => Fate::In(revision),
            Ok(Outcome::Conflict { current, .. }) => Fate::Lost(current),
            Err(Error::OutcomeUnknown(why)) => match self.record {
                Some((batch, record)) => {
                    tracing::warn!(why, %batch, "no answer to a commit; finding out what became of it");
                    self.settle(journal::key(self.service, batch), record).await
                }
                // Nothing was to be written: it was a mere check, and is simply done again.
                None => Fate::Barred,
            },
            Err(error) => Fate::Failed(Refusal::from(error)),
        }
    }

    async fn settle(&self, journal: Bytes, record: &JournalRecord) -> Fate {
        let bar = JournalRecord { entries: Vec::new(), barred: true, ..record.clone() };
        let mut reached = Instant::now();
        while Instant::now() < self.until && reached.elapsed() < OUT_OF_REACH {
            let commit = Commit {
                guards: vec![Guard::Absent(journal.clone())],
                writes: vec![Write::put(journal.clone(), bar.encode_to_vec())],
            };
            match self.store.commit(commit).await {
                Ok(Outcome::Committed { .. }) => return Fate::Barred,
                // Somebody has the key: the batch itself, or a bar of ours whose answer was lost as well.
                Ok(Outcome::Conflict { .. }) => match self.look(&journal).await {
                    Ok(fate) => return fate,
                    Err(error) => tracing::debug!(%error, "the outcome of a commit is still unknown"),
                },
                Err(error) => {
                    tracing::debug!(%error, "the outcome of a commit is still unknown");
                    if !matches!(error, Error::Unavailable(_)) {
                        reached = Instant::now();
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Fate::Unknown
    }

    async fn look(&self, journal: &Bytes) -> Result<Fate, Error> {
        let (entry, _) = self.store.get(journal).await?;
        let Some(entry) = entry else { return Err(Error::Unavailable("the journal record was removed".to_owned())) };
        let record = JournalRecord::decode(entry.value).map_err(|error| Error::Corrupt(error.to_string()))?;
        Ok(if record.barred { Fate::Barred } else { Fate::In(entry.modified) })
    }
}

/// What callers of a batch are told whose fate stayed unknown.
pub(super) fn unknown() -> Refusal {
    let message = "The store did not answer in time, and the change may be in. Try again with the same request id: a change that \
                   is in is answered, not repeated.";
    Refusal::new(Reason::OutcomeUnknown, message).retry_in(Duration::from_secs(1))
}
