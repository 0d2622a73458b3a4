//! Removing a node with everything that is its own.

use std::sync::Arc;

use super::{READS, find, handle, holder, pods_on};
use crate::cluster::Cluster;
use crate::ipam::decision::Decision;
use crate::ipam::record::{Allocation, Change, Node};
use crate::ipam::release;
use crate::net::Name;
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// The most pods that one transaction frees when a node is removed by force.
const MOST_FREED: usize = 50;

/// The most pods that a refusal names.
const MOST_NAMED: usize = 20;

/// How far the removal of a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The node is gone, its blocks and addresses with it.
    Done,
    /// The node is marked as being removed and some of its pods are freed; the next step frees more.
    More,
}

/// A wish to remove a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// The node.
    pub name: Name,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// Free the addresses of its pods as well.
    pub force: bool,
}

/// How much of a removal is decided at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What fits into one transaction: a removal by force may take several.
    Step,
    /// Everything, to be looked at and not to be committed.
    Whole,
}

/// Removes a node with its blocks and its own addresses. Pods on it forbid that, unless `force` frees them too: then so many in
/// one transaction, until none is left. The first step marks the node, so that whoever comes after a crash goes on with it.
///
/// # Errors
/// `NODE_NOT_FOUND`, `ETAG_MISMATCH`, `NODE_IN_USE` with the pods on it.
pub fn delete(cluster: &Cluster, wish: &Deletion, extent: Extent, context: PlanContext) -> Result<Decision<Removal>, Refusal> {
    let Deletion { name, etag, force } = wish;
    let view = &cluster.ipam;
    let node = find(view, name)?;
    node.meta.check_etag("node", name.as_str(), etag)?;
    let most = match extent {
        Extent::Step => MOST_FREED,
        Extent::Whole => usize::MAX,
    };
    let pods: Vec<&Arc<Allocation>> = pods_on(view, name).collect();
    if !pods.is_empty() && !force {
        return Err(in_use(name, &pods));
    }
    let mut changes: Vec<Change> = pods.iter().take(most).map(|pod| release::end(view, pod, context)).collect();
    if pods.len() > most {
        if node.removing.is_none() {
            let (removing, meta) = (Some(context.now), node.meta.changed(context.now));
            let going = Node { draining: true, removing, meta, ..Node::clone(node) };
            changes.push(Change::Node(name.clone(), Some(Arc::new(going))));
        }
        return Ok(Decision { changes, reads: READS, answer: Removal::More });
    }
    changes.extend(view.by_handle(&handle(name)).map(|own| release::end(view, own, context)));
    changes.extend(view.blocks_of(name).take(most).map(|block| Change::Block(block.cidr, None)));
    changes.extend(view.neighbors_of(name).map(|_| Change::Neighbors(name.clone(), None)));
    changes.push(Change::Node(name.clone(), None));
    Ok(Decision { changes, reads: READS, answer: Removal::Done })
}

/// The next step of a removal that has begun. It is done, and changes nothing, when the node is gone, or was made anew, meanwhile:
/// somebody else took the last step.
///
/// # Errors
/// None that a removal can meet: see [`delete`].
pub fn resume(cluster: &Cluster, name: &Name, context: PlanContext) -> Result<Decision<Removal>, Refusal> {
    if cluster.ipam.node(name).is_none_or(|node| node.removing.is_none()) {
        return Ok(Decision { changes: Vec::new(), reads: &[Domain::IpamNodes], answer: Removal::Done });
    }
    let wish = Deletion { name: name.clone(), etag: String::new(), force: true };
    delete(cluster, &wish, Extent::Step, context)
}

fn in_use(name: &Name, pods: &[&Arc<Allocation>]) -> Refusal {
    let message = format!(
        "Node `{name}` cannot be deleted: {} pods on it hold addresses. Release them, or delete it with force to free them too.",
        pods.len()
    );
    let mut refusal = Refusal::new(Reason::NodeInUse, message).with("node", name).with("pods", pods.len()).about("node", name);
    refusal.obstacles = pods.iter().take(MOST_NAMED).map(|pod| holder(pod)).collect();
    refusal
}
