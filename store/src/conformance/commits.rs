//! Ranges and commits.
#![expect(clippy::expect_used, clippy::panic, reason = "a conformance check fails by a panic")]

use bytes::Bytes;
use polder_core::id::Revision;

use super::{committed, keys, put};
use crate::backend::{Backend, Commit, Guard, KeyRange, Outcome, Write};
use crate::error::Error;

pub(super) async fn all(backend: &dyn Backend) {
    entries_carry_their_revisions(backend).await;
    a_range_is_read_in_pages_at_one_revision(backend).await;
    a_range_in_the_past_shows_the_past(backend).await;
    the_future_cannot_be_read(backend).await;
    prefixes_end_where_they_should(backend).await;
    guards_decide_all_or_nothing(backend).await;
    a_check_without_writes_moves_nothing(backend).await;
    a_commit_that_changes_nothing_moves_nothing(backend).await;
    a_delete_and_a_new_put_begin_a_new_life(backend).await;
    the_limits_are_etcds(backend).await;
}

async fn entries_carry_their_revisions(backend: &dyn Backend) {
    let first = put(backend, "c/entry", "1").await;
    let second = put(backend, "c/entry", "2").await;
    assert_eq!(second, Revision(first.0 + 1), "one commit, one revision");
    let page = backend.range(KeyRange::key("c/entry"), 10, None).await.expect("a range");
    let [entry] = &page.entries[..] else { panic!("one entry: {page:?}") };
    assert_eq!((&entry.value[..], entry.created, entry.modified, entry.lease), (&b"2"[..], first, second, None));
    assert!(page.revision >= second && !page.more);
}

async fn a_range_is_read_in_pages_at_one_revision(backend: &dyn Backend) {
    let writes = (0..7).map(|n| Write::put(format!("c/page/{n}"), "x")).collect();
    let at = committed(backend, Vec::new(), writes).await;
    let mut range = KeyRange::prefix("c/page/");
    let mut seen = Vec::new();
    loop {
        let page = backend.range(range.clone(), 3, Some(at)).await.expect("a page");
        assert!(page.entries.len() <= 3);
        seen.extend(page.entries.iter().map(|entry| entry.key.clone()));
        // What happens between two pages is not seen.
        put(backend, "c/page/9", "new").await;
        _ = committed(backend, Vec::new(), vec![Write::delete("c/page/6")]).await;
        let Some(last) = seen.last().filter(|_| page.more) else { break };
        range = range.after(last);
    }
    assert_eq!(seen, (0..7).map(|n| Bytes::from(format!("c/page/{n}"))).collect::<Vec<_>>());
}

async fn a_range_in_the_past_shows_the_past(backend: &dyn Backend) {
    let first = put(backend, "c/past/a", "1").await;
    let second = committed(backend, Vec::new(), vec![Write::delete("c/past/a"), Write::put("c/past/b", "2")]).await;
    put(backend, "c/past/a", "3").await;
    assert_eq!(keys(backend, "c/past/", Some(first)).await, ["c/past/a"]);
    assert_eq!(keys(backend, "c/past/", Some(second)).await, ["c/past/b"]);
    assert_eq!(keys(backend, "c/past/", None).await, ["c/past/a", "c/past/b"]);
    let page = backend.range(KeyRange::key("c/past/a"), 1, Some(first)).await.expect("the past");
    assert_eq!((&page.entries[0].value[..], page.entries[0].modified), (&b"1"[..], first));
}

async fn the_future_cannot_be_read(backend: &dyn Backend) {
    let now = put(backend, "c/future", "x").await;
    let read = backend.range(KeyRange::key("c/future"), 1, Some(Revision(now.0 + 1000))).await;
    assert!(matches!(read, Err(Error::Invalid(_))), "{read:?}");
    let read = backend.range(KeyRange::key(""), 1, None).await;
    assert!(matches!(read, Err(Error::Invalid(_))), "{read:?}");
}

async fn prefixes_end_where_they_should(backend: &dyn Backend) {
    for key in [&b"c/p\xff"[..], b"c/p\xff\xff", b"c/p\xff\xff\x01", b"c/q"] {
        let write = Write::put(Bytes::copy_from_slice(key), "x");
        committed(backend, Vec::new(), vec![write]).await;
    }
    let page = backend.range(KeyRange::prefix(b"c/p\xff\xff"), 10, None).await.expect("a range");
    assert_eq!(page.entries.len(), 2);
    let everything = backend.range(KeyRange::prefix(""), 2, None).await.expect("everything");
    assert!(everything.more && everything.entries.len() == 2);
    let nothing = backend.range(KeyRange::span("c/q", "c/p"), 10, None).await.expect("an empty range");
    assert!(nothing.entries.is_empty() && !nothing.more);
}

async fn guards_decide_all_or_nothing(backend: &dyn Backend) {
    let seen = put(backend, "c/guard/a", "1").await;
    let guards = vec![Guard::Unchanged("c/guard/a".into(), seen), Guard::Absent("c/guard/b".into())];
    let writes = vec![Write::put("c/guard/b", "2"), Write::delete("c/guard/a")];
    let commit = Commit { guards, writes };
    let revision = match backend.commit(commit.clone()).await.expect("a commit") {
        Outcome::Committed { revision } => revision,
        conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}"),
    };
    assert_eq!(revision, Revision(seen.0 + 1));
    match backend.commit(commit).await.expect("the second time") {
        Outcome::Conflict { revision: at, current } => {
            assert_eq!(at, revision, "a conflict moves nothing");
            assert_eq!(current, [("c/guard/a".into(), None), ("c/guard/b".into(), Some(revision))]);
        }
        committed @ Outcome::Committed { .. } => panic!("{committed:?}"),
    }
    assert_eq!(keys(backend, "c/guard/", None).await, ["c/guard/b"]);
}

async fn a_check_without_writes_moves_nothing(backend: &dyn Backend) {
    let seen = put(backend, "c/check", "1").await;
    let check = |guard| Commit { guards: vec![guard], writes: Vec::new() };
    let holds = backend.commit(check(Guard::Unchanged("c/check".into(), seen))).await.expect("a check");
    assert_eq!(holds, Outcome::Committed { revision: seen });
    let fails = backend.commit(check(Guard::Absent("c/check".into()))).await.expect("a check");
    assert_eq!(fails, Outcome::Conflict { revision: seen, current: vec![("c/check".into(), Some(seen))] });
    assert_eq!(put(backend, "c/check", "2").await, Revision(seen.0 + 1));
}

async fn a_commit_that_changes_nothing_moves_nothing(backend: &dyn Backend) {
    let before = put(backend, "c/nothing", "1").await;
    let after = committed(backend, Vec::new(), vec![Write::delete("c/nothing/absent")]).await;
    assert_eq!(after, before, "deleting what is absent");
    let after = committed(backend, Vec::new(), vec![Write::put("c/nothing", "1")]).await;
    assert_eq!(after, Revision(before.0 + 1), "the same value again is a change");
}

async fn a_delete_and_a_new_put_begin_a_new_life(backend: &dyn Backend) {
    put(backend, "c/life", "1").await;
    committed(backend, Vec::new(), vec![Write::delete("c/life")]).await;
    let again = put(backend, "c/life", "2").await;
    let page = backend.range(KeyRange::key("c/life"), 1, None).await.expect("a range");
    assert_eq!((page.entries[0].created, page.entries[0].modified), (again, again));
}

async fn the_limits_are_etcds(backend: &dyn Backend) {
    let writes = |count: usize| (0..count).map(|n| Write::put(format!("c/limit/{n}"), "x")).collect::<Vec<_>>();
    let guards = |count: usize| (0..count).map(|n| Guard::Absent(format!("c/limit/g{n}").into())).collect::<Vec<_>>();
    committed(backend, guards(128), writes(128)).await;
    for commit in [
        Commit { guards: Vec::new(), writes: writes(129) },
        Commit { guards: guards(129), writes: Vec::new() },
        Commit { guards: Vec::new(), writes: vec![Write::put("c/limit/big", vec![0; 1_600_000])] },
    ] {
        let refused = backend.commit(commit).await;
        assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    }
    committed(backend, Vec::new(), vec![Write::put("c/limit/big", vec![0; 1_571_000])]).await;
    for writes in [
        vec![Write::put("c/limit/twice", "1"), Write::put("c/limit/twice", "2")],
        vec![Write::put("c/limit/twice", "1"), Write::delete("c/limit/twice")],
        vec![Write::put("", "1")],
    ] {
        let refused = backend.commit(Commit { guards: Vec::new(), writes }).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    assert_eq!(keys(backend, "c/limit/twice", None).await, [""; 0]);
}
