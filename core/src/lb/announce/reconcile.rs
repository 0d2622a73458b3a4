//! The assignments as they should be: a pure function of the whole state and of which nodes are heard of.
//!
//! An assignment is sticky. It moves when its node may not have it any more, has fallen silent or is leaving and another can take
//! it; and, one address at a time, when another node answers for clearly fewer. A silent node keeps what nobody else can take: it
//! may come back. One that may not answer at all loses the assignment.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::place::{Loads, best};
use super::presence::Willing;
use super::record::Announcement;
use super::target::{Target, leaving, targets};
use crate::cluster::Cluster;
use crate::lb::Change;
use crate::meta::Meta;
use crate::net::Name;
use crate::schema::{Domain, PlanContext};

/// The domains that assignments rest on. Endpoints count too where traffic must stay local, but they change thousands of times a
/// second; what is decided on old ones is put right at the next turn.
pub const READS: [Domain; 4] = [Domain::LbServices, Domain::LbAnnouncements, Domain::IpamPools, Domain::IpamNodes];

/// What one turn may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The most assignments to change, at least one.
    pub most: usize,
    /// Whether one assignment may move for the sake of an even spread alone.
    pub spread: bool,
}

/// What has to change now. Empty when everything is as it should be; fewer than `turn.most` changes say that nothing else is
/// left.
#[must_use]
pub fn reconcile(cluster: &Cluster, willing: &Willing, turn: Turn, context: PlanContext) -> Vec<Change> {
    let mut work = Work::new(cluster, willing, context);
    let mut wanted = BTreeMap::new();
    for target in targets(cluster) {
        if work.changes.len() >= turn.most {
            return work.finish();
        }
        work.settle(&target);
        wanted.insert(target.address, target);
    }
    let board = cluster.lb.board();
    for record in board.announcements().filter(|record| !wanted.contains_key(&record.address)) {
        work.changes.push(Change::Announcement(record.address, None));
    }
    let gone = board.drains().filter(|drain| cluster.ipam.node(&drain.node).is_none());
    work.changes.extend(gone.map(|drain| Change::Drain(drain.node.clone(), None)));
    work.changes.truncate(turn.most);
    if work.changes.is_empty() && turn.spread && !willing.still {
        work.spread(wanted.values());
    }
    work.finish()
}

/// One turn's decisions, each on what the ones before it leave.
pub(super) struct Work<'a> {
    cluster: &'a Cluster,
    willing: &'a Willing,
    context: PlanContext,
    loads: Loads,
    epoch: u64,
    changes: Vec<Change>,
}

impl<'a> Work<'a> {
    pub(super) fn new(cluster: &'a Cluster, willing: &'a Willing, context: PlanContext) -> Self {
        let board = cluster.lb.board();
        let loads = board.nodes().map(|node| (node.clone(), board.load(node))).collect();
        Self { cluster, willing, context, loads, epoch: board.epoch(), changes: Vec::new() }
    }

    /// Puts the assignment of one target right.
    fn settle(&mut self, target: &Target<'_>) {
        let Some(record) = self.cluster.lb.board().of(target.address) else {
            if let Some(node) = self.best(target, None) {
                self.assign(target, None, node, false);
            }
            return;
        };
        let node = self.cluster.ipam.node(&record.node);
        let may = node.is_some_and(|node| target.check(node).is_ok());
        let trusted = self.willing.still && !self.willing.unanswered.contains(&target.address);
        let heard = trusted || self.willing.nodes.contains(&record.node);
        let stays = node.is_some_and(|node| leaving(self.cluster, node).is_none());
        if may && heard && stays {
            return;
        }
        match self.best(target, Some(&record.node)) {
            Some(node) => self.assign(target, Some(record), node, false),
            None if may => {}
            None => self.changes.push(Change::Announcement(target.address, None)),
        }
    }

    /// The best node to take the target over.
    pub(super) fn best(&self, target: &Target<'_>, except: Option<&Name>) -> Option<Name> {
        best(self.cluster, target, self.willing.nodes.iter(), &self.loads, except).map(|preference| preference.node)
    }

    /// Gives the target to a node under a new epoch.
    pub(super) fn assign(&mut self, target: &Target<'_>, before: Option<&Arc<Announcement>>, node: Name, pinned: bool) {
        self.epoch += 1;
        *self.loads.entry(node.clone()).or_default() += 1;
        if let Some(load) = before.and_then(|before| self.loads.get_mut(&before.node)) {
            *load = load.saturating_sub(1);
        }
        let now = self.context.now;
        let meta = before.map_or_else(|| Meta::new(now, self.context.entropy, self.epoch), |before| before.meta.changed(now));
        let previous = before.map(|before| before.node.clone()).filter(|previous| self.cluster.ipam.node(previous).is_some());
        let record = Announcement { address: target.address, meta, node, epoch: self.epoch, previous, pinned, since: now };
        self.changes.push(Change::Announcement(target.address, Some(Arc::new(record))));
    }

    /// Moves the one assignment that evens the spread most, if a move helps at all: the sum of the squares of the loads falls
    /// with every move, so the moves come to an end.
    fn spread<'t>(&mut self, targets: impl Iterator<Item = &'t Target<'t>>) {
        let load = |node: &Name| self.loads.get(node).copied().unwrap_or(0);
        let least = self.willing.nodes.iter().map(load).min().unwrap_or(0);
        let mut found: Option<(usize, &Target<'_>, &Arc<Announcement>, Name)> = None;
        for target in targets {
            let record = self.cluster.lb.board().of(target.address).filter(|record| !record.pinned);
            let Some(record) = record.filter(|record| load(&record.node) > least + 1) else { continue };
            let Some(node) = self.best(target, Some(&record.node)) else { continue };
            let gain = load(&record.node).saturating_sub(load(&node));
            if gain > 1 && found.as_ref().is_none_or(|(most, ..)| gain > *most) {
                found = Some((gain, target, record, node));
            }
        }
        if let Some((_, target, record, node)) = found {
            self.assign(target, Some(record), node, false);
        }
    }

    /// The changes, with the newest epoch where one was given.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.epoch > self.cluster.lb.board().epoch() {
            self.changes.push(Change::Epoch(self.epoch));
        }
        self.changes
    }
}
