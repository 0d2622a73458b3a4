//! Address families, inclusive address ranges, and sets of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::reason::{Malformed, Reason, shown};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The number of bits in an address.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The address with this number. Bits above the family's width are cut off.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address is the low 32 bits")]
    pub const fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The address as a number, so that ranges can be counted.
#[must_use]
pub const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits() as u128,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Parses one address. IPv4-mapped IPv6 text is refused: it would be one address with two names.
///
/// # Errors
/// [`Reason::AddressMalformed`].
pub fn parse_addr(text: &str) -> Result<IpAddr, Malformed> {
    let bad = |why: &str| Malformed::new(Reason::AddressMalformed, format!("`{}` {why}", shown(text)));
    match text.trim().parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => Err(bad("is an IPv4-mapped IPv6 address; write it as IPv4")),
        Ok(address) => Ok(address),
        Err(_) => Err(bad("is not an IP address, such as 10.0.0.13 or fd00::13")),
    }
}

/// Parses a CIDR prefix and clears its host bits; says whether there were any.
///
/// # Errors
/// [`Reason::RangeMalformed`].
pub fn parse_net(text: &str) -> Result<(IpNet, bool), Malformed> {
    let net = parse_host_net(text)?;
    Ok((net.trunc(), net.trunc() != net))
}

/// Parses an address with the length of its prefix, as interfaces have it: `10.0.0.5/24`.
///
/// # Errors
/// [`Reason::RangeMalformed`]; [`Reason::AddressMalformed`] for an IPv4-mapped IPv6 address.
pub fn parse_host_net(text: &str) -> Result<IpNet, Malformed> {
    let bad = || {
        let description = format!("`{}` is not a prefix in CIDR notation, such as 172.27.0.0/16", shown(text));
        Malformed::new(Reason::RangeMalformed, description)
    };
    let (address, length) = text.trim().split_once('/').ok_or_else(bad)?;
    // The parser of prefixes takes leading zeros, which some read as octal; that of addresses does not.
    let plain: IpAddr = address.parse().map_err(|_| bad())?;
    let decimal = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length = length.parse().ok().filter(|_| decimal).ok_or_else(bad)?;
    parse_addr(address)?;
    IpNet::new(plain, length).map_err(|_| bad())
}

/// A run of addresses of one family, both ends included; never empty, never backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddrRange {
    start: IpAddr,
    end: IpAddr,
}

impl AddrRange {
    /// The range from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`Reason::FamilyMismatch`] and [`Reason::RangeReversed`].
    pub fn new(start: IpAddr, end: IpAddr) -> Result<Self, Malformed> {
        if Family::of(start) != Family::of(end) {
            let description = format!("`{start}-{end}` mixes IPv4 and IPv6; give one range for each family");
            return Err(Malformed::new(Reason::FamilyMismatch, description));
        }
        if number(start) > number(end) {
            let description = format!("`{start}-{end}` runs backwards; write `{end}-{start}`");
            return Err(Malformed::new(Reason::RangeReversed, description));
        }
        Ok(Self { start, end })
    }

    /// The range of one address.
    #[must_use]
    pub const fn single(address: IpAddr) -> Self {
        Self { start: address, end: address }
    }

    /// Every address of a prefix, its first and last included.
    #[must_use]
    pub fn of_net(net: IpNet) -> Self {
        Self { start: net.network(), end: net.broadcast() }
    }

    /// The first address.
    #[must_use]
    pub const fn start(&self) -> IpAddr {
        self.start
    }

    /// The last address.
    #[must_use]
    pub const fn end(&self) -> IpAddr {
        self.end
    }

    /// The family of all its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.start)
    }

    /// How many addresses it has; saturates for the whole of IPv6.
    #[must_use]
    pub const fn len(&self) -> u128 {
        (number(self.end) - number(self.start)).saturating_add(1)
    }

    /// Never: a range has at least one address.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && number(self.start) <= number(address) && number(address) <= number(self.end)
    }

    /// Whether the other range lies wholly in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.contains(other.start) && self.contains(other.end)
    }

    /// The addresses in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.family() != other.family() {
            return None;
        }
        let start = number(self.start).max(number(other.start));
        let end = number(self.end).min(number(other.end));
        let family = self.family();
        (start <= end).then(|| Self { start: family.address(start), end: family.address(end) })
    }

    /// The address `offset` places after the first, if it is in the range.
    #[must_use]
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        let at = number(self.start).checked_add(offset)?;
        (at <= number(self.end)).then(|| self.family().address(at))
    }

    /// Every address, in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let family = self.family();
        (number(self.start)..=number(self.end)).map(move |at| family.address(at))
    }

    /// The part of the range behind an address of it; `None` behind the last one.
    #[must_use]
    pub fn behind(&self, address: IpAddr) -> Option<Self> {
        let start = self.nth(number(address).checked_sub(number(self.start))?.checked_add(1)?)?;
        Self::new(start, self.end).ok()
    }

    /// The prefix that this range is, if it is one.
    #[must_use]
    pub fn as_net(&self) -> Option<IpNet> {
        let bits = self.len().is_power_of_two().then(|| self.len().trailing_zeros())?;
        let length = self.family().bits().checked_sub(u8::try_from(bits).ok()?)?;
        let net = IpNet::new(self.start, length).ok()?;
        (net.network() == self.start).then_some(net)
    }
}

impl AddrRange {
    /// The fewest prefixes that have the addresses of this range and no others, in order.
    #[must_use]
    pub fn nets(&self) -> Vec<IpNet> {
        let (family, last) = (self.family(), number(self.end));
        let (mut nets, mut next) = (Vec::new(), Some(number(self.start)));
        while let Some(first) = next.filter(|first| *first <= last) {
            let aligned = first.trailing_zeros().min(family.bits().into());
            // One more than what is left does not fit into 128 bits where the range is all of IPv6.
            let fitting = (last - first).checked_add(1).map_or(128, u128::ilog2);
            let bits = aligned.min(fitting);
            let length = u32::from(family.bits()) - bits;
            nets.extend(u8::try_from(length).ok().and_then(|length| IpNet::new(family.address(first), length).ok()));
            next = 1u128.checked_shl(bits).and_then(|size| first.checked_add(size));
        }
        nets
    }
}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.start == self.end {
            return self.start.fmt(f);
        }
        match self.as_net() {
            Some(net) => net.fmt(f),
            None => write!(f, "{}-{}", self.start, self.end),
        }
    }
}

impl FromStr for AddrRange {
    type Err = Malformed;

    /// Accepts `a-b`, a CIDR prefix (host bits are cleared), and a single address.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if let Some((start, end)) = text.split_once(['-', '–']) {
            return Self::new(parse_addr(start)?, parse_addr(end)?);
        }
        if text.contains('/') {
            return parse_net(text).map(|(net, _)| Self::of_net(net));
        }
        parse_addr(text).map(Self::single).map_err(|error| {
            let description = format!("{}; a range is `first-last`, a CIDR prefix, or one address", error.description);
            Malformed::new(Reason::RangeMalformed, description)
        })
    }
}

/// Disjoint ranges in order, neighbours joined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeSet(Vec<AddrRange>);

impl RangeSet {
    /// The ranges, disjoint and in order, IPv4 first.
    #[must_use]
    pub fn ranges(&self) -> &[AddrRange] {
        &self.0
    }

    /// Whether any range has the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let after = self.0.partition_point(|range| range.start <= address);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|range| range.contains(address))
    }

    /// How many addresses of the family it has.
    #[must_use]
    pub fn count(&self, family: Family) -> u128 {
        self.0.iter().filter(|range| range.family() == family).fold(0, |sum, range| sum.saturating_add(range.len()))
    }

    /// What is left of `self` without `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for range in &self.0 {
            let family = range.family();
            let mut from = Some(number(range.start));
            for hole in other.0.iter().filter_map(|hole| hole.intersection(range)) {
                if let Some(start) = from.filter(|start| *start < number(hole.start)) {
                    left.push(AddrRange { start: family.address(start), end: family.address(number(hole.start) - 1) });
                }
                from = number(hole.end).checked_add(1).filter(|next| *next <= number(range.end));
            }
            if let Some(start) = from {
                left.push(AddrRange { start: family.address(start), end: range.end });
            }
        }
        Self(left)
    }
}

impl FromIterator<AddrRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = AddrRange>>(ranges: I) -> Self {
        let mut sorted: Vec<AddrRange> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut joined: Vec<AddrRange> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match joined.last_mut() {
                Some(last) if last.family() == range.family() && number(range.start) <= number(last.end).saturating_add(1) => {
                    if number(range.end) > number(last.end) {
                        last.end = range.end;
                    }
                }
                _ => joined.push(range),
            }
        }
        Self(joined)
    }
}

#[cfg(test)]
mod tests;
