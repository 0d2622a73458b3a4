//! The gateway as its callers see it: a real process on a loopback port, in front of small services made for these tests.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "face/fakes.rs"]
mod fakes;
#[path = "face/openapi.rs"]
mod openapi;
#[path = "face/page.rs"]
mod page;
#[path = "face/rest.rs"]
mod rest;
#[path = "face/streams.rs"]
mod streams;
#[path = "face/web.rs"]
mod web;
#[path = "face/world.rs"]
mod world;
