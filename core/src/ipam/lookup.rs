//! Whose an address is: there is always an answer.

use std::net::IpAddr;
use std::sync::Arc;

use super::avoid::avoided;
use super::neighbors::{Stranger, VALID, quarantine};
use super::record::{Allocation, Block, Pool, Reservation};
use crate::cluster::Cluster;
use crate::lb::{Service, ServiceKey};
use crate::time::Timestamp;

/// What an address is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No pool or reservation has it.
    Outside,
    /// A pool has it and nobody holds it.
    Free,
    /// A reservation keeps it and nobody holds it.
    Reserved,
    /// An allocation holds it.
    Allocated,
    /// Services hold it.
    Service,
    /// It was released and rests.
    Cooling,
    /// A pool has it but never gives it.
    Avoided,
    /// Somebody else on the network answers for it.
    Quarantined,
}

/// Everything known about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The address.
    pub address: IpAddr,
    /// What it is now.
    pub standing: Standing,
    /// The pool that has it.
    pub pool: Option<Arc<Pool>>,
    /// The block it lies in.
    pub block: Option<Arc<Block>>,
    /// Who holds it, or held it last while it rests.
    pub allocation: Option<Arc<Allocation>>,
    /// The reservation that keeps it.
    pub reservation: Option<Arc<Reservation>>,
    /// The services that hold it.
    pub services: Vec<Arc<Service>>,
    /// The service that held it last, while it rests.
    pub given_up: Option<ServiceKey>,
    /// Who else on the network answers for it, when that is why nobody gets it.
    pub stranger: Option<Stranger>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Until when: the end of its rest, of its reservation, or of what a report of neighbors says.
    pub until: Option<Timestamp>,
}

/// Says whose an address is.
#[must_use]
pub fn lookup(cluster: &Cluster, address: IpAddr, now: Timestamp) -> Lookup {
    let view = &cluster.ipam;
    let pool = view.pool_of(address).cloned();
    let reservation = view.reservation_of(address).filter(|found| found.expires.is_none_or(|expires| expires > now)).cloned();
    let services: Vec<Arc<Service>> = cluster.lb.holders(address).cloned().collect();
    let block = view.block_of(address).cloned();
    let mut found = Lookup {
        address,
        standing: Standing::Outside,
        pool,
        block,
        allocation: view.held(address).cloned(),
        reservation,
        services,
        given_up: None,
        stranger: None,
        since: None,
        until: None,
    };
    if let Some(held) = &found.allocation {
        (found.standing, found.since) = (Standing::Allocated, Some(held.meta.created));
    } else if let Some(service) = found.services.first() {
        (found.standing, found.since) = (Standing::Service, Some(service.meta.created));
    } else {
        unheld(cluster, &mut found, now);
    }
    found
}

/// What an address is that nobody holds.
fn unheld(cluster: &Cluster, found: &mut Lookup, now: Timestamp) {
    let view = &cluster.ipam;
    if let Some(kept) = &found.reservation {
        (found.standing, found.since, found.until) = (Standing::Reserved, Some(kept.meta.updated), kept.expires);
        return;
    }
    let Some(pool) = &found.pool else {
        return;
    };
    found.standing = Standing::Free;
    if let Some(since) = view.resting_since(found.address) {
        found.since = Some(since);
        let until = since.after(pool.cooldown);
        if until > now {
            (found.standing, found.until) = (Standing::Cooling, Some(until));
            found.allocation = view.rests_at(found.address).next_back().cloned();
            return;
        }
    }
    if let Some(rest) = cluster.lb.rest(found.address) {
        found.since = Some(rest.since);
        let until = rest.until(pool);
        if until > now {
            (found.standing, found.until) = (Standing::Cooling, Some(until));
            found.given_up = Some(rest.holder.clone());
            return;
        }
    }
    let range = pool.ranges.iter().find(|range| range.contains(found.address));
    if range.is_some_and(|range| avoided(pool, found.address, *range).is_some()) {
        found.standing = Standing::Avoided;
        return;
    }
    if let Some(stranger) = quarantine(view, pool, found.address, now) {
        (found.standing, found.since) = (Standing::Quarantined, Some(stranger.reported));
        found.until = Some(stranger.reported.after(VALID));
        found.stranger = Some(stranger);
    }
}

impl Lookup {
    /// The same in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let address = self.address;
        let pool = self.pool.as_ref().map_or_else(String::new, |pool| format!(" of pool {}", pool.name));
        match self.standing {
            Standing::Outside => format!("{address} lies in no pool and no reservation."),
            Standing::Free => format!("{address}{pool} is free."),
            Standing::Avoided => format!("{address}{pool} is never given: an option of the pool keeps it free."),
            Standing::Quarantined => {
                let seen = self.stranger.as_ref().map(|stranger| format!(" {} (seen by node {})", stranger.mac, stranger.seen_by));
                format!("{address}{pool} is not given: somebody else answers for it,{}.", seen.unwrap_or_default())
            }
            Standing::Cooling => {
                let service = self.given_up.as_ref().map(|key| format!("service {key}"));
                let who = service.unwrap_or_else(|| owner(self.allocation.as_deref()));
                format!("{address}{pool} was released by {who} and rests.")
            }
            Standing::Allocated => format!("{address}{pool} is held by {}.", owner(self.allocation.as_deref())),
            Standing::Reserved => {
                let kept = self.reservation.as_ref().map_or_else(String::new, |kept| {
                    if kept.owner.is_empty() { kept.name.to_string() } else { kept.owner.clone() }
                });
                format!("{address}{pool} is reserved for {kept}.")
            }
            Standing::Service => {
                let services: Vec<String> = self.services.iter().map(|service| service.key.to_string()).collect();
                format!("{address}{pool} is a virtual IP of service {}.", services.join(", "))
            }
        }
    }
}

fn owner(allocation: Option<&Allocation>) -> String {
    allocation.map_or_else(String::new, |held| format!("{} {}", held.owner.kind.as_str(), held.owner.full_name()))
}
