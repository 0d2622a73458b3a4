//! The proof of address management: what is promised holds at every revision, whatever callers and the world around do.
//!
//! Two replicas on one store get random requests from many callers at once: pools made, grown, shrunk, split, merged, renamed,
//! drained; reservations, namespaces with quotas, nodes that come, drain, fall silent and go; addresses given in every way there is
//! and released by handle, by uid and by address, rightly and with stale knowledge. Requests are repeated, at once and much later,
//! at either replica; answers are lost; ids are used twice. Meanwhile replicas are cut off in the midst of a commit and started
//! again, commits are lost before or after they happen or arrive late, watches lose batches, the clock leaps, and somebody takes
//! nodes away behind Polder's back. The second entry does the same on a real cluster of three etcd members that are killed, hang,
//! and forget the revisions that a replica still waits for.
//!
//! What is shown, by whom:
//!
//! * `checker`: the store's own watch is followed from the first revision. Every commit comes with its record in the journal, which
//!   folds to what is stored; core's audit and the oracle's own count agree with the state at every revision; no request id ever
//!   changes anything twice.
//! * `oracle`, `invariants`: every single change is judged on the state before it. One owner for an address; inside an enabled pool
//!   of its purpose; not reserved, not avoided, rested; whole or not at all; within quota and block limit; the first of its block in
//!   the pool's order. An address leaves its owner only by what somebody asked for, blocks change hands only when empty, the
//!   configuration of one object changes no other. And the same request, decided again on exactly the state before it, comes to the
//!   same changes: nobody decides on an old state.
//! * `replies`: every answer is the one that the journal recorded, to the byte and however often it is asked for; every change lies
//!   between its question and its answer; every refusal held at some moment between the two, and one for want of addresses only if
//!   nobody who looks at every single address finds a free one.
//! * `probes`: when nothing is under way, lists and usage show the state, an explanation and a dry run say what the real request then
//!   gets, and lookups in the past and the history of an address tell what was.
//! * `watchers`: clients that follow the allocations, and go on after every break where they stopped, believe what is the case.
//! * `ending`: when all is released, every record and every block goes, and every address can be given again.
//!
//! A run prints its seed; `POLDER_SEED` repeats its requests and faults (not the interleaving of threads), and
//! `POLDER_MODEL_SECONDS` says how long each entry runs (45 by default):
//! `POLDER_MODEL_SECONDS=600 cargo test -p polder-ipam --test model -- --nocapture`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "common/replica.rs"]
#[expect(dead_code, reason = "the suite begins replicas in more ways")]
mod replica;

#[path = "suite/bench.rs"]
#[expect(dead_code, unused_imports, reason = "the bed of the suite has more than is needed here")]
mod bench;
#[path = "model/callers.rs"]
mod callers;
#[path = "model/calls.rs"]
mod calls;
#[path = "model/checker.rs"]
mod checker;
#[path = "model/ending.rs"]
mod ending;
#[path = "model/faults.rs"]
mod faults;
#[path = "model/history.rs"]
mod history;
#[path = "model/invariants.rs"]
mod invariants;
#[path = "model/operations.rs"]
mod operations;
#[path = "model/oracle.rs"]
mod oracle;
#[path = "model/probes.rs"]
mod probes;
#[path = "model/replay.rs"]
mod replay;
#[path = "model/replies.rs"]
mod replies;
#[path = "model/rounds.rs"]
mod rounds;
#[path = "model/watchers.rs"]
mod watchers;
#[path = "model/world.rs"]
mod world;

use self::world::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_at_every_revision() {
    rounds::run("embedded", Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_at_every_revision_of_a_cluster_that_fails() {
    rounds::run("etcd", Ground::etcd().await).await;
}
