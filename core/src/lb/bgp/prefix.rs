//! Prefixes inside pools.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::ipam::Pool;
use crate::net::{AddrRange, Family};

/// The prefix of at least `length` bits that stands for an address of the pool: the shortest that lies in the pool as a whole.
/// `None` when the address is not in the pool.
pub(super) fn fitting(pool: &Pool, address: IpAddr, length: u8) -> Option<IpNet> {
    let range = pool.ranges.iter().find(|range| range.contains(address))?;
    let lengths = length..=Family::of(address).bits();
    let prefixes = lengths.filter_map(|length| IpNet::new(address, length).ok()).map(|net| net.trunc());
    prefixes.into_iter().find(|net| range.covers(&AddrRange::of_net(*net)))
}

/// The lengths of the fewest prefixes that make up a range: the shortest, and the longest.
pub(super) fn lengths(range: &AddrRange) -> (u8, u8) {
    let fold = |(shortest, longest): (u8, u8), length: u8| (shortest.min(length), longest.max(length));
    let none = (range.family().bits(), 0);
    match (range.start(), range.end()) {
        (IpAddr::V4(start), IpAddr::V4(end)) => Ipv4Subnets::new(start, end, 0).map(|net| net.prefix_len()).fold(none, fold),
        (IpAddr::V6(start), IpAddr::V6(end)) => Ipv6Subnets::new(start, end, 0).map(|net| net.prefix_len()).fold(none, fold),
        // The ends of a range are of one family.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => none,
    }
}
