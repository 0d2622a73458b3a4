//! The addresses of one pool: whose turn it is to be given, and why one may not be.

use std::net::IpAddr;

use super::ask::{Ask, Side};
use super::record::Vip;
use super::runs::next;
use super::sharing;
use crate::ipam::avoid::avoided;
use crate::ipam::neighbors::quarantine;
use crate::ipam::{Order, Pool, Reservation};
use crate::net::{AddrRange, Family};
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// The reservation that keeps the address now, with the last address that it keeps from there on.
fn reserved<'a>(ask: &Ask<'a>, address: IpAddr) -> Option<(&'a Reservation, IpAddr)> {
    let reservation = ask.cluster.ipam.reservation_of(address)?;
    let range = reservation.ranges.iter().find(|range| range.contains(address))?;
    let in_force = reservation.expires.is_none_or(|end| end > ask.now);
    in_force.then(|| (reservation.as_ref(), range.end()))
}

/// The first address of the range that is not blocked; `blocked` names the last address of the obstacle that an address is in.
///
/// It jumps over obstacles, so its cost grows with the number of runs of held and reserved addresses, not of addresses.
fn first_unblocked(range: AddrRange, blocked: impl Fn(IpAddr) -> Option<IpAddr>) -> Option<IpAddr> {
    let mut at = Some(range.start());
    while let Some(address) = at.filter(|address| range.contains(*address)) {
        match blocked(address) {
            None => return Some(address),
            Some(last) => at = next(last),
        }
    }
    None
}

/// The address of the family that nobody holds, that has rested and that nothing keeps free, and whose turn it is: the lowest in
/// the order of the pool's ranges; or, where the longest free comes first, one that nobody gave up within memory, and then the one
/// that was given up first.
pub(super) fn next_free(ask: &Ask<'_>, pool: &Pool, family: Family) -> Option<IpAddr> {
    let place = |address: &IpAddr| (pool.ranges.iter().position(|range| range.contains(*address)), *address);
    let fresh = pool.ranges.iter().filter(|range| range.family() == family).find_map(|range| {
        let lb = &ask.cluster.lb;
        let taken = |address| lb.held_until(address).or_else(|| lb.resting.last_of_run(address));
        first_unblocked(*range, |address| taken(address).or_else(|| kept_free(ask, pool, *range, address)))
    });
    let mut rested = rested(ask, pool, family);
    match pool.order {
        Order::Lowest => rested.chain(fresh).min_by_key(place),
        Order::LongestFree => fresh.or_else(|| rested.next()),
    }
}

/// The addresses of the family that were given up and have rested, if nothing else keeps them from being given; longest free first.
fn rested<'a>(ask: &'a Ask<'_>, pool: &'a Pool, family: Family) -> impl Iterator<Item = IpAddr> + use<'a> {
    let lb = &ask.cluster.lb;
    let over = lb.rests().take_while(|(since, _)| since.after(pool.cooldown) <= ask.now).map(|(_, address)| address);
    let free = over.filter(move |address| Family::of(*address) == family && lb.held_until(*address).is_none());
    free.filter(|address| {
        let range = pool.ranges.iter().find(|range| range.contains(*address));
        range.is_some_and(|range| kept_free(ask, pool, *range, *address).is_none())
    })
}

/// Whether a reservation, an option of the pool or a stranger on the network keeps the address from being given, and up to where.
fn kept_free(ask: &Ask<'_>, pool: &Pool, range: AddrRange, address: IpAddr) -> Option<IpAddr> {
    let quarantined = || quarantine(&ask.cluster.ipam, pool, address, ask.now).map(|_| address);
    let reserved = reserved(ask, address).map(|(_, last)| last);
    reserved.or_else(|| avoided(pool, address, range).map(|_| address)).or_else(quarantined)
}

/// When those addresses of the family may be given that rest now: free, and given to nobody who does not name them.
fn ends_of_rest(ask: &Ask<'_>, pool: &Pool, family: Family) -> Vec<Timestamp> {
    let here = pool.ranges.iter().filter(|range| range.family() == family).flat_map(|range| ask.cluster.lb.rests_in(*range));
    let free = here.filter(|(address, _)| ask.cluster.lb.held_until(*address).is_none() && reserved(ask, *address).is_none());
    free.map(|(_, rest)| rest.until(pool)).filter(|end| *end > ask.now).collect()
}

/// The lowest address that the reservation keeps in this pool and that the service may hold. Naming the reservation names its
/// addresses, so one that rests is given too, after those that do not.
pub(super) fn lowest_reserved(ask: &Ask<'_>, pool: &Pool, reservation: &Reservation, family: Family) -> Option<IpAddr> {
    kept_here(pool, reservation, family).find_map(|range| {
        let shareable = |address: &IpAddr| range.contains(*address) && check_holders(ask, pool, *address).is_ok();
        let key = ask.spec().external.sharing_key.as_str();
        let shared = ask.cluster.lb.shared_under(key).find(shareable);
        let disputed = |address| quarantine(&ask.cluster.ipam, pool, address, ask.now).map(|_| address);
        let held = |address| ask.cluster.lb.held_until(address).or_else(|| disputed(address));
        let rests = |address| ask.cluster.lb.rest(address).filter(|rest| rest.until(pool) > ask.now).map(|_| address);
        let rested = || first_unblocked(range, |address| held(address).or_else(|| rests(address)));
        shared.or_else(rested).or_else(|| first_unblocked(range, held))
    })
}

/// The first free address that the reservation keeps in this pool and for which a stranger answers, with why it is not given.
pub(super) fn disputed_reserved(ask: &Ask<'_>, pool: &Pool, reservation: &Reservation, family: Family) -> Option<Refusal> {
    let ipam = &ask.cluster.ipam;
    let mut seen = kept_here(pool, reservation, family).flat_map(|range| ipam.reported_in(range));
    seen.find_map(|address| {
        let free = ask.cluster.lb.held_until(address).is_none();
        quarantine(ipam, pool, address, ask.now).filter(|_| free).map(|stranger| stranger.refusal(pool, address))
    })
}

/// What the reservation keeps of this pool.
fn kept_here(pool: &Pool, reservation: &Reservation, family: Family) -> impl Iterator<Item = AddrRange> {
    let kept = reservation.ranges.iter().filter(move |range| range.family() == family);
    kept.flat_map(|kept| pool.ranges.iter().filter_map(|range| range.intersection(kept)))
}

/// The lowest address of the pool that this service may share with those that hold it.
pub(super) fn lowest_shareable(ask: &Ask<'_>, pool: &Pool, family: Family) -> Option<IpAddr> {
    let key = ask.spec().external.sharing_key.as_str();
    if ask.side != Side::External || key.is_empty() {
        return None;
    }
    let here = |address: &IpAddr| Family::of(*address) == family && pool.ranges.iter().any(|range| range.contains(*address));
    let givable = |address: &IpAddr| check_givable(ask, pool, *address).and_then(|()| check_holders(ask, pool, *address)).is_ok();
    ask.cluster.lb.shared_under(key).filter(here).find(givable)
}

/// Whether the service may hold the address beside everybody who holds it already.
///
/// # Errors
/// The reason of the first holder that stands in the way.
pub(super) fn check_holders(ask: &Ask<'_>, pool: &Pool, address: IpAddr) -> Result<(), Refusal> {
    let newcomer = !ask.side.held(ask.service).iter().any(|held| held.address == address);
    ask.other_holders(address).try_for_each(|holder| match ask.side {
        Side::External => sharing::check(Some(pool).filter(|_| newcomer), address, ask.service, holder),
        Side::Cluster => {
            let message = format!("{address} is the cluster IP of service `{}`. Ask for another address.", holder.key);
            let refusal = Refusal::new(Reason::AddressInUse, message);
            Err(refusal.with("address", address).with("holder", &holder.key).about("service", &holder.key))
        }
    })
}

/// Whether the pool may give this very address, whoever holds it.
///
/// # Errors
/// [`Reason::AddressNotInPool`], [`Reason::AddressReserved`] and [`Reason::AddressQuarantined`].
pub(super) fn check_givable(ask: &Ask<'_>, pool: &Pool, address: IpAddr) -> Result<(), Refusal> {
    let Some(range) = pool.ranges.iter().find(|range| range.contains(address)) else {
        let message = format!("{address} is not in pool `{}`. Ask for an address of that pool, or for no pool.", pool.name);
        return Err(Refusal::new(Reason::AddressNotInPool, message).with("address", address).with("pool", &pool.name));
    };
    let kept = |why: String| Err(Refusal::new(Reason::AddressReserved, why).with("address", address).with("pool", &pool.name));
    if let Some((reservation, _)) = reserved(ask, address) {
        let owner = if reservation.owner.is_empty() { reservation.name.as_str() } else { &reservation.owner };
        return kept(format!("{address} is reserved for {owner} (reservation `{}`). Ask for another address.", reservation.name));
    }
    if let Some(option) = avoided(pool, address, *range) {
        return kept(format!("{address} is not given: pool `{}` {option}. Ask for another address.", pool.name));
    }
    let held = ask.cluster.lb.holders(address).next().is_some();
    if let Some(stranger) = quarantine(&ask.cluster.ipam, pool, address, ask.now).filter(|_| !held) {
        return Err(stranger.refusal(pool, address));
    }
    Ok(())
}

/// Why the pool has no address of the family to give, with the numbers.
pub(super) fn exhausted(ask: &Ask<'_>, pool: &Pool, family: Family) -> Refusal {
    let ranges = || pool.ranges.iter().filter(|range| range.family() == family);
    let total = ranges().fold(0u128, |sum, range| sum.saturating_add(range.len()));
    if total == 0 {
        let message = format!("pool `{}` has no {family} addresses", pool.name);
        return Refusal::new(Reason::NoEligiblePool, message).with("pool", &pool.name).with("family", family);
    }
    let held: u128 = ranges().map(|range| ask.cluster.lb.count_held(*range)).sum();
    let ends = ends_of_rest(ask, pool, family);
    let resting = ends.len() as u128;
    let mut kept = if resting == 0 { String::new() } else { format!(", {resting} resting") };
    match total.saturating_sub(held).saturating_sub(resting) {
        0 => {}
        others => kept.push_str(&format!(", {others} reserved or kept free")),
    }
    let message = format!("pool `{}` is full: {held} of {total} {family} addresses are held{kept}", pool.name);
    let refusal = Refusal::new(Reason::PoolExhausted, message).about("pool", &pool.name);
    let refusal = refusal.with("pool", &pool.name).with("family", family).with("held", held).with("total", total);
    match ends.into_iter().min() {
        Some(end) => refusal.with("resting", resting).retry_in(end.since(ask.now)),
        None => refusal,
    }
}

/// The address as this service would hold it.
pub(super) fn vip(pool: &Pool, address: IpAddr) -> Vip {
    Vip { address, pool: pool.name.clone() }
}
