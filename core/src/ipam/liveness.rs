//! Which nodes live, and what becomes of the addresses of nodes that are gone.
//!
//! A node's agent renews a lease; the lease itself is the store's affair, here is what follows from it. A node that is lost keeps
//! everything: its pods may well run on without the control plane. Only allocations whose node does not exist any more are
//! orphans. They can come from a restored backup or an import; nothing in Polder makes them.

use std::sync::Arc;

use super::decision::Decision;
use super::node;
use super::record::{Allocation, Change, Liveness, Node, OwnerKind};
use super::release;
use super::view::View;
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::net::Name;
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// The node that renews under this name and identity.
///
/// # Errors
/// `NODE_NOT_FOUND`; `NODE_UID_MISMATCH` when another node has the name by now.
pub fn renewing<'a>(view: &'a View, name: &Name, uid: Uid) -> Result<&'a Arc<Node>, Refusal> {
    let node = node::find(view, name)?;
    if node.meta.uid == uid {
        return Ok(node);
    }
    let message = format!("Node `{name}` has uid {} now, not {uid}. Register again and go on with that one.", node.meta.uid);
    let refusal = Refusal::new(Reason::NodeUidMismatch, message).with("node", name).with("uid", node.meta.uid);
    Err(refusal.about("node", name))
}

/// Notes that a node's agent renews its lease. Nothing changes when that is known.
///
/// # Errors
/// As [`renewing`].
pub fn seen(cluster: &Cluster, name: &Name, uid: Uid, context: PlanContext) -> Result<Decision<()>, Refusal> {
    let node = renewing(&cluster.ipam, name, uid)?;
    let changes = match node.liveness {
        Liveness::Alive(_) => Vec::new(),
        Liveness::NotSeen | Liveness::Lost(_) => vec![moved(node, Liveness::Alive(context.now))],
    };
    Ok(Decision { changes, reads: &[Domain::IpamNodes], answer: () })
}

/// Notes that the leases of nodes have run out: of those that are still the ones meant, and still count as living. The names of
/// the nodes that are lost by this.
#[must_use]
pub fn lost(cluster: &Cluster, leases: &[(Name, Uid)], context: PlanContext) -> Decision<Vec<Name>> {
    let nodes = leases.iter().filter_map(|(name, uid)| renewing(&cluster.ipam, name, *uid).ok());
    let gone: Vec<_> = nodes.filter(|node| matches!(node.liveness, Liveness::Alive(_))).collect();
    let changes = gone.iter().map(|node| moved(node, Liveness::Lost(context.now))).collect();
    Decision { changes, reads: &[Domain::IpamNodes], answer: gone.iter().map(|node| node.name.clone()).collect() }
}

/// The version stays: an operator's change must not fail because the node's lease has ended or begun meanwhile.
fn moved(node: &Node, liveness: Liveness) -> Change {
    let node = Node { liveness, ..node.clone() };
    Change::Node(node.name.clone(), Some(Arc::new(node)))
}

/// Whether the allocation's node does not exist any more.
#[must_use]
pub fn is_orphan(view: &View, allocation: &Allocation) -> bool {
    let owner = &allocation.owner;
    let gone = |node: &Name| view.node(node).is_none();
    allocation.is_held() && owner.kind != OwnerKind::Node && owner.node.as_ref().is_some_and(gone)
}

/// Every orphan, by uid. Visits the nodes that allocations name, not every allocation.
pub fn orphans(view: &View) -> impl Iterator<Item = &Arc<Allocation>> {
    let gone = view.nodes_in_use().filter(|node| view.node(node).is_none());
    gone.flat_map(|node| view.allocations_on(node)).filter(|allocation| is_orphan(view, allocation))
}

/// Frees those of the allocations that are orphans still. The uids of those that are freed.
#[must_use]
pub fn free_orphans(cluster: &Cluster, candidates: &[Uid], context: PlanContext) -> Decision<Vec<Uid>> {
    let view = &cluster.ipam;
    let found = candidates.iter().filter_map(|uid| view.allocation(*uid));
    let orphans: Vec<_> = found.filter(|allocation| is_orphan(view, allocation)).collect();
    let changes = orphans.iter().map(|orphan| release::end(view, orphan, context)).collect();
    let answer = orphans.iter().map(|orphan| orphan.meta.uid).collect();
    Decision { changes, reads: &[Domain::IpamNodes, Domain::IpamPools], answer }
}
