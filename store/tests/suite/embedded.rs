//! The embedded store: what a kill leaves, what a restart keeps, who may open it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_store::embedded::Embedded;
use polder_store::{Backend as _, Commit, Error, Guard, KeyRange, Outcome, Write, testing};
use tokio::task::JoinSet;

async fn put(store: &Embedded, key: &str, value: &str) -> Revision {
    let commit = Commit { guards: Vec::new(), writes: vec![Write::put(key.to_owned(), value.to_owned())] };
    match store.commit(commit).await.unwrap() {
        Outcome::Committed { revision } => revision,
        conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

#[tokio::test]
async fn a_restart_keeps_everything_but_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let first = put(&store, "a", "1").await;
    let second = put(&store, "b", "2").await;
    let lease = store.grant(Duration::from_secs(60)).await.unwrap().id;
    let leased = Write::Put { key: "c".into(), value: "3".into(), lease: Some(lease) };
    let third = Revision(second.0 + 1);
    let committed = store.commit(Commit { guards: Vec::new(), writes: vec![leased] }).await.unwrap();
    assert_eq!(committed, Outcome::Committed { revision: third });
    let before = store.range(KeyRange::prefix(""), 10, None).await.unwrap();
    drop(store);

    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(store.range(KeyRange::prefix(""), 10, None).await.unwrap(), before);
    assert_eq!(store.range(KeyRange::key("a"), 1, Some(first)).await, Err(Error::Compacted { at: third }));
    assert!(matches!(store.watch(KeyRange::key("a"), second).await, Err(Error::Compacted { at }) if at == third));
    let mut batches = store.watch(KeyRange::prefix(""), third).await.unwrap();
    assert_eq!(put(&store, "d", "4").await, Revision(third.0 + 1), "the revision goes on");
    assert_eq!(batches.next().await.unwrap().unwrap().revision, Revision(third.0 + 1));
    store.keep_alive(lease).await.unwrap();
    let newer = store.grant(Duration::from_secs(60)).await.unwrap().id;
    assert_ne!(newer, lease, "a lease's id is not given again");
    store.revoke(lease).await.unwrap();
    assert!(store.range(KeyRange::key("c"), 1, None).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    match Embedded::open(folder.path()).map(drop) {
        Err(Error::InUse { path, holder }) => {
            assert_eq!((path, holder), (folder.path().join("LOCK"), std::process::id().to_string()));
        }
        other => panic!("{other:?}"),
    }
    drop(store);
    Embedded::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_slow_watch_is_told_that_it_was_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let start = put(&store, "x", "0").await;
    let mut slow = store.watch(KeyRange::key("x"), start).await.unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..64 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..160 {
                put(&store, "x", "1").await;
            }
        });
    }
    writers.join_all().await;
    let first = slow.next().await.unwrap();
    assert!(matches!(first, Err(Error::Compacted { .. })), "{first:?}");
    assert!(slow.next().await.is_none(), "the stream ends after its error");
}

#[tokio::test]
async fn concurrent_guards_let_exactly_one_win() {
    let (_folder, store) = testing::embedded();
    let mut racers = JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        racers.spawn(async move {
            let commit = Commit { guards: vec![Guard::Absent("prize".into())], writes: vec![Write::put("prize", n.to_string())] };
            matches!(store.commit(commit).await.unwrap(), Outcome::Committed { .. })
        });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

const CHILD: &str = "POLDER_TEST_STORE";

/// The process that is killed: it writes as fast as it can and prints what was acknowledged.
#[tokio::test]
#[ignore = "run by `every_acknowledged_commit_survives_a_kill` as a process of its own"]
async fn child_that_writes() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = Arc::new(Embedded::open(Path::new(&folder)).unwrap());
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for n in 0..u64::MAX {
                // Two keys per commit: a kill must not leave one without the other.
                let writes = vec![Write::put(format!("a/{writer}/{n}"), "x"), Write::put(format!("b/{writer}/{n}"), "x")];
                match store.commit(Commit { guards: Vec::new(), writes }).await.unwrap() {
                    Outcome::Committed { revision } => println!("acked {writer}/{n} {revision}"),
                    Outcome::Conflict { .. } => unreachable!("there are no guards"),
                }
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn every_acknowledged_commit_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acked: BTreeMap<String, u64> = BTreeMap::new();
    for life in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "embedded::child_that_writes", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut new = 0;
        for line in lines.map_while(Result::ok) {
            let mut words = line.split(' ');
            if words.next() != Some("acked") {
                continue;
            }
            let (Some(name), Some(revision)) = (words.next(), words.next().and_then(|word| word.parse().ok())) else { continue };
            acked.insert(name.to_owned(), revision);
            new += 1;
            if new == 300 * (life + 1) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(new > 0, "the child has written");
        let store = Embedded::open(folder.path()).unwrap();
        check(&store, &acked).await;
    }
}

async fn check(store: &Embedded, acked: &BTreeMap<String, u64>) {
    let page = store.range(KeyRange::prefix("a/"), usize::MAX, None).await.unwrap();
    let found: BTreeMap<String, u64> =
        page.entries.iter().map(|entry| (String::from_utf8_lossy(&entry.key[2..]).into_owned(), entry.modified.0)).collect();
    let pairs = store.range(KeyRange::prefix("b/"), usize::MAX, None).await.unwrap();
    let twins: Vec<_> = pairs.entries.iter().map(|entry| &entry.key[2..]).collect();
    assert_eq!(twins, found.keys().map(String::as_bytes).collect::<Vec<_>>(), "no commit is there by half");
    for (name, revision) in acked {
        // A later life may have written the key again.
        assert!(found.get(name).is_some_and(|at| at >= revision), "{name} was acknowledged at {revision}");
    }
    assert!(page.revision.0 >= acked.values().copied().max().unwrap_or(0), "the revision never goes back");
}
