//! Taking the oldest records out of the journal, a few at a time: one huge delete makes etcd's reads slow for long after.

use polder_core::schema::Schema;
use polder_core::time::Timestamp;
use prost::Message as _;

use super::{LedgerConfig, Retention};
use crate::backend::{Commit, Entry, KeyRange, Write};
use crate::error::Error;
use crate::journal::{JournalRecord, prefix};
use crate::mirror::Mirror;

/// Records that go in one commit.
const AT_ONCE: usize = 100;

/// The task's own things. Every replica may run one: deleting what is gone already changes nothing.
pub(super) struct Trimmer<S: Schema> {
    pub(super) mirror: Mirror<S>,
    pub(super) config: LedgerConfig,
}

impl<S: Schema> Trimmer<S> {
    /// Runs for the life of the ledger.
    pub(super) async fn run(self) {
        loop {
            tokio::time::sleep(self.config.trim_every).await;
            if let Err(error) = self.trim().await {
                tracing::warn!(%error, service = self.config.service, "the journal could not be trimmed; it will be tried again");
            }
        }
    }

    /// Trims until nothing is too old and nothing too much.
    async fn trim(&self) -> Result<(), Error> {
        let journal = KeyRange::prefix(prefix(self.config.service));
        let newest = self.mirror.snapshot().journal.ordinal();
        loop {
            let page = self.mirror.store().range(journal.clone(), AT_ONCE, None).await?;
            let now = (self.config.clock)();
            let old: Vec<_> = page.entries.iter().take_while(|entry| gone(entry, newest, now, &self.config.retention)).collect();
            if old.is_empty() {
                return Ok(());
            }
            let all = old.len() == AT_ONCE;
            let writes = old.into_iter().map(|entry| Write::delete(entry.key.clone())).collect();
            _ = self.mirror.store().commit(Commit { guards: Vec::new(), writes }).await?;
            if !all {
                return Ok(());
            }
        }
    }
}

fn record(entry: &Entry) -> Option<JournalRecord> {
    JournalRecord::decode(entry.value.clone()).ok()
}

fn gone(entry: &Entry, newest: u64, now: Timestamp, keep: &Retention) -> bool {
    // What cannot be read is kept for somebody to look at.
    let Some(record) = record(entry) else { return false };
    let age = now.since(Timestamp(record.at_micros));
    let behind = newest.saturating_sub(record.ordinal);
    age > keep.age || (behind > keep.entries && age > keep.ids) || behind > keep.ceiling
}
