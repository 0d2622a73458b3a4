//! One address for one family of one side of a service.
//!
//! Families are chosen one by one over the same order of pools, so that pools of one family each serve dual-stack services too.

use std::net::IpAddr;
use std::sync::Arc;

use super::ask::Ask;
use super::pools::{Candidate, candidates, check_open, check_selected};
use super::record::Vip;
use super::space::{check_givable, check_holders, disputed_reserved, exhausted, lowest_reserved, lowest_shareable, next_free, vip};
use crate::ipam::Pool;
use crate::net::{Family, Name};
use crate::reason::{Obstacle, Reason, Refusal};

/// What one pool answered when it was asked for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The pool.
    pub pool: Name,
    /// The family it was asked for.
    pub family: Family,
    /// The address it gives, or why it gives none.
    pub outcome: Result<IpAddr, Refusal>,
}

/// Chooses an address of the family: the one wished for, or one of the reservation or the pools wished for, or the first that the
/// pools in their order give. Notes every pool that it asked in `trials`.
///
/// # Errors
/// Why there is none.
pub(super) fn choose(ask: &Ask<'_>, family: Family, trials: &mut Vec<Trial>) -> Result<Vip, Refusal> {
    if let Some(address) = ask.wished_in(family) {
        let pool = pool_of_wish(ask, address)?;
        let outcome = check_wish(ask, pool, address).map(|()| address);
        return first_given(ask, family, vec![(pool, outcome)], trials);
    }
    if let Some(name) = ask.wished_reservation() {
        return from_reservation(ask, name, family).map(|(pool, address)| vip(pool, address));
    }
    let outcomes: Vec<_> = match ask.wished_pools() {
        [] => candidates(ask).into_iter().map(|Candidate { pool, eligible }| (pool, eligible)).collect(),
        names => {
            let pools = names.iter().map(|name| named_pool(ask, name)).collect::<Result<Vec<_>, _>>()?;
            pools.into_iter().map(|pool| (pool, check_named(ask, pool))).collect()
        }
    };
    let outcomes = outcomes.into_iter().map(|(pool, eligible)| (pool, eligible.and_then(|()| from_pool(ask, pool, family))));
    first_given(ask, family, outcomes, trials)
}

/// The address that the first pool gives; asks no further.
fn first_given<'a>(
    ask: &Ask<'_>,
    family: Family,
    outcomes: impl IntoIterator<Item = (&'a Arc<Pool>, Result<IpAddr, Refusal>)>,
    trials: &mut Vec<Trial>,
) -> Result<Vip, Refusal> {
    let before = trials.len();
    for (pool, outcome) in outcomes {
        let address = outcome.as_ref().ok().copied();
        trials.push(Trial { pool: pool.name.clone(), family, outcome });
        if let Some(address) = address {
            return Ok(vip(pool, address));
        }
    }
    Err(none_given(ask, family, trials.get(before..).unwrap_or_default()))
}

/// An address that the pool gives this service: one it may share, else the free one whose turn it is.
fn from_pool(ask: &Ask<'_>, pool: &Pool, family: Family) -> Result<IpAddr, Refusal> {
    if let Some(address) = lowest_shareable(ask, pool, family) {
        return Ok(address);
    }
    let key = (pool.name.clone(), family);
    if let Some(refusal) = ask.exhausted.and_then(|known| known.borrow().get(&key).cloned()) {
        return Err(refusal);
    }
    next_free(ask, pool, family).ok_or_else(|| {
        let refusal = exhausted(ask, pool, family);
        if let Some(known) = ask.exhausted {
            known.borrow_mut().insert(key, refusal.clone());
        }
        refusal
    })
}

/// An address that the reservation keeps.
fn from_reservation<'a>(ask: &Ask<'a>, name: &Name, family: Family) -> Result<(&'a Arc<Pool>, IpAddr), Refusal> {
    let reservation = ask.cluster.ipam.reservation(name).filter(|kept| kept.expires.is_none_or(|end| end > ask.now));
    let reservation = reservation.ok_or_else(|| Refusal::missing(Reason::ReservationNotFound, "reservation", name))?;
    let pools = || ask.cluster.ipam.pools().filter(|pool| pool.purpose == ask.side.purpose());
    let found = pools().find_map(|pool| Some((pool, lowest_reserved(ask, pool, reservation, family)?)));
    if let Some((pool, address)) = found {
        return check_named(ask, pool).map(|()| (pool, address));
    }
    if let Some(refusal) = pools().find_map(|pool| disputed_reserved(ask, pool, reservation, family)) {
        return Err(refusal);
    }
    let kept = reservation.ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("reservation `{name}` ({kept}) has no free {family} address in a pool for {}", ask.side.users());
    Err(Refusal::new(Reason::ReservationInUse, message).with("reservation", name).with("family", family).about("reservation", name))
}

/// Why no pool gives an address: what the only pool said, or every pool with its reason and numbers.
fn none_given(ask: &Ask<'_>, family: Family, trials: &[Trial]) -> Refusal {
    let refusals = || trials.iter().filter_map(|trial| trial.outcome.as_ref().err().map(|refusal| (&trial.pool, refusal)));
    let noun = ask.side.noun();
    let full = refusals().find(|(_, refusal)| refusal.reason == Reason::PoolExhausted);
    let mut refusal = match (full, trials) {
        (_, []) => {
            let message = format!("no {family} {noun}: there is no pool for {}. Create one.", ask.side.users());
            Refusal::new(Reason::NoEligiblePool, message)
        }
        (None, [Trial { outcome: Err(only), .. }]) if ask.is_explicit() => only.clone(),
        (None, [Trial { outcome: Err(only), .. }]) => {
            Refusal::new(Reason::NoEligiblePool, format!("no {family} {noun}: {}.", only.message))
        }
        (None, many) => {
            let message = format!("no {family} {noun}: none of {} pools serves this service.", many.len());
            Refusal::new(Reason::NoEligiblePool, message)
        }
        (Some((pool, why)), many) => {
            let others = match many.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more give none"),
            };
            let message = format!("no {family} {noun}: {}{others}. Extend a pool, or delete a service.", why.message);
            let mut refusal = Refusal::new(Reason::PoolExhausted, message).about("pool", pool);
            refusal.metadata.clone_from(&why.metadata);
            refusal.retry_after = refusals().filter_map(|(_, why)| why.retry_after).min();
            refusal
        }
    };
    refusal = refusal.with("family", family).with("service", &ask.service.key);
    refusals().fold(refusal, |refusal, (pool, why)| {
        let subject = format!("pools/{pool}");
        refusal.blocked_by(Obstacle { reason: why.reason, subject, description: why.message.clone() })
    })
}

/// Whether a pool that is wished for by name serves the service.
fn check_named(ask: &Ask<'_>, pool: &Pool) -> Result<(), Refusal> {
    check_open(pool)?;
    check_selected(ask.cluster, pool, ask.service)
}

/// The pool wished for by name.
fn named_pool<'a>(ask: &Ask<'a>, name: &Name) -> Result<&'a Arc<Pool>, Refusal> {
    let pool = ask.cluster.ipam.pool(name).ok_or_else(|| Refusal::missing(Reason::PoolNotFound, "pool", name))?;
    if pool.purpose != ask.side.purpose() {
        let message = format!("pool `{name}` is not for external services. Name another pool, or none.");
        return Err(Refusal::new(Reason::NoEligiblePool, message).with("pool", name).about("pool", name));
    }
    Ok(pool)
}

/// The pool that a wish for this address goes to.
fn pool_of_wish<'a>(ask: &Ask<'a>, address: IpAddr) -> Result<&'a Arc<Pool>, Refusal> {
    let named = ask.wished_pools().iter().map(|name| named_pool(ask, name)).collect::<Result<Vec<_>, _>>()?;
    let pool = ask.cluster.ipam.pool_of(address).filter(|pool| pool.purpose == ask.side.purpose());
    pool.filter(|pool| named.is_empty() || named.iter().any(|named| named.name == pool.name)).ok_or_else(|| {
        let names = |pools: &mut dyn Iterator<Item = &Name>| pools.map(Name::as_str).collect::<Vec<_>>().join(", ");
        let all = candidates(ask);
        let names = match named.is_empty() {
            true => names(&mut all.iter().map(|candidate| &candidate.pool.name)),
            false => names(&mut named.iter().map(|pool| &pool.name)),
        };
        let noun = ask.side.noun();
        let message = match names.as_str() {
            "" => format!("{address} cannot be a {noun}: there is no pool for {}. Create one with it.", ask.side.users()),
            _ => format!("{address} cannot be a {noun}: it is not in {names}. Ask for an address of these pools."),
        };
        Refusal::new(Reason::AddressNotInPool, message).with("address", address).with("pools", names)
    })
}

/// Whether this very address can be had.
fn check_wish(ask: &Ask<'_>, pool: &Pool, address: IpAddr) -> Result<(), Refusal> {
    check_named(ask, pool)?;
    check_givable(ask, pool, address)?;
    check_holders(ask, pool, address)
}
