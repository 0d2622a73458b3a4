//! How an allocation is refused: the reason, every pool with its numbers, and what to do.

use std::net::IpAddr;

use super::choose::Step;
use super::eligible::{Ineligible, list};
use super::request::Request;
use super::{Judgement, PoolTrace};
use crate::ipam::record::{Allocation, Block, OwnerKind, Pool, Reservation};
use crate::net::{Family, Label};
use crate::reason::{Obstacle, Reason, Refusal, Violation, shown};

impl PoolTrace {
    /// Whether the pool may serve the owner.
    #[must_use]
    pub const fn eligible(&self) -> bool {
        !matches!(self.judgement, Judgement::Ineligible(_))
    }

    /// Why the pool gave nothing, or not enough.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match &self.judgement {
            Judgement::Ineligible(why) => Some(why.reason()),
            Judgement::RanOut(_, reason) | Judgement::Withheld(_, reason) => Some(*reason),
            Judgement::Gave(_) | Judgement::NotNeeded => None,
        }
    }

    /// The addresses it gives, each with where they were found.
    #[must_use]
    pub fn given(&self) -> &[(IpAddr, Step)] {
        match &self.judgement {
            Judgement::Gave(given) | Judgement::RanOut(given, _) => given,
            Judgement::Ineligible(_) | Judgement::Withheld(..) | Judgement::NotNeeded => &[],
        }
    }

    /// One sentence for people, with the numbers.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = match &self.judgement {
            Judgement::Ineligible(why) => why.describe().to_owned(),
            Judgement::NotNeeded => "not asked: the pools before it gave everything".to_owned(),
            Judgement::Gave(given) => {
                given.iter().map(|(address, step)| format!("{address} {}", step.describe())).collect::<Vec<_>>().join(", ")
            }
            Judgement::Withheld(address, _) => format!("{address} lies in it and cannot be had"),
            Judgement::RanOut(_, Reason::BlockLimit) => "the node has as many blocks as the pool lends to one node".to_owned(),
            Judgement::RanOut(..) => String::new(),
        };
        let numbers = self.usage.as_ref().map(ToString::to_string);
        [what, numbers.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

/// No pool gave all that was asked for.
pub(super) fn no_address(request: &Request, missing: &[(Family, usize)], traces: &[PoolTrace]) -> Refusal {
    let short: Vec<&PoolTrace> = traces.iter().filter(|trace| matches!(trace.judgement, Judgement::RanOut(..))).collect();
    let limited = !short.is_empty() && short.iter().all(|trace| trace.reason() == Some(Reason::BlockLimit));
    let (reason, message) = match (missing.first(), short.is_empty()) {
        (Some((family, count)), false) => {
            let pools = list(short.iter().filter(|trace| trace.family == *family).map(|trace| &trace.pool));
            let message = match limited {
                true => format!(
                    "No {family} address for `{}`: the node has all the blocks it may have in pool {pools}.",
                    shown(&request.handle)
                ),
                false => format!(
                    "No {family} address for `{}`: {count} more needed, and pool {pools} has none to give. Extend a pool, or release addresses.",
                    shown(&request.handle)
                ),
            };
            (if limited { Reason::BlockLimit } else { Reason::PoolExhausted }, message)
        }
        _ => (Reason::NoEligiblePool, nothing_eligible(request, traces)),
    };
    let mut refusal = Refusal::new(reason, message).with("handle", shown(&request.handle));
    if let Some((family, count)) = missing.first() {
        refusal = refusal.with("family", family).with("missing", count);
    }
    if let Some(trace) = short.first() {
        refusal = refusal.about("pool", &trace.pool).with("pool", &trace.pool);
    }
    refusal.obstacles = traces.iter().filter_map(obstacle).collect();
    refusal
}

fn nothing_eligible(request: &Request, traces: &[PoolTrace]) -> String {
    let handle = shown(&request.handle);
    if traces.is_empty() {
        return format!("No address for `{handle}`: there is no pool at all. Set the compute network, or create a pool.");
    }
    let wanted = request.families.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let wanted = if wanted.is_empty() { String::new() } else { format!(" {wanted}") };
    format!("No{wanted} address for `{handle}`: none of {} pools may serve it. The details say why for each.", traces.len())
}

fn obstacle(trace: &PoolTrace) -> Option<Obstacle> {
    let reason = trace.reason()?;
    let description = format!("pool {}, {}: {}", trace.pool, trace.family, trace.describe());
    Some(Obstacle { reason, subject: format!("pools/{}", trace.pool), description })
}

pub(super) fn handle_in_use(request: &Request, held: &Allocation) -> Refusal {
    let addresses = held.holdings.iter().map(|holding| holding.address.to_string()).collect::<Vec<_>>().join(", ");
    let message = format!(
        "Handle `{}` holds {addresses} for {} `{}`, and something else is asked for now. Release it first, or use another handle.",
        shown(&request.handle),
        held.owner.kind.as_str(),
        held.owner.full_name(),
    );
    Refusal::new(Reason::HandleInUse, message)
        .with("handle", shown(&request.handle))
        .with("addresses", addresses)
        .with("owner", held.owner.full_name())
        .about("allocation", held.meta.uid)
}

pub(super) fn address_in_use(address: IpAddr, holder: &Allocation) -> Refusal {
    let owner = holder.owner.full_name();
    let message =
        format!("{address} is held by {} `{owner}`. Choose another address, or release that one.", holder.owner.kind.as_str());
    Refusal::new(Reason::AddressInUse, message)
        .with("address", address)
        .with("holder", owner)
        .with("allocation", holder.meta.uid)
        .about("allocation", holder.meta.uid)
}

pub(super) fn outside(request: &Request, address: IpAddr) -> Refusal {
    let pools = list(request.pools.iter());
    let message = match pools.is_empty() {
        true => format!("{address} lies in no pool. Choose an address of a pool, or extend one."),
        false => format!("{address} does not lie in pool {pools}. Choose an address of it, or leave the pool open."),
    };
    naming(Refusal::new(Reason::AddressNotInPool, message).with("address", address).with("pools", pools), request, address)
}

/// The refusal of an address that can never be had, with the field that asks for it.
fn naming(mut refusal: Refusal, request: &Request, address: IpAddr) -> Refusal {
    let above = if request.owner.kind == OwnerKind::Node { "" } else { "spec." };
    let place = request.addresses.iter().position(|asked| *asked == address);
    let (reason, description) = (refusal.reason, refusal.message.clone());
    refusal.violations.extend(place.map(|at| Violation { field: format!("{above}addresses[{at}]"), reason, description }));
    refusal
}

pub(super) fn unfit(request: &Request, pool: &Pool, address: IpAddr, why: &Ineligible) -> Refusal {
    let reason = match why {
        Ineligible::Purpose(_) => Reason::AddressNotInPool,
        _ => why.reason(),
    };
    let message = format!("{address} lies in pool `{}`, and {}.", pool.name, why.describe());
    let refusal = Refusal::new(reason, message).with("address", address).with("pool", &pool.name).about("pool", &pool.name);
    if reason == Reason::AddressNotInPool { naming(refusal, request, address) } else { refusal }
}

pub(super) fn reserved(reservation: &Reservation, address: IpAddr) -> Refusal {
    let message = format!("{address} is reserved for {}. Choose another address.", owner_of(reservation));
    Refusal::new(Reason::AddressReserved, message)
        .with("address", address)
        .with("reservation", &reservation.name)
        .about("reservation", &reservation.name)
}

pub(super) fn reservation_used_up(reservation: &Reservation, family: Family) -> Refusal {
    let message = format!("Reservation `{}` has no {family} address left that nobody holds.", reservation.name);
    Refusal::new(Reason::AddressInUse, message)
        .with("reservation", &reservation.name)
        .with("family", family)
        .about("reservation", &reservation.name)
}

fn owner_of(reservation: &Reservation) -> String {
    if reservation.owner.is_empty() { format!("`{}`", reservation.name) } else { shown(&reservation.owner) }
}

pub(super) fn foreign_block(pool: &Pool, address: IpAddr, block: &Block) -> Refusal {
    let message = format!(
        "{address} lies in block {} of node `{}`, and pool `{}` has strict affinity: no other node gets an address of it.",
        block.cidr, block.node, pool.name
    );
    Refusal::new(Reason::NoEligiblePool, message)
        .with("address", address)
        .with("block", block.cidr)
        .with("node", &block.node)
        .about("pool", &pool.name)
}

pub(super) fn quota(namespace: &Label, used: u64, limit: u64, wanted: usize) -> Refusal {
    let message = format!(
        "Namespace `{namespace}` holds {used} of {limit} pod addresses; {wanted} more are too many. Release some, or raise its quota."
    );
    Refusal::new(Reason::QuotaExceeded, message)
        .with("namespace", namespace)
        .with("used", used)
        .with("limit", limit)
        .with("wanted", wanted)
        .about("namespace", namespace)
}
