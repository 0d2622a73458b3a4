//! Bad input, as a table ([`polder_testing::bad_input`]): every field of every request about names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "bad_input/complete.rs"]
mod complete;
#[path = "bad_input/questions.rs"]
mod questions;
#[path = "bad_input/resolver.rs"]
mod resolver;
#[path = "bad_input/rows.rs"]
mod rows;
#[path = "bad_input/sets.rs"]
mod sets;
#[allow(dead_code, reason = "the tests of the server use the rest")]
#[path = "server/site.rs"]
mod site;
#[path = "bad_input/world.rs"]
mod world;
#[path = "bad_input/zones.rs"]
mod zones;
