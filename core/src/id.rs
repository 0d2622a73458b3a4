//! Identifiers: made from randomness that the caller brings, compared by value.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Malformed, Reason, shown};
use crate::time::Timestamp;

/// 128 random bits, drawn at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entropy(pub u128);

/// The identity of one object over its life: a new object under an old name has a new one.
///
/// It is a UUID version 7 (RFC 9562 §5.7): identities sort by the time of their making, so that new records lie side by side in
/// the store and in every index, and a list in the order of identities is a list in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uid(pub u128);

impl Uid {
    /// The `n`-th identity that a request makes at `now`.
    #[must_use]
    pub const fn new(now: Timestamp, entropy: Entropy, n: u64) -> Self {
        /// Odd, so that no bit of the randomness is lost, and far from each other and from small fractions of 2^128, so that
        /// neither near randomness nor near numbers give the same 74 bits.
        const SPREAD: [u128; 2] = [0xDA94_2042_E4DD_58B5_D1B5_4A32_D192_ED03, 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835];
        let millis = (now.0 / 1000) as u128 & ((1 << 48) - 1);
        let random = entropy.0.wrapping_mul(SPREAD[0]).wrapping_add((n as u128).wrapping_mul(SPREAD[1])) >> 54;
        let (high, low) = (random >> 62, random & ((1 << 62) - 1));
        Self(millis << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
    }
}

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
        if text.is_empty() {
            return Err(Malformed::new(Reason::FieldRequired, "a uid is required: 32 hexadecimal digits, as answers carry it"));
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn identities_are_version_7_uuids_that_sort_by_time_and_differ() {
        let (mut all, mut last) = (BTreeSet::new(), Uid(0));
        for millis in 1_700_000_000_000..1_700_000_000_050u64 {
            let of = |random, n| Uid::new(Timestamp(millis * 1000), Entropy(random), n);
            let made: Vec<Uid> = (0..40).flat_map(|random| (0..40).map(move |n| of(random, n))).collect();
            assert!(made.iter().all(|uid| *uid > last && uid.0 >> 80 == u128::from(millis)));
            assert!(made.iter().all(|uid| uid.0 >> 76 & 0xf == 7 && uid.0 >> 62 & 0b11 == 0b10));
            last = made.iter().copied().max().unwrap_or_default();
            all.extend(made);
        }
        assert_eq!(all.len(), 50 * 40 * 40);
    }
}
