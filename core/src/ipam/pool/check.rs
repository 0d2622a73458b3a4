//! The rules about pools: each says no with the objects and numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::Draft;
use crate::cluster::Cluster;
use crate::ipam::decision::Fields;
use crate::ipam::node::holder;
use crate::ipam::record::{Change, Pool, Purpose};
use crate::ipam::view::View;
use crate::lb::{Service, Vip};
use crate::net::{AddrRange, Name};
use crate::reason::{Obstacle, Reason, Refusal, Violations};

/// The most holders that a refusal names.
const MOST_NAMED: usize = 20;

/// Longest cool-down: a day.
const MOST_COOLDOWN: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a draft by itself.
pub(super) fn draft(draft: &Draft) -> Result<(), Refusal> {
    let mut bad = Violations::new();
    if draft.ranges.is_empty() {
        bad.add("pool.ranges", Reason::FieldRequired, "a pool needs at least one range");
    }
    for (at, range) in draft.ranges.iter().enumerate() {
        let field = || format!("pool.ranges[{at}]");
        if let Some(why) = not_unicast(*range) {
            bad.add(field(), Reason::RangeMalformed, format!("{range} has {why}, which cannot be given to anybody"));
        }
        if let Some(other) = draft.ranges[..at].iter().find(|other| other.intersection(range).is_some()) {
            bad.add(field(), Reason::DuplicateValue, format!("{range} and {other} have addresses in common"));
        }
    }
    let len = |bad: &mut Violations, field: &str, len: Option<u8>, least: u8, most: u8| {
        if len.is_some_and(|len| !(least..=most).contains(&len)) {
            bad.add(field, Reason::CountOutOfBounds, format!("a block length is {least} to {most}"));
        }
    };
    len(&mut bad, "pool.block_prefix_length_v4", draft.block_len_v4, 20, 32);
    len(&mut bad, "pool.block_prefix_length_v6", draft.block_len_v6, 112, 128);
    if draft.cooldown.is_some_and(|cooldown| cooldown > MOST_COOLDOWN) {
        bad.add("pool.cooldown", Reason::CountOutOfBounds, "a cool-down is at most 24 hours");
    }
    bad.finish(Some(()))
}

/// Why a range cannot be given out at all.
fn not_unicast(range: AddrRange) -> Option<&'static str> {
    let within = |first: IpAddr, last: IpAddr| AddrRange::new(first, last).is_ok_and(|odd| odd.intersection(&range).is_some());
    let v4 = |a, b| within(IpAddr::V4(a), IpAddr::V4(b));
    let v6 = |a, b| within(IpAddr::V6(a), IpAddr::V6(b));
    if v4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(0, 255, 255, 255)) || v6(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED) {
        return Some("unspecified addresses");
    }
    let multicast = v4(Ipv4Addr::new(224, 0, 0, 0), Ipv4Addr::BROADCAST);
    (multicast || v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), Ipv6Addr::from_bits(u128::MAX)))
        .then_some("multicast or reserved addresses")
}

/// What a new pool is for.
pub(super) fn purpose(draft: &Draft) -> Result<Purpose, Refusal> {
    let mut bad = Violations::new();
    if draft.purpose.is_none() {
        bad.add("pool.purpose", Reason::FieldRequired, "a new pool needs a purpose");
    }
    bad.finish(draft.purpose)
}

/// Fields that keep their value for ever.
pub(super) fn immutable(old: &Pool, draft: &Draft, fields: &Fields) -> Result<(), Refusal> {
    let mut bad = Violations::new();
    let mut keep = |field: &str, named: &str, same: bool| {
        if fields.has(named) && !same {
            bad.add(field, Reason::FieldImmutable, format!("the {named} of a pool cannot change; make another pool"));
        }
    };
    keep("pool.purpose", "purpose", draft.purpose.is_none_or(|purpose| purpose == old.purpose));
    keep("pool.block_prefix_length_v4", "block_prefix_length_v4", draft.block_len_v4.is_none_or(|len| len == old.block_len_v4));
    keep("pool.block_prefix_length_v6", "block_prefix_length_v6", draft.block_len_v6.is_none_or(|len| len == old.block_len_v6));
    bad.finish(Some(()))
}

/// The pool has no address in common with another one.
pub(super) fn disjoint(view: &View, pool: &Pool) -> Result<(), Refusal> {
    let mut obstacles = Vec::new();
    let mut first = None;
    for range in &pool.ranges {
        for (other, theirs) in view.pools_overlapping(*range).filter(|(other, _)| **other != pool.name) {
            first.get_or_insert_with(|| {
                overlap(&format!("{range} of pool `{}`", pool.name), *range, &format!("{theirs} of pool `{other}`"), theirs)
            });
            let description = format!("{range} and {theirs} have addresses in common");
            obstacles.push(Obstacle { reason: Reason::PoolOverlap, subject: format!("pools/{other}"), description });
        }
    }
    let Some((message, common)) = first else {
        return Ok(());
    };
    let mut refusal =
        Refusal::new(Reason::PoolOverlap, message).with("pool", &pool.name).with("common", common).about("pool", &pool.name);
    obstacles.truncate(MOST_NAMED);
    refusal.obstacles = obstacles;
    Err(refusal)
}

/// No two of the pools have an address in common.
pub(super) fn all_disjoint<'a>(pools: impl Iterator<Item = &'a Arc<Pool>>) -> Result<(), Refusal> {
    let mut all: Vec<(AddrRange, &Name)> = pools.flat_map(|pool| pool.ranges.iter().map(|range| (*range, &pool.name))).collect();
    all.sort_unstable();
    // The ranges of one pool are disjoint and in order, so the first overlap is one of neighbours.
    let meet = all.windows(2).find(|pair| pair[0].0.intersection(&pair[1].0).is_some());
    let Some([(ours, pool), (theirs, other)]) = meet else {
        return Ok(());
    };
    let (message, common) = overlap(&format!("{ours} of pool `{pool}`"), *ours, &format!("{theirs} of pool `{other}`"), *theirs);
    Err(Refusal::new(Reason::PoolOverlap, message).with("pool", pool).with("common", common).about("pool", pool))
}

/// The sentence about two ranges that overlap, and what they have in common.
pub(in crate::ipam) fn overlap(ours_named: &str, ours: AddrRange, theirs_named: &str, theirs: AddrRange) -> (String, String) {
    let common = ours.intersection(&theirs).unwrap_or(ours);
    let count = common.len();
    let addresses = if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") };
    (format!("{ours_named} overlaps {theirs_named} at {common} ({addresses}). Choose ranges that do not meet."), common.to_string())
}

/// No service holds an address of a pool that is put as what the pool is not for.
///
/// Services give up what their pools lose by their own planner, a moment after the change; until then the address is theirs, and
/// pods and nodes are given addresses without asking services.
pub(in crate::ipam) fn held_by_no_other_purpose(cluster: &Cluster, changes: &[Change]) -> Result<(), Refusal> {
    let put = changes.iter().filter_map(|change| if let Change::Pool(_, Some(pool)) = change { Some(pool) } else { None });
    for pool in put {
        let foreign = |service: &&Arc<Service>, address: IpAddr| {
            let holds = |vips: &[Vip]| vips.iter().any(|vip| vip.address == address);
            (pool.purpose != Purpose::ClusterService && holds(&service.cluster))
                || (pool.purpose != Purpose::ExternalService && holds(&service.external))
        };
        let held = pool.ranges.iter().flat_map(|range| cluster.lb.held_in(*range));
        let first =
            held.filter_map(|address| Some((address, cluster.lb.holders(address).find(|one| foreign(one, address))?))).next();
        if let Some((address, service)) = first {
            let message = format!(
                "Pool `{}` cannot have {address}: service `{}` holds it until it has another. Wait for that, or delete the service.",
                pool.name, service.key
            );
            let refusal = Refusal::new(Reason::PoolInUse, message).with("pool", &pool.name).with("address", address);
            let description = format!("service {} holds {address}", service.key);
            let subject = format!("services/{}", service.key);
            return Err(refusal.about("pool", &pool.name).blocked_by(Obstacle { reason: Reason::PoolInUse, subject, description }));
        }
    }
    Ok(())
}

/// How many addresses are held, in words.
pub(in crate::ipam) fn are_held(count: u64) -> String {
    if count == 1 { "1 address is held".to_owned() } else { format!("{count} addresses are held") }
}

/// How many addresses of the ranges pods, nodes and services hold, and the first of their holders.
pub(in crate::ipam) fn holders(cluster: &Cluster, ranges: &[AddrRange]) -> (u64, Vec<Obstacle>) {
    let held: u64 = ranges.iter().map(|range| cluster.ipam.count_held(*range)).sum();
    let vips: Vec<IpAddr> = ranges.iter().flat_map(|range| cluster.lb.held_in(*range)).collect();
    let allocations = ranges.iter().flat_map(|range| cluster.ipam.held_in(*range)).map(|(_, allocation)| holder(allocation));
    let services = vips.iter().flat_map(|vip| {
        cluster.lb.holders(*vip).map(move |service| Obstacle {
            reason: Reason::AddressInUse,
            subject: format!("services/{}", service.key),
            description: format!("{vip} is held by service {}", service.key),
        })
    });
    let mut named: Vec<Obstacle> = allocations.take(MOST_NAMED).chain(services).take(MOST_NAMED).collect();
    named.dedup();
    (held + vips.len() as u64, named)
}
