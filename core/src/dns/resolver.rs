//! Names that are in no zone of ours: whom to ask, and what to make of the answers. Pure: time and randomness are arguments.
//!
//! * [`settings`], [`upstream`], [`check`], [`plan`]: what an operator stores, what its fields must be, what a request does to it.
//! * [`route`]: which servers a name is asked of, and in which order.
//! * [`question`]: a client's query; [`asking`]: the one that an upstream gets for it, with a [`cookie`].
//! * [`marks`]: how its answers by UDP show that they are its own; [`pipeline`]: many questions on one connection.
//! * [`response`]: what an upstream sent, read and cleaned.
//! * [`reply`]: the answer to the client.
//! * [`cache`]: answers that are kept.
//!
//! The settings are one record, `/polder/dns/resolver`, in the domain of the zones; without it, or without an upstream in it, nothing is
//! forwarded. Answers are kept in memory only: a crash loses them and nothing else.

pub mod asking;
pub mod cache;
pub mod check;
pub mod cookie;
pub mod marks;
pub mod pipeline;
pub mod plan;
pub mod question;
pub mod reply;
pub mod response;
pub mod route;
pub mod settings;
pub mod upstream;

pub use asking::Asking;
pub use cache::{Bounds, Looked, Shard};
pub use cookie::Cookie;
pub use marks::Marks;
pub use pipeline::Pipeline;
pub use question::{Asked, Key};
pub use response::{Answer, Unusable};
pub use route::{Route, order};
pub use settings::{CacheSpec, Policy, Resolver, Spec, Stub};
pub use upstream::{HostName, Shows, Upstream};

#[cfg(test)]
mod tests;
