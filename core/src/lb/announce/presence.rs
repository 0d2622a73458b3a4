//! Which nodes the lead hears of.
//!
//! A node that renews its rights, or asks for none, is willing to answer for addresses. One that falls silent for a time to live
//! is gone: its rights have run out, and others may take over. When most nodes fall silent at once it is far more likely that the
//! lead is cut off than that they have died, and nodes that lose the control plane together go on answering: then nothing moves,
//! but for addresses of which a node that is still there has found, by asking the network, that nobody answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Moment;
use crate::cluster::Cluster;
use crate::net::Name;

/// For how long a node that has fallen silent counts when it is asked whether most nodes have, at least.
pub const WINDOW: Duration = Duration::from_secs(60);

/// The least number of nodes of which most can be missing. With two, one that dies is half of them.
const LEAST: usize = 3;

/// What is known of the nodes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Willing {
    /// The nodes that are heard of.
    pub nodes: BTreeSet<Name>,
    /// Most nodes have fallen silent at once: nothing moves away from a node because of its silence.
    pub still: bool,
    /// Addresses that nobody on the network answers for, whoever should: they move all the same.
    pub unanswered: BTreeSet<IpAddr>,
}

/// When nodes were heard of last. Bounded by the number of nodes that exist: see [`Presence::forget`].
#[derive(Debug, Clone)]
pub struct Presence {
    ttl: Duration,
    heard: BTreeMap<Name, Moment>,
    unanswered: BTreeMap<IpAddr, Moment>,
}

impl Presence {
    /// A new lead's memory. The nodes that answer for addresses count as heard of until `grace` is over, so that they have the
    /// time to find the new lead.
    #[must_use]
    pub fn new<'n>(ttl: Duration, answering: impl IntoIterator<Item = &'n Name>, grace: Duration, now: Moment) -> Self {
        let until = (now + grace).saturating_sub(ttl);
        Self { ttl, heard: answering.into_iter().map(|node| (node.clone(), until)).collect(), unanswered: BTreeMap::new() }
    }

    /// Whether the node counts as heard of.
    #[must_use]
    pub fn is_heard(&self, node: &Name, now: Moment) -> bool {
        self.heard.get(node).is_some_and(|last| *last + self.ttl > now)
    }

    /// Notes that a node was heard of.
    pub fn hear(&mut self, node: &Name, now: Moment) {
        match self.heard.get_mut(node) {
            Some(last) => *last = now.max(*last),
            None => drop(self.heard.insert(node.clone(), now)),
        }
    }

    /// Notes that a node has asked the network for an address and got no answer. Remembered for the window, and only while most
    /// nodes are silent: before that it says nothing that silence does not say.
    pub fn unanswered(&mut self, address: IpAddr, now: Moment) {
        if self.is_still(now) {
            self.unanswered.insert(address, now);
        }
    }

    fn is_still(&self, now: Moment) -> bool {
        let silent = self.heard.values().filter(|last| **last + self.ttl <= now).count();
        self.heard.len() >= LEAST && silent * 2 > self.heard.len()
    }

    /// Forgets nodes that nobody waits for: those that are gone or leaving, and those silent for the window that answer for
    /// nothing any more.
    pub fn forget(&mut self, cluster: &Cluster, now: Moment) {
        let window = self.ttl + WINDOW;
        self.unanswered.retain(|_, at| *at + WINDOW > now);
        self.heard.retain(|name, last| {
            let Some(node) = cluster.ipam.node(name) else { return false };
            let leaves = super::target::leaving(cluster, node).is_some() || node.excluded_from_external;
            let fresh = *last + self.ttl > now;
            fresh || (!leaves && (*last + window > now || cluster.lb.board().load(name) > 0))
        });
    }

    /// What is known now.
    #[must_use]
    pub fn willing(&self, now: Moment) -> Willing {
        let nodes: BTreeSet<Name> =
            self.heard.iter().filter(|(_, last)| **last + self.ttl > now).map(|(name, _)| name.clone()).collect();
        let still = self.is_still(now);
        let fresh = self.unanswered.iter().filter(|(_, at)| still && **at + WINDOW > now);
        Willing { still, unanswered: fresh.map(|(address, _)| *address).collect(), nodes }
    }

    /// When a node that is heard of now falls silent next, unless it is heard of again; `None` when there is none.
    #[must_use]
    pub fn next_silence(&self, now: Moment) -> Option<Moment> {
        self.heard.values().map(|last| *last + self.ttl).filter(|at| *at > now).min()
    }
}
