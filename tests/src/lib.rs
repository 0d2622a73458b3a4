//! Scenarios over whole processes: what a user sees, with real clients.
//!
//! A [`Site`] is a running Polder in one of three shapes: everything in one process on the embedded store, the same on etcd, and
//! split processes on etcd with two replicas of each service. The scenarios in `tests/` run against all of them through the
//! command line, gRPC, REST and DNS; nothing here looks inside.
//!
//! The processes are the workspace's own binaries, so `cargo build --workspace --bins` comes first; `make test` does that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "this crate is test code: it fails by panicking"
)]

pub mod browser;
pub mod process;
pub mod resolver;
pub mod site;
pub mod tool;
pub mod wait;

pub use browser::Page;
pub use process::Process;
pub use site::{Shape, Site};
pub use wait::eventually;
