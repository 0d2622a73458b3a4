//! Mending what an audit finds, where there is no doubt about what is right.
//!
//! A pod's address on a node that does not exist is freed, a block of such a node is taken back, and a holding that names a block
//! it does not lie in names the right one. An address held twice, pools that overlap, a record that cannot be read: those are for
//! people to decide.

use std::sync::Arc;

use super::decision::Decision;
use super::liveness::orphans;
use super::record::{Allocation, Change, Holding};
use super::release;
use super::view::View;
use crate::cluster::Cluster;
use crate::reason::Reason;
use crate::schema::{Domain, PlanContext};

/// The reasons of findings that can be repaired.
pub const REPAIRABLE: [Reason; 2] = [Reason::NodeNotFound, Reason::DataCorrupt];

/// Decides what to mend, at most `most` records, among the findings with these reasons; none named: among all. How many are
/// mended.
#[must_use]
pub fn repair(cluster: &Cluster, reasons: &[Reason], most: usize, context: PlanContext) -> Decision<usize> {
    let view = &cluster.ipam;
    let wanted = |reason: Reason| reasons.is_empty() || reasons.contains(&reason);
    let mut changes: Vec<Change> = Vec::new();
    if wanted(Reason::NodeNotFound) {
        changes.extend(orphans(view).take(most).map(|orphan| release::end(view, orphan, context)));
        let stray = view.blocks().filter(|block| view.node(&block.node).is_none());
        changes.extend(stray.take(most - changes.len()).map(|block| Change::Block(block.cidr, None)));
    }
    if wanted(Reason::DataCorrupt) {
        let free: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Allocation(uid, _) => Some(*uid),
                _ => None,
            })
            .collect();
        let misplaced = view.allocations(None).filter(|(uid, one)| !free.contains(uid) && is_misplaced(one));
        changes.extend(
            misplaced.take(most - changes.len()).map(|(uid, one)| Change::Allocation(uid, Some(placed(view, one, context)))),
        );
    }
    let answer = changes.len();
    Decision { changes, reads: &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations], answer }
}

fn is_misplaced(allocation: &Allocation) -> bool {
    allocation.holdings.iter().any(|holding| holding.block.is_some_and(|cidr| !cidr.contains(&holding.address)))
}

fn placed(view: &View, allocation: &Allocation, context: PlanContext) -> Arc<Allocation> {
    let place = |holding: &Holding| Holding { block: view.block_of(holding.address).map(|block| block.cidr), ..*holding };
    let holdings = allocation.holdings.iter().map(place).collect();
    Arc::new(Allocation { holdings, meta: allocation.meta.changed(context.now), ..allocation.clone() })
}
