//! The small number of a node, by which the others mark what goes to it.

use std::collections::BTreeSet;

use super::super::record::Node;
use super::super::view::View;
use crate::net::Name;
use crate::reason::{Reason, Refusal};

/// The highest number, and with it the most nodes of a cluster: a node marks packets with the number, and keeps bits for others.
pub const MOST: u16 = 4095;

/// The node's number, or the lowest that no other node has; `None` when all are given. A node from before there were numbers has 0.
pub(super) fn given(view: &View, known: Option<&Node>) -> Option<u16> {
    if let Some(number) = known.map(|node| node.number).filter(|number| *number > 0) {
        return Some(number);
    }
    let taken: BTreeSet<u16> = view.nodes().map(|node| node.number).collect();
    (1..=MOST).find(|number| !taken.contains(number))
}

/// Why a node cannot be registered when all numbers are given.
pub(super) fn none_left(name: &Name) -> Refusal {
    let message =
        format!("Node `{name}` cannot be registered: the cluster has {MOST} nodes, the most there can be. Delete one first.");
    Refusal::new(Reason::NodeLimit, message).with("node", name).with("limit", MOST).about("node", name)
}
