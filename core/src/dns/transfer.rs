//! Zone transfer: what secondaries of a zone are sent (RFC 5936, RFC 1995), and how they are told that there is something new
//! (RFC 1996).
//!
//! * [`Secondaries`]: who may have a zone, and who is told.
//! * `content`: which records a zone has for others.
//! * `history`: how a zone came to be what it is, for those who have an earlier one.
//! * [`ask`], [`Transfer`]: a question for a zone, and the messages that answer it.
//! * [`Notifier`]: who is to be told when.
//!
//! A transfer has the records of one snapshot from its first message to its last, however long it takes, and is made while it is
//! sent: no more than one message is ever in memory. Names without records, such as those of namespaces that have no services, are no
//! part of a transfer, nor are names that no table has ([`super::PodRecords::Insecure`]).

mod content;
mod history;
mod notify;
mod secondaries;
mod send;
#[cfg(test)]
mod tests;

pub(super) use content::servers;
pub(super) use history::History;
pub use notify::{Notifier, Notify, Told};
pub(super) use secondaries::network;
pub use secondaries::{MOST_NETWORKS, Secondaries, networks};
pub use send::{Filled, Form, Kind, Transfer, ask};
