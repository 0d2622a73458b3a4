//! Taking addresses from their holders, when a change of pools leaves these addresses without a pool and the caller has said
//! that it may.
//!
//! An allocation gets other addresses of the same families in the same transaction and keeps its identity; where none can be
//! had it ends as a whole, because dual stack is all or nothing. A node never goes without an address: then the change is
//! refused. Services belong to LB, which sees the new pools and gives others itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allocate;
use super::impact::shown;
use super::pool::{are_held, held_by_no_other_purpose, holders};
use super::record::{Allocation, Change, Holding, Namespace, Node, OwnerKind, Pool, Purpose, Quotas};
use super::release;
use super::view::View;
use crate::cluster::Cluster;
use crate::lb::Service;
use crate::net::{Family, Name, RangeSet};
use crate::reason::{Reason, Refusal};
use crate::schema::PlanContext;

/// The most allocations that one change moves: each may need several writes, and a transaction holds about 120.
const MOST_MOVED: usize = 40;

/// The most records that one change writes, those of the pools included.
const MOST_WRITES: usize = 100;

/// Where the numbers of records of what is lost begin, behind those of the pools that one request makes.
const RESTING: u64 = 1000;

/// The handle under which an allocation keeps the addresses that it does not lose, while others are looked for.
const MOVING: &str = "polder.dev/moving";

/// The addresses that some pool has and no pool of the same purpose has after the changes.
pub(super) fn lost(view: &View, changes: &[Change]) -> RangeSet {
    // Nearly every change is one of allocations, and has nothing to do here.
    if !changes.iter().any(|change| matches!(change, Change::Pool(..))) {
        return RangeSet::default();
    }
    let mut after: BTreeMap<&Name, &Arc<Pool>> = view.pools().map(|pool| (&pool.name, pool)).collect();
    for change in changes {
        if let Change::Pool(name, record) = change {
            match record {
                Some(pool) => after.insert(name, pool),
                None => after.remove(name),
            };
        }
    }
    let of = |pools: &mut dyn Iterator<Item = &Arc<Pool>>, purpose: Purpose| -> RangeSet {
        pools.filter(|pool| pool.purpose == purpose).flat_map(|pool| pool.ranges.iter().copied()).collect()
    };
    let purposes = [Purpose::Node, Purpose::Pod, Purpose::ClusterService, Purpose::ExternalService];
    let gone = purposes.into_iter().flat_map(|purpose| {
        let had = of(&mut view.pools(), purpose);
        had.minus(&of(&mut after.values().copied(), purpose)).ranges().to_vec()
    });
    gone.collect()
}

/// The services that hold one of the addresses, each once.
pub(super) fn services<'a>(cluster: &'a Cluster, lost: &RangeSet) -> impl Iterator<Item = &'a Arc<Service>> {
    let vips = lost.ranges().iter().flat_map(|range| cluster.lb.held_in(*range));
    let holders: BTreeMap<_, _> = vips.flat_map(|vip| cluster.lb.holders(vip)).map(|service| (&service.key, service)).collect();
    holders.into_values()
}

/// Whether holders may lose their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eviction {
    /// A change that takes an address from its holder is refused.
    #[default]
    Refused,
    /// The holders get others, or lose theirs.
    Allowed,
}

/// The changes of pools together with what becomes of the allocations that hold addresses which no pool has afterwards.
///
/// # Errors
/// `POOL_IN_USE` with the holders: when they may not be evicted, are too many for one transaction, or are nodes for which there
/// is no other address.
pub(super) fn settle(
    cluster: &Cluster,
    pools: Vec<Change>,
    eviction: Eviction,
    context: PlanContext,
) -> Result<Vec<Change>, Refusal> {
    let lost = lost(&cluster.ipam, &pools);
    let (count, obstacles) = holders(cluster, lost.ranges());
    if count == 0 {
        held_by_no_other_purpose(cluster, &pools)?;
        return Ok(pools);
    }
    let in_use = |message: String| {
        let mut refusal = Refusal::new(Reason::PoolInUse, message).with("ranges", shown(lost.ranges())).with("held", count);
        refusal.obstacles.clone_from(&obstacles);
        refusal
    };
    if eviction == Eviction::Refused {
        return Err(in_use(format!(
            "{} would be left without a pool, and {} of it. Release them first, let a pool of the same purpose have them, set the \
             pool to draining, or allow eviction: then who holds them gets others.",
            shown(lost.ranges()),
            are_held(count)
        )));
    }
    held_by_no_other_purpose(cluster, &pools)?;
    let mut moving = Moving { before: &cluster.ipam, work: cluster.clone(), changes: Vec::new(), context };
    moving.commit(pools);
    for held in held_in(&cluster.ipam, &lost).map_err(in_use)? {
        moving.evict(held, &lost).map_err(|why| {
            in_use(format!("Node `{}` cannot lose its address, because it can have no other: {why}", held.owner.name))
        })?;
    }
    if moving.changes.len() > MOST_WRITES {
        let message = format!("Moving {count} addresses takes more writes than one transaction holds. Shrink the pools in steps.");
        return Err(in_use(message));
    }
    Ok(moving.changes)
}

/// The allocations that hold one of the addresses, each once; in words when they are too many.
fn held_in<'a>(view: &'a View, lost: &RangeSet) -> Result<Vec<&'a Arc<Allocation>>, String> {
    let mut held: BTreeMap<_, &Arc<Allocation>> = BTreeMap::new();
    for (_, allocation) in lost.ranges().iter().flat_map(|range| view.held_in(*range)) {
        held.insert(allocation.meta.uid, allocation);
        if held.len() > MOST_MOVED {
            return Err(format!(
                "More than {MOST_MOVED} allocations hold addresses of {}; one change moves no more. Shrink the pools in steps, or \
                 set them to draining first.",
                shown(lost.ranges())
            ));
        }
    }
    Ok(held.into_values().collect())
}

/// Evictions one after the other, each on what the ones before it leave.
struct Moving<'a> {
    /// The state before: what is lost rests as the pools that had it say, in case one has it again soon.
    before: &'a View,
    work: Cluster,
    changes: Vec<Change>,
    context: PlanContext,
}

impl Moving<'_> {
    /// Takes changes over; of several changes of one record the last one counts.
    fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.work.ipam.apply(&change);
            self.changes.retain(|earlier| !earlier.is_of_same_record(&change));
            self.changes.push(change);
        }
    }

    /// Gives the allocation other addresses for those it loses, or ends it. The refusal says why a node can have no other.
    fn evict(&mut self, held: &Arc<Allocation>, lost: &RangeSet) -> Result<(), Refusal> {
        match self.others(held, lost) {
            Ok(changes) => self.commit(changes),
            Err(refusal) if held.owner.kind == OwnerKind::Node => return Err(refusal),
            Err(_) => {
                let end = release::end(self.before, held, self.context);
                self.commit(vec![end]);
            }
        }
        Ok(())
    }

    /// The allocation with other addresses in the places of those it loses, and the blocks lent for them.
    ///
    /// It is nobody new: that its node takes no new pods, or that its namespace has used up its quota, does not end it.
    fn others(&self, held: &Arc<Allocation>, lost: &RangeSet) -> Result<Vec<Change>, Refusal> {
        // What it keeps stays held, under another handle: the wish for the rest is a new one.
        let kept: Vec<Holding> = held.holdings.iter().filter(|holding| !lost.contains(holding.address)).copied().collect();
        let stays = Allocation { handle: MOVING.into(), holdings: kept, ..Allocation::clone(held) };
        let stays = Some(stays).filter(|stays| !stays.holdings.is_empty()).map(Arc::new);
        let mut work = self.work.clone();
        work.ipam.apply(&Change::Allocation(held.meta.uid, stays));
        welcome(&mut work.ipam, held);
        let (mut holdings, mut changes) = (held.holdings.clone(), Vec::new());
        for family in [Family::V4, Family::V6] {
            let gone = |holding: &Holding| Family::of(holding.address) == family && lost.contains(holding.address);
            let count = held.holdings.iter().filter(|holding| gone(holding)).count();
            if count == 0 {
                continue;
            }
            let wish = allocate::Request {
                labels: held.labels.clone(),
                families: vec![family],
                count,
                ..allocate::Request::new(Arc::clone(&held.handle), held.owner.clone())
            };
            let decision = allocate::plan(&work, &wish, self.context)?;
            let mut given = decision.answer.allocation.holdings.clone().into_iter();
            for place in holdings.iter_mut().filter(|holding| gone(holding)) {
                *place = given.next().unwrap_or(*place);
            }
            let own = decision.answer.allocation.meta.uid;
            let besides =
                decision.changes.into_iter().filter(|change| !matches!(change, Change::Allocation(uid, _) if *uid == own));
            changes.extend(besides);
        }
        let gone = held.holdings.iter().filter(|holding| lost.contains(holding.address)).copied().collect();
        let number = RESTING + self.changes.len() as u64;
        changes.extend(release::resting(self.before, held, gone, (number, self.context)));
        let moved = Allocation { holdings, meta: held.meta.changed(self.context.now), ..Allocation::clone(held) };
        changes.push(Change::Allocation(moved.meta.uid, Some(Arc::new(moved))));
        Ok(changes)
    }
}

/// Lets the owner have addresses as if it were not there yet: on a node that takes no new pods, in a namespace whose quota is
/// used up. The planner's copy of the state alone says so; nothing of it is committed.
fn welcome(work: &mut View, held: &Allocation) {
    let node = held.owner.node.as_ref().and_then(|name| work.node(name)).filter(|node| node.draining || node.unschedulable);
    if let Some(node) = node.cloned() {
        let open = Node { draining: false, unschedulable: false, ..Node::clone(&node) };
        work.apply(&Change::Node(node.name.clone(), Some(Arc::new(open))));
    }
    let namespace = held.owner.namespace.as_ref().and_then(|name| work.namespace(name));
    if let Some(namespace) = namespace.filter(|namespace| namespace.quotas.pod_addresses.is_some()).cloned() {
        let quotas = Quotas { pod_addresses: None, ..namespace.quotas };
        let open = Namespace { quotas, ..Namespace::clone(&namespace) };
        work.apply(&Change::Namespace(namespace.name.clone(), Some(Arc::new(open))));
    }
}
