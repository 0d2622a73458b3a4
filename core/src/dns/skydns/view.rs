//! All entries, and at which names each of them stands.
//!
//! SkyDNS answers a name with everything in the tree below it. Here an entry stands at one name or two: at the one that `targetstrip`
//! leaves; without that at its own, and as one of several values at the name one label above, unless that has an entry of its own.
//! So writers who put several values of a name below it get what they want, and `example.org` is not every host of the zone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};

use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::source::Source;
use super::super::zones::ZoneName;
use super::Entry;

/// The most entries that are served at one name: the first by their keys.
const MOST_VALUES: usize = 100;
/// What lies under this has names of addresses.
const ARPA: &[u8] = b"\x04arpa\0";

/// The first label of a wildcard: it stands for others, and is no value of the name above.
const WILDCARD: &[u8] = b"\x01*";

/// A key as it is stored, prefix and all.
pub type Key = Arc<str>;

/// What is stored in the way of SkyDNS for some zones. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    zones: Arc<[ZoneName]>,
    is_read: bool,
    entries: OrdMap<Key, Arc<Entry>>,
    /// Who stands where.
    standing: OrdMap<DomainName, OrdSet<Key>>,
}

impl View {
    /// Nothing yet for these zones: what is stored has not been read.
    #[must_use]
    pub fn unread(zones: Arc<[ZoneName]>) -> Self {
        Self { zones, ..Self::default() }
    }

    /// The same zones with nothing in them, as it was read.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { is_read: true, ..Self::unread(Arc::clone(&self.zones)) }
    }

    /// From now on what is not there is not stored.
    pub const fn set_read(&mut self) {
        self.is_read = true;
    }

    /// Whether what is stored was ever read, or there is nothing to be read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.is_read || self.zones.is_empty()
    }

    /// Whether nobody can say yet that a name of the zone with this apex is not there.
    pub(in crate::dns) fn awaits(&self, apex: &[u8]) -> bool {
        !self.is_read() && self.zones.iter().any(|zone| zone.domain().as_wire() == apex)
    }

    /// Whether the zone is one of those that are filled.
    pub(super) fn fills(&self, zone: &ZoneName) -> bool {
        self.zones.contains(zone)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An entry.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// Every entry, by key.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Arc<Entry>)> {
        self.entries.iter()
    }

    /// Whether an entry lies in one of the zones: others are not kept.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        self.zone_of(entry.name()).is_some()
    }

    /// Puts an entry, or takes it away; one that is not wanted is taken away.
    pub fn put(&mut self, key: &Key, entry: Option<Arc<Entry>>) {
        let entry = entry.filter(|entry| self.wants(entry));
        if self.entries.get(key) == entry.as_ref() {
            return;
        }
        if let Some(before) = self.entries.remove(key) {
            self.leave(key, &before);
        }
        if let Some(entry) = entry {
            for name in self.places(&entry) {
                self.standing.entry(name).or_default().insert(Arc::clone(key));
            }
            self.entries.insert(Arc::clone(key), entry);
        }
    }

    fn leave(&mut self, key: &Key, entry: &Entry) {
        for name in self.places(entry) {
            let Some(keys) = self.standing.get_mut(&name) else { continue };
            keys.remove(key);
            if keys.is_empty() {
                self.standing.remove(&name);
            }
        }
    }

    /// The innermost of the zones that has the name.
    fn zone_of(&self, name: &DomainName) -> Option<&ZoneName> {
        let around = self.zones.iter().filter(|zone| name.is_under(zone.domain()));
        around.max_by_key(|zone| zone.domain().as_wire().len())
    }

    /// The names at which an entry stands.
    pub(super) fn places(&self, entry: &Entry) -> Vec<DomainName> {
        let Some(apex) = self.zone_of(entry.name()).map(ZoneName::domain) else { return Vec::new() };
        let name = entry.name();
        if let Some(stripped) = entry.stripped() {
            return Some(stripped).filter(|name| name.is_under(apex)).into_iter().collect();
        }
        if for_apex(name, apex) {
            return vec![apex.clone()];
        }
        let spreads = |above: &DomainName| above != apex && above.is_under(apex) && !is_reverse(apex);
        let above = name.parent().filter(|above| !name.as_wire().starts_with(WILDCARD) && spreads(above));
        [name.clone()].into_iter().chain(above).collect()
    }

    /// Whether an entry that stands at a name was stored for it, and not below it.
    fn is_own(&self, name: &DomainName, entry: &Entry) -> bool {
        entry.stripped().is_some() || entry.name() == name || entry.name().parent().as_ref() != Some(name)
    }

    /// The entries that are served at a name, by key.
    pub(super) fn served(&self, name: &DomainName) -> Vec<(&Key, &Arc<Entry>)> {
        let all = || {
            let keys = self.standing.get(name).into_iter().flatten();
            keys.filter_map(|key| self.entries.get_key_value(key))
        };
        let own: Vec<_> = all().filter(|(_, entry)| self.is_own(name, entry)).take(MOST_VALUES).collect();
        if own.is_empty() { all().take(MOST_VALUES).collect() } else { own }
    }

    /// The keys of which the two say different things.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Key> {
        self.entries.diff(&other.entries).map(|change| match change {
            DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => key,
        })
    }

    /// Adds the sources whose records differ between this view and one that came of it.
    pub(in crate::dns) fn moved(&self, after: &Self, sources: &mut BTreeSet<Source>) {
        let mut names = BTreeSet::new();
        for key in self.differing(after) {
            sources.insert(Source::SkyDns(Arc::clone(key)));
            names.extend([self.get(key), after.get(key)].into_iter().flatten().flat_map(|entry| self.places(entry)));
        }
        for name in &names {
            self.add_served(name, sources);
            after.add_served(name, sources);
        }
    }

    fn add_served(&self, name: &DomainName, sources: &mut BTreeSet<Source>) {
        sources.extend(self.served(name).into_iter().map(|(key, _)| Source::SkyDns(Arc::clone(key))));
    }

    /// These sources, and those that rest on zones and record sets among them.
    pub(in crate::dns) fn resting<'s>(&self, sources: &'s BTreeSet<Source>) -> Cow<'s, BTreeSet<Source>> {
        if self.is_empty() {
            return Cow::Borrowed(sources);
        }
        let mut found = sources.clone();
        for source in sources {
            match source {
                Source::Zone(zone) => self.add_below(zone.domain(), &mut found),
                Source::RecordSet(key) if key.rtype() == RecordType::NS => self.add_below(key.domain(), &mut found),
                Source::RecordSet(key) => self.add_served(key.domain(), &mut found),
                _ => {}
            }
        }
        Cow::Owned(found)
    }

    fn add_below(&self, name: &DomainName, sources: &mut BTreeSet<Source>) {
        let below = self.standing.keys().filter(|standing| standing.is_under(name));
        below.for_each(|name| self.add_served(name, sources));
    }
}

/// Whether a name is the place of entries for the zone's own name, which has no other: `apex.dns` in the zone, and what is below.
fn for_apex(name: &DomainName, apex: &DomainName) -> bool {
    apex.below(&["apex", "dns"]).is_some_and(|place| name.is_under(&place))
}

/// Whether a zone has names of addresses.
pub(super) fn is_reverse(apex: &DomainName) -> bool {
    apex.as_wire().ends_with(ARPA)
}
