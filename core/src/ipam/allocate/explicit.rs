//! Addresses asked for by name, one by one or through a reservation.

use std::net::IpAddr;
use std::sync::Arc;

use super::choose::{Choice, Chooser, Step};
use super::eligible::unfit;
use super::refuse;
use super::request::Request;
use crate::ipam::neighbors::quarantine;
use crate::ipam::record::{Block, Holding, Reservation};
use crate::ipam::view::View;
use crate::net::{AddrRange, Family};
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// The addresses of the request, or why one of them cannot be had. They need not have rested.
pub(super) fn choose(view: &View, request: &Request, now: Timestamp) -> Result<Vec<Choice>, Refusal> {
    let addresses = match &request.reservation {
        None => request.addresses.clone(),
        Some(name) => {
            let reservation = view.reservation(name).filter(|found| found.expires.is_none_or(|expires| expires > now));
            let reservation = reservation.ok_or_else(|| Refusal::missing(Reason::ReservationNotFound, "reservation", name))?;
            reserved(view, request, reservation)?
        }
    };
    let mut chosen: Vec<Choice> = Vec::new();
    for address in addresses {
        let lending: Vec<Arc<Block>> = chosen.iter().filter_map(|choice| choice.lend.clone()).collect();
        chosen.push(named(view, request, address, (&lending, now))?);
    }
    Ok(chosen)
}

/// The lowest address of each family that the reservation keeps and nobody holds.
fn reserved(view: &View, request: &Request, reservation: &Reservation) -> Result<Vec<IpAddr>, Refusal> {
    let mut found = Vec::new();
    for family in [Family::V4, Family::V6] {
        let ranges: Vec<AddrRange> = reservation.ranges.iter().filter(|range| range.family() == family).copied().collect();
        let wanted = request.families.contains(&family) || (request.families.is_empty() && !ranges.is_empty());
        if wanted {
            let free = ranges.iter().find_map(|range| view.first_unheld(*range));
            found.push(free.ok_or_else(|| refuse::reservation_used_up(reservation, family))?);
        }
    }
    Ok(found)
}

/// One address asked for by name. The first address of a block that nobody has brings the block along, as any other does: its
/// route goes to the node, and no other node is lent the block around it.
fn named(view: &View, request: &Request, address: IpAddr, more: (&[Arc<Block>], Timestamp)) -> Result<Choice, Refusal> {
    let pool = view.pool_of(address).ok_or_else(|| refuse::outside(request, address))?;
    if !request.pools.is_empty() && !request.pools.contains(&pool.name) {
        return Err(refuse::outside(request, address));
    }
    if let Some(why) = unfit(pool, request) {
        return Err(refuse::unfit(request, pool, address, &why));
    }
    if let Some(reservation) = view.reservation_of(address).filter(|reservation| reservation.system) {
        return Err(refuse::reserved(reservation, address));
    }
    if let Some(holder) = view.held(address) {
        return Err(refuse::address_in_use(address, holder));
    }
    let (lending, now) = more;
    if let Some(stranger) = quarantine(view, pool, address, now) {
        return Err(stranger.refusal(pool, address));
    }
    let block = view.block_of(address);
    let foreign = block.filter(|block| request.owner.node.as_ref() != Some(&block.node));
    if let Some(block) = foreign.filter(|_| pool.strict_affinity) {
        return Err(refuse::foreign_block(pool, address, block));
    }
    let (node, family) = (request.owner.node.as_ref(), Family::of(address));
    let chooser = Chooser { view, pool, node, family, now, taken: &[], lending };
    let coming = lending.iter().find(|block| block.cidr.contains(&address)).map(|block| block.cidr);
    let lend = node.filter(|_| block.is_none() && coming.is_none()).and_then(|node| chooser.lendable(address, node));
    let block = block.map(|block| block.cidr).or(coming).or_else(|| lend.as_ref().map(|block| block.cidr));
    Ok(Choice { holding: Holding { address, block }, step: Step::Named, lend })
}
