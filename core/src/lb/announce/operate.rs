//! What an operator asks of announcements: to move one, to drain a node.
//!
//! Any replica may be asked, and only the lead knows which nodes it hears of; so nodes count here that live as their agents'
//! leases tell. One that does not ask for its right is corrected by the next turn.

use std::net::IpAddr;
use std::sync::Arc;

use super::presence::Willing;
use super::reconcile::Work;
use super::record::{Announcement, Drain};
use super::target::{Target, leaving};
use crate::cluster::Cluster;
use crate::ipam::{Liveness, Node};
use crate::lb::Change;
use crate::net::Name;
use crate::reason::{Reason, Refusal};
use crate::schema::PlanContext;

/// The most announcements that a drain moves in its own transaction; the rest follow by themselves.
pub const MOST_MOVED: usize = 100;

/// Moves an announcement to a node and pins it there; without a node, lets it go where it likes.
///
/// # Errors
/// [`Reason::AnnouncementNotFound`], [`Reason::EtagMismatch`], [`Reason::NodeNotFound`]; why the node cannot answer for it; and
/// [`Reason::NotAnnounced`] when there is nothing to let go, or no node at all that could.
pub fn move_to(
    cluster: &Cluster,
    address: IpAddr,
    node: Option<&Name>,
    etag: &str,
    context: PlanContext,
) -> Result<Vec<Change>, Refusal> {
    let target = Target::at(cluster, address)?;
    let record = cluster.lb.board().of(address);
    match record {
        Some(record) => record.meta.check_etag("announcement", &address.to_string(), etag)?,
        None if !etag.is_empty() => return Err(unanswered(address)),
        None => {}
    }
    let willing = living(cluster);
    let mut work = Work::new(cluster, &willing, context);
    match (node, record) {
        (Some(name), Some(record)) if record.node == *name && record.pinned => return Ok(Vec::new()),
        (Some(name), Some(record)) if record.node == *name => return Ok(vec![pinned(record, true, context)]),
        (Some(name), _) => {
            let node = cluster.ipam.node(name).ok_or_else(|| Refusal::missing(Reason::NodeNotFound, "node", name))?;
            check(cluster, &target, node)?;
            work.assign(&target, record, name.clone(), true);
        }
        (None, Some(record)) if !record.pinned => return Ok(Vec::new()),
        (None, Some(record)) => return Ok(vec![pinned(record, false, context)]),
        (None, None) => {
            let node = work.best(&target, None).ok_or_else(|| unanswered(address))?;
            work.assign(&target, None, node, false);
        }
    }
    Ok(work.finish())
}

/// Keeps a node from answering for addresses, and moves what others can take.
///
/// # Errors
/// [`Reason::NodeNotFound`].
pub fn drain(cluster: &Cluster, name: &Name, context: PlanContext) -> Result<Vec<Change>, Refusal> {
    let board = cluster.lb.board();
    cluster.ipam.node(name).ok_or_else(|| Refusal::missing(Reason::NodeNotFound, "node", name))?;
    let mut changes = Vec::new();
    if board.drain(name).is_none() {
        let drain = Drain { node: name.clone(), since: context.now };
        changes.push(Change::Drain(name.clone(), Some(Arc::new(drain))));
    }
    let willing = living(cluster);
    let mut work = Work::new(cluster, &willing, context);
    for record in board.on(name).take(MOST_MOVED) {
        let Ok(target) = Target::at(cluster, record.address) else { continue };
        if let Some(node) = work.best(&target, Some(name)) {
            work.assign(&target, Some(record), node, false);
        }
    }
    changes.extend(work.finish());
    Ok(changes)
}

/// Lets a node answer for addresses again.
///
/// # Errors
/// [`Reason::NodeNotFound`].
pub fn end_drain(cluster: &Cluster, name: &Name) -> Result<Vec<Change>, Refusal> {
    cluster.ipam.node(name).ok_or_else(|| Refusal::missing(Reason::NodeNotFound, "node", name))?;
    let drained = cluster.lb.board().drain(name).is_some();
    Ok(drained.then(|| Change::Drain(name.clone(), None)).into_iter().collect())
}

/// The nodes that could take the announcement over, the best first, as far as the state tells.
#[must_use]
pub fn candidates(cluster: &Cluster, target: &Target<'_>) -> Vec<Name> {
    let now = cluster.lb.board().of(target.address).map(|record| &record.node);
    let fit = cluster.ipam.nodes().filter(|node| Some(&node.name) != now && check(cluster, target, node).is_ok());
    let mut fit: Vec<_> = fit.map(|node| (cluster.lb.board().load(&node.name), node.name.clone())).collect();
    fit.sort_unstable();
    fit.into_iter().map(|(_, name)| name).collect()
}

/// Whether the node could take the target over now, as far as the state tells.
///
/// # Errors
/// [`Reason::NodeLost`], [`Reason::NodeNotSeen`]; what [`Target::check`] says; [`Reason::NodeDraining`].
pub fn check(cluster: &Cluster, target: &Target<'_>, node: &Node) -> Result<(), Refusal> {
    // First: what an agent has never told is not known, and what it told is old.
    let lives = match node.liveness {
        Liveness::Alive(_) => Ok(()),
        Liveness::Lost(_) => Err((Reason::NodeLost, "its agent does not renew its lease")),
        Liveness::NotSeen => Err((Reason::NodeNotSeen, "no agent has ever been heard of there")),
    };
    lives.map_err(|(reason, why)| {
        let message = format!("node `{}` cannot answer for {}: {why}", node.name, target.address);
        Refusal::new(reason, message).with("address", target.address).with("node", &node.name).about("node", &node.name)
    })?;
    target.check(node)?;
    leaving(cluster, node).map_or(Ok(()), Err)
}

fn living(cluster: &Cluster) -> Willing {
    let alive = cluster.ipam.nodes().filter(|node| matches!(node.liveness, Liveness::Alive(_)));
    Willing { nodes: alive.map(|node| node.name.clone()).collect(), ..Willing::default() }
}

fn pinned(record: &Arc<Announcement>, pinned: bool, context: PlanContext) -> Change {
    let changed = Announcement { pinned, meta: record.meta.changed(context.now), ..Announcement::clone(record) };
    Change::Announcement(record.address, Some(Arc::new(changed)))
}

fn unanswered(address: IpAddr) -> Refusal {
    let message = format!("No node answers for {address} now, and none can. `polder why` of its service says why not.");
    Refusal::new(Reason::NotAnnounced, message).with("address", address)
}
