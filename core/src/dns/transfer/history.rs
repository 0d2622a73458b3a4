//! How a zone came to be what it is: what went and what came with each change, for secondaries that have an earlier state (RFC 1995).
//!
//! Serial numbers may move while nothing in the zone changes, so a state of the zone has a run of them. A step leads from any serial
//! number of one state to the first of the next. Steps are kept for zones that somebody may have, up to a number and a size; whoever has
//! an older state is sent the whole zone. They are no part of what is stored: a server that starts has none, and so is one that has read
//! everything again.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::Vector;

use super::super::name::DomainName;
use super::super::snapshot::Snapshot;
use super::content::{Soa, within_zone};

/// The most steps that are kept of a zone.
const MOST_STEPS: usize = 1000;
/// The most bytes of them, and of those of all zones of a snapshot.
const MOST_BYTES: usize = 4 << 20;
const MOST_OF_ALL: usize = 64 << 20;

/// Records of one name, their owners being [`super::super::wire::QUESTION`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: DomainName,
    pub(super) records: Box<[u8]>,
}

/// What leads from one state of a zone to the next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dns) struct Step {
    /// The first and the last serial number of the state before.
    first: u32,
    last: u32,
    /// Its SOA record.
    pub(super) soa: Soa,
    /// The records that only the state before has.
    pub(super) gone: Vec<Run>,
    /// The records that only the state after has.
    pub(super) come: Vec<Run>,
}

impl Step {
    /// What changed in `zone` at some names; `None` where nothing did.
    fn between(before: &Snapshot, after: &Snapshot, zone: &[u8], names: &BTreeSet<DomainName>, first: u32) -> Option<Self> {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for name in names {
            let (was, is) = (before.node(name), after.node(name));
            let old: BTreeSet<&[u8]> = was.iter().flat_map(|node| within_zone(before, zone, name, node)).collect();
            let new: BTreeSet<&[u8]> = is.iter().flat_map(|node| within_zone(after, zone, name, node)).collect();
            for (into, one, other) in [(&mut gone, &old, &new), (&mut come, &new, &old)] {
                let records: Vec<u8> = one.difference(other).flat_map(|record| record.iter().copied()).collect();
                if !records.is_empty() {
                    into.push(Run { name: name.clone(), records: records.into() });
                }
            }
        }
        let soa = Soa::of(before, zone);
        let moves = !gone.is_empty() || !come.is_empty() || soa != Soa::of(after, zone);
        moves.then(|| Self { first, last: before.serial_at(zone), soa, gone, come })
    }

    /// Whether the state before has this serial number.
    const fn leaves(&self, serial: u32) -> bool {
        serial.wrapping_sub(self.first) <= self.last.wrapping_sub(self.first)
    }

    /// The first serial number of the state before.
    pub(super) const fn first(&self) -> u32 {
        self.first
    }

    fn bytes(&self) -> usize {
        let runs = self.gone.iter().chain(&self.come);
        size_of::<Self>() + runs.map(|run| size_of::<Run>() + run.name.as_wire().len() + run.records.len()).sum::<usize>()
    }
}

/// The last steps of a zone. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::dns) struct History {
    /// The first serial number of the state that the zone has now.
    since: u32,
    steps: Vector<Arc<Step>>,
    bytes: usize,
}

impl History {
    /// That of a zone which begins with this serial number.
    pub(in crate::dns) fn new(since: u32) -> Self {
        Self { since, steps: Vector::new(), bytes: 0 }
    }

    /// Adds what changed at some names, all of which are `zone` or lie below it.
    pub(in crate::dns) fn follow(&mut self, before: &Snapshot, after: &Snapshot, zone: &[u8], names: &BTreeSet<DomainName>) {
        let Some(step) = Step::between(before, after, zone, names, self.since) else { return };
        self.since = after.serial_at(zone);
        self.bytes += step.bytes();
        self.steps.push_back(Arc::new(step));
        self.bound(after.shared_zones());
    }

    /// Forgets the oldest steps, as many as there have to be gone where so many zones have a history.
    pub(in crate::dns) fn bound(&mut self, zones: usize) {
        let most = MOST_BYTES.min(MOST_OF_ALL / zones.max(1));
        while self.steps.len() > MOST_STEPS || self.bytes > most {
            let Some(oldest) = self.steps.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// The steps from the state with this serial number to the one of now, which has the serial number `now`; none of them when it is
    /// the same state. `None` when it is not known.
    pub(super) fn since(&self, serial: u32, now: u32) -> Option<impl Iterator<Item = &Step>> {
        let is_now = serial.wrapping_sub(self.since) <= now.wrapping_sub(self.since);
        let from = if is_now { self.steps.len() } else { self.steps.iter().position(|step| step.leaves(serial))? };
        Some(self.steps.iter().skip(from).map(AsRef::as_ref))
    }
}
