//! Bad input, as a table: every field of every request about services wrong in every way that it can be, each with the code, the
//! reason and the name of the field that the refusal must carry, and with nothing changed behind it.
//!
//! A row takes a whole request that is good and makes one field of it wrong. The descriptors of the API say which fields there
//! are: one without a row, and without a reason why it needs none, fails [`complete`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "bad_services/complete.rs"]
mod complete;
#[path = "bad_services/questions.rs"]
mod questions;
#[path = "bad_services/rows.rs"]
mod rows;
#[path = "bad_services/services.rs"]
mod services;
#[allow(dead_code, reason = "the suite has its other callers")]
#[path = "suite/site.rs"]
mod site;
#[path = "bad_services/table.rs"]
mod table;
#[path = "bad_services/together.rs"]
mod together;
#[path = "bad_services/world.rs"]
mod world;
