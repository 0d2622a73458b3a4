//! Leases.
#![expect(clippy::expect_used, reason = "a conformance check fails by a panic")]

use std::time::Duration;

use polder_core::id::Revision;
use tokio::time::Instant;

use super::{committed, keys, next, put};
use crate::backend::{Backend, Commit, KeyRange, LeaseId, Limits, Write};
use crate::error::Error;

pub(super) async fn all(backend: &dyn Backend) {
    a_short_wish_is_raised(backend).await;
    revoking_deletes_the_keys_in_one_commit(backend).await;
    a_put_without_lease_detaches(backend).await;
    an_unrenewed_lease_expires_and_a_renewed_one_does_not(backend).await;
    what_is_gone_says_so(backend).await;
}

fn leased(key: &str, lease: LeaseId) -> Write {
    Write::Put { key: key.to_owned().into(), value: "x".into(), lease: Some(lease) }
}

async fn a_short_wish_is_raised(backend: &dyn Backend) {
    let lease = backend.grant(Duration::from_millis(10)).await.expect("a lease");
    assert_eq!(lease.ttl, Limits::LEAST_TTL);
    assert_eq!(backend.keep_alive(lease.id).await.expect("a renewal"), Limits::LEAST_TTL);
    let lease = backend.grant(Duration::from_millis(4001)).await.expect("a lease");
    assert_eq!(lease.ttl, Duration::from_secs(5), "whole seconds, never less than asked for");
}

async fn revoking_deletes_the_keys_in_one_commit(backend: &dyn Backend) {
    let lease = backend.grant(Duration::from_secs(60)).await.expect("a lease").id;
    committed(backend, Vec::new(), vec![leased("l/revoke/b", lease)]).await;
    let last = committed(backend, Vec::new(), vec![leased("l/revoke/a", lease), Write::put("l/revoke/stays", "x")]).await;
    let page = backend.range(KeyRange::key("l/revoke/a"), 1, None).await.expect("a range");
    assert_eq!(page.entries[0].lease, Some(lease));
    let mut batches = backend.watch(KeyRange::prefix("l/revoke/"), last).await.expect("a watch");
    backend.revoke(lease).await.expect("a revoke");
    let batch = next(&mut batches).await.expect("a batch");
    let gone: Vec<_> = batch.events.iter().map(|event| (&event.key[..], event.value.is_none())).collect();
    assert_eq!(gone, [(&b"l/revoke/a"[..], true), (&b"l/revoke/b"[..], true)]);
    assert_eq!(batch.revision, Revision(last.0 + 1));
    assert_eq!(keys(backend, "l/revoke/", None).await, ["l/revoke/stays"]);
}

async fn a_put_without_lease_detaches(backend: &dyn Backend) {
    let lease = backend.grant(Duration::from_secs(60)).await.expect("a lease").id;
    committed(backend, Vec::new(), vec![leased("l/detach", lease)]).await;
    put(backend, "l/detach", "y").await;
    backend.revoke(lease).await.expect("a revoke");
    assert_eq!(keys(backend, "l/detach", None).await, ["l/detach"]);
}

async fn an_unrenewed_lease_expires_and_a_renewed_one_does_not(backend: &dyn Backend) {
    let dies = backend.grant(Limits::LEAST_TTL).await.expect("a lease").id;
    let lives = backend.grant(Limits::LEAST_TTL).await.expect("a lease").id;
    let start = committed(backend, Vec::new(), vec![leased("l/expire/dies", dies), leased("l/expire/lives", lives)]).await;
    let mut batches = backend.watch(KeyRange::prefix("l/expire/"), start).await.expect("a watch");
    let begun = Instant::now();
    let renew = async {
        loop {
            backend.keep_alive(lives).await.expect("a renewal");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let batch = tokio::select! { batch = next(&mut batches) => batch.expect("a batch"), () = renew => return };
    assert_eq!((&batch.events[0].key[..], batch.events.len()), (&b"l/expire/dies"[..], 1));
    assert!(begun.elapsed() >= Duration::from_millis(1500), "not before its time: {:?}", begun.elapsed());
    assert_eq!(keys(backend, "l/expire/", None).await, ["l/expire/lives"]);
    backend.revoke(lives).await.expect("a revoke");
}

async fn what_is_gone_says_so(backend: &dyn Backend) {
    let lease = backend.grant(Duration::from_secs(60)).await.expect("a lease").id;
    backend.revoke(lease).await.expect("a revoke");
    let before = put(backend, "l/gone", "x").await;
    assert_eq!(backend.keep_alive(lease).await, Err(Error::LeaseGone(lease)));
    assert_eq!(backend.revoke(lease).await, Err(Error::LeaseGone(lease)));
    let commit = Commit { guards: Vec::new(), writes: vec![Write::put("l/gone/other", "x"), leased("l/gone", lease)] };
    assert_eq!(backend.commit(commit).await, Err(Error::LeaseGone(lease)));
    assert_eq!(keys(backend, "l/gone", None).await, ["l/gone"]);
    assert_eq!(put(backend, "l/gone", "y").await, Revision(before.0 + 1), "nothing has moved");
}
