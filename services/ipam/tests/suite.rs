//! Address management as its callers see it: the real service on the embedded store, through the real server stack.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

#[path = "common/replica.rs"]
mod replica;

#[path = "suite/bench.rs"]
mod bench;
#[path = "suite/changes.rs"]
mod changes;
#[path = "suite/evictions.rs"]
mod evictions;
#[path = "suite/history.rs"]
mod history;
#[path = "suite/liveness.rs"]
mod liveness;
#[path = "suite/neighbors.rs"]
mod neighbors;
#[path = "suite/refusals.rs"]
mod refusals;
#[path = "suite/replicas.rs"]
mod replicas;
#[path = "suite/watches.rs"]
mod watches;
