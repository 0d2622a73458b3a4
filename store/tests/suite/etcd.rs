//! etcd's traps, each met for real.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, CompactionOptions, Compare, CompareOp, PutOptions, Txn, TxnOp};
use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_core::reason::Reason;
use polder_core::schema::Domain;
use polder_store::etcd::{Etcd, EtcdConfig};
use polder_store::metrics::Call;
use polder_store::mirror::{Mirror, MirrorConfig};
use polder_store::{Commit, Error, Guard, KeyRange, Outcome, Store, Write, testing};
use tokio::time::Instant;

use crate::toy::{self, PATIENCE, Toy, allocate, intent, ledger, limit};

pub(crate) async fn raw(etcd: &testing::Etcd) -> Client {
    Client::connect(etcd.endpoints(), None).await.unwrap()
}

pub(crate) async fn put(store: &Store, key: &str, value: impl Into<Vec<u8>>) -> Result<Revision, Error> {
    match store.commit(Commit { guards: Vec::new(), writes: vec![Write::put(key.to_owned(), value.into())] }).await? {
        Outcome::Committed { revision } => Ok(revision),
        conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}"),
    }
}

/// Why guards are single keys: etcd's ranged compare is blind to deletes, and a head key is not.
#[tokio::test]
async fn a_ranged_compare_does_not_see_deletes_and_a_head_does() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    put(&store, "set/a", "x").await.unwrap();
    let head = put(&store, "head", "1").await.unwrap();
    let writes = vec![Write::delete("set/a"), Write::put("head", "2")];
    _ = store.commit(Commit { guards: Vec::new(), writes }).await.unwrap();

    let mut client = raw(&etcd).await;
    let newer = i64::try_from(head.0).unwrap() + 1;
    let unmoved = Compare::mod_revision("set/", CompareOp::Less, newer).with_prefix();
    let ranged = client.txn(Txn::new().when([unmoved]).and_then([TxnOp::get("head", None)])).await.unwrap();
    assert!(ranged.succeeded(), "etcd believes that the set has not moved");
    let missing = Compare::value("set/a", CompareOp::NotEqual, "x");
    assert!(!client.txn(Txn::new().when([missing])).await.unwrap().succeeded(), "a value compare fails on a missing key");

    let guarded = store.commit(Commit { guards: vec![Guard::Unchanged("head".into(), head)], writes: Vec::new() }).await.unwrap();
    assert!(matches!(guarded, Outcome::Conflict { .. }));
}

#[tokio::test]
async fn answers_larger_than_grpc_allows_come_in_pages() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await.with_deadline(Duration::from_secs(20));
    for n in 0..40 {
        put(&store, &format!("big/{n:02}"), vec![n; 1_000_000]).await.unwrap();
    }
    let mut keys = KeyRange::prefix("big/");
    let mut seen = Vec::new();
    loop {
        let page = store.range(keys.clone(), 1000, None).await.unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.value[0]));
        let Some(last) = page.entries.last().filter(|_| page.more) else { break };
        keys = keys.after(&last.key);
    }
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_compaction_is_told_in_ranges_and_in_watches() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let first = put(&store, "x", "0").await.unwrap();
    let mut slow = store.watch(KeyRange::prefix(""), first).await.unwrap();
    for n in 0..3000 {
        put(&store, &format!("x/{}", n % 10), vec![0; 4096]).await.unwrap();
    }
    let newest = put(&store, "x", "1").await.unwrap();
    let compaction = CompactionOptions::new().with_physical();
    raw(&etcd).await.compact(i64::try_from(newest.0).unwrap(), Some(compaction)).await.unwrap();

    assert!(matches!(store.range(KeyRange::key("x"), 1, Some(first)).await, Err(Error::Compacted { at }) if at > first));
    // A watch that begins too far back is refused at once, or with the first word it says.
    let refused = match store.watch(KeyRange::key("x"), first).await {
        Err(error) => error,
        Ok(mut batches) => tokio::time::timeout(PATIENCE, batches.next()).await.unwrap().unwrap().unwrap_err(),
    };
    assert_eq!(refused, Error::Compacted { at: newest });
    // The open watch still has what was under way; then it is over, and says so instead of falling silent.
    let rest = async {
        let mut delivered = first;
        loop {
            match slow.next().await {
                Some(Ok(batch)) => {
                    assert!(batch.revision > delivered, "in order");
                    delivered = batch.revision;
                    if delivered == newest {
                        return;
                    }
                }
                Some(Err(error)) => {
                    assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
                    assert!(slow.next().await.is_none());
                    return;
                }
                None => panic!("the watch ended without a word"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("the watch must not fall silent");
}

#[tokio::test]
async fn a_mirror_survives_a_compaction_while_it_was_away() {
    let etcd = testing::Etcd::start().await;
    let config = EtcdConfig { members: etcd.endpoints(), ..EtcdConfig::default() };
    let faulty = testing::Faulty::over(Arc::new(Etcd::open(&config).await.unwrap()));
    let writer = etcd.store().await;
    let write = async |slot: u64| {
        let head = Write::put(Domain::IpamAllocations.head_key(), slot.to_string());
        let writes = vec![Write::put(format!("/polder/ipam/allocations/{slot}"), "x"), head];
        match writer.commit(Commit { guards: Vec::new(), writes }).await.unwrap() {
            Outcome::Committed { revision } => revision,
            conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}"),
        }
    };
    let first = write(1).await;
    let mirror: Mirror<Toy> = Mirror::open(Store::new(Arc::clone(&faulty) as _), MirrorConfig::default());
    mirror.wait_for(first, PATIENCE).await.unwrap();
    faulty.set_down(true);
    let writes = vec![Write::delete("/polder/ipam/allocations/1"), Write::put(Domain::IpamAllocations.head_key(), "gone")];
    _ = writer.commit(Commit { guards: Vec::new(), writes }).await.unwrap();
    let last = write(2).await;
    raw(&etcd).await.compact(i64::try_from(last.0).unwrap(), None).await.unwrap();
    faulty.set_down(false);
    let snapshot = mirror.wait_for(last, PATIENCE).await.unwrap();
    assert_eq!(snapshot.view.slots.keys().copied().collect::<Vec<_>>(), [2]);
    let next = write(3).await;
    assert_eq!(mirror.wait_for(next, PATIENCE).await.unwrap().view.slots.len(), 2);
}

#[tokio::test]
async fn everything_goes_on_after_a_restart_of_etcd() {
    let mut etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let ledger = ledger(&store).await;
    ledger.submit(intent("", 0), limit(10)).await.unwrap();
    ledger.submit(intent("", 0), allocate("a".into())).await.unwrap();
    etcd.stop();
    // The first request may go out on the old connection, and nobody can tell what became of it.
    let first = ledger.submit(intent("b", 0), allocate("b".into())).await.unwrap_err();
    assert!(matches!(first.reason, Reason::StoreUnavailable | Reason::OutcomeUnknown), "{first}");
    let begun = Instant::now();
    let refusal = ledger.submit(intent("b", 0), allocate("b".into())).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::StoreUnavailable, "{refusal}");
    assert!(begun.elapsed() < Duration::from_secs(1), "at once");
    assert_eq!(ledger.mirror().snapshot().view.slots.len(), 1, "the view stays");
    etcd.restart().await;
    toy::until("the same handle works again", async || ledger.submit(intent("b", 0), allocate("b".into())).await.is_ok()).await;
    let other = etcd.store().await;
    let revision = put(&other, "/polder/ipam/allocations/9", "raw").await.unwrap();
    let snapshot = ledger.mirror().wait_for(revision, PATIENCE).await.unwrap();
    assert_eq!(snapshot.view.slots.values().cloned().collect::<Vec<_>>(), ["a", "b", "raw"]);
}

#[tokio::test]
async fn a_hanging_etcd_holds_nobody_beyond_the_deadline() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await.with_deadline(Duration::from_millis(700));
    put(&store, "x", "1").await.unwrap();
    etcd.pause_member(0);
    let begun = Instant::now();
    let write = put(&store, "x", "2").await;
    assert!(matches!(write, Err(Error::OutcomeUnknown(_))), "{write:?}");
    assert!(matches!(store.range(KeyRange::key("x"), 1, None).await, Err(Error::Unavailable(_))));
    let check = Commit { guards: vec![Guard::Absent("y".into())], writes: Vec::new() };
    assert!(matches!(store.commit(check).await, Err(Error::Unavailable(_))), "a check has no unknown outcome");
    assert!(begun.elapsed() < Duration::from_secs(6), "three deadlines and some");
    etcd.resume_member(0);
    toy::until("it works again", async || put(&store, "x", "3").await.is_ok()).await;
}

/// Nothing is said on the connection, so only its signs of life can tell.
#[tokio::test]
async fn a_watch_on_a_hanging_etcd_ends_and_can_be_resumed() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let first = put(&store, "x", "1").await.unwrap();
    let mut batches = store.watch(KeyRange::key("x"), first).await.unwrap();
    etcd.pause_member(0);
    let ended = tokio::time::timeout(PATIENCE, batches.next()).await.expect("the watch must not be silent").unwrap();
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    etcd.resume_member(0);
    let writer = etcd.store().await;
    let second = put(&writer, "x", "2").await.unwrap();
    toy::until("it is watched again", async || {
        let Ok(mut batches) = store.watch(KeyRange::key("x"), first).await else { return false };
        matches!(batches.next().await, Some(Ok(batch)) if batch.revision == second)
    })
    .await;
}

/// A watch from where the old store was waits silently for the restored one to get there.
#[tokio::test]
async fn a_mirror_goes_back_with_an_etcd_restored_from_a_backup() {
    let mut etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let ledger = ledger(&store).await;
    ledger.submit(intent("", 0), limit(10)).await.unwrap();
    ledger.submit(intent("", 0), allocate("kept".into())).await.unwrap();
    let backup = etcd.back_up().await;
    let owners = async || ledger.mirror().snapshot().view.slots.values().cloned().collect::<Vec<_>>();
    for owner in ["lost", "lost-too"] {
        toy::until("it is given", async || ledger.submit(intent(owner, 0), allocate(owner.into())).await.is_ok()).await;
    }
    assert_eq!(owners().await, ["kept", "lost", "lost-too"]);
    etcd.set_back(&backup).await;
    toy::until("the view goes back with the store", async || owners().await == ["kept"]).await;
    toy::until("it is given anew", async || ledger.submit(intent("new", 0), allocate("new".into())).await.is_ok()).await;
    assert_eq!(owners().await, ["kept", "new"]);
    assert_eq!(toy::stored(&store).await, ledger.mirror().snapshot().view);
}

#[tokio::test]
async fn a_dead_etcd_is_no_error_until_it_is_asked() {
    let store = Store::open("etcd://127.0.0.1:1").await.unwrap();
    let begun = Instant::now();
    assert!(matches!(put(&store, "x", "1").await, Err(Error::Unavailable(_))), "surely not sent");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// After a restart a lease has all of its time again: it ends later than its keeper may believe, never earlier.
#[tokio::test]
async fn a_restart_of_etcd_renews_leases() {
    let mut etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let long = store.grant(Duration::from_secs(600)).await.unwrap().id;
    let granted = Instant::now();
    // In whole seconds, rounded down.
    let left = async |etcd: &testing::Etcd| raw(etcd).await.lease_time_to_live(long.0, None).await.unwrap().ttl();
    while left(&etcd).await > 596 {
        assert!(granted.elapsed() < PATIENCE, "the lease does not run out");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let short = store.grant(Duration::from_secs(4)).await.unwrap().id;
    let leased = Write::Put { key: "x".into(), value: "1".into(), lease: Some(short) };
    _ = store.commit(Commit { guards: Vec::new(), writes: vec![leased] }).await.unwrap();
    etcd.kill();
    etcd.restart().await;
    let again = Duration::from_secs(left(&etcd).await.unsigned_abs());
    assert!(again + granted.elapsed() > Duration::from_millis(601_500), "{again:?} are left");
    toy::until("the lease lives", async || store.keep_alive(short).await.is_ok()).await;
    toy::until("and ends when nobody renews it", async || store.get(b"x").await.is_ok_and(|(entry, _)| entry.is_none())).await;
    assert_eq!(store.keep_alive(short).await, Err(Error::LeaseGone(short)));
}

/// On an open stream of renewals etcd answers for a dead lease as for a living one, with a time of 0.
#[tokio::test]
async fn a_renewal_of_a_dead_lease_is_no_success() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let lease = store.grant(Duration::from_secs(60)).await.unwrap().id;
    let (mut keeper, mut answers) = raw(&etcd).await.lease_keep_alive(lease.0).await.unwrap();
    store.revoke(lease).await.unwrap();
    keeper.keep_alive().await.unwrap();
    assert_eq!(answers.message().await.unwrap().map(|answer| answer.ttl()), Some(0));
    assert_eq!(store.keep_alive(lease).await, Err(Error::LeaseGone(lease)));
}

#[tokio::test]
async fn a_full_store_says_so() {
    let etcd = testing::Etcd::with_flags(1, &["--quota-backend-bytes=4194304"]).await;
    let store = etcd.store().await;
    for n in 0..40 {
        match put(&store, &format!("fill/{n}"), vec![0; 500_000]).await {
            Ok(_) => {}
            Err(error) => return assert_eq!(error, Error::NoSpace),
        }
    }
    panic!("the quota was never met");
}

#[tokio::test]
async fn raw_keys_written_by_others_are_seen_with_their_lease() {
    let etcd = testing::Etcd::start().await;
    let store = etcd.store().await;
    let lease = store.grant(Duration::from_secs(60)).await.unwrap().id;
    raw(&etcd).await.put("x", "1", Some(PutOptions::new().with_lease(lease.0))).await.unwrap();
    assert_eq!(store.get(b"x").await.unwrap().0.unwrap().lease, Some(lease));
}

/// Calls that never wait must not keep the others from running.
#[tokio::test]
async fn a_loop_of_calls_lets_others_run() {
    let (_folder, store) = testing::embedded();
    let spin = async {
        loop {
            store.range(KeyRange::key("x"), 1, None).await.unwrap();
        }
    };
    let timer = async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    };
    let others_run = async {
        tokio::select! { biased; () = spin => {}, () = timer => {} }
    };
    tokio::time::timeout(PATIENCE, others_run).await.expect("the timer must get its turn");
}

/// Every call to etcd carries the trace context that the process puts into it.
#[tokio::test]
async fn the_trace_context_rides_along() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    polder_store::etcd::set_trace_injector(|headers| {
        let context = http::HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        headers.insert("traceparent", context);
        CALLS.fetch_add(1, Ordering::SeqCst);
    });
    let etcd = testing::Etcd::start().await;
    let before = CALLS.load(Ordering::SeqCst);
    put(&etcd.store().await, "x", "1").await.unwrap();
    assert!(CALLS.load(Ordering::SeqCst) > before);
}

#[tokio::test]
async fn calls_are_counted() {
    let (_folder, store) = testing::embedded();
    put(&store, "x", "1").await.unwrap();
    let conflict = Commit { guards: vec![Guard::Absent("x".into())], writes: Vec::new() };
    _ = store.commit(conflict).await.unwrap();
    assert!(store.range(KeyRange::key("x"), 1, Some(Revision(99))).await.is_err());
    let (commits, ranges) = (store.metrics().figures(Call::Commit), store.metrics().figures(Call::Range));
    assert_eq!((commits.answered, commits.failed, ranges.answered, ranges.failed), (2, 0, 0, 1));
    assert_eq!((commits.buckets.iter().sum::<u64>(), store.metrics().conflicts()), (2, 1));
}

/// Members with TLS that ask for a client certificate.
#[tokio::test]
async fn certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    std::fs::write(file("ca.pem"), ca_certificate.pem()).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    for name in ["server", "client"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let (server_cert, server_key) = (file("server.pem"), file("server.key"));
    let flags = ["--client-cert-auth", "--trusted-ca-file", &ca, "--cert-file", &server_cert, "--key-file", &server_key];
    let etcd = testing::Etcd::with_tls(&flags, &format!("?ca={ca}&cert={cert}&key={key}")).await;
    put(&etcd.store().await, "x", "1").await.unwrap();
    let anonymous = Store::open(&format!("etcd://{}?ca={ca}", etcd.endpoints()[0])).await.unwrap();
    assert!(put(&anonymous, "x", "1").await.is_err());
}
