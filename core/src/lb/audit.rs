//! What must be true of the virtual IPs in any state, whoever made it.

use std::net::IpAddr;

use super::address::is_foreign;
use super::announce;
use super::ask::Side;
use super::bgp;
use super::record::{FamilyPolicy, Service};
use super::sharing;
use crate::cluster::Cluster;
use crate::ipam::{Finding, Severity};
use crate::net::Family;
use crate::reason::{Reason, Refusal};

/// Every broken rule: an address held twice without the right to share it, an address that no pool has, a service that lacks an
/// address without saying why, or has one that its type does not have; an advertisement that names a peer which is not there.
#[must_use]
pub fn audit(cluster: &Cluster) -> Vec<Finding> {
    let services = cluster.lb.services().flat_map(|service| {
        [Side::Cluster, Side::External].into_iter().flat_map(move |side| {
            let placed = side.held(service).iter().filter_map(move |held| misplaced(cluster, service, side, held.address));
            placed.chain(unsaid(service, side))
        })
    });
    let doubles = cluster.lb.held_after(None).flat_map(|address| doubly_held(cluster, address));
    services.chain(doubles).chain(announce::audit(cluster)).chain(bgp::audit(cluster)).collect()
}

fn finding(reason: Reason, service: &Service, message: String) -> Finding {
    Finding::new(Severity::Error, reason, "", message).about("services", &service.key)
}

/// An address outside the pools of its side, under the name of another pool, or held by an allocation too.
fn misplaced(cluster: &Cluster, service: &Service, side: Side, address: IpAddr) -> Option<Finding> {
    let noun = side.noun();
    if let Some(holder) = cluster.ipam.held(address) {
        let message = format!("{noun} {address} is held by allocation `{}` too", holder.meta.uid);
        return Some(finding(Reason::AddressInUse, service, message));
    }
    let pool = cluster.ipam.pool_of(address).filter(|pool| pool.purpose == side.purpose());
    let said = side.held(service).iter().find(|held| held.address == address).map(|held| &held.pool);
    match pool {
        None => Some(finding(Reason::AddressNotInPool, service, format!("{noun} {address} is in no pool for {}", side.users()))),
        Some(pool) if Some(&pool.name) != said => {
            Some(finding(Reason::AddressNotInPool, service, format!("{noun} {address} is in pool `{}` now", pool.name)))
        }
        Some(_) => None,
    }
}

/// Something missing, or too much, without a condition.
fn unsaid(service: &Service, side: Side) -> Option<Finding> {
    let held = side.held(service);
    let families = |family| held.iter().filter(|vip| Family::of(vip.address) == family).count();
    let (v4, v6) = (families(Family::V4), families(Family::V6));
    let belongs = side.belongs_to(service.spec.service_type) && !(side == Side::External && is_foreign(&service.spec));
    let good = match (belongs, service.spec.family_policy) {
        (false, _) => held.is_empty(),
        (true, _) if v4 > 1 || v6 > 1 => false,
        (true, _) if service.condition(side.condition()).is_some() => true,
        (true, FamilyPolicy::SingleStack) => v4 + v6 == 1,
        (true, FamilyPolicy::PreferDualStack) => v4 + v6 >= 1,
        (true, FamilyPolicy::RequireDualStack) => v4 + v6 == 2,
    };
    (!good).then(|| {
        let message = format!("it holds {v4} IPv4 and {v6} IPv6 {}s, which is not what its specification says", side.noun());
        finding(Reason::Internal, service, message)
    })
}

/// Every pair of services under one address that may not share it.
fn doubly_held(cluster: &Cluster, address: IpAddr) -> Vec<Finding> {
    let holders: Vec<&Service> = cluster.lb.holders(address).map(AsRef::as_ref).collect();
    let pairs = holders.iter().enumerate().flat_map(|(at, one)| holders.iter().skip(at + 1).map(move |two| (*one, *two)));
    let verdicts = pairs.filter_map(|(one, two)| {
        let inside = |service: &Service| service.cluster.iter().any(|vip| vip.address == address);
        let refusal = match !inside(one) && !inside(two) {
            true => sharing::check(None, address, one, two).err()?,
            false => Refusal::new(Reason::AddressInUse, format!("{address} is held by service `{}` too", two.key)),
        };
        Some(finding(refusal.reason, one, refusal.message.clone()))
    });
    verdicts.collect()
}
