//! What is true of a record in the state as it is now. Nothing of it is stored: pools, nodes and peers change without the record.

use super::record::{BgpAdvertisement, BgpPeer};
use super::rivals::rival;
use super::rules;
use crate::cluster::Cluster;
use crate::reason::Reason;

/// The most peers that a condition names.
const MOST_NAMED: usize = 5;

/// One thing that is as it should be, or not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about, as the API names it.
    pub name: &'static str,
    /// Why it is not as it should be.
    pub reason: Option<Reason>,
    /// For people, with the values.
    pub message: String,
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
    vec![Condition { name: "NodesSelected", reason, message }]
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
        reason: wrong.first().map(|(reason, _)| *reason),
        message: wrong.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; "),
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
        return Condition { name, reason: None, message: String::new() };
    }
    let named: Vec<String> = deaf.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect();
    let more = match deaf.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("it is sent on internal sessions only, and these peers are external: {}{more}", named.join(", "));
    Condition { name, reason: Some(Reason::ConflictingFields), message }
}
