//! Follows what other programs store in the way of SkyDNS, in the same store under a prefix of their own. Nothing is written there.
//!
//! The prefix is read page by page at one revision, and then followed by a watch; every few minutes it is read again and compared, since
//! a watch may fall silent without a word. What cannot be used is left out, counted by why, and has a line in the log, of which there is
//! a bounded number. With the store gone what was read stays; a crash leaves nothing, since nothing is kept here but in memory (and
//! with the names in the file of saved ones).

mod book;
mod metrics;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use polder_core::dns::skydns::{Unusable, View};
use polder_core::id::Revision;
use polder_runtime::clock;
use polder_runtime::metrics::Metrics;
use polder_store::backend::Batch;
use polder_store::{Error, KeyRange, Store};
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use self::book::Book;
use self::metrics::ImportMetrics;
use crate::config::SkyDnsConfig;

/// Keys read at once.
const PAGE: usize = 1000;
/// How long a watch may owe what a page has shown already.
const LASTS: Duration = Duration::from_secs(2);
/// The first and the longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

type Batches = BoxStream<'static, Result<Batch, Error>>;

/// What was read, and the revision of the newest change of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Imported {
    pub(crate) view: View,
    pub(crate) at: Revision,
}

/// Why a watch was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It ended; it can resume where it stopped.
    Ended,
    /// It cannot resume, or cannot be trusted.
    Lost,
}

/// See the module.
pub(crate) struct SkyDns {
    store: Store,
    config: SkyDnsConfig,
    book: Book,
    /// Up to where the book goes.
    position: Revision,
    told: watch::Sender<Imported>,
    metrics: ImportMetrics,
}

impl SkyDns {
    pub(crate) fn new(store: Store, config: SkyDnsConfig, metrics: &Metrics) -> Self {
        let book = Book::new(&config);
        let told = watch::Sender::new(Imported { view: book.view().clone(), at: Revision(0) });
        Self { store, config, book, position: Revision(0), told, metrics: ImportMetrics::register(metrics) }
    }

    /// Moves whenever something else is stored.
    pub(crate) fn imported(&self) -> watch::Receiver<Imported> {
        self.told.subscribe()
    }

    /// Follows the prefix until the stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&mut self) {
        let (mut pause, mut lost) = (PAUSES.0, true);
        loop {
            let begun = clock::monotonic();
            if lost {
                match self.list(true).await {
                    Ok((book, revision)) => {
                        self.take_book(book, revision);
                        lost = false;
                    }
                    Err(error) => {
                        tracing::warn!(prefix = self.config.prefix, %error, "what is stored for SkyDNS cannot be read; names stay as they are");
                    }
                }
            }
            if !lost {
                lost = self.follow().await == Left::Lost;
            }
            // What worked for a while earns a quick new start.
            if begun.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn range(&self) -> KeyRange {
        KeyRange::prefix(format!("{}/", self.config.prefix))
    }

    /// Reads everything at one revision; `tells` whether what cannot be used is counted and told.
    async fn list(&self, tells: bool) -> Result<(Book, Revision), Error> {
        let (mut book, mut revision) = (Book::new(&self.config), Revision(0));
        let mut pages = self.store.pages(self.range(), PAGE);
        while let Some(page) = pages.next().await? {
            revision = page.revision;
            for entry in page.entries {
                if let Err(unusable) = book.take(&entry.key, Some(&entry.value))
                    && tells
                {
                    self.tell_unusable(&entry.key, &unusable);
                }
            }
        }
        book.is_read();
        Ok((book, revision))
    }

    fn tell_unusable(&self, key: &Bytes, unusable: &Unusable) {
        if self.metrics.unusable(unusable.why) {
            let (key, why) = (key.escape_ascii(), unusable.why.as_str());
            tracing::warn!(%key, why, error = %unusable, "a key that is stored for SkyDNS cannot be used; it is left out");
        }
    }

    fn take_book(&mut self, book: Book, revision: Revision) {
        let differs = book.view() != self.book.view();
        (self.book, self.position) = (book, revision);
        tracing::debug!(%revision, keys = self.book.view().len(), "read what is stored for SkyDNS");
        self.publish(if differs { revision } else { self.told.borrow().at });
    }

    fn publish(&self, at: Revision) {
        self.metrics.serving(self.book.view(), self.position);
        self.told.send_replace(Imported { view: self.book.view().clone(), at });
    }

    fn take_batch(&mut self, batch: &Batch) {
        for event in &batch.events {
            if let Err(unusable) = self.book.take(&event.key, event.value.as_ref()) {
                self.tell_unusable(&event.key, &unusable);
            }
        }
        self.position = batch.revision;
        self.publish(batch.revision);
    }

    async fn follow(&mut self) -> Left {
        let mut batches = match self.store.watch(self.range(), self.position).await {
            Ok(batches) => batches,
            Err(error) => return left(&error),
        };
        loop {
            let due = clock::monotonic() + self.config.audit_every;
            if let Some(left) = self.hear(&mut batches, due, |_| {}).await {
                return left;
            }
            if let Some(left) = self.audit(&mut batches).await {
                return left;
            }
        }
    }

    /// Takes in what a watch tells until a time; `None` when that has come, else why the watch is over.
    async fn hear(&mut self, batches: &mut Batches, until: tokio::time::Instant, mut heard: impl FnMut(&Batch)) -> Option<Left> {
        loop {
            match timeout_at(until, batches.next()).await {
                Err(_) => return None,
                Ok(Some(Ok(batch))) => {
                    heard(&batch);
                    self.take_batch(&batch);
                }
                Ok(Some(Err(error))) => return Some(left(&error)),
                Ok(None) => return Some(Left::Ended),
            }
        }
    }

    /// Reads everything again, and looks whether the watch has told all of it. A page and the watch are never of the same moment: what
    /// changes meanwhile is not compared.
    async fn audit(&mut self, batches: &mut Batches) -> Option<Left> {
        let (listed, revision) = match self.list(false).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(%error, "what is stored for SkyDNS could not be compared");
                return None;
            }
        };
        if revision < self.position {
            tracing::warn!("the store is older than what was read: it was set back; reading all that is stored for SkyDNS again");
            return Some(Left::Lost);
        }
        let mut since = BTreeSet::new();
        let later = |batch: &Batch| {
            if batch.revision > revision {
                since.extend(batch.events.iter().map(|event| event.key.clone()));
            }
        };
        if let Some(left) = self.hear(batches, clock::monotonic() + LASTS, later).await {
            return Some(left);
        }
        // Where keys were left out because there were too many, there may be room now.
        let was_full = self.book.is_full();
        let lost = self.book.view().differing(listed.view()).find(|key| !since.contains(key.as_bytes())).map(Arc::clone);
        match lost {
            Some(key) if !was_full => {
                self.metrics.repaired();
                tracing::warn!(%key, "the watch has lost a change of what is stored for SkyDNS; reading all of it again");
            }
            Some(_) => {}
            None => return None,
        }
        Some(Left::Lost)
    }
}

fn left(error: &Error) -> Left {
    match error {
        Error::Compacted { at } => {
            tracing::info!(oldest = %at, "the watch of what is stored for SkyDNS fell behind; reading all of it again");
            Left::Lost
        }
        error => {
            tracing::warn!(%error, "the watch of what is stored for SkyDNS ended; it will resume where it stopped");
            Left::Ended
        }
    }
}
