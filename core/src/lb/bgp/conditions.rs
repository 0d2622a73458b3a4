//! What is true of a record in the state as it is now. Nothing of it is stored: pools, nodes and peers change without the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::{BgpAdvertisement, BgpPeer};
use super::rivals::rival;
use super::rules;
use super::session::{SessionReport, SessionState};
use crate::cluster::Cluster;
use crate::ipam::{Liveness, Node};
use crate::net::Name;
use crate::reason::Reason;
use crate::time::Timestamp;

/// The most peers or nodes that a condition names.
const MOST_NAMED: usize = 5;

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Well,
    /// It is not, and why.
    Wrong(Reason),
    /// Nobody here knows.
    Unknown,
}

impl From<Option<Reason>> for Standing {
    fn from(reason: Option<Reason>) -> Self {
        reason.map_or(Self::Well, Self::Wrong)
    }
}

/// One thing that is as it should be, or not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about, as the API names it.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub standing: Standing,
    /// For people, with the values.
    pub message: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
}

/// What is true of a peer: whether there are nodes that have a session. It looks at every node once.
#[must_use]
pub fn of_peer(cluster: &Cluster, peer: &BgpPeer) -> Vec<Condition> {
    let nodes = cluster.ipam.nodes().filter(|node| peer.spec.nodes.matches(&node.labels)).count();
    let (reason, message) = match nodes {
        0 => (Some(Reason::NodeNotFound), "no node matches its node selectors, so nobody has a session".to_owned()),
        1 => (None, "1 node has a session".to_owned()),
        nodes => (None, format!("{nodes} nodes have a session")),
    };
    vec![Condition { name: "NodesSelected", standing: reason.into(), message, since: None }]
}

/// What nodes said last of their sessions with one peer.
pub type Heard = BTreeMap<Name, SessionReport>;

/// Whether the nodes that have a session with a peer, and that live, say that it is established. `heard` is `None` where
/// nodes are not heard. `None` is answered when no node is to have a session. It looks at every node once.
#[must_use]
pub fn established(cluster: &Cluster, peer: &BgpPeer, heard: Option<&Heard>) -> Option<Condition> {
    let lives = |node: &&Arc<Node>| matches!(node.liveness, Liveness::Alive(_)) && node.removing.is_none();
    let nodes = cluster.ipam.nodes().filter(lives).filter(|node| peer.spec.nodes.matches(&node.labels));
    let nodes: Vec<&Name> = nodes.map(|node| &node.name).collect();
    if nodes.is_empty() {
        return None;
    }
    let name = "Established";
    let Some(heard) = heard else {
        let message = "the replica that leads hears how the sessions of nodes are; ask that one".to_owned();
        return Some(Condition { name, standing: Standing::Unknown, message, since: None });
    };
    let last = |nodes: &[&Name]| nodes.iter().filter_map(|node| heard.get(*node)?.since).max();
    let is_up = |node: &&Name| heard.get(*node).is_some_and(|report| report.state == SessionState::Established);
    let (up, down): (Vec<&Name>, Vec<&Name>) = nodes.into_iter().partition(is_up);
    if down.is_empty() {
        return Some(on_all(name, &up, heard, last(&up)));
    }
    let why = |node: &Name| match heard.get(node) {
        None => format!("`{node}` has not reported on it"),
        Some(SessionReport { state, last_error, .. }) if last_error.is_empty() => format!("`{node}` is in state {state}"),
        Some(SessionReport { state, last_error, .. }) => format!("`{node}` is in state {state}: {last_error}"),
    };
    let named = named(down.iter().map(|node| why(node)));
    let message = format!("established on {} of {} live nodes that have a session: {named}", up.len(), up.len() + down.len());
    Some(Condition { name, standing: Standing::Wrong(Reason::BgpSessionDown), message, since: last(&down) })
}

/// The condition of a session that is established wherever it shall be.
fn on_all(name: &'static str, up: &[&Name], heard: &Heard, since: Option<Timestamp>) -> Condition {
    let advertised = || up.iter().filter_map(|node| Some(heard.get(*node)?.advertised));
    let (least, most) = (advertised().min().unwrap_or(0), advertised().max().unwrap_or(0));
    let prefixes = if least == most { most.to_string() } else { format!("{least} to {most}") };
    let message =
        format!("established on all {} live nodes that have a session; prefixes advertised by each: {prefixes}", up.len());
    Condition { name, standing: Standing::Well, message, since }
}

/// The first few of some texts, and how many more there are.
pub(super) fn named(texts: impl ExactSizeIterator<Item = String>) -> String {
    let more = texts.len().saturating_sub(MOST_NAMED);
    let first: Vec<String> = texts.take(MOST_NAMED).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", first.join(", "))
}

/// What is true of an advertisement: whether everything that it names is there and as it must be, and who does not hear of its
/// local preference. It looks at every pool, and at every other advertisement with another local preference.
#[must_use]
pub fn of_advertisement(cluster: &Cluster, advertisement: &BgpAdvertisement) -> Vec<Condition> {
    let faults = rules::faults(cluster, &advertisement.spec, "").finish(Some(())).err();
    let mut wrong: Vec<(Reason, String)> =
        faults.iter().flat_map(|refusal| &refusal.violations).map(|fault| (fault.reason, fault.description.clone())).collect();
    wrong.extend(rival(cluster, advertisement, |_| true).map(|rival| (Reason::BgpAdvertisementConflict, rival.text())));
    let valid = Condition {
        name: "Valid",
        standing: wrong.first().map(|(reason, _)| *reason).into(),
        message: wrong.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; "),
        since: None,
    };
    let preference = advertisement.spec.local_pref.map(|_| preference(cluster, advertisement));
    std::iter::once(valid).chain(preference).collect()
}

/// Whether every peer that is told hears of the local preference.
fn preference(cluster: &Cluster, advertisement: &BgpAdvertisement) -> Condition {
    let told = cluster.lb.bgp_peers().filter(|peer| advertisement.spec.is_for(peer));
    let deaf: Vec<&str> = told.filter(|peer| !peer.is_internal()).map(|peer| peer.name.as_str()).collect();
    let name = "LocalPreferenceSent";
    if deaf.is_empty() {
        return Condition { name, standing: Standing::Well, message: String::new(), since: None };
    }
    let deaf = named(deaf.iter().map(|name| format!("`{name}`")));
    let message = format!("it is sent on internal sessions only, and these peers are external: {deaf}");
    Condition { name, standing: Standing::Wrong(Reason::ConflictingFields), message, since: None }
}
