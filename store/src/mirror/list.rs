//! Reading everything under the prefix, at one revision, page by page.

use bytes::Bytes;
use polder_core::id::Revision;

use super::state::Listing;
use super::{FollowJournal, PREFIX};
use crate::backend::{Entry, KeyRange};
use crate::error::Error;
use crate::handle::Store;
use crate::journal;

/// Entries per page: with records of a few hundred bytes well under the 4 MiB that a gRPC answer may have.
const PAGE: usize = 1000;

/// The services that keep a journal.
const JOURNALS: [&str; 3] = ["dns", "ipam", "lb"];

/// Reads every key of interest at one revision. Journals can be large: only the followed one is read, and of it only what is
/// young enough to matter for request ids.
pub(super) async fn list(store: &Store, follow: Option<&FollowJournal>, covers: u64) -> Result<Listing, Error> {
    let mut entries = Vec::new();
    let mut at = None;
    for keys in spans(follow) {
        at = Some(read(store, keys, at, &mut entries).await?);
    }
    Ok(Listing { entries, revision: at.unwrap_or_default(), covers })
}

async fn read(store: &Store, mut keys: KeyRange, at: Option<Revision>, into: &mut Vec<Entry>) -> Result<Revision, Error> {
    let mut at = at;
    loop {
        let page = store.range(keys.clone(), PAGE, at).await?;
        // The first page fixes the revision; later pages answer with the store's current one.
        let revision = *at.get_or_insert(page.revision);
        let last = page.entries.last().map(|entry| entry.key.clone());
        into.extend(page.entries);
        match last {
            Some(last) if page.more => keys = keys.after(&last),
            _ => return Ok(revision),
        }
    }
}

/// The whole prefix without the journals, and the young part of the one that is followed.
pub(super) fn spans(follow: Option<&FollowJournal>) -> Vec<KeyRange> {
    let whole = KeyRange::prefix(PREFIX);
    let mut start = Bytes::copy_from_slice(whole.start());
    let mut spans = Vec::new();
    for service in JOURNALS {
        let journal = KeyRange::prefix(journal::prefix(service));
        spans.push(KeyRange::span(start, Bytes::copy_from_slice(journal.start())));
        start = Bytes::copy_from_slice(journal.end().unwrap_or_default());
    }
    spans.push(KeyRange::span(start, Bytes::copy_from_slice(whole.end().unwrap_or_default())));
    if let Some(follow) = follow {
        let journal = KeyRange::prefix(journal::prefix(follow.service));
        let end = Bytes::copy_from_slice(journal.end().unwrap_or_default());
        spans.push(KeyRange::span(journal::first_key(follow.service, follow.since()), end));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_core::time::Timestamp;
    use std::sync::Arc;

    #[test]
    fn the_spans_leave_out_journals_and_nothing_else() {
        let inside = |spans: &[KeyRange], key: &str| spans.iter().filter(|span| span.contains(key.as_bytes())).count();
        let spans = spans(None);
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
        let spans = spans(Some(&follow));
        let inside = |key: &str| spans.iter().any(|span| span.contains(key.as_bytes()));
        assert!(inside("/polder/lb/journal/000000ffffffff00-00000000-00000000"));
        assert!(!inside("/polder/lb/journal/000000fffffffeff-ffffffff-ffffffff"));
        assert!(!inside("/polder/ipam/journal/000000ffffffff00-00000000-00000000"));
    }
}
