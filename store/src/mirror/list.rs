//! Reading everything under the prefix, at one revision, page by page.

use bytes::Bytes;
use polder_core::id::Revision;
use polder_core::schema::Schema;
use tokio::task::JoinHandle;

use super::meaning::{Move, Reader};
use super::state::Listing;
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

/// Reads every key of interest at one revision. Journals can be large: only the followed one is read, and of it only what is
/// young enough to matter for request ids.
///
/// A page is decoded while the next one is on its way, and the records while the journal is, so that neither the store nor the
/// processor waits for the other.
pub(super) async fn list<S: Schema>(
    store: &Store,
    reader: Reader,
    follow: Option<&FollowJournal>,
    covers: u64,
) -> Result<Listing<S>, Error> {
    let mut moves = Vec::new();
    // The first answer fixes the revision for all others.
    let revision = store.range(KeyRange::prefix(PREFIX), 1, None).await?.revision;
    let records = async {
        for keys in spans() {
            read(store, &reader, (keys, PAGE), revision, &mut moves).await?;
        }
        Ok(())
    };
    let mut answers = Vec::new();
    let journal = async {
        match follow {
            Some(follow) => read(store, &reader, (young(follow), JOURNAL_PAGE), revision, &mut answers).await,
            None => Ok(()),
        }
    };
    futures::future::try_join(records, journal).await?;
    moves.append(&mut answers);
    Ok(Listing { moves, revision, covers })
}

async fn read<S: Schema>(
    store: &Store,
    reader: &Reader,
    (mut keys, size): (KeyRange, usize),
    at: Revision,
    into: &mut Vec<Move<S>>,
) -> Result<(), Error> {
    let mut decoding = None;
    loop {
        let page = store.range(keys.clone(), size, Some(at)).await?;
        let last = page.entries.last().map(|entry| entry.key.clone());
        let reader = reader.clone();
        let decode = move || {
            let read = |entry: Entry| reader.read(entry.key, Some(entry.value), entry.modified);
            page.entries.into_iter().map(read).collect::<Vec<_>>()
        };
        let before = decoding.replace(tokio::task::spawn_blocking(decode));
        if let Some(before) = before {
            into.append(&mut decoded(before).await?);
        }
        match last {
            Some(last) if page.more => keys = keys.after(&last),
            _ => break,
        }
    }
    if let Some(last) = decoding {
        into.append(&mut decoded(last).await?);
    }
    Ok(())
}

async fn decoded<S: Schema>(decoding: JoinHandle<Vec<Move<S>>>) -> Result<Vec<Move<S>>, Error> {
    decoding.await.map_err(|error| Error::Unavailable(error.to_string()))
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
    use std::sync::Arc;

    #[test]
    fn the_spans_leave_out_journals_and_nothing_else() {
        let inside = |spans: &[KeyRange], key: &str| spans.iter().filter(|span| span.contains(key.as_bytes())).count();
        let spans = spans();
        for key in ["/polder/", "/polder/dns/head/zones", "/polder/ipam/journal", "/polder/ipam/nodes/x", "/polder/zzz"] {
            assert_eq!(inside(&spans, key), 1, "{key}");
        }
        for key in ["/polder/dns/journal/0", "/polder/ipam/journal/ff", "/polder/lb/journal/", "/polder0", "/polde"] {
            assert_eq!(inside(&spans, key), 0, "{key}");
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
