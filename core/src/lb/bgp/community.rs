//! Communities: marks on routes that routers act upon.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Malformed, Reason, shown};

/// Communities with names. The numbers are registered with IANA.
const NAMED: [(&str, u32); 9] = [
    ("no-export", 0xffff_ff01),           // RFC 1997
    ("no-advertise", 0xffff_ff02),        // RFC 1997
    ("no-export-subconfed", 0xffff_ff03), // RFC 1997
    ("no-peer", 0xffff_ff04),             // RFC 3765
    ("accept-own", 0xffff_0001),          // RFC 7611
    ("llgr-stale", 0xffff_0006),          // RFC 9494
    ("no-llgr", 0xffff_0007),             // RFC 9494
    ("blackhole", 0xffff_029a),           // RFC 7999
    ("graceful-shutdown", 0xffff_0000),   // RFC 8326
];

/// A mark on a route. Standard ones come before large ones, lower numbers first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// A standard community, RFC 1997: `65000:100`, or a well-known name.
    Standard(u32),
    /// A large community, RFC 8092: `large:65000:1:2`.
    Large([u32; 3]),
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(value) => match NAMED.iter().find(|(_, number)| number == value) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{}:{}", value >> 16, value & 0xffff),
            },
            Self::Large([global, first, second]) => write!(f, "large:{global}:{first}:{second}"),
        }
    }
}

impl FromStr for Community {
    type Err = Malformed;

    /// Accepts `a:b`, `large:a:b:c`, and the well-known names in any case, with `-` or `_`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || {
            let names = NAMED.map(|(name, _)| name).join(", ");
            let description = format!(
                "`{}` is not a community: `65000:100` of two numbers up to 65535, `large:65000:1:2` of three up to 4294967295, or \
                 one of {names}",
                shown(text)
            );
            Malformed::new(Reason::InvalidArgument, description)
        };
        let parts: Vec<&str> = text.splitn(5, ':').collect();
        match parts.as_slice() {
            [name] => {
                let name = name.to_ascii_lowercase().replace('_', "-");
                let known = NAMED.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| Self::Standard(*value)).ok_or_else(bad)
            }
            [high, low] => {
                let half = |text: &str| number(text).filter(|number| *number <= 0xffff).ok_or_else(bad);
                Ok(Self::Standard(half(high)? << 16 | half(low)?))
            }
            ["large", global, first, second] => {
                let part = |text: &str| number(text).ok_or_else(bad);
                Ok(Self::Large([part(global)?, part(first)?, part(second)?]))
            }
            _ => Err(bad()),
        }
    }
}

/// Decimal digits only: the standard parser would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_in_one_way() {
        for (given, shown) in [
            ("65000:100", "65000:100"),
            ("0:0", "0:0"),
            ("065000:1", "65000:1"),
            ("65535:65281", "no-export"),
            ("NO_EXPORT", "no-export"),
            ("blackhole", "blackhole"),
            ("65535:0", "graceful-shutdown"),
            ("large:4294967295:0:7", "large:4294967295:0:7"),
        ] {
            let community: Community = given.parse().unwrap();
            assert_eq!(community.to_string(), shown);
            assert_eq!(shown.parse::<Community>().unwrap(), community);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        // A bare number is not written by MetalLB either.
        for bad in [
            "",
            "4259840100",
            "65536:1",
            "1:65536",
            "+1:2",
            "1:-2",
            "1:",
            ":1",
            "a:b",
            "1:2:3",
            "large:1:2",
            "large:1:2:4294967296",
            "large:1:2:3:4",
            "ext:1:2:3",
            "nothing",
            "1:2:3:4:5:6",
            "ü",
        ] {
            assert_eq!(bad.parse::<Community>().unwrap_err().reason, Reason::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn standard_ones_come_first() {
        let mut all: Vec<Community> =
            ["large:1:1:1", "no-export", "1:2", "1:1", "large:1:0:9"].map(|text| text.parse().unwrap()).into();
        all.sort_unstable();
        let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1:1", "1:2", "no-export", "large:1:0:9", "large:1:1:1"]);
    }
}
