//! The store's tests: contract, traps, durability, mirrors, ledgers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "suite/auth.rs"]
mod auth;
#[path = "suite/cluster.rs"]
mod cluster;
#[path = "suite/conformance.rs"]
mod conformance;
#[path = "suite/differential.rs"]
mod differential;
#[path = "suite/embedded.rs"]
mod embedded;
#[path = "suite/etcd.rs"]
mod etcd;
#[path = "suite/export.rs"]
mod export;
#[path = "suite/ledger.rs"]
mod ledger;
#[path = "suite/mirror.rs"]
mod mirror;
#[path = "suite/pings.rs"]
mod pings;
#[path = "suite/toy.rs"]
mod toy;
#[path = "suite/wire.rs"]
mod wire;
