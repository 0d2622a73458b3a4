//! How sessions are, as nodes report them.

use std::fmt;
use std::str::FromStr;

use crate::net::Label;
use crate::reason::{Malformed, Reason, shown};
use crate::time::Timestamp;

/// The state of a session (RFC 4271 section 8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing is tried.
    Idle,
    /// A connection is being made.
    Connect,
    /// The router is waited for.
    Active,
    /// The node has said who it is.
    OpenSent,
    /// Both have.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl SessionState {
    const ALL: [Self; 6] = [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}

impl FromStr for SessionState {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let known = Self::ALL.into_iter().find(|state| state.to_string() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(|state| state.to_string()).join(", ");
            Malformed::new(Reason::InvalidArgument, format!("`{}` is no state of a BGP session: one of {names}", shown(text)))
        })
    }
}

/// What a node says of one of its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// The peer.
    pub peer: Label,
    /// The state.
    pub state: SessionState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// How many prefixes are advertised.
    pub advertised: u32,
    /// Why it last ended; may be empty.
    pub last_error: String,
}
