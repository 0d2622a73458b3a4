//! What a mirror takes of memory for each key besides its view, counted to the byte: of a large cluster there are very many.
//!
//! The bounds are a little above what it was when they were set. Whoever needs more raises them, and says what for.

#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]
#![expect(unsafe_code, reason = "an allocator is an unsafe trait")]

#[path = "../../core/tests/memory/counting.rs"]
mod counting;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use polder_core::id::Revision;
use polder_core::schema::{Corrupt, Domain, Schema, StoredWrite};
use polder_store::backend::{Batch, Entry, Lease, LeaseId, Limits, Page};
use polder_store::{Backend, Commit, Error, KeyRange, Mirror, MirrorConfig, Outcome, Store};
use tokio::sync::watch;

use counting::Counting;

const KEYS: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes for each key in the end.
const KEPT: usize = 8;
/// Bytes for each key at most while all of them are read for the first time, the pages on their way among them.
const READ: usize = 24;
/// The same while all of them are read again, none of which has changed.
const READ_AGAIN: usize = 30;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// A view of nothing: what is counted is the mirror's own.
struct Nothing;

impl Schema for Nothing {
    type View = ();
    /// As large as the record: changes that are kept would be seen.
    type Change = Vec<u8>;

    fn decode(_key: &[u8], value: Option<&[u8]>) -> Result<Option<Vec<u8>>, Corrupt> {
        Ok(value.map(<[u8]>::to_vec))
    }

    fn encode(_change: &Vec<u8>) -> StoredWrite {
        StoredWrite { key: Vec::new(), value: None }
    }

    fn domain(_change: &Vec<u8>) -> Domain {
        Domain::LbServices
    }

    fn apply((): &mut (), _change: &Vec<u8>) {}

    fn before((): &(), _change: &Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

/// A store that never changes. Each of its pages is one piece of memory: whoever keeps a key or a value keeps it all.
struct Pages {
    /// The keys in order, each with the revision of its put.
    keys: Vec<(String, Revision)>,
    /// How often it was watched. The first watch begins too late, so that everything is read again.
    watches: watch::Sender<usize>,
}

impl Pages {
    fn of(keys: usize) -> Arc<Self> {
        let name = |number: usize| (format!("/polder/lb/services/shop/app-{number}"), Revision(1_000 + number as u64));
        let mut keys: Vec<_> = (0..keys).map(name).collect();
        keys.sort_unstable();
        Arc::new(Self { keys, watches: watch::Sender::new(0) })
    }
}

#[async_trait]
impl Backend for Pages {
    fn limits(&self) -> Limits {
        Limits::ETCD
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn range(&self, range: KeyRange, limit: usize, _at: Option<Revision>) -> Result<Page, Error> {
        let value = [7; 300];
        let from = self.keys.partition_point(|(key, _)| key.as_bytes() < range.start());
        let mut found = self.keys[from..].iter().take_while(|(key, _)| range.contains(key.as_bytes()));
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let mut bytes = Vec::new();
        page.iter().for_each(|(key, _)| bytes.extend_from_slice(&[key.as_bytes(), &value].concat()));
        let mut bytes = Bytes::from(bytes);
        let entries = page.into_iter().map(|(key, modified)| {
            let (key, value) = (bytes.split_to(key.len()), bytes.split_to(value.len()));
            Entry { key, value, created: *modified, modified: *modified, lease: None }
        });
        Ok(Page { entries: entries.collect(), revision: Revision(10_000_000), more: found.next().is_some() })
    }

    async fn commit(&self, _commit: Commit) -> Result<Outcome, Error> {
        Ok(Outcome::Committed { revision: Revision(10_000_000) })
    }

    async fn watch(&self, _keys: KeyRange, after: Revision) -> Result<BoxStream<'static, Result<Batch, Error>>, Error> {
        self.watches.send_modify(|watches| *watches += 1);
        if *self.watches.borrow() == 1 {
            return Err(Error::Compacted { at: after });
        }
        Ok(stream::pending().boxed())
    }

    async fn grant(&self, _ttl: Duration) -> Result<Lease, Error> {
        Err(Error::Unavailable("nothing is ever written here".to_owned()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        Err(Error::LeaseGone(lease))
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        Err(Error::LeaseGone(lease))
    }
}

/// What a mirror of so many keys takes: the most while it reads them first, and again, and what it keeps.
async fn weighed(keys: usize) -> [usize; 3] {
    let pages = Pages::of(keys);
    let mut watches = pages.watches.subscribe();
    let before = ALLOCATOR.live();
    ALLOCATOR.most();
    let since = || ALLOCATOR.most() - before;
    since();
    let mirror: Mirror<Nothing> = Mirror::open(Store::new(pages), MirrorConfig::default());
    let mut read_within = async |times: usize| {
        tokio::time::timeout(PATIENCE, watches.wait_for(|watches| *watches >= times)).await.unwrap().unwrap();
        since()
    };
    let most = [read_within(1).await, read_within(2).await];
    let kept = ALLOCATOR.live() - before;
    mirror.shutdown().await;
    [most[0], most[1], kept]
}

#[tokio::test]
async fn a_key_takes_little_of_a_mirror() {
    // What the runtime makes for itself, it makes now.
    weighed(1).await;
    let (empty, full) = (weighed(0).await, weighed(KEYS).await);
    let [read, again, kept] = [0, 1, 2].map(|figure| (full[figure] - empty[figure]).div_ceil(KEYS));
    let told = format!("for each key at most {read} bytes while it is read, {again} while it is read again, {kept} afterwards");
    println!("{told}");
    assert!(read <= READ && again <= READ_AGAIN && kept <= KEPT, "{told}");
}
