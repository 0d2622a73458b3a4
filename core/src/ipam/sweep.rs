//! Clearing away what time has made useless: records of releases long past, empty blocks, reservations that have ended, reports of
//! neighbors that count no more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::decision::Decision;
use super::record::{Allocation, Block, Change};
use super::view::View;
use crate::net::{AddrRange, Family, Name};
use crate::schema::{Domain, PlanContext};
use crate::time::Timestamp;

/// How long a record of a release is kept at least, so that a pool knows which address has been free longest.
const RELEASES_KEPT: Duration = Duration::from_secs(600);

/// How old a block is before it may be taken back, or given to another node, for being empty.
pub(super) const EMPTY_BLOCK_GRACE: Duration = Duration::from_secs(60);

/// What was cleared away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Records of releases.
    pub releases: usize,
    /// Blocks.
    pub blocks: usize,
    /// Reservations.
    pub reservations: usize,
    /// Reports of neighbors.
    pub reports: usize,
}

/// Decides what to clear away now, at most `most` records.
#[must_use]
pub fn plan(view: &View, most: usize, context: PlanContext) -> Decision<Swept> {
    let releases = releases(view, context.now).take(most);
    let mut changes: Vec<Change> = releases.map(|record| Change::Allocation(record.meta.uid, None)).collect();
    let mut answer = Swept { releases: changes.len(), ..Swept::default() };

    let blocks = empty_blocks(view, context.now).into_iter().take(most - changes.len());
    changes.extend(blocks.map(|block| Change::Block(block.cidr, None)));
    answer.blocks = changes.len() - answer.releases;

    let ended = view.reservations().filter(|reservation| reservation.expires.is_some_and(|expires| expires <= context.now));
    let ended: Vec<Change> =
        ended.take(most - changes.len()).map(|reservation| Change::Reservation(reservation.name.clone(), None)).collect();
    answer.reservations = ended.len();
    changes.extend(ended);

    let stale = view.neighbors().filter(|report| !report.is_valid(context.now) || view.node(&report.node).is_none());
    let stale: Vec<Change> = stale.take(most - changes.len()).map(|report| Change::Neighbors(report.node.clone(), None)).collect();
    answer.reports = stale.len();
    changes.extend(stale);
    Decision { changes, reads: &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations], answer }
}

/// Records of releases that no pool needs any more, oldest first.
fn releases(view: &View, now: Timestamp) -> impl Iterator<Item = &Arc<Allocation>> {
    let old = view.released(Timestamp(0)).take_while(move |(since, _)| since.after(RELEASES_KEPT) <= now);
    old.filter(move |(since, record)| {
        let pools = record.holdings.iter().filter_map(|holding| view.pool_of(holding.address));
        pools.into_iter().all(|pool| since.after(pool.cooldown) <= now)
    })
    .map(|(_, record)| record)
}

/// Blocks that nobody holds an address of, save one for each node, pool and family: a node that has pods now and then keeps its
/// route. Blocks whose pool or node is gone are not kept.
fn empty_blocks(view: &View, now: Timestamp) -> Vec<&Arc<Block>> {
    let mut left: BTreeMap<(&Name, Option<&Name>, Family), usize> = BTreeMap::new();
    for block in view.blocks() {
        *left.entry(key(view, block)).or_default() += 1;
    }
    let mut empty = Vec::new();
    let old = view.blocks().filter(|block| block.claimed.after(EMPTY_BLOCK_GRACE) <= now);
    for block in old.filter(|block| view.count_held(AddrRange::of_net(block.cidr)) == 0) {
        let Some(count) = left.get_mut(&key(view, block)) else {
            continue;
        };
        if *count > 1 || is_stray(view, block) {
            *count -= 1;
            empty.push(block);
        }
    }
    empty
}

/// A block's node, the pool that has its first address now, and its family.
fn key<'a>(view: &'a View, block: &'a Block) -> (&'a Name, Option<&'a Name>, Family) {
    (&block.node, view.pool_of(block.cidr.addr()).map(|pool| &pool.name), Family::of(block.cidr.addr()))
}

/// Whether the block's node is gone, or no pool has any of its addresses.
fn is_stray(view: &View, block: &Block) -> bool {
    view.pools_overlapping(AddrRange::of_net(block.cidr)).next().is_none() || view.node(&block.node).is_none()
}
