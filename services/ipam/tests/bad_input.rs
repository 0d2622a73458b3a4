//! Bad input, as a table ([`polder_testing::bad_input`]): every field of every request of address management.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[allow(dead_code, reason = "the suite uses the rest")]
#[path = "common/replica.rs"]
mod replica;

#[path = "bad_input/allocations.rs"]
mod allocations;
#[path = "bad_input/complete.rs"]
mod complete;
#[path = "bad_input/namespaces.rs"]
mod namespaces;
#[path = "bad_input/network.rs"]
mod network;
#[path = "bad_input/nodes.rs"]
mod nodes;
#[path = "bad_input/pools.rs"]
mod pools;
#[path = "bad_input/questions.rs"]
mod questions;
#[path = "bad_input/reservations.rs"]
mod reservations;
#[path = "bad_input/rows.rs"]
mod rows;
#[path = "bad_input/several.rs"]
mod several;
#[path = "bad_input/world.rs"]
mod world;
