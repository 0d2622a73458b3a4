//! Reading everything under the prefix, at one revision, page by page.

use std::sync::Arc;

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::Schema;

use super::known::Known;
use super::meaning::Reader;
use super::reading::{Listing, Reading};
use super::snapshot::Snapshot;
use super::{FollowJournal, PREFIX};
use crate::backend::{Entry, KeyRange};
use crate::error::Error;
use crate::handle::Store;
use crate::journal;

/// Entries per page: with records of a few hundred bytes well under the 4 MiB that a gRPC answer may have.
const PAGE: usize = 1000;
/// Journal records per page: one may be as large as a whole transaction.
const JOURNAL_PAGE: usize = 50;

/// The services that keep a journal.
const JOURNALS: [&str; 3] = ["dns", "ipam", "lb"];

/// Reads every key of interest at one revision, to find how it differs from what was known `before`; with nothing known, the whole
/// of it. Journals can be large: only the followed one is read, and of it only what is young enough to matter for request ids.
///
/// A page is taken in while the next one is on its way, and the records while the journal is read, so that neither the store nor
/// the processor waits for the other. Of a page nothing is kept but what it says that is new.
pub(super) async fn list<S: Schema>(
    store: &Store,
    (reader, before): (Reader, Option<Arc<Known>>),
    follow: Option<&FollowJournal>,
    covers: u64,
) -> Result<Listing<S>, Error> {
    // The first answer fixes the revision for all others.
    let revision = store.range(KeyRange::prefix(PREFIX), 1, None).await?.revision;
    let records = async {
        let mut reading = Reading::new(reader.clone(), before, revision);
        for keys in spans() {
            reading = read(store, (keys, PAGE), revision, reading, Reading::take).await?;
        }
        Ok(reading)
    };
    let journal = async {
        let Some(follow) = follow else { return Ok(Snapshot::default()) };
        let reader = reader.clone();
        let take = move |cut: &mut Snapshot<S>, entries: Vec<Entry>| {
            for entry in entries {
                cut.take(&reader.read(entry.key, Some(entry.value), entry.modified), |_, _| true);
            }
        };
        read(store, (young(follow), JOURNAL_PAGE), revision, Snapshot::default(), take).await
    };
    let (records, journal) = futures::future::try_join(records, journal).await?;
    Ok(records.finish(journal, covers))
}

/// Takes in a range, page by page.
async fn read<T: Send + 'static>(
    store: &Store,
    (keys, size): (KeyRange, usize),
    at: Revision,
    mut into: T,
    take: impl Fn(&mut T, Vec<Entry>) + Clone + Send + 'static,
) -> Result<T, Error> {
    let mut page = store.range(keys.clone(), size, Some(at)).await?;
    loop {
        let rest = page.entries.last().filter(|_| page.more).map(|last| keys.after(&last.key));
        let take = take.clone();
        let taking = tokio::task::spawn_blocking(move || {
            take(&mut into, page.entries);
            into
        });
        let next = async {
            match rest {
                Some(rest) => store.range(rest, size, Some(at)).await.map(Some),
                None => Ok(None),
            }
        };
        let (next, taken) = tokio::join!(next, taking);
        into = taken.map_err(|error| Error::Unavailable(error.to_string()))?;
        match next? {
            Some(next) => page = next,
            None => return Ok(into),
        }
    }
}

/// The whole prefix without the journals.
pub(super) fn spans() -> Vec<KeyRange> {
    let whole = KeyRange::prefix(PREFIX);
    let mut start = Bytes::copy_from_slice(whole.start());
    let mut spans = Vec::new();
    for service in JOURNALS {
        let journal = KeyRange::prefix(journal::prefix(service));
        spans.push(KeyRange::span(start, Bytes::copy_from_slice(journal.start())));
        start = Bytes::copy_from_slice(journal.end().unwrap_or_default());
    }
    spans.push(KeyRange::span(start, Bytes::copy_from_slice(whole.end().unwrap_or_default())));
    spans
}

/// Whether the key lies in a journal, followed or not: outside of all [`spans`].
pub(super) fn is_in_journal(key: &[u8]) -> bool {
    let Some(rest) = key.strip_prefix(PREFIX.as_bytes()) else { return false };
    let of = |service: &str| rest.strip_prefix(service.as_bytes()).is_some_and(|rest| rest.starts_with(b"/journal/"));
    JOURNALS.into_iter().any(of)
}

/// The part of the followed journal that is young enough.
fn young(follow: &FollowJournal) -> KeyRange {
    let journal = KeyRange::prefix(journal::prefix(follow.service));
    let end = Bytes::copy_from_slice(journal.end().unwrap_or_default());
    KeyRange::span(journal::first_key(follow.service, follow.since()), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_core::time::Timestamp;

    #[test]
    fn the_spans_leave_out_journals_and_nothing_else() {
        let inside = |spans: &[KeyRange], key: &str| spans.iter().filter(|span| span.contains(key.as_bytes())).count();
        let spans = spans();
        for key in ["/polder/", "/polder/dns/head/zones", "/polder/ipam/journal", "/polder/ipam/nodes/x", "/polder/zzz"] {
            assert_eq!((inside(&spans, key), is_in_journal(key.as_bytes())), (1, false), "{key}");
        }
        for key in ["/polder/dns/journal/0", "/polder/ipam/journal/ff", "/polder/lb/journal/"] {
            assert_eq!((inside(&spans, key), is_in_journal(key.as_bytes())), (0, true), "{key}");
        }
        for key in ["/polder0", "/polde"] {
            assert_eq!((inside(&spans, key), is_in_journal(key.as_bytes())), (0, false), "{key}");
        }
    }

    #[test]
    fn the_followed_journal_is_read_from_a_time_on() {
        let clock = Arc::new(|| Timestamp(0x100_0000_0000));
        let follow = FollowJournal { service: "lb", clock, ids: std::time::Duration::from_micros(0x100) };
        let young = young(&follow);
        let inside = |key: &str| young.contains(key.as_bytes());
        assert!(inside("/polder/lb/journal/000000ffffffff00-00000000-00000000"));
        assert!(!inside("/polder/lb/journal/000000fffffffeff-ffffffff-ffffffff"));
        assert!(!inside("/polder/ipam/journal/000000ffffffff00-00000000-00000000"));
    }
}
