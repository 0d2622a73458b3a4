//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

use crate::reason::{Malformed, Reason, shown};

/// A hardware address of six octets (IEEE 802 EUI-48). Its text is lower case with colons; hyphens and upper case are read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let read = part.and_then(|part| u8::from_str_radix(part, 16).ok());
            *octet = read.ok_or_else(|| malformed(text))?;
        }
        if parts.next().is_some() { Err(malformed(text)) } else { Ok(Self(octets)) }
    }
}

fn malformed(text: &str) -> Malformed {
    let description = format!("`{}` is not a hardware address; write six octets as `00:15:5d:01:02:03`", shown(text));
    Malformed::new(Reason::InvalidArgument, description)
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_of_writing_are_read() {
        for text in ["00:15:5d:01:02:0f", "00-15-5D-01-02-0F"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "00:15:5d:01:02:0f");
        }
        for text in ["", "00:15:5d:01:02", "00:15:5d:01:02:03:04", "0:15:5d:01:02:03", "00:15:5d:01:02:+3", "00155d010203"] {
            assert_eq!(text.parse::<Mac>().unwrap_err().reason, Reason::InvalidArgument, "{text}");
        }
    }
}
