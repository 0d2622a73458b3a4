//! Bad input, as a table ([`polder_testing::bad_input`]): every field of every request about services, announcements and BGP,
//! and of every message of a node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

#[path = "bad_input/advertisements.rs"]
mod advertisements;
#[allow(dead_code, reason = "the suite uses the rest")]
#[path = "suite/agent.rs"]
mod agent;
#[path = "bad_input/announcements.rs"]
mod announcements;
#[path = "bad_input/complete.rs"]
mod complete;
#[path = "bad_input/peers.rs"]
mod peers;
#[path = "bad_input/questions.rs"]
mod questions;
#[path = "bad_input/rows.rs"]
mod rows;
#[path = "bad_input/services.rs"]
mod services;
#[allow(dead_code, reason = "the suite uses the rest")]
#[path = "suite/site.rs"]
mod site;
#[path = "bad_input/streams.rs"]
mod streams;
#[path = "bad_input/together.rs"]
mod together;
#[path = "bad_input/world.rs"]
mod world;
