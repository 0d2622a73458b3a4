//! Whole processes on real sockets: the server stack, links, health, reflection, TLS, drain and signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its expectation does")]

mod calls;
mod drain;
mod echo;
mod health;
mod links;
mod program;
mod tls;
