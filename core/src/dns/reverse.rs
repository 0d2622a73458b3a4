//! Reverse names (RFC 1035 §3.5, RFC 3596 §2.5), and the reverse zones that cover our ranges.

use std::net::IpAddr;

use super::name::DomainName;
use crate::net::range::number;
use crate::net::{AddrRange, Family};

/// Under this name those of IPv4 addresses are.
pub(super) const IPV4: &[u8] = b"\x07in-addr\x04arpa\0";
/// And under this one those of IPv6 addresses.
pub(super) const IPV6: &[u8] = b"\x03ip6\x04arpa\0";
/// The most zones made for one range; a ragged range gets fewer and larger ones.
const MOST_ZONES: u128 = 256;

/// The name whose PTR record names the address.
#[must_use]
pub fn reverse_name(address: IpAddr) -> DomainName {
    prefix_name(Family::of(address), number(address), Family::of(address).bits())
}

/// The address whose reverse name this is, on the wire: `None` for every other name. It is written in the one way of [`reverse_name`].
pub(super) fn address_of(name: &[u8]) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(IPV4) {
        let mut octets = [0; 4];
        let mut rest = labels;
        for octet in octets.iter_mut().rev() {
            *octet = decimal(label(&mut rest)?)?;
        }
        return rest.is_empty().then(|| octets.into());
    }
    let mut rest = name.strip_suffix(IPV6)?;
    let mut octets = [0; 16];
    for octet in octets.iter_mut().rev() {
        let (low, high) = (nibble(label(&mut rest)?)?, nibble(label(&mut rest)?)?);
        *octet = high << 4 | low;
    }
    rest.is_empty().then(|| octets.into())
}

/// The next of the labels.
fn label<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(*rest.split_off_first()?);
    rest.split_off(..length)
}

/// A number without zeroes before it.
fn decimal(label: &[u8]) -> Option<u8> {
    let is_short = matches!(label, [b'0'] | [b'1'..=b'9', ..]);
    std::str::from_utf8(label).ok().filter(|_| is_short)?.parse().ok()
}

/// One hexadecimal digit in lower case.
fn nibble(label: &[u8]) -> Option<u8> {
    match label {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        [digit @ b'a'..=b'f'] => Some(digit - b'a' + 10),
        _ => None,
    }
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
        Family::V4 => IPV4,
        Family::V6 => IPV6,
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
    fn only_the_reverse_name_of_an_address_is_read_as_one() {
        let read = |name: &str| address_of(name.parse::<DomainName>().unwrap().as_wire());
        for address in ["172.28.0.10", "0.0.0.0", "255.1.20.3", "::", "2001:db8::1", "ffff::abcd"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(address_of(reverse_name(address).as_wire()), Some(address));
            assert_eq!(address_of(reverse_name(address).parent().unwrap().as_wire()), None);
            assert_eq!(address_of(reverse_name(address).child("x").unwrap().as_wire()), None);
        }
        let nibbles = "0.".repeat(31);
        for bad in ["01.0.0.10", "256.0.0.10", "x.0.0.10", "+1.0.0.10", "1.0.0", "0.1.0.0.10"] {
            assert_eq!(read(&format!("{bad}.in-addr.arpa")), None, "{bad}");
        }
        for bad in [format!("10.{nibbles}ip6.arpa"), format!("g.{nibbles}ip6.arpa"), format!("1.{nibbles}ip6.arpa.example")] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        // The suffix has to begin at a label.
        assert_eq!(address_of(b"\x011\x012\x013\x0c4\x07in-addr\x04arpa\0"), None);
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
