//! The store's tests: contract, traps, durability, mirrors, ledgers.

#[path = "suite/conformance.rs"]
mod conformance;
