//! Addresses that options of a pool keep free for ever.

use std::net::IpAddr;

use super::record::Pool;
use crate::net::AddrRange;

/// The pool's option that keeps the address of one of its ranges free, in words; `None` when none does.
#[must_use]
pub fn avoided(pool: &Pool, address: IpAddr, range: AddrRange) -> Option<&'static str> {
    let last = matches!(address, IpAddr::V4(v4) if matches!(v4.octets()[3], 0 | 255));
    let edge = || range.len() > 2 && (address == range.start() || address == range.end()) && range.as_net().is_some();
    if pool.avoid_buggy_ips && last {
        return Some("keeps IPv4 addresses ending in .0 and .255 free");
    }
    (pool.avoid_first_last && edge()).then_some("keeps the first and last address of every prefix free")
}
