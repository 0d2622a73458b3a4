//! Bad input, as a table: every field of every request about BGP wrong in every way that it can be, each with the code, the reason
//! and the name of the field that the refusal must carry, and with nothing changed behind it.
//!
//! A row takes a whole request that is good and makes one field of it wrong. The descriptors of the API say which fields there
//! are: one without a row, and without a reason why it needs none, fails [`complete`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "bad_input/advertisements.rs"]
mod advertisements;
#[path = "bad_input/complete.rs"]
mod complete;
#[path = "bad_input/peers.rs"]
mod peers;
#[path = "bad_input/request.rs"]
mod request;
#[path = "bad_input/rows.rs"]
mod rows;
#[allow(dead_code, reason = "the suite uses the rest")]
#[path = "suite/site.rs"]
mod site;
#[path = "bad_input/table.rs"]
mod table;
#[path = "bad_input/world.rs"]
mod world;
