//! Zones, record sets and the resolver's settings in memory.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::resolver::Resolver;
use super::name::{Owner, RecordSetKey, ZoneName};
use super::record::{Change, RecordSet, Zone};
use crate::net::Label;

/// The record sets of one zone, by name and type.
type Sets = OrdMap<(Owner, RecordType), Arc<RecordSet>>;

/// What operators stored. Cheap to clone. Records may be applied in any order: sets may be there before their zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    zones: OrdMap<ZoneName, Arc<Zone>>,
    sets: OrdMap<ZoneName, Sets>,
    resolver: Option<Arc<Resolver>>,
}

impl View {
    /// Every zone, by name.
    pub fn zones(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.zones.values()
    }

    /// The zone with this name.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<&Arc<Zone>> {
        self.zones.get(name)
    }

    /// The innermost zone that has the name, of those that are in the view, or in none.
    #[must_use]
    pub fn zone_of(&self, name: &DomainName, view: Option<&Label>) -> Option<&Arc<Zone>> {
        let mut above = name.clone();
        loop {
            let text = above.to_string();
            let text = ZoneName::text(text.strip_suffix('.').unwrap_or(&text), view);
            if let Some(zone) = self.zones.get(text.as_str()) {
                return Some(zone);
            }
            above = above.parent()?;
        }
    }

    /// Every record set, by zone, name and type.
    pub fn all_sets(&self) -> impl Iterator<Item = &Arc<RecordSet>> {
        self.sets.values().flat_map(OrdMap::values)
    }

    /// The record sets of a zone, by name and type.
    pub fn sets(&self, zone: &ZoneName) -> impl Iterator<Item = &Arc<RecordSet>> + use<'_> {
        self.sets.get(zone).into_iter().flat_map(OrdMap::values)
    }

    /// The record sets of a zone after a name and type, by name and type; all of them without one.
    pub fn sets_after(
        &self,
        zone: &ZoneName,
        after: Option<(Owner, RecordType)>,
    ) -> impl Iterator<Item = &Arc<RecordSet>> + use<'_> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let sets = self.sets.get(zone).into_iter();
        sets.flat_map(move |sets| sets.range((from.clone(), Bound::Unbounded))).map(|(_, set)| set)
    }

    /// The record sets of one name in a zone, by type.
    pub fn sets_at(&self, zone: &ZoneName, owner: &Owner) -> impl Iterator<Item = &Arc<RecordSet>> + use<'_> {
        let ends = (owner.clone(), RecordType(0))..=(owner.clone(), RecordType(u16::MAX));
        self.sets.get(zone).into_iter().flat_map(move |sets| sets.range(ends.clone())).map(|(_, set)| set)
    }

    /// One record set.
    #[must_use]
    pub fn set(&self, key: &RecordSetKey) -> Option<&Arc<RecordSet>> {
        self.sets.get(key.zone())?.get(&(key.owner().clone(), key.rtype()))
    }

    /// How many record sets a zone has.
    #[must_use]
    pub fn count_in(&self, zone: &ZoneName) -> usize {
        self.sets.get(zone).map_or(0, OrdMap::len)
    }

    /// How names outside are answered; `None` until somebody has said it.
    #[must_use]
    pub const fn resolver(&self) -> Option<&Arc<Resolver>> {
        self.resolver.as_ref()
    }

    /// Moves the view by one committed change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Zone(name, Some(zone)) => {
                self.zones.insert(name.clone(), Arc::clone(zone));
            }
            Change::Zone(name, None) => {
                self.zones.remove(name);
            }
            Change::RecordSet(key, Some(set)) => {
                let sets = self.sets.entry(key.zone().clone()).or_default();
                sets.insert((key.owner().clone(), key.rtype()), Arc::clone(set));
            }
            Change::RecordSet(key, None) => self.remove(key),
            Change::Resolver(settings) => self.resolver.clone_from(settings),
        }
    }

    fn remove(&mut self, key: &RecordSetKey) {
        let Some(sets) = self.sets.get_mut(key.zone()) else { return };
        sets.remove(&(key.owner().clone(), key.rtype()));
        if sets.is_empty() {
            self.sets.remove(key.zone());
        }
    }
}
