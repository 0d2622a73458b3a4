//! What tests of several crates share.
//!
//! Only tests use it: services name it under `[dev-dependencies]`, and nothing else names it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this crate is test code: it fails by panicking")]

pub mod bad_input;
