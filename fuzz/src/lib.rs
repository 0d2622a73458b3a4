//! Fuzz targets for everything that is parsed: ranges, selectors, filters, names, page tokens, update masks, stored bytes,
//! manifests.
//!
//! A crate of its own, because a target crosses `core`, `proto` and the manifests of `cli`, and none should carry a driver and a
//! corpus. A target is a
//! plain function of bytes that asserts what must hold for every input; [`driver`] replays the kept corpus (`corpus/<target>/`)
//! and then mutates it, seeded, so that a failure can be had again. `cargo test -p polder-fuzz` does a bounded number of
//! iterations; `make fuzz TIME=60` goes on for that long for each target, with the parsers instrumented, so that inputs which
//! reach new code are built on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "this crate is test code: it fails by panicking"
)]

pub mod driver;
mod mutate;
mod source;
pub mod targets;

pub use mutate::{Random, Shape};
pub use source::Source;
pub use targets::{Target, all};
