//! The store's tests: contract, traps, durability, mirrors, ledgers.

#[path = "suite/conformance.rs"]
mod conformance;
#[path = "suite/ledger.rs"]
mod ledger;
#[path = "suite/toy.rs"]
mod toy;
#[path = "suite/differential.rs"]
mod differential;
#[path = "suite/embedded.rs"]
mod embedded;
#[path = "suite/mirror.rs"]
mod mirror;
