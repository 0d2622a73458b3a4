//! The ledger: batches, idempotency, refusals, conflicts, lost answers, overload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use polder_core::id::Revision;
use polder_core::reason::Reason;
use polder_core::schema::Plan;
use polder_core::time::Timestamp;
use polder_store::journal::JournalRecord;
use polder_store::ledger::{Committed, Ledger, Retention};
use polder_store::testing::{self, Fault};
use polder_store::{KeyRange, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::toy::{self, Change, Toy, allocate, free, intent, ledger, ledger_with, limit, stored};

fn slot(committed: &Committed) -> u64 {
    String::from_utf8_lossy(&committed.answer).parse().unwrap()
}

async fn set_limit(ledger: &Ledger<Toy>, to: u64) {
    ledger.submit(intent("", 0), limit(to)).await.unwrap();
}

#[tokio::test]
async fn a_commit_is_durable_visible_and_journaled() {
    let (_folder, store) = testing::embedded();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    let committed = ledger.submit(intent("r1", 1), allocate("a".into())).await.unwrap();
    assert_eq!((slot(&committed), committed.replayed), (0, false));
    let view = ledger.mirror().snapshot().view.clone();
    assert_eq!(view.slots.get(&0).map(String::as_str), Some("a"), "read your own write at once");
    assert_eq!(stored(&store).await, view);
    let history = ledger.history(Timestamp(0), Timestamp(u64::MAX), 10).await.unwrap();
    let last = history.records.back().unwrap();
    let entry = &last.record.entries[0];
    assert_eq!((last.revision, &entry.actor[..], &entry.request_id[..]), (committed.revision, "tester", "r1"));
    let change = &entry.changes[0];
    assert_eq!(
        (&change.key[..], change.before.as_deref(), change.after.as_deref()),
        (&b"/polder/ipam/allocations/0"[..], None, Some(&b"a"[..]))
    );
    let snapshot = ledger.mirror().snapshot();
    let answered = snapshot.journal.answered(&"r1".parse().unwrap()).unwrap();
    assert_eq!((&answered.answer[..], answered.revision), (&committed.answer[..], committed.revision));
    assert_eq!(snapshot.journal.ordinal(), last.record.ordinal);
}

#[tokio::test]
async fn many_callers_share_few_commits() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 1000).await;
    let (_, before) = store.get(b"x").await.unwrap();
    faulty.set_pace(Duration::from_millis(20));
    let slots = allocate_many(&ledger, 300, "many").await;
    assert_eq!(slots.len(), 300, "no slot twice");
    let (_, after) = store.get(b"x").await.unwrap();
    let commits = after.0 - before.0;
    assert!((3..40).contains(&commits), "{commits} commits for 300 requests; at most 120 fit into one");
    assert_eq!(stored(&store).await.slots.len(), 300);
}

async fn allocate_many(ledger: &Ledger<Toy>, count: usize, name: &str) -> BTreeSet<u64> {
    let mut callers = JoinSet::new();
    for n in 0..count {
        let (ledger, owner) = (ledger.clone(), format!("{name}-{n}"));
        callers.spawn(async move { ledger.submit(intent("", 0), allocate(owner)).await.unwrap() });
    }
    callers.join_all().await.iter().map(slot).collect()
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let (_folder, store) = testing::embedded();
    let first = ledger(&store).await;
    set_limit(&first, 10).await;
    let answer = first.submit(intent("id", 7), allocate("a".into())).await.unwrap();
    let again = first.submit(intent("id", 7), allocate("a".into())).await.unwrap();
    assert_eq!(again, Committed { replayed: true, ..answer.clone() });
    // Another replica, which only has the journal to know it from.
    let other = ledger(&store).await;
    assert_eq!(other.submit(intent("id", 7), allocate("a".into())).await.unwrap(), again);
    for ledger in [&first, &other] {
        let reused = ledger.submit(intent("id", 8), allocate("b".into())).await.unwrap_err();
        assert_eq!(reused.reason, Reason::RequestIdReused);
    }
    assert_eq!(stored(&store).await.slots.len(), 1);
}

#[tokio::test]
async fn the_same_request_twice_in_one_batch_happens_once() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    faulty.set_pace(Duration::from_millis(50));
    let mut callers = JoinSet::new();
    for n in 0..6_u8 {
        let ledger = ledger.clone();
        callers.spawn(async move { ledger.submit(intent("id", n / 5), allocate("a".into())).await });
    }
    let results = callers.join_all().await;
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let answers: BTreeSet<_> = good.iter().map(|committed| slot(committed.as_ref().unwrap())).collect();
    let reused = bad.iter().filter(|refusal| refusal.as_ref().unwrap_err().reason == Reason::RequestIdReused).count();
    assert_eq!((answers.len(), stored(&store).await.slots.len()), (1, 1));
    assert!(reused == 1 || (reused == 5 && good.len() == 1), "one digest wins: {good:?} {bad:?}");
}

/// An answer that changes nothing is recorded under its id as well: who has not heard of it does not answer anew.
#[tokio::test]
async fn an_answer_without_changes_is_the_same_from_a_replica_that_missed_it() {
    let (_folder, near, store) = toy::faulty();
    let far = testing::Faulty::over(near);
    let (one, two) = (ledger(&store).await, ledger(&Store::new(Arc::clone(&far) as _)).await);
    set_limit(&one, 10).await;
    let known = two.submit(intent("", 0), allocate("a".into())).await.unwrap();
    one.mirror().wait_for(known.revision, toy::PATIENCE).await.unwrap();
    far.set_deaf(true);
    let first = one.submit(intent("r", 1), free(5)).await.unwrap();
    assert!(!first.replayed && first.revision > known.revision);
    let again = two.submit(intent("r", 1), free(5)).await.unwrap();
    assert_eq!(again, Committed { replayed: true, ..first });
}

#[tokio::test]
async fn an_idempotent_repeat_without_id_writes_nothing() {
    let (_folder, store) = testing::embedded();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    let (_, before) = store.get(b"x").await.unwrap();
    let committed = ledger.submit(intent("", 0), free(3)).await.unwrap();
    assert_eq!(committed.answer, b"false");
    assert_eq!(store.get(b"x").await.unwrap().1, before);
    // With an id the answer is kept, so that it stays the same when the slot is taken later.
    ledger.submit(intent("id", 1), free(0)).await.unwrap();
    ledger.submit(intent("", 0), allocate("a".into())).await.unwrap();
    let again = ledger.submit(intent("id", 1), free(0)).await.unwrap();
    assert_eq!((&again.answer[..], again.replayed), (&b"false"[..], true));
    assert_eq!(stored(&store).await.slots.len(), 1);
}

#[tokio::test]
async fn a_refusal_does_not_spoil_its_batch() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 5).await;
    faulty.set_pace(Duration::from_millis(50));
    let mut callers = JoinSet::new();
    for n in 0..20 {
        let ledger = ledger.clone();
        callers.spawn(async move { ledger.submit(intent("", 0), allocate(format!("o{n}"))).await });
    }
    let results = callers.join_all().await;
    let slots: BTreeSet<_> = results.iter().flatten().map(slot).collect();
    assert_eq!(slots.len(), 5);
    let refused =
        results.iter().filter_map(|result| result.as_ref().err()).filter(|refusal| refusal.reason == Reason::PoolExhausted);
    assert_eq!(refused.count(), 15);
}

#[tokio::test]
async fn a_refusal_is_not_given_from_an_old_view() {
    let (_folder, faulty, store) = toy::faulty();
    let behind = ledger(&store).await;
    set_limit(&behind, 1).await;
    behind.submit(intent("", 0), allocate("a".into())).await.unwrap();
    // The other replica frees the slot, and this one's watch does not hear of it for a while.
    let other = ledger(&store).await;
    faulty.set_deaf(true);
    other.submit(intent("", 0), free(0)).await.unwrap();
    assert_eq!(behind.mirror().snapshot().view.slots.len(), 1, "the view is behind");
    let asked = behind.submit(intent("", 0), allocate("b".into()));
    let heard = async {
        toy::until("the commit is asked for", async || store.metrics().conflicts() > 0).await;
        faulty.set_deaf(false);
    };
    let (committed, ()) = tokio::join!(asked, heard);
    assert_eq!(slot(&committed.unwrap()), 0);
}

#[tokio::test]
async fn a_preview_is_what_the_commit_would_be() {
    let (_folder, store) = testing::embedded();
    let one = ledger(&store).await;
    let two = ledger(&store).await;
    set_limit(&one, 2).await;
    one.submit(intent("", 0), allocate("a".into())).await.unwrap();
    let (plan, revision) = two.preview(allocate("b".into())).await.unwrap();
    assert_eq!(plan.changes, [Change::Slot(1, Some("b".to_owned()))], "seen by the other replica at once");
    let committed = two.submit(intent("", 0), allocate("b".into())).await.unwrap();
    assert_eq!((plan.answer, committed.revision), (committed.answer, Revision(revision.0 + 1)));
    assert_eq!(two.preview(allocate("c".into())).await.unwrap_err().reason, Reason::PoolExhausted);
}

/// Two replicas and many callers: nothing twice, nothing lost, nobody turned away.
async fn two_ledgers(one: &Store, two: &Store) {
    let ledgers = [ledger(one).await, ledger(two).await];
    set_limit(&ledgers[0], 10_000).await;
    let mut callers = JoinSet::new();
    for n in 0..64 {
        let ledger = ledgers[n % 2].clone();
        callers.spawn(async move {
            let mut mine = BTreeMap::new();
            for round in 0..10 {
                let owner = format!("{n}-{round}");
                let id = intent(&owner, 0);
                mine.insert(owner.clone(), slot(&ledger.submit(id, allocate(owner)).await.unwrap()));
            }
            mine
        });
    }
    let given: BTreeMap<String, u64> = callers.join_all().await.into_iter().flatten().collect();
    let slots: BTreeSet<u64> = given.values().copied().collect();
    assert_eq!((given.len(), slots.len()), (640, 640), "no slot twice");
    assert_eq!(slots.last(), Some(&639), "no slot lost");
    let stored = stored(one).await;
    assert!(given.iter().all(|(owner, slot)| stored.slots.get(slot) == Some(owner)), "everybody holds what he was told");
    // Only the one that made the last commit need have seen it.
    let newest = ledgers.iter().map(|ledger| ledger.mirror().snapshot().heads.newest()).max().unwrap();
    for ledger in &ledgers {
        let snapshot = ledger.mirror().wait_for(newest, toy::PATIENCE).await.unwrap();
        assert_eq!(snapshot.view, stored);
    }
    let lost: u64 = ledgers.iter().map(|ledger| ledger.figures().batches_lost()).sum();
    let won: u64 = ledgers.iter().map(|ledger| ledger.figures().batches_committed()).sum();
    println!("{won} batches won, {lost} lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_on_embedded() {
    let (_folder, store) = testing::embedded();
    two_ledgers(&store, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_on_etcd() {
    let etcd = testing::Etcd::start().await;
    two_ledgers(&etcd.store().await, &etcd.store().await).await;
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    for (fault, owner) in [(Fault::AnswerLost, "a"), (Fault::RequestLost, "b"), (Fault::Late(Arc::default()), "c")] {
        faulty.next_commit(fault);
        ledger.submit(intent("", 0), allocate(owner.into())).await.unwrap();
    }
    let owners: Vec<_> = stored(&store).await.slots.values().cloned().collect();
    assert_eq!(owners, ["a", "b", "c"], "each exactly once");
}

#[tokio::test]
async fn a_commit_that_arrives_late_is_barred() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    let bell = Arc::new(Notify::new());
    faulty.next_commit(Fault::Late(Arc::clone(&bell)));
    // No change and no head moves: nothing but the bar stands against the late one.
    ledger.submit(intent("id", 1), free(5)).await.unwrap();
    let (_, before) = store.get(b"x").await.unwrap();
    bell.notify_one();
    toy::until("the late commit arrives", async || faulty.late_arrivals() == 1).await;
    assert_eq!(store.get(b"x").await.unwrap().1, before, "it changes nothing");
    assert_eq!(ledger.history(Timestamp(0), Timestamp(u64::MAX), 100).await.unwrap().records.len(), 2, "the limit and one answer");
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_said_to_be() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger_with(&store, polder_store::LedgerConfig { deadline: Duration::from_millis(300), ..toy::config() }).await;
    set_limit(&ledger, 10).await;
    (0..40).for_each(|_| faulty.next_commit(Fault::RequestLost));
    let refusal = ledger.submit(intent("id", 1), allocate("a".into())).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::OutcomeUnknown);
    toy::until("the ledger works again", async || ledger.submit(intent("id", 1), allocate("a".into())).await.is_ok()).await;
    assert_eq!(stored(&store).await.slots.len(), 1);
}

#[tokio::test]
async fn without_the_store_requests_fail_at_once() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    faulty.set_down(true);
    let begun = Duration::from_secs(1);
    let asked = tokio::time::timeout(begun, ledger.submit(intent("", 0), allocate("a".into()))).await;
    assert_eq!(asked.expect("at once").unwrap_err().reason, Reason::StoreUnavailable);
    assert_eq!(ledger.preview(allocate("a".into())).await.unwrap_err().reason, Reason::StoreUnavailable);
    assert_eq!(ledger.mirror().snapshot().view.limit, 10, "the view stays");
    faulty.set_down(false);
    ledger.submit(intent("", 0), allocate("a".into())).await.unwrap();
}

#[tokio::test]
async fn an_unread_store_is_not_decided_on() {
    let (_folder, faulty, store) = toy::faulty();
    faulty.set_down(true);
    let ledger: Ledger<Toy> = Ledger::start(toy::mirror(&store), toy::config()).unwrap();
    let refusal = ledger.submit(intent("", 0), limit(1)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::NotSynced);
    faulty.set_down(false);
    ledger.mirror().synced(toy::PATIENCE).await.unwrap();
    ledger.submit(intent("", 0), limit(1)).await.unwrap();
}

#[tokio::test]
async fn too_many_are_turned_away_at_once() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger_with(&store, polder_store::LedgerConfig { queue: 8, ..toy::config() }).await;
    set_limit(&ledger, 100_000).await;
    faulty.set_pace(Duration::from_millis(100));
    let mut callers = JoinSet::new();
    for n in 0..3000 {
        let ledger = ledger.clone();
        callers.spawn(async move { ledger.submit(intent("", 0), allocate(n.to_string())).await });
    }
    let results = callers.join_all().await;
    let turned_away =
        results.iter().filter(|result| result.as_ref().is_err_and(|refusal| refusal.reason == Reason::Overloaded)).count();
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    assert!(turned_away > 0 && accepted > 0, "{turned_away} turned away, {accepted} accepted");
    assert_eq!(turned_away + accepted, 3000);
    assert_eq!(ledger.figures().requests_overloaded(), turned_away as u64);
    assert_eq!(stored(&store).await.slots.len(), accepted);
}

#[tokio::test]
async fn a_request_nobody_waits_for_is_not_sent() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 10).await;
    faulty.set_pace(Duration::from_millis(200));
    let first = ledger.submit(intent("", 0), allocate("a".into()));
    let planned = ledger.figures().batches_planned();
    let second = async {
        toy::until("the first is on its way", async || ledger.figures().batches_planned() > planned).await;
        let given_up = tokio::time::timeout(Duration::from_millis(10), ledger.submit(intent("", 0), allocate("b".into()))).await;
        assert!(given_up.is_err());
    };
    let (first, ()) = tokio::join!(first, second);
    first.unwrap();
    ledger.submit(intent("", 0), allocate("c".into())).await.unwrap();
    let owners: Vec<_> = stored(&store).await.slots.values().cloned().collect();
    assert_eq!(owners, ["a", "c"]);
}

#[tokio::test]
async fn a_plan_beyond_one_transaction_is_refused_alone() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 1000).await;
    let many = |count: u64| {
        move |_: &toy::View, _| {
            let changes = (0..count).map(|slot| Change::Slot(500 + slot, Some("many".into()))).collect();
            Ok(Plan { changes, reads: Vec::new(), answer: Vec::new() })
        }
    };
    faulty.set_pace(Duration::from_millis(30));
    let (large, small, fits) = tokio::join!(
        ledger.submit(intent("", 0), many(121)),
        ledger.submit(intent("", 0), allocate("a".into())),
        ledger.submit(intent("", 0), many(120)),
    );
    assert_eq!(large.unwrap_err().reason, Reason::RequestTooLarge);
    small.unwrap();
    fits.unwrap();
    let fat = |_: &toy::View, _| {
        Ok(Plan { changes: vec![Change::Slot(1, Some("x".repeat(1_000_000)))], reads: Vec::new(), answer: Vec::new() })
    };
    assert_eq!(ledger.submit(intent("", 0), fat).await.unwrap_err().reason, Reason::RequestTooLarge);
    assert_eq!(stored(&store).await.slots.len(), 121);
}

#[tokio::test]
async fn several_changes_of_one_key_in_a_batch_become_one_write() {
    let (_folder, faulty, store) = toy::faulty();
    let ledger = ledger(&store).await;
    set_limit(&ledger, 1).await;
    faulty.set_pace(Duration::from_millis(50));
    let results = tokio::join!(
        ledger.submit(intent("", 0), limit(2)),
        ledger.submit(intent("", 0), allocate("a".into())),
        ledger.submit(intent("", 0), free(0)),
        ledger.submit(intent("", 0), allocate("b".into())),
        ledger.submit(intent("", 0), limit(3)),
    );
    assert_eq!(slot(&results.1.unwrap()), 0);
    assert_eq!((results.2.unwrap().answer, slot(&results.3.unwrap())), (b"true".to_vec(), 0));
    let view = stored(&store).await;
    assert_eq!((view.limit, view.slots.get(&0).map(String::as_str)), (3, Some("b")));
}

#[tokio::test]
async fn the_journal_is_trimmed_by_age_and_count() {
    let (_folder, store) = testing::embedded();
    let retention = Retention { age: Duration::from_secs(3600), entries: 5, ids: Duration::ZERO, ceiling: 100 };
    let config = polder_store::LedgerConfig { retention, trim_every: Duration::from_millis(50), ..toy::config() };
    let ledger = ledger_with(&store, config).await;
    set_limit(&ledger, 1000).await;
    for n in 0..30 {
        ledger.submit(intent(&format!("id{n}"), 0), allocate(n.to_string())).await.unwrap();
    }
    let records = async || store.range(KeyRange::prefix("/polder/ipam/journal/"), 100, None).await.unwrap().entries.len();
    toy::until("the journal shrinks", async || records().await == 6).await;
    let journal = || ledger.mirror().snapshot().journal.clone();
    toy::until("the answers go with it", async || journal().answered(&"id3".parse().unwrap()).is_none()).await;
    assert!(journal().answered(&"id29".parse().unwrap()).is_some());
    assert_eq!(stored(&store).await.slots.len(), 30, "records stay");
}

/// The newest record may be older than what a new replica reads: the count goes on all the same.
#[tokio::test]
async fn the_count_of_the_journal_survives_a_long_rest() {
    let (_folder, store) = testing::embedded();
    let first = ledger(&store).await;
    for slots in 1..=7 {
        set_limit(&first, slots).await;
    }
    let later = testing::clock();
    let much_later: polder_store::Clock = Arc::new(move || Timestamp(later().0 + 40 * 24 * 3600 * 1_000_000));
    let config = polder_store::MirrorConfig::for_service("ipam", Arc::clone(&much_later));
    let mirror = polder_store::Mirror::<Toy>::open(store.clone(), config);
    let snapshot = mirror.synced(toy::PATIENCE).await.unwrap();
    assert_eq!(snapshot.journal.ordinal(), 7);
    let config = polder_store::LedgerConfig { clock: much_later, ..toy::config() };
    set_limit(&Ledger::start(mirror.clone(), config).unwrap(), 8).await;
    assert_eq!(mirror.snapshot().journal.ordinal(), 8);
}

#[test]
fn journal_records_keep_their_bytes() {
    use polder_store::journal::{JournalChange, JournalEntry};
    use prost::Message as _;
    let change = JournalChange { key: "k".into(), before: None, after: Some("v".into()) };
    let entry = JournalEntry {
        actor: "admin".into(),
        request_id: "id".into(),
        digest: vec![1, 2].into(),
        answer: "ok".into(),
        trace_id: "t".into(),
        method: "M".into(),
        changes: vec![change],
    };
    let record = JournalRecord { version: 1, at_micros: 300, batch: "b".into(), entries: vec![entry], ordinal: 9, barred: false };
    let golden =
        b"\x08\x01\x10\xac\x02\x1a\x01b\"!\x0a\x05admin\x12\x02id\x1a\x02\x01\x02\"\x02ok*\x01t2\x01M:\x06\x0a\x01k\x1a\x01v(\x09";
    assert_eq!(record.encode_to_vec().escape_ascii().to_string(), golden.escape_ascii().to_string());
    assert_eq!(JournalRecord::decode(&golden[..]).unwrap(), record);
    assert!(JournalRecord::decode(&[0x30_u8, 1][..]).unwrap().barred);
}
