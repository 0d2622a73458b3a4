//! Reverse names (RFC 1035 §3.5, RFC 3596 §2.5), and the reverse zones that cover our ranges.

use std::net::IpAddr;

use super::name::DomainName;
use crate::net::range::number;
use crate::net::{AddrRange, Family};

/// The most zones made for one range; a ragged range gets fewer and larger ones.
const MOST_ZONES: u128 = 256;

/// The name whose PTR record names the address.
#[must_use]
pub fn reverse_name(address: IpAddr) -> DomainName {
    prefix_name(Family::of(address), number(address), Family::of(address).bits())
}

/// The reverse zones of a range: whole octets or nibbles, aligned with the range where it is aligned itself, never finer than /24 or
/// /124, and at most 256 of them.
#[must_use]
pub(super) fn reverse_zones(range: &AddrRange) -> Vec<DomainName> {
    let family = range.family();
    let (first, last) = (number(range.start()), number(range.end()));
    let step = label_bits(family);
    let mut best = step;
    for length in (step..family.bits()).step_by(usize::from(step)) {
        let host = family.bits() - length;
        if (last >> host) - (first >> host) >= MOST_ZONES {
            break;
        }
        best = length;
        let inside = (1_u128 << host) - 1;
        if first & inside == 0 && last & inside == inside {
            break;
        }
    }
    let host = family.bits() - best;
    (first >> host..=last >> host).map(|prefix| prefix_name(family, prefix << host, best)).collect()
}

/// How many bits one label of a reverse name stands for.
const fn label_bits(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 4,
    }
}

/// The reverse name of the first `length` bits of an address.
fn prefix_name(family: Family, address: u128, length: u8) -> DomainName {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut wire = Vec::with_capacity(75);
    let step = label_bits(family);
    for end in (step..=length).rev().step_by(usize::from(step)) {
        let part = address >> (family.bits() - end);
        match family {
            Family::V4 => {
                let text = (part & 0xff).to_string();
                wire.extend(u8::try_from(text.len()));
                wire.extend_from_slice(text.as_bytes());
            }
            Family::V6 => {
                wire.push(1);
                wire.extend(HEX.get(usize::try_from(part & 0xf).unwrap_or(0)));
            }
        }
    }
    wire.extend_from_slice(match family {
        Family::V4 => b"\x07in-addr\x04arpa\0".as_slice(),
        Family::V6 => b"\x03ip6\x04arpa\0",
    });
    // At most 32 nibbles: never longer than a name may be.
    DomainName::from_wire(&wire).unwrap_or_else(DomainName::root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(range: &str) -> Vec<String> {
        reverse_zones(&range.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_have_reverse_names() {
        let name = |text: &str| reverse_name(text.parse().unwrap()).to_string();
        assert_eq!(name("172.28.0.10"), "10.0.28.172.in-addr.arpa.");
        assert_eq!(name("2001:db8::1"), format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23)));
    }

    #[test]
    fn zones_follow_the_range() {
        assert_eq!(zones("172.28.0.0/16"), ["28.172.in-addr.arpa."]);
        assert_eq!(zones("10.0.0.0/8"), ["10.in-addr.arpa."]);
        assert_eq!(zones("192.168.1.200-192.168.1.250"), ["1.168.192.in-addr.arpa."]);
        assert_eq!(zones("192.168.0.0/23"), ["0.168.192.in-addr.arpa.", "1.168.192.in-addr.arpa."]);
        assert_eq!(zones("172.16.0.0/12").len(), 16);
        assert_eq!(zones("fd00:10:244::/64"), ["0.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa."]);
        assert_eq!(zones("fd00::/62").len(), 4);
    }

    #[test]
    fn a_ragged_range_gets_a_bounded_number_of_zones() {
        assert_eq!(zones("10.0.0.1-10.255.255.254").len(), 256);
        assert!(zones("::1-ffff::1").len() <= 256);
        assert!(zones("0.0.0.0-255.255.255.255").len() <= 256);
    }
}
