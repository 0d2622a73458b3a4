//! The changes of the last while, which every stream reads at its own place.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use polder_core::cluster::Change;
use polder_core::id::Revision;
use polder_core::lb::dataplane::Key;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_core::{ipam, lb};

use super::encoded::Encoded;
use super::image::Image;

/// The most changes that are kept.
const MOST: usize = 4096;
/// The most bytes that they take together.
const MOST_BYTES: usize = 64 << 20;
/// What a state costs that is kept for the sake of a change: what of it differs from the newest.
const STATE_BYTES: usize = 64 << 10;

/// What changed from one told revision to the next; perhaps nothing that nodes see.
pub(super) struct Delta {
    /// The revision before it.
    pub(super) floor: Revision,
    /// The revision after it.
    pub(super) revision: Revision,
    /// What every node is told.
    pub(super) messages: Vec<Encoded>,
    /// What differs from node to node.
    pub(super) own: Option<Own>,
}

/// Objects of which each node has one of its own, before and after a change.
pub(super) struct Own {
    /// Those whose bases changed, or that came or went; in order.
    pub(super) keys: Vec<Key>,
    /// Nodes that all others may look different to, too.
    pub(super) whom: Whom,
    pub(super) before: Image,
    pub(super) after: Image,
}

/// The nodes that are not what they were, as far as their own objects follow from what they are.
#[derive(Default)]
pub(super) struct Whom {
    /// Nodes that changed, made or deleted ones included.
    nodes: BTreeSet<Name>,
    /// The peers changed, with which any node may have sessions.
    all: bool,
}

impl Whom {
    pub(super) fn add(&mut self, change: &Change) {
        match change {
            Change::Ipam(ipam::Change::Node(name, _)) => _ = self.nodes.insert(name.clone()),
            Change::Lb(lb::Change::BgpPeer(..)) => self.all = true,
            Change::Ipam(_) | Change::Lb(_) | Change::Dns(_) => {}
        }
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.nodes.is_empty() && !self.all
    }

    /// Whether the node itself changed.
    pub(super) fn names(&self, node: &Name) -> bool {
        self.nodes.contains(node)
    }

    /// Whether it may be that the node is not what it was.
    pub(super) fn has(&self, node: &Name) -> bool {
        self.all || self.names(node)
    }
}

impl Own {
    /// Whether the node may see differences in more than the keys whose bases changed. Where what it has is not exactly what there
    /// was before, nothing can be compared.
    pub(super) fn is_new_to(&self, node: &Name, exact: bool) -> bool {
        self.whom.has(node) && (!exact || self.before.receiver(node).differs(&self.after.receiver(node)))
    }
}

impl Delta {
    fn bytes(&self) -> usize {
        let states = usize::from(self.own.is_some());
        let messages: usize = self.messages.iter().map(|message| message.len() + size_of::<Encoded>()).sum();
        messages + states * STATE_BYTES
    }
}

/// What a stream finds at its place.
pub(super) enum Found {
    Delta(Arc<Delta>),
    /// It has everything, up to this revision.
    Nothing(Revision),
    /// What comes next for it is not kept any more.
    Gone,
}

/// See the module. The places of deltas are numbers that only rise.
pub(super) struct Ring {
    /// What there is now; `None` before the first view.
    image: Option<Image>,
    /// Everything after this revision is kept.
    floor: Revision,
    /// The place of the first delta.
    first: u64,
    deltas: VecDeque<Arc<Delta>>,
    bytes: usize,
}

impl Ring {
    pub(super) const fn new() -> Self {
        Self { image: None, floor: Revision(0), first: 0, deltas: VecDeque::new(), bytes: 0 }
    }

    pub(super) const fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// The place after the last delta.
    pub(super) fn end(&self) -> u64 {
        self.first + self.deltas.len() as u64
    }

    /// Begins anew with an image: what came between it and the last one is not known, so every stream has missed it.
    pub(super) fn begin(&mut self, image: Image) {
        self.first = self.end() + 1;
        self.deltas.clear();
        (self.bytes, self.floor, self.image) = (0, image.revision, Some(image));
    }

    /// Moves on; the oldest deltas go when there are too many. The newest stays, however large it is.
    pub(super) fn push(&mut self, image: Image, delta: Option<Delta>) {
        self.image = Some(image);
        if let Some(delta) = delta {
            self.bytes += delta.bytes();
            self.deltas.push_back(Arc::new(delta));
        }
        while self.deltas.len() > 1 && (self.deltas.len() > MOST || self.bytes > MOST_BYTES) {
            let Some(oldest) = self.deltas.pop_front() else { return };
            (self.bytes, self.floor) = (self.bytes - oldest.bytes(), oldest.revision);
            self.first += 1;
        }
    }

    pub(super) fn at(&self, place: u64) -> Found {
        let delta = place.checked_sub(self.first).map(|at| usize::try_from(at).ok().and_then(|at| self.deltas.get(at)));
        match (delta, &self.image) {
            (Some(Some(delta)), _) => Found::Delta(Arc::clone(delta)),
            (Some(None), Some(image)) => Found::Nothing(image.revision),
            (None, _) | (_, None) => Found::Gone,
        }
    }

    /// Whether a node that has everything up to `has` lacks something of what there was at `wanted`, as far as is known.
    pub(super) fn owes(&self, has: Revision, wanted: Revision) -> bool {
        let known = self.image.as_ref().is_some_and(|image| image.revision >= wanted) && has >= self.floor;
        !known || self.deltas.iter().any(|delta| delta.revision > has && delta.floor < wanted)
    }

    /// The place of everything after a revision.
    ///
    /// # Errors
    /// [`Reason::ResumeTokenCompacted`] when the revision is too far back.
    pub(super) fn after(&self, revision: Revision) -> Result<u64, Refusal> {
        if revision < self.floor || self.image.is_none() {
            let message = format!("Changes after revision {revision} are not kept any more. Start again from a snapshot.");
            return Err(Refusal::new(Reason::ResumeTokenCompacted, message).with("revision", revision));
        }
        Ok(self.first + self.deltas.partition_point(|delta| delta.revision <= revision) as u64)
    }
}

#[cfg(test)]
mod tests;
