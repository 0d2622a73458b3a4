//! Bad input, as a table: every field of every request of address management wrong in every way that it can be, each with the code,
//! the reason and the name of the field that the refusal must carry, and with nothing changed behind it.
//!
//! A row takes a whole request that is good and makes one field of it wrong. The descriptors of the API say which fields there
//! are: one without a row, and without a reason why it needs none, fails [`complete`].

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

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
#[path = "bad_input/request.rs"]
mod request;
#[path = "bad_input/reservations.rs"]
mod reservations;
#[path = "bad_input/rows.rs"]
mod rows;
#[path = "bad_input/several.rs"]
mod several;
#[path = "bad_input/table.rs"]
mod table;
#[path = "bad_input/world.rs"]
mod world;
