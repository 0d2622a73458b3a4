//! The wire: reading one question, writing one answer. Bounds are checked at every step and nothing is allocated.

mod layout;
mod query;
mod reply;

use std::fmt;

pub(super) use self::layout::{CLASS_IN, FIXED, HEADER, MOST_POINTER, QUESTION, pointer, split_records};
pub(super) use self::query::{Edns, Head, OPTION_COOKIE, Query, Unreadable, presented};
pub use self::query::{Question, encode_query};
pub(super) use self::reply::{COOKIE, Reply, Section, cookie_option};

/// The largest answer sent by UDP, whatever the client offers: it fits every path without fragments (DNS flag day 2020).
pub const MOST_UDP: u16 = 1232;
/// The largest answer to a client without EDNS (RFC 1035 §4.2.1).
pub const PLAIN_UDP: u16 = 512;
/// The largest message by TCP.
pub const MOST_TCP: u16 = u16::MAX;
/// A question of the longest name with its header and OPT record fits in this: no buffer for answers should be smaller.
pub const LEAST_BUFFER: usize = PLAIN_UDP as usize;

/// What became of a query (RFC 1035 §4.1.1, RFC 6895 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rcode {
    /// Answered, possibly with the news that there is no such data.
    NoError,
    /// The query cannot be read.
    FormErr,
    /// We cannot answer now.
    ServFail,
    /// The name does not exist.
    NxDomain,
    /// An operation that we do not offer.
    NotImp,
    /// A name or a class that is not ours, or a zone that whoever asks may not have.
    Refused,
    /// A version of EDNS that we do not speak.
    BadVers,
    /// A cookie that is not ours, from a client that has to have one (RFC 7873 §8).
    BadCookie,
    /// A code that this server never sends.
    Other(u16),
}

impl Rcode {
    /// The number, with the upper bits that travel in the OPT record.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVers => 16,
            Self::BadCookie => 23,
            Self::Other(number) => number,
        }
    }

    /// The code with this number.
    #[must_use]
    pub const fn of(number: u16) -> Self {
        match number {
            0 => Self::NoError,
            1 => Self::FormErr,
            2 => Self::ServFail,
            3 => Self::NxDomain,
            4 => Self::NotImp,
            5 => Self::Refused,
            16 => Self::BadVers,
            23 => Self::BadCookie,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Rcode {
    /// As dig and CoreDNS's metrics write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::BadVers => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
            Self::Other(number) => return write!(f, "RCODE{number}"),
        })
    }
}
