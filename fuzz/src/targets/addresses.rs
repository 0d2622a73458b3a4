//! Addresses, prefixes and ranges as users write them, one on a line: what parses is printed and read back as the same, knows
//! its ends, and makes sets that hold exactly what their parts hold.

use std::net::IpAddr;

use polder_core::net::{AddrRange, Family, RangeSet, parse_addr, parse_net};
use polder_core::reason::Reason;

use super::{Target, comes_back, refused_well};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "addresses",
    shape: Shape::Text(&[
        "10.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::",
        "ffff:",
        "::ffff:",
        "fd00::1",
        "/",
        "/0",
        "/32",
        "/128",
        "-",
        "–",
        ".",
        ":",
        " ",
        "\n",
        "0.0.0.0/0",
        "::/0",
        "%eth0",
        "0x",
        "\t",
    ]),
    run,
};

const RANGE: [Reason; 4] = [Reason::RangeMalformed, Reason::AddressMalformed, Reason::FamilyMismatch, Reason::RangeReversed];
/// The most lines of one input, so that an input stays quick.
const MOST_LINES: usize = 12;

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let ranges: Vec<AddrRange> = text.lines().take(MOST_LINES).filter_map(line).collect();
    let half = ranges.len() / 2;
    sets(&ranges[..half], &ranges[half..]);
}

fn line(text: &str) -> Option<AddrRange> {
    match parse_addr(text) {
        Ok(address) => {
            assert_eq!(parse_addr(&address.to_string()), Ok(address));
            assert_eq!(text.parse::<AddrRange>(), Ok(AddrRange::single(address)));
        }
        Err(error) => refused_well(&error, &[Reason::AddressMalformed]),
    }
    match parse_net(text) {
        Ok((net, had_host_bits)) => {
            assert_eq!(parse_net(&net.to_string()), Ok((net, false)));
            assert_eq!(text.parse::<AddrRange>(), Ok(AddrRange::of_net(net)));
            assert!(!had_host_bits || net.prefix_len() < net.max_prefix_len());
        }
        Err(error) => refused_well(&error, &[Reason::RangeMalformed, Reason::AddressMalformed]),
    }
    let range = comes_back::<AddrRange>(text, &RANGE)?;
    ends(&range);
    Some(range)
}

/// What a range says of itself at its ends.
fn ends(range: &AddrRange) {
    let last = range.len() - 1;
    assert!(range.contains(range.start()) && range.contains(range.end()) && range.covers(range));
    assert_eq!(range.nth(0), Some(range.start()));
    assert_eq!(range.intersection(range), Some(*range));
    assert_eq!(range.behind(range.end()), None);
    if range.len() < u128::MAX {
        assert_eq!(range.nth(last), Some(range.end()));
        assert_eq!(range.nth(range.len()), None);
    }
    match range.behind(range.start()) {
        Some(rest) => assert_eq!((Some(rest.start()), rest.end()), (range.nth(1), range.end())),
        None => assert_eq!(range.len(), 1),
    }
    if let Some(net) = range.as_net() {
        assert_eq!(AddrRange::of_net(net), *range);
    }
}

/// Sets are asked at every end of their parts, and one beside it.
fn sets(a: &[AddrRange], b: &[AddrRange]) {
    let (left, right): (RangeSet, RangeSet) = (a.iter().copied().collect(), b.iter().copied().collect());
    let rest = left.minus(&right);
    for address in a.iter().chain(b).flat_map(|range| [range.start(), range.end()]).flat_map(beside) {
        let in_a = a.iter().any(|range| range.contains(address));
        let in_b = b.iter().any(|range| range.contains(address));
        assert_eq!((left.contains(address), right.contains(address)), (in_a, in_b), "{address}");
        assert_eq!(rest.contains(address), in_a && !in_b, "{address}");
    }
    assert_eq!(left.minus(&RangeSet::default()), left);
    assert_eq!(left.minus(&left), RangeSet::default());
    assert_eq!(rest.minus(&right), rest);
    assert_eq!(rest.ranges().iter().copied().collect::<RangeSet>(), rest, "a set has one form");
    for x in a {
        for y in b {
            let both = x.intersection(y);
            assert_eq!(both, y.intersection(x));
            assert!(both.is_none_or(|both| x.covers(&both) && y.covers(&both)));
            assert_eq!(x.covers(y), both == Some(*y));
        }
    }
}

fn beside(address: IpAddr) -> [IpAddr; 3] {
    let (family, at) = (Family::of(address), polder_core::net::range::number(address));
    [family.address(at), family.address(at.wrapping_sub(1)), family.address(at.wrapping_add(1))]
}
