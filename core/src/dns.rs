//! Names: which records follow from the cluster's state, and the answers to queries.
//!
//! * [`name`], [`record`], [`data`], [`wire`]: names, records and messages; [`text`]: words of zone files.
//! * [`source`], [`computed`]: the objects from which records follow, and the records of each.
//! * [`snapshot`]: every name at one revision, answers compiled; changed copy-on-write.
//! * [`answer()`]: query in, answer out: the one function behind every transport.
//! * [`transfer`]: zones for other servers.
//! * [`views`]: what certain clients see of our own names.
//! * [`zones`]: what operators store, and the decisions about it.
//! * [`master`]: zone files, read; [`skydns`]: what other programs store.
//! * [`resolver`]: names outside: the settings, the questions to others, what they answer, what is kept of it.
//! * [`message`]: reading an answer again, for people; [`server`]: the addresses of other servers.
//! * [`network`], [`admit`]: clients by their networks, and how many connections and, by
//!   [`rate`], answers they may have; [`cookie`]: whether they have the
//!   address that they ask from.
//! * [`top`]: which names are asked for most; [`pace`]: so many in a second.

pub mod admit;
mod answer;
pub mod computed;
pub mod cookie;
pub mod data;
#[cfg(test)]
mod fixture;

pub mod master;
pub mod message;
pub mod name;
pub mod network;
pub mod pace;
pub mod rate;
pub mod record;
pub mod resolver;
mod reverse;
mod serial;
pub mod server;
mod settings;
mod siphash;
pub mod skydns;
pub mod snapshot;
pub mod source;
pub mod text;
pub mod top;
pub mod transfer;
pub mod views;
pub mod wire;
pub mod zones;

pub use crate::hash::Seed;
pub use crate::packed::Near;
pub use answer::{Client, Outcome, Scope, Sent, Transport, answer, answer_in, bad_cookie, cut_short};
pub use answer::{Standing, Step, explain};
pub use name::DomainName;
pub use record::{Data, Record, RecordType};
pub use reverse::reverse_name;
pub use serial::{Heads, serial_at};
pub use settings::{PodRecords, Settings};
pub use snapshot::Snapshot;
pub use source::{Source, touched};
pub use wire::Rcode;
