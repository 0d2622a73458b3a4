//! The addresses of one side of a service: kept where they may be kept, chosen where they are missing, all or nothing.

use super::ask::{Ask, Side};
use super::choose::{Trial, choose};
use super::families::Wanted;
use super::record::Vip;
use super::space::{check_holders, vip};
use crate::net::Family;
use crate::reason::{Reason, Refusal};

/// What one side of a service gets.
#[derive(Debug)]
pub(super) struct Assigned {
    /// The addresses it holds from now on.
    pub(super) vips: Vec<Vip>,
    /// Why it has not got what it asked for.
    pub(super) failure: Option<Refusal>,
    /// Every pool that was asked.
    pub(super) trials: Vec<Trial>,
}

/// Decides the addresses of one side.
///
/// Either every family that is required gets its address, or nothing new is given and the service keeps what it had, as far as
/// it may.
pub(super) fn assign(ask: &Ask<'_>, wanted: &Wanted) -> Assigned {
    let mut trials = Vec::new();
    let kept: Vec<Vip> = ask.side.held(ask.service).iter().filter_map(|held| still_good(ask, wanted, held)).collect();
    match fill(ask, wanted, &kept, &mut trials).and_then(|vips| check_quota(ask, &vips).map(|()| vips)) {
        Ok(vips) => Assigned { vips, failure: None, trials },
        Err(refusal) => Assigned { vips: kept, failure: Some(refusal), trials },
    }
}

/// The held address under the name of the pool that has it now; `None` when holding it on breaks a rule.
///
/// What a pool says about giving is no such rule: a service keeps its address when the pool drains, selects others, ceases to
/// let namespaces share, or comes to avoid the address (MetalLB takes it away then), and when a reservation is made over it.
fn still_good(ask: &Ask<'_>, wanted: &Wanted, held: &Vip) -> Option<Vip> {
    let pool = ask.cluster.ipam.pool_of(held.address).filter(|pool| pool.purpose == ask.side.purpose())?;
    let may = wanted.has(Family::of(held.address)) && check_holders(ask, pool, held.address).is_ok();
    may.then(|| vip(pool, held.address))
}

/// An address for every family that can have one.
fn fill(ask: &Ask<'_>, wanted: &Wanted, kept: &[Vip], trials: &mut Vec<Trial>) -> Result<Vec<Vip>, Refusal> {
    let (mut vips, mut missing) = (Vec::new(), None);
    for (family, required) in wanted.iter() {
        let kept = kept.iter().find(|vip| Family::of(vip.address) == family).filter(|vip| is_as_wished(ask, vip));
        match kept.cloned().map_or_else(|| choose(ask, family, trials), Ok) {
            Ok(vip) => vips.push(vip),
            Err(refusal) if required || ask.wished_in(family).is_some() => return Err(refusal),
            Err(refusal) => missing = missing.or(Some(refusal)),
        }
    }
    match (vips.is_empty(), missing) {
        (true, Some(refusal)) => Err(refusal),
        _ => Ok(vips),
    }
}

/// Whether the held address is what the service wishes for by name, if it wishes for anything.
fn is_as_wished(ask: &Ask<'_>, held: &Vip) -> bool {
    if ask.settled {
        return true;
    }
    if let Some(address) = ask.wished_in(Family::of(held.address)) {
        return address == held.address;
    }
    if let Some(name) = ask.wished_reservation() {
        let reservation = ask.cluster.ipam.reservation(name);
        return reservation.is_some_and(|kept| kept.ranges.iter().any(|range| range.contains(held.address)));
    }
    ask.wished_pools().is_empty() || ask.wished_pools().contains(&held.pool)
}

/// Whether the namespace may hold these external addresses. An address that the namespace holds already costs nothing.
fn check_quota(ask: &Ask<'_>, vips: &[Vip]) -> Result<(), Refusal> {
    let namespace = &ask.service.key.namespace;
    let limit = ask.cluster.ipam.namespace(namespace).and_then(|record| record.quotas.external_addresses);
    let (Side::External, Some(limit)) = (ask.side, limit) else { return Ok(()) };
    let lb = &ask.cluster.lb;
    let added = vips.iter().filter(|vip| lb.external_holders_in(namespace, vip.address) == 0).count() as u64;
    let given_up =
        |held: &&Vip| lb.external_holders_in(namespace, held.address) == 1 && !vips.iter().any(|vip| vip.address == held.address);
    let freed = ask.side.held(ask.service).iter().filter(given_up).count() as u64;
    let held = lb.external_count_in(namespace);
    if added == 0 || (held + added).saturating_sub(freed) <= limit {
        return Ok(());
    }
    let message = format!("namespace `{namespace}` holds {held} of the {limit} external addresses that its quota allows");
    let refusal = Refusal::new(Reason::QuotaExceeded, message).about("namespace", namespace);
    Err(refusal.with("namespace", namespace).with("held", held).with("limit", limit))
}
