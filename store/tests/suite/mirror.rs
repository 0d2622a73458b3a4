//! Mirrors: they follow, they notice what they are not told, and they recover.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_core::reason::Reason;
use polder_core::schema::Domain;
use polder_store::mirror::{Mirror, MirrorConfig};
use polder_store::{Commit, KeyRange, Outcome, Store, Write, testing};
use tokio::task::JoinSet;

use crate::toy::{self, Change, PATIENCE, Toy, allocate, intent, ledger, limit, stored};

/// Writes a slot as another process would, with its domain's head.
async fn write(store: &Store, slot: u64, owner: &str) -> Revision {
    let writes = vec![
        Write::put(format!("/polder/ipam/allocations/{slot}"), owner.to_owned()),
        Write::put(Domain::IpamAllocations.head_key(), owner.to_owned()),
    ];
    match store.commit(Commit { guards: Vec::new(), writes }).await.unwrap() {
        Outcome::Committed { revision } => revision,
        conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

/// Writes the slots from 0 on, a hundred per commit.
async fn fill(store: &Store, slots: u64) {
    for first in (0..slots).step_by(100) {
        let writes = (first..slots.min(first + 100)).map(|slot| Write::put(format!("/polder/ipam/allocations/{slot}"), "old"));
        _ = store.commit(Commit { guards: Vec::new(), writes: writes.collect() }).await.unwrap();
    }
    write(store, 0, "old").await;
}

fn open(store: &Store) -> Mirror<Toy> {
    let config =
        MirrorConfig { check_every: Duration::from_millis(50), audit_every: Duration::from_millis(20), ..MirrorConfig::default() };
    Mirror::open(store.clone(), config)
}

#[tokio::test]
async fn a_mirror_shows_what_was_there_and_what_comes() {
    let (_folder, store) = testing::embedded();
    fill(&store, 2500).await;
    let mirror = open(&store);
    let snapshot = mirror.synced(PATIENCE).await.unwrap();
    assert_eq!(snapshot.view.slots.len(), 2500, "more than one page");
    let revision = write(&store, 7, "new").await;
    let snapshot = mirror.wait_for(revision, PATIENCE).await.unwrap();
    assert_eq!((snapshot.view.slots[&7].as_str(), snapshot.heads.get(Domain::IpamAllocations)), ("new", Some(revision)));
    toy::until("the view is known to be fresh", async || mirror.snapshot().age().is_some_and(|age| age < Duration::from_secs(5)))
        .await;
}

#[tokio::test]
async fn subscribers_get_every_batch_once_and_in_order() {
    let (_folder, store) = testing::embedded();
    let ledger = ledger(&store).await;
    ledger.submit(intent("", 0), limit(100)).await.unwrap();
    let mirror = ledger.mirror();
    let (snapshot, mut changes) = mirror.subscribe();
    let mut view = snapshot.view.clone();
    let mut last = snapshot.revision;
    let mut final_revision = last;
    for n in 0..50 {
        final_revision = ledger.submit(intent("", 0), allocate(n.to_string())).await.unwrap().revision;
    }
    while last < final_revision {
        let batch = changes.next().await.unwrap();
        assert!(batch.revision > last, "revisions rise");
        last = batch.revision;
        for change in &batch.changes {
            <Toy as polder_core::schema::Schema>::apply(&mut view, change);
        }
    }
    assert_eq!(view, mirror.snapshot().view);
    // A reader that was away goes on where it was.
    let mut resumed = mirror.subscribe_after(snapshot.revision).unwrap();
    let first = resumed.next().await.unwrap();
    assert!(first.revision > snapshot.revision && !first.changes.is_empty());
    let unknown = mirror.subscribe_after(Revision(0)).map(drop).unwrap_err();
    assert_eq!(unknown.reason, Reason::ResumeTokenCompacted);
}

/// What the first reading finds is the view, and nobody is told of it as of changes.
#[tokio::test]
async fn a_subscriber_that_began_before_there_was_a_view_is_told_to_begin_again() {
    let (_folder, faulty, store) = toy::faulty();
    faulty.set_down(true);
    let mirror = open(&store);
    let (snapshot, mut changes) = mirror.subscribe();
    assert!(!snapshot.synced);
    faulty.set_down(false);
    assert_eq!(changes.next().await.map(drop).unwrap_err().reason, Reason::WatchLagged);
    let (snapshot, mut changes) = mirror.subscribe();
    assert!(snapshot.synced);
    let revision = write(&store, 1, "x").await;
    assert_eq!(changes.next().await.unwrap().revision, revision);
}

/// The store goes away between two pages, and is another when it comes back: nothing of the first half is shown.
#[tokio::test]
async fn a_first_reading_that_fails_half_way_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = Arc::new(polder_store::embedded::Embedded::open(folder.path()).unwrap());
    let behind = Store::new(Arc::clone(&embedded) as Arc<dyn polder_store::Backend>);
    fill(&behind, 2500).await;
    let faulty = testing::Faulty::over(embedded);
    let store = Store::new(Arc::clone(&faulty) as Arc<dyn polder_store::Backend>);
    // The revision, the keys before the first journal, which are none, and the first thousand.
    faulty.set_down_after(3);
    let mirror = open(&store);
    toy::until("it goes down", async || store.commit(Commit::default()).await.is_err()).await;
    assert!(!mirror.snapshot().synced && mirror.snapshot().view.slots.is_empty());
    let writes = vec![Write::delete("/polder/ipam/allocations/0"), Write::put(Domain::IpamAllocations.head_key(), "z")];
    _ = behind.commit(Commit { guards: Vec::new(), writes }).await.unwrap();
    faulty.set_down(false);
    let snapshot = mirror.synced(PATIENCE).await.unwrap();
    assert_eq!((snapshot.view.slots.len(), snapshot.view.slots.contains_key(&0)), (2499, false));
}

#[tokio::test]
async fn a_slow_subscriber_is_told_that_it_lost_batches() {
    let (_folder, store) = testing::embedded();
    let mirror = open(&store);
    mirror.synced(PATIENCE).await.unwrap();
    let (_, mut changes) = mirror.subscribe();
    let mut writers = JoinSet::new();
    for writer in 0..60 {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..70 {
                write(&store, writer * 100 + n, "x").await;
            }
        });
    }
    writers.join_all().await;
    let (_, last) = store.get(b"x").await.unwrap();
    mirror.wait_for(last, PATIENCE).await.unwrap();
    let lagged = changes.next().await.map(drop).unwrap_err();
    assert_eq!(lagged.reason, Reason::WatchLagged);
}

#[tokio::test]
async fn a_silent_watch_is_noticed() {
    let (_folder, faulty, store) = toy::faulty();
    let mirror = open(&store);
    mirror.synced(PATIENCE).await.unwrap();
    let (_, mut changes) = mirror.subscribe();
    faulty.set_deaf(true);
    write(&store, 1, "unheard").await;
    toy::until("the view has it all the same", async || mirror.snapshot().view.slots.contains_key(&1)).await;
    let batch = changes.next().await.unwrap();
    assert_eq!(
        (batch.relisted, &batch.changes[..]),
        (true, &[Change::Slot(1, Some("unheard".into()))][..]),
        "the difference, no more"
    );
}

/// What the tests of silent watches rest on: hearing again after a gap would be another fault, which no store has.
#[tokio::test]
async fn a_watch_that_lost_a_batch_says_nothing_more() {
    let (_folder, faulty, store) = toy::faulty();
    let (_, begun) = store.get(b"x").await.unwrap();
    let mut watch = store.watch(KeyRange::prefix("/polder/"), begun).await.unwrap();
    faulty.set_deaf(true);
    let lost = write(&store, 1, "unheard").await;
    let soon = Duration::from_millis(200);
    _ = tokio::time::timeout(soon, watch.next()).await;
    faulty.set_deaf(false);
    _ = write(&store, 2, "unheard as well").await;
    // Where the machine was so slow that the first was not lost after all, there is no gap either.
    if let Ok(heard) = tokio::time::timeout(soon, watch.next()).await {
        assert_eq!(heard.unwrap().unwrap().revision, lost, "the second was heard without the first");
    }
    faulty.set_down(true);
    while watch.next().await.is_some() {}
}

#[tokio::test]
async fn a_lost_delete_is_healed_too() {
    let (_folder, faulty, store) = toy::faulty();
    write(&store, 1, "x").await;
    write(&store, 2, "y").await;
    let mirror = open(&store);
    mirror.synced(PATIENCE).await.unwrap();
    faulty.set_deaf(true);
    let writes = vec![Write::delete("/polder/ipam/allocations/1"), Write::put(Domain::IpamAllocations.head_key(), "z")];
    _ = store.commit(Commit { guards: Vec::new(), writes }).await.unwrap();
    toy::until("the slot is gone", async || !mirror.snapshot().view.slots.contains_key(&1)).await;
    assert!(mirror.snapshot().view.slots.contains_key(&2));
}

/// The head arrives and the record does not: only the audit can know.
#[tokio::test]
async fn an_event_lost_inside_a_batch_is_found_by_the_audit() {
    let (_folder, faulty, store) = toy::faulty();
    fill(&store, 600).await;
    let mirror = open(&store);
    mirror.synced(PATIENCE).await.unwrap();
    for (slot, owner) in [(599, Some("changed")), (3, None)] {
        let key = format!("/polder/ipam/allocations/{slot}");
        faulty.lose_event(key.clone());
        let write = owner.map_or_else(|| Write::delete(key.clone()), |owner| Write::put(key.clone(), owner));
        let head = Write::put(Domain::IpamAllocations.head_key(), "moved");
        _ = store.commit(Commit { guards: Vec::new(), writes: vec![write, head] }).await.unwrap();
        let healed = async || mirror.snapshot().view.slots.get(&slot).map(String::as_str) == owner;
        toy::until("the audit finds it", healed).await;
    }
    assert_eq!(mirror.snapshot().view.slots.len(), 599);
}

#[tokio::test]
async fn with_the_store_gone_the_view_stays_and_ages() {
    let (_folder, faulty, store) = toy::faulty();
    let revision = write(&store, 1, "x").await;
    let mirror = open(&store);
    mirror.wait_for(revision, PATIENCE).await.unwrap();
    faulty.set_down(true);
    toy::until("the age grows", async || mirror.snapshot().age().is_some_and(|age| age > Duration::from_millis(400))).await;
    assert_eq!(mirror.snapshot().view.slots.len(), 1);
    assert_eq!(mirror.latest(PATIENCE).await.map(drop).unwrap_err().reason, Reason::StoreUnavailable);
    faulty.set_down(false);
    toy::until("it is fresh again", async || mirror.snapshot().age().is_some_and(|age| age < Duration::from_millis(200))).await;
}

#[tokio::test]
async fn a_store_that_was_set_back_is_read_anew() {
    let (_old_folder, old) = testing::embedded();
    let (_new_folder, new) = testing::embedded();
    write(&old, 1, "kept").await;
    for n in 0..20 {
        write(&new, n, "lost").await;
    }
    let switch = Switch::between(new, old);
    let store = Store::new(Arc::clone(&switch) as Arc<dyn polder_store::Backend>);
    let mirror = open(&store);
    assert_eq!(mirror.synced(PATIENCE).await.unwrap().view.slots.len(), 20);
    switch.second.store(true, SeqCst);
    toy::until("the view goes back with the store", async || mirror.snapshot().view.slots.len() == 1).await;
    let revision = write(&store, 2, "after").await;
    assert_eq!(mirror.wait_for(revision, PATIENCE).await.unwrap().view.slots.len(), 2);
}

/// The backup is as old as what the watch has brought, and the view had more: own commits that the watch still owed.
#[tokio::test]
async fn own_commits_that_a_store_lost_when_it_was_set_back_are_not_shown_any_more() {
    let (_old_folder, old) = testing::embedded();
    let (_new_folder, faulty, new) = toy::faulty();
    for store in [&old, &new] {
        // Both the same, down to the revisions, so that the audit finds no difference either.
        let writes = vec![Write::put("/polder/ipam/pools/limit", "9"), Write::put(Domain::IpamPools.head_key(), "limit")];
        _ = store.commit(Commit { guards: Vec::new(), writes }).await.unwrap();
    }
    let switch = Switch::between(new, old);
    let store = Store::new(Arc::clone(&switch) as Arc<dyn polder_store::Backend>);
    let ledger = ledger(&store).await;
    // The next check comes a second later and finds the store set back.
    toy::until("the mirror has checked the heads once", async || switch.checks.load(SeqCst) > 0).await;
    faulty.set_deaf(true);
    switch.after_commit.store(true, SeqCst);
    ledger.submit(intent("", 0), allocate("lost".into())).await.unwrap();
    assert_eq!(ledger.mirror().snapshot().view.slots.len(), 1);
    toy::until("the view goes back with the store", async || ledger.mirror().snapshot().view.slots.is_empty()).await;
    ledger.submit(intent("", 0), allocate("given anew".into())).await.unwrap();
    assert_eq!(stored(&store).await.slots.into_iter().collect::<Vec<_>>(), [(0, "given anew".to_owned())]);
}

/// One store, and later another: what a restore from a backup looks like.
struct Switch {
    stores: [Store; 2],
    second: AtomicBool,
    /// The next commit that writes is the last one of the first store.
    after_commit: AtomicBool,
    /// Commits without writes that were answered.
    checks: AtomicUsize,
}

impl Switch {
    fn between(first: Store, second: Store) -> Arc<Self> {
        let off = || AtomicBool::new(false);
        Arc::new(Self { stores: [first, second], second: off(), after_commit: off(), checks: AtomicUsize::new(0) })
    }

    fn store(&self) -> &Store {
        &self.stores[usize::from(self.second.load(SeqCst))]
    }
}

#[async_trait::async_trait]
impl polder_store::Backend for Switch {
    fn limits(&self) -> polder_store::backend::Limits {
        self.store().limits()
    }

    fn is_shared(&self) -> bool {
        self.store().is_shared()
    }
    async fn range(
        &self,
        keys: KeyRange,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<polder_store::backend::Page, polder_store::Error> {
        self.store().range(keys, limit, at).await
    }
    async fn commit(&self, commit: Commit) -> Result<Outcome, polder_store::Error> {
        let writes = !commit.writes.is_empty();
        let outcome = self.store().commit(commit).await;
        if !writes {
            self.checks.fetch_add(1, SeqCst);
        } else if self.after_commit.swap(false, SeqCst) {
            self.second.store(true, SeqCst);
        }
        outcome
    }
    async fn watch(
        &self,
        keys: KeyRange,
        after: Revision,
    ) -> Result<futures::stream::BoxStream<'static, Result<polder_store::backend::Batch, polder_store::Error>>, polder_store::Error>
    {
        self.store().watch(keys, after).await
    }
    async fn grant(&self, ttl: Duration) -> Result<polder_store::backend::Lease, polder_store::Error> {
        self.store().grant(ttl).await
    }
    async fn keep_alive(&self, lease: polder_store::backend::LeaseId) -> Result<Duration, polder_store::Error> {
        self.store().keep_alive(lease).await
    }
    async fn revoke(&self, lease: polder_store::backend::LeaseId) -> Result<(), polder_store::Error> {
        self.store().revoke(lease).await
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_decisions_until_it_is_mended() {
    let (_folder, store) = testing::embedded();
    let ledger = ledger(&store).await;
    ledger.submit(intent("", 0), limit(5)).await.unwrap();
    let broken = vec![Write::put("/polder/ipam/allocations/what", "?")];
    let Outcome::Committed { revision } = store.commit(Commit { guards: Vec::new(), writes: broken }).await.unwrap() else {
        panic!()
    };
    ledger.mirror().wait_for(revision, PATIENCE).await.unwrap();
    let refusal = ledger.submit(intent("", 0), allocate("a".into())).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.metadata["key"].as_str()), (Reason::DataCorrupt, "/polder/ipam/allocations/what"));
    let writes = vec![Write::delete("/polder/ipam/allocations/what")];
    let Outcome::Committed { revision } = store.commit(Commit { guards: Vec::new(), writes }).await.unwrap() else { panic!() };
    ledger.mirror().wait_for(revision, PATIENCE).await.unwrap();
    ledger.submit(intent("", 0), allocate("a".into())).await.unwrap();
}

#[tokio::test]
async fn the_last_handle_ends_the_task() {
    let (folder, store) = testing::embedded();
    let ledger = ledger(&store).await;
    ledger.shutdown().await;
    ledger.mirror().shutdown().await;
    let refusal = ledger.submit(intent("", 0), limit(1)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::ShuttingDown);
    drop((ledger, store));
    toy::until("the folder is free", async || polder_store::embedded::Embedded::open(folder.path()).is_ok()).await;
}
