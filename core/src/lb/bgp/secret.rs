//! The password of a session.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Malformed, Reason};

/// The TCP MD5 password of a session (RFC 2385). No message and no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    /// The most bytes of one, as Linux has it.
    pub const MOST: usize = 80;

    /// The password itself: for the store, and for nodes that speak to the router.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl FromStr for Password {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed::new(Reason::FieldRequired, "a password has at least one byte"));
        }
        if text.len() > Self::MOST {
            let description = format!("a password of {} bytes is too long; at most {} are taken", text.len(), Self::MOST);
            return Err(Malformed::new(Reason::FieldTooLong, description));
        }
        if text.chars().any(char::is_control) {
            return Err(Malformed::new(Reason::InvalidArgument, "a password has no control characters"));
        }
        Ok(Self(text.into()))
    }
}
