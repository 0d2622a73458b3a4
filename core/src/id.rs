//! Identifiers: made from randomness that the caller brings, compared by value.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Malformed, Reason, shown};

/// 128 random bits, drawn at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entropy(pub u128);

impl Entropy {
    /// The `n`-th identifier of this request.
    #[must_use]
    pub const fn uid(self, n: u64) -> Uid {
        // An odd multiplier keeps the map from n to uid one-to-one.
        Uid(self.0.wrapping_add((n as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)))
    }
}

/// The identity of one object over its life: a new object under an old name has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uid(pub u128);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Uid {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || {
            let description = format!("`{}` is not a uid: 32 hexadecimal digits, as answers carry it", shown(text));
            Malformed::new(Reason::InvalidArgument, description)
        };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| bad())
    }
}

/// A revision of the store: moves by one with every commit, never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The caller's name for one mutation: the same id and body get the first answer again (AIP-155).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(String);

impl RequestId {
    /// The most bytes an id may have.
    pub const MOST: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let legal = |byte: u8| byte.is_ascii_graphic();
        if text.is_empty() || text.len() > Self::MOST || !text.bytes().all(legal) {
            let description =
                format!("`{}` is not a request id: 1 to {} printable ASCII characters, a UUID best", shown(text), Self::MOST);
            return Err(Malformed::new(Reason::RequestIdMalformed, description));
        }
        Ok(Self(text.to_owned()))
    }
}
