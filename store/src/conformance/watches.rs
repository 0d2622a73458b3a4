//! Watches.
#![expect(clippy::expect_used, reason = "a conformance check fails by a panic")]

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use polder_core::id::Revision;

use super::{committed, next, put};
use crate::backend::{Backend, Batch, Event, KeyRange, Write};
use crate::error::Error;

pub(super) async fn all(backend: &dyn Backend) {
    one_commit_is_one_batch(backend).await;
    a_watch_begins_right_after_its_revision(backend).await;
    only_the_range_is_seen(backend).await;
    a_revision_from_the_future_is_waited_for(backend).await;
    an_empty_key_cannot_be_watched(backend).await;
    watchers_see_the_same(backend).await;
}

fn event(key: &str, value: Option<&str>) -> Event {
    Event { key: Bytes::copy_from_slice(key.as_bytes()), value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
}

async fn one_commit_is_one_batch(backend: &dyn Backend) {
    let start = put(backend, "w/one/old", "x").await;
    let mut batches = backend.watch(KeyRange::prefix("w/one/"), start).await.expect("a watch");
    let writes =
        vec![Write::put("w/one/b", "2"), Write::delete("w/one/old"), Write::delete("w/one/none"), Write::put("w/one/a", "1")];
    let revision = committed(backend, Vec::new(), writes).await;
    let events = vec![event("w/one/b", Some("2")), event("w/one/old", None), event("w/one/a", Some("1"))];
    assert_eq!(next(&mut batches).await.expect("a batch"), Batch { revision, events }, "whole, and in the order of the writes");
    let writes = (0..128).map(|n| Write::put(format!("w/one/many/{n}"), "x")).collect();
    let revision = committed(backend, Vec::new(), writes).await;
    let batch = next(&mut batches).await.expect("a batch");
    assert_eq!((batch.revision, batch.events.len()), (revision, 128));
}

async fn a_watch_begins_right_after_its_revision(backend: &dyn Backend) {
    let first = put(backend, "w/after", "1").await;
    let second = put(backend, "w/after", "2").await;
    let third = put(backend, "w/after", "3").await;
    let mut batches = backend.watch(KeyRange::key("w/after"), first).await.expect("a watch");
    assert_eq!(next(&mut batches).await.expect("the second").revision, second);
    assert_eq!(next(&mut batches).await.expect("the third").revision, third);
    let fourth = put(backend, "w/after", "4").await;
    assert_eq!(next(&mut batches).await.expect("the fourth").revision, fourth);
}

async fn only_the_range_is_seen(backend: &dyn Backend) {
    let start = put(backend, "w/range/outside", "x").await;
    let mut batches = backend.watch(KeyRange::prefix("w/range/in"), start).await.expect("a watch");
    put(backend, "w/range/outside", "y").await;
    let writes = vec![Write::put("w/range/outside", "z"), Write::put("w/range/inside", "1")];
    let revision = committed(backend, Vec::new(), writes).await;
    let expected = Batch { revision, events: vec![event("w/range/inside", Some("1"))] };
    assert_eq!(next(&mut batches).await.expect("a batch"), expected);
}

async fn a_revision_from_the_future_is_waited_for(backend: &dyn Backend) {
    let now = put(backend, "w/future", "0").await;
    let mut batches = backend.watch(KeyRange::key("w/future"), Revision(now.0 + 2)).await.expect("a watch");
    put(backend, "w/future", "1").await;
    put(backend, "w/future", "2").await;
    let third = put(backend, "w/future", "3").await;
    assert_eq!(next(&mut batches).await.expect("the third").revision, third);
}

async fn an_empty_key_cannot_be_watched(backend: &dyn Backend) {
    let watch = backend.watch(KeyRange::key(""), Revision(1)).await;
    assert!(matches!(watch, Err(Error::Invalid(_))));
}

async fn watchers_see_the_same(backend: &dyn Backend) {
    let start = put(backend, "w/same", "0").await;
    let mut watchers = Vec::new();
    for _ in 0..3 {
        watchers.push(backend.watch(KeyRange::key("w/same"), start).await.expect("a watch"));
    }
    let mut revisions = Vec::new();
    for n in 0..20 {
        revisions.push(put(backend, "w/same", &n.to_string()).await);
    }
    for watcher in watchers {
        let seen = watcher.filter_map(|batch| async { batch.ok().filter(|batch| !batch.events.is_empty()) });
        let seen = tokio::time::timeout(Duration::from_secs(20), seen.map(|batch| batch.revision).take(20).collect::<Vec<_>>());
        assert_eq!(seen.await.expect("all batches in time"), revisions);
    }
}
