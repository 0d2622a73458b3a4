//! The zones that others have: who they are, and how each of these zones came to be what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::super::name::{DomainName, suffixes};
use super::super::source::Source;
use super::super::transfer::{History, Secondaries, servers};
use super::Snapshot;

/// A zone that others have.
#[derive(Debug, Clone)]
pub(in crate::dns) struct Shared {
    /// Who they are.
    pub(in crate::dns) secondaries: Secondaries,
    /// Its last changes; `None` where others are only told.
    pub(in crate::dns) history: Option<History>,
}

impl Snapshot {
    /// The zones here of which others are told, each with who that is and its serial number, in no order.
    pub fn notified(&self) -> impl Iterator<Item = (&DomainName, &Secondaries, u32)> {
        let told = self.shared.iter().filter(|(_, shared)| !shared.secondaries.notify.is_empty());
        told.map(|(zone, shared)| (zone, &shared.secondaries, self.serial(zone)))
    }

    /// The zone with this apex, if others have it.
    pub(in crate::dns) fn shared_zone(&self, zone: &[u8]) -> Option<(&DomainName, &Shared)> {
        self.shared.get_key_value(zone)
    }

    /// Whether one of our zones begins at the name.
    pub(in crate::dns) fn is_apex(&self, name: &[u8]) -> bool {
        self.zones.contains_key(name) || self.reverse.contains(name) || name == self.settings.zone().as_wire()
    }

    /// Shares a zone with those who are to have it, or ends that. The history begins with the zone and the wish.
    pub(super) fn share(&mut self, zone: &DomainName) {
        let secondaries = match self.apex(zone.as_wire()) {
            Some(apex) => apex.secondaries.clone(),
            None if self.is_apex(zone.as_wire()) => self.settings.secondaries.clone(),
            None => Secondaries::default(),
        };
        // A zone of which a part has not been read yet is nobody's.
        if secondaries.is_empty() || self.imported.awaits(zone.as_wire()) {
            self.shared.remove(zone);
            return;
        }
        let before = self.shared.get(zone).and_then(|shared| shared.history.clone());
        let history = before.unwrap_or_else(|| History::new(self.serial(zone)));
        let history = (!secondaries.transfer_to.is_empty()).then_some(history);
        let before = self.shared.insert(zone.clone(), Shared { secondaries, history });
        // Each history has its part of what all may take; the parts become smaller whenever the zones have doubled.
        if before.is_none() && self.shared.len().is_power_of_two() {
            self.bound_histories();
        }
    }

    /// Adds what changed since `before` to the histories, given the sources and the names that may have changed.
    pub(super) fn remember(&mut self, before: &Self, sources: &BTreeSet<Source>, mut changed: BTreeSet<DomainName>) {
        let (moved, kept) = self.touched_zones(before, sources);
        // The times in its SOA record are no records of a name.
        changed.extend(kept);
        for (zone, names) in self.shared_with(before, changed) {
            let is_known = before.shared_zone(zone.as_wire()).is_some_and(|(_, shared)| shared.history.is_some());
            let known = self.shared.get(&zone).filter(|_| is_known).and_then(|shared| shared.history.clone());
            let Some(mut history) = known else { continue };
            history.follow(before, self, zone.as_wire(), &names);
            self.put_history(&zone, history);
        }
        // Where a zone came or went, names have moved from one zone to another: what is around it is sent whole.
        let around = moved.iter().flat_map(|zone| suffixes(zone.as_wire())).filter_map(|suffix| self.shared_zone(suffix));
        let around: Vec<DomainName> = around.map(|(zone, _)| zone.clone()).collect();
        for zone in around {
            let history = History::new(self.serial(&zone));
            self.put_history(&zone, history);
        }
    }

    /// The zones that came or went, and those that may have changed otherwise.
    fn touched_zones(&self, before: &Self, sources: &BTreeSet<Source>) -> (Vec<DomainName>, Vec<DomainName>) {
        let stored = sources.iter().filter_map(|source| match source {
            Source::Zone(name) if name.view() == self.view() => Some(name.domain()),
            _ => None,
        });
        let touched: BTreeSet<&DomainName> = stored.chain(before.reverse.symmetric_difference(&self.reverse)).collect();
        touched.into_iter().cloned().partition(|zone| {
            before.zones.contains_key(zone) != self.zones.contains_key(zone)
                || before.reverse.contains(zone) != self.reverse.contains(zone)
        })
    }

    /// The shared zones that have something at these names, each with those of them that it has, or may have.
    fn shared_with(&self, before: &Self, mut changed: BTreeSet<DomainName>) -> BTreeMap<DomainName, BTreeSet<DomainName>> {
        // A zone in another one is a delegation there, with the addresses of its name servers.
        let begins = |name: &&DomainName| before.is_apex(name.as_wire()) || self.is_apex(name.as_wire());
        let hosts = |zone: &DomainName| servers(before, zone.as_wire()).chain(servers(self, zone.as_wire())).collect::<Vec<_>>();
        let hosts: Vec<DomainName> = changed.iter().filter(begins).flat_map(hosts).filter_map(DomainName::from_wire).collect();
        changed.extend(hosts);
        let mut names = BTreeMap::<DomainName, BTreeSet<DomainName>>::new();
        for name in &changed {
            for (zone, _) in suffixes(name.as_wire()).filter_map(|suffix| self.shared_zone(suffix)) {
                names.entry(zone.clone()).or_default().insert(name.clone());
            }
        }
        names
    }

    /// How many zones others may have until the parts of their histories become smaller.
    pub(in crate::dns) fn shared_zones(&self) -> usize {
        (self.shared.len() + 1).next_power_of_two()
    }

    /// Makes room for the histories of as many zones again.
    fn bound_histories(&mut self) {
        let (zones, all) = (self.shared_zones(), self.shared.keys().cloned().collect::<Vec<_>>());
        for zone in all {
            if let Some(Shared { history: Some(history), .. }) = self.shared.get_mut(&zone) {
                history.bound(zones);
            }
        }
    }

    fn put_history(&mut self, zone: &DomainName, history: History) {
        if let Some(Shared { history: Some(place), .. }) = self.shared.get_mut(zone) {
            *place = history;
        }
    }
}
