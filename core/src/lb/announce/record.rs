//! The stored records of announcements.

use std::net::IpAddr;

use crate::meta::Meta;
use crate::net::Name;
use crate::time::Timestamp;

/// The one node that answers for an external address. An address without record is answered for by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub address: IpAddr,
    /// Identity, version, times.
    pub meta: Meta,
    /// The node.
    pub node: Name,
    /// Greater than that of every earlier assignment of any address. A node may answer under the newest epoch only.
    pub epoch: u64,
    /// The node before, which goes on forwarding open connections for a while.
    pub previous: Option<Name>,
    /// An operator has chosen the node: it stays there while that node may have it.
    pub pinned: bool,
    /// When the node last changed.
    pub since: Timestamp,
}

/// A node that an operator keeps from answering for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// The node.
    pub node: Name,
    /// Since when.
    pub since: Timestamp,
}
