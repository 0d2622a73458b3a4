//! Fail-over between the members of an etcd cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_store::{Commit, Error, KeyRange, Ledger, Outcome, Store, Write, testing};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::etcd::put;
use crate::toy::{self, PATIENCE, Toy, allocate, intent, ledger, limit, stored};

/// Commits one after the other until it is told to stop; answers how many worked, and what failed.
struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(usize, Vec<Error>)>,
}

impl Load {
    fn start(store: Store) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = async move {
            let (mut worked, mut failed) = (0, Vec::new());
            while !stopped.load(Ordering::SeqCst) {
                let writes = vec![Write::put("load", worked.to_string())];
                match store.commit(Commit { guards: Vec::new(), writes }).await {
                    Ok(Outcome::Committed { .. }) => worked += 1,
                    Ok(conflict @ Outcome::Conflict { .. }) => panic!("{conflict:?}"),
                    Err(error) => failed.push(error),
                }
            }
            (worked, failed)
        };
        #[expect(clippy::disallowed_methods, reason = "joined by `finish`")]
        let task = tokio::spawn(task);
        Self { stop, task }
    }

    async fn finish(self) -> (usize, Vec<Error>) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

/// Lets the load run until it has done some more.
async fn revisions_pass(store: &Store, count: u64) {
    let now = async || store.get(b"load").await.ok().map(|(_, revision)| revision);
    let mut from: Option<Revision> = None;
    toy::until("the cluster goes on", async || now().await.is_some()).await;
    from.get_or_insert(now().await.unwrap_or_default());
    let from = from.unwrap_or_default();
    toy::until("the load goes on", async || now().await.is_some_and(|revision| revision.0 >= from.0 + count)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_die_or_hang_cost_at_most_what_was_in_flight() {
    let mut etcd = testing::Etcd::cluster(3).await;
    let leader = etcd.leader().await;
    let followers: Vec<usize> = (0..3).filter(|member| *member != leader).collect();
    let store = etcd.store().await;
    let load = Load::start(store.clone());
    revisions_pass(&store, 50).await;
    for follower in followers.iter().copied() {
        etcd.kill_member(follower);
        revisions_pass(&store, 50).await;
        etcd.restart().await;
        revisions_pass(&store, 50).await;
    }
    etcd.pause_member(followers[0]);
    revisions_pass(&store, 50).await;
    etcd.resume_member(followers[0]);
    let (worked, failed) = load.finish().await;
    assert!(worked >= 250);
    // Each of the three blows may hit the one commit that was under way at that member; no other may fail.
    assert!(failed.len() <= 3, "{failed:?}");
    assert!(failed.iter().all(|error| matches!(error, Error::OutcomeUnknown(_))), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_member_is_not_asked_again_and_again() {
    let mut etcd = testing::Etcd::cluster(3).await;
    let leader = etcd.leader().await;
    let store = etcd.store().await;
    etcd.kill_member((leader + 1) % 3);
    let mut failed = 0;
    for n in 0..300 {
        let commit = Commit { guards: Vec::new(), writes: vec![Write::put("x", n.to_string())] };
        failed += usize::from(store.commit(commit).await.is_err());
    }
    assert_eq!(failed, 0);
}

/// Watches and renewals are streams, which cannot be sent again as they are, but opened elsewhere. A write is not sent again:
/// the member may have taken it, and nobody can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_but_writes_move_on_at_once_from_a_member_that_hangs() {
    let etcd = testing::Etcd::cluster(3).await;
    let leader = etcd.leader().await;
    let mut members = etcd.endpoints();
    // A store begins with the first member that it is told.
    members.rotate_left((leader + 1) % 3);
    let url = format!("etcd://{}", members.join(","));
    let open = async || Store::open(&url).await.unwrap().with_deadline(PATIENCE);
    let (watching, renewing, writing) = (open().await, open().await, open().await);
    let (_, revision) = watching.get(b"x").await.unwrap();
    let lease = renewing.grant(Duration::from_secs(60)).await.unwrap().id;
    put(&writing, "x", "before").await.unwrap();
    // The leader renews leases, and may know of one later than the member that granted it.
    let at_leader = Store::open(&format!("etcd://{}", etcd.endpoints()[leader])).await.unwrap();
    toy::until("the leader knows the lease", async || at_leader.keep_alive(lease).await.is_ok()).await;
    etcd.pause_member((leader + 1) % 3);
    let begun = Instant::now();
    let (watch, renewal, write) =
        tokio::join!(watching.watch(KeyRange::key("x"), revision), renewing.keep_alive(lease), put(&writing, "x", "during"));
    assert_eq!((watch.map(drop), renewal.map(drop)), (Ok(()), Ok(())));
    assert!(matches!(write, Err(Error::OutcomeUnknown(_))), "{write:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "before the connection is given up: {:?}", begun.elapsed());
    put(&writing, "x", "after").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_silent() {
    let mut etcd = testing::Etcd::cluster(3).await;
    let store = etcd.store().await;
    let (_, revision) = store.get(b"x").await.unwrap();
    let leader = etcd.leader().await;
    let survivor = Store::open(&format!("etcd://{}", etcd.endpoints()[(leader + 2) % 3])).await.unwrap();
    let mut open = survivor.watch(KeyRange::key("x"), revision).await.unwrap();
    etcd.kill_member(leader);
    etcd.kill_member((leader + 1) % 3);
    let begun = Instant::now();
    let read = store.range(KeyRange::key("x"), 1, None).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    let write = store.commit(Commit { guards: Vec::new(), writes: vec![Write::put("x", "1")] }).await;
    assert!(matches!(write, Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))), "{write:?}");
    assert!(begun.elapsed() < Duration::from_secs(8));
    // The survivor takes a moment to notice that its leader is gone; then a watch is refused and an open one ends.
    let ended = tokio::time::timeout(PATIENCE, open.next()).await.expect("an open watch must not be silent");
    assert!(matches!(ended, Some(Err(Error::Unavailable(_)))), "{ended:?}");
    let refused = async || survivor.watch(KeyRange::key("x"), revision).await.is_err();
    toy::until("a new watch is refused", refused).await;
    etcd.restart().await;
    toy::until("the cluster is back", async || store.get(b"x").await.is_ok()).await;
}

/// What happens to a leader.
#[derive(Clone, Copy)]
enum Blow {
    /// It is killed, and started again once the others have gone on.
    Killed,
    /// It hangs: its connections stay, and nothing is answered. Later it goes on as if nothing had been.
    Hangs,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_lose_nothing_while_the_leader_is_killed() {
    two_ledgers_lose_nothing_while_the_leader(Blow::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_lose_nothing_while_the_leader_hangs() {
    two_ledgers_lose_nothing_while_the_leader(Blow::Hangs).await;
}

/// How many allocations all callers make together.
const ALL: usize = 320;
/// What a busy machine may add to a time limit.
const SLACK: Duration = Duration::from_secs(3);

async fn two_ledgers_lose_nothing_while_the_leader(blow: Blow) {
    let mut etcd = testing::Etcd::cluster(3).await;
    let ledgers = [ledger(&etcd.store().await).await, ledger(&etcd.store().await).await];
    ledgers[0].submit(intent("", 0), limit(10_000)).await.unwrap();
    let given = Given::default();
    let callers = allocate_stubbornly(&ledgers, &given);
    let readers = read_stubbornly(&ledgers, &given);
    for _ in 0..2 {
        let before = given.count();
        toy::until("some are given", async || given.count() >= (before + 20).min(ALL)).await;
        let leader = etcd.leader().await;
        match blow {
            Blow::Killed => {
                etcd.kill_member(leader);
                etcd.restart().await;
            }
            Blow::Hangs => {
                etcd.pause_member(leader);
                let before = given.count();
                toy::until("the others go on without it", async || given.count() >= (before + 20).min(ALL)).await;
                etcd.resume_member(leader);
            }
        }
    }
    callers.join_all().await;
    for reads in readers.join_all().await {
        assert!(reads > 0, "whoever reads is served too");
    }
    let given = given.all();
    let slots: BTreeSet<u64> = given.values().copied().collect();
    assert_eq!((given.len(), slots.len()), (ALL, ALL), "no slot twice");
    let held = stored(&etcd.store().await).await;
    assert!(given.iter().all(|(owner, slot)| held.slots.get(slot) == Some(owner)), "everybody holds what he was told");
    assert_eq!(held.slots.len(), ALL, "nothing was given twice to one");
}

/// Who was told to have which slot.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<BTreeMap<String, u64>>>);

impl Given {
    fn add(&self, owner: String, slot: u64) {
        self.0.lock().unwrap().insert(owner, slot);
    }

    fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Callers who, whatever goes wrong, try the same request id again, at the other replica. None waits beyond the deadline.
fn allocate_stubbornly(ledgers: &[Ledger<Toy>; 2], given: &Given) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for n in 0..16_usize {
        let (ledgers, given) = (ledgers.clone(), given.clone());
        callers.spawn(async move {
            for round in 0..ALL / 16 {
                let owner = format!("{n}-{round}");
                for attempt in 0.. {
                    let begun = Instant::now();
                    let asked = ledgers[(n + attempt) % 2].submit(intent(&owner, 0), allocate(owner.clone())).await;
                    assert!(begun.elapsed() < toy::config().deadline + SLACK, "{:?}: {asked:?}", begun.elapsed());
                    if let Ok(committed) = asked {
                        given.add(owner, String::from_utf8(committed.answer).unwrap().parse().unwrap());
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    callers
}

/// Readers at both replicas, until all is given: an answer has all that anybody was told before the question.
fn read_stubbornly(ledgers: &[Ledger<Toy>; 2], given: &Given) -> JoinSet<usize> {
    let mut readers = JoinSet::new();
    for ledger in ledgers {
        let (mirror, given) = (ledger.mirror().clone(), given.clone());
        readers.spawn(async move {
            let mut reads = 0;
            while given.count() < ALL {
                let told = given.all();
                if let Ok(snapshot) = mirror.latest(SLACK).await {
                    let missing = told.iter().find(|&(owner, slot)| snapshot.view.slots.get(slot) != Some(owner));
                    assert_eq!(missing, None, "read at {}", snapshot.revision);
                    reads += 1;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            reads
        });
    }
    readers
}
