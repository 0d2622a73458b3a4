//! What the fields of peers and advertisements must be, whatever the state of the cluster. Each check looks at as few fields as
//! its rule needs, so that every bad field of a request is found at once.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::record::Asn;
use crate::ipam::AnyOf;
use crate::net::{Family, Selector};
use crate::reason::{Malformed, Reason, Violations, shown};

/// The port of BGP.
pub const PORT: u16 = 179;
/// The hold time when the caller does not say, in seconds.
pub const HOLD: u16 = 90;
/// The interval of BFD packets when the caller does not say, in milliseconds.
pub const INTERVAL: u16 = 300;
/// How many missing BFD packets end a session when the caller does not say.
pub const MULTIPLIER: u8 = 3;
/// The most pools, and the most peers, that one advertisement may name, and the most of its communities.
pub const MOST_NAMED: usize = 64;
/// The most selectors in one field.
pub const MOST_SELECTORS: usize = 100;
/// The most bytes of the name of an interface, as Linux has it.
const MOST_INTERFACE: usize = 15;

/// An address at which a router can be spoken to.
///
/// # Errors
/// [`Reason::AddressMalformed`].
pub fn peer_address(address: IpAddr) -> Result<IpAddr, Malformed> {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if link_local {
        let why = "is link-local and means nothing without an interface; give the interface in place of the address";
        return Err(Malformed::new(Reason::AddressMalformed, format!("{address} {why}")));
    }
    host(address)
}

/// An address of one host.
///
/// # Errors
/// [`Reason::AddressMalformed`].
pub fn host(address: IpAddr) -> Result<IpAddr, Malformed> {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    match address.is_unspecified() || address.is_multicast() || broadcast {
        true => Err(Malformed::new(Reason::AddressMalformed, format!("{address} is not the address of one host"))),
        false => Ok(address),
    }
}

/// The name of a network interface.
///
/// # Errors
/// [`Reason::FieldTooLong`], [`Reason::NameMalformed`].
pub fn interface(name: &str) -> Result<String, Malformed> {
    if name.len() > MOST_INTERFACE {
        let description = format!("`{}` is too long for an interface; at most {MOST_INTERFACE} bytes are taken", shown(name));
        return Err(Malformed::new(Reason::FieldTooLong, description));
    }
    let odd = |byte: u8| byte == b'/' || !byte.is_ascii_graphic();
    if name.is_empty() || matches!(name, "." | "..") || name.bytes().any(odd) {
        let description = format!("`{}` is not the name of an interface, such as eth0", shown(name));
        return Err(Malformed::new(Reason::NameMalformed, description));
    }
    Ok(name.to_owned())
}

/// A router id: any IPv4 address but 0.0.0.0 (RFC 6286).
///
/// # Errors
/// [`Reason::AddressMalformed`], [`Reason::FamilyMismatch`].
pub fn router_id(address: IpAddr) -> Result<Ipv4Addr, Malformed> {
    match address {
        IpAddr::V4(v4) if !v4.is_unspecified() => Ok(v4),
        IpAddr::V4(_) => Err(Malformed::new(Reason::AddressMalformed, "0.0.0.0 cannot be a router id")),
        IpAddr::V6(v6) => {
            let description = format!("{v6} is an IPv6 address; a router id is written as an IPv4 address");
            Err(Malformed::new(Reason::FamilyMismatch, description))
        }
    }
}

/// The address that nodes speak from to a router at `peer`, where that is known, or behind an interface.
///
/// # Errors
/// [`Reason::FamilyMismatch`], [`Reason::ConflictingFields`].
pub fn source(source: IpAddr, peer: Option<IpAddr>, behind_interface: bool) -> Result<IpAddr, Malformed> {
    if behind_interface {
        let description = "sessions behind an interface speak from its link-local address; take the source address away";
        return Err(Malformed::new(Reason::ConflictingFields, description));
    }
    match peer {
        Some(peer) if Family::of(peer) != Family::of(source) => {
            let description = format!("{source} is not of the family of the router's address {peer}");
            Err(Malformed::new(Reason::FamilyMismatch, description))
        }
        Some(_) | None => Ok(source),
    }
}

/// Whether a session may go over several hops: between these autonomous systems, where both are known, and behind an interface
/// or not.
///
/// # Errors
/// [`Reason::ConflictingFields`].
pub fn multihop(asns: Option<(Asn, Asn)>, behind_interface: bool) -> Result<(), Malformed> {
    let conflict = |why: String| Err(Malformed::new(Reason::ConflictingFields, why));
    match asns {
        Some((peer, local)) if peer == local => {
            conflict(format!("only external sessions are told that they go over several hops, and {peer} is the nodes' own"))
        }
        _ if behind_interface => conflict("a router behind an interface is one hop away".to_owned()),
        _ => Ok(()),
    }
}

/// The hold time, in seconds.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn hold(time: Duration) -> Result<u16, Malformed> {
    let seconds = seconds(time)?;
    match seconds {
        1 | 2 => Err(Malformed::new(Reason::CountOutOfBounds, format!("{seconds} s are too short: 0 (for ever), or 3 to 65535 s"))),
        _ => Ok(seconds),
    }
}

/// The time between two keepalives, in seconds, under this hold time, where it is known. `None`: without a hold time there are none.
///
/// # Errors
/// [`Reason::CountOutOfBounds`], [`Reason::ConflictingFields`].
pub fn keepalive(time: Duration, hold: Option<u16>) -> Result<Option<u16>, Malformed> {
    let seconds = seconds(time)?;
    match hold {
        Some(0) if seconds > 0 => {
            let why = "a session with hold time 0 sends no keepalives; take the keepalive time away, or give a hold time";
            Err(Malformed::new(Reason::ConflictingFields, why))
        }
        Some(hold) if seconds > hold => {
            let why = format!("{seconds} s are more than the hold time of {hold} s; the session would end in between");
            Err(Malformed::new(Reason::ConflictingFields, why))
        }
        Some(1..) if seconds == 0 => {
            Err(Malformed::new(Reason::CountOutOfBounds, "0 s would send no keepalives; give at least 1 s"))
        }
        _ => Ok(Some(seconds).filter(|seconds| *seconds > 0)),
    }
}

/// Whole seconds that fit into 16 bits, as BGP has them.
fn seconds(time: Duration) -> Result<u16, Malformed> {
    let whole = u16::try_from(time.as_secs()).ok().filter(|_| time.subsec_nanos() == 0);
    whole.ok_or_else(|| {
        let description = format!("{time:?} is not a whole number of seconds from 0 to 65535");
        Malformed::new(Reason::CountOutOfBounds, description)
    })
}

/// An interval of BFD packets in milliseconds; 0 takes the usual one.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn interval(milliseconds: u32) -> Result<u16, Malformed> {
    within(milliseconds, INTERVAL, (10, 60_000), "ms")
}

/// How many missing BFD packets end a session; 0 takes the usual number.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn multiplier(count: u32) -> Result<u8, Malformed> {
    within(count, MULTIPLIER, (2, 255), "missing packets")
}

/// The least TTL of BFD packets, for a session over several hops or not; 0 is none.
///
/// # Errors
/// [`Reason::CountOutOfBounds`], [`Reason::ConflictingFields`].
pub fn minimum_ttl(ttl: u32, multihop: bool) -> Result<Option<u8>, Malformed> {
    match ttl {
        0 => Ok(None),
        _ if !multihop => {
            let why = "a least TTL is for sessions over several hops only; set ebgp_multihop, or take it away";
            Err(Malformed::new(Reason::ConflictingFields, why))
        }
        _ => within(ttl, 0, (1, 254), "hops").map(Some),
    }
}

/// The prefix length to advertise addresses of a family with; 0 takes the whole address.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub fn aggregation(length: u32, family: Family) -> Result<u8, Malformed> {
    within(length, family.bits(), (1, family.bits().into()), "bits")
}

/// An aggregate has addresses of other services in it, so it cannot be for some services only.
///
/// # Errors
/// [`Reason::ConflictingFields`].
pub fn unaggregated(length: u8, family: Family) -> Result<(), Malformed> {
    if length == family.bits() {
        return Ok(());
    }
    let why = format!(
        "/{length} would have addresses of services in it that service_selectors leaves out; take the selectors away, or advertise \
         whole addresses: /{}",
        family.bits()
    );
    Err(Malformed::new(Reason::ConflictingFields, why))
}

fn within<T: TryFrom<u32>>(number: u32, usual: T, (least, most): (u32, u32), unit: &str) -> Result<T, Malformed> {
    if number == 0 {
        return Ok(usual);
    }
    let bad = || Malformed::new(Reason::CountOutOfBounds, format!("{number} {unit} are out of bounds: {least} to {most}"));
    T::try_from(number).ok().filter(|_| (least..=most).contains(&number)).ok_or_else(bad)
}

/// Selectors of which one must match, none of them twice.
pub fn distinct(selectors: Vec<Selector>, field: &str, bad: &mut Violations) -> AnyOf {
    for (at, selector) in selectors.iter().enumerate() {
        if selectors.iter().take(at).any(|other| other == selector) {
            let why = format!("`{}` is given twice", shown(&selector.to_string()));
            bad.add(format!("{field}[{at}]"), Reason::DuplicateValue, why);
        }
    }
    AnyOf(selectors)
}
