//! Every name we know at one revision, each with its answers ready to copy.
//!
//! The tables are persistent maps: a snapshot is cheap to clone, and changing the clone copies only the few nodes on the path to
//! what changed. So a change of one service costs microseconds however many names there are, and readers of the old snapshot
//! are not disturbed. A new snapshot is published whole: forward names, SRV and PTR of a service appear together.
//!
//! Answers are kept and records are not: these follow from the state, of which the snapshot has its copy, whenever somebody wants to
//! see them or they are to be compared with those of a newer state.
//!
//! A name is in the table when it has data of its own or a name below it has, unless it follows from a service in brief alone, and is
//! answered from that (`implied`). Absence from both *is* NXDOMAIN, and a name without data is an empty non-terminal (RFC 8020).

mod apex;
mod implied;
mod layer;
mod names;
mod relink;
mod set;
mod share;
mod sources;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use imbl::OrdMap;

pub(super) use self::apex::{Apex, Start};
pub(super) use self::implied::{At, Implied, SVC};
use self::names::Names;
use self::relink::Update;
pub(super) use self::set::Set;
use self::set::Sets;
pub(super) use self::share::Shared;
use self::sources::{Sources, apart_from_briefs};
use super::computed::{records, reverse_apexes};
use super::name::{DomainName, MOST_BYTES, is_under, suffixes};
use super::record::{Record, RecordType};
use super::serial::{Basis, Heads};
use super::settings::Settings;
use super::skydns::View;
use super::source::Source;
use super::views::Clients;
use super::zones::ZoneName;
use crate::cluster::Cluster;
use crate::hash::Table;
use crate::id::Revision;
use crate::lb::BriefRef;
use crate::net::Label;

/// The label of a wildcard, on the wire.
const WILDCARD: [u8; 2] = [1, b'*'];

/// One name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    /// Whose records stand here.
    sources: Sources,
    /// Whether any of them has its names in stored zones.
    stored: bool,
    /// How many names in the table are one label longer.
    children: u32,
    /// One for each type that has records here.
    sets: Sets,
}

impl Node {
    /// The answer to this type.
    pub(super) fn set(&self, rtype: RecordType) -> Option<Set<'_>> {
        self.sets.iter().find(|set| set.rtype() == rtype)
    }

    /// The answers to every type.
    pub(super) fn sets(&self) -> impl Iterator<Item = Set<'_>> {
        self.sets.iter()
    }

    /// Whether something computed stands here and nothing in a stored zone.
    pub(super) fn is_computed(&self) -> bool {
        !self.stored && !self.sources.is_empty()
    }
}

/// The names at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    settings: Arc<Settings>,
    heads: Heads,
    /// What the names follow from; `None` before it was ever known.
    cluster: Option<Cluster>,
    names: Names,
    /// How many names there are that the table does not have.
    implied: usize,
    reverse: Arc<BTreeSet<DomainName>>,
    /// The zones that are stored, by their apexes.
    zones: Table<DomainName, Arc<Apex>>,
    /// What other programs store for some of these.
    imported: View,
    /// The zones that others have.
    shared: OrdMap<DomainName, Shared>,
    /// The view whose zones these are; `None`: they are everybody's.
    view: Option<Label>,
    /// Who is in which view.
    clients: Clients,
    /// The zones of the views that have any.
    layers: OrdMap<Label, Self>,
}

impl Snapshot {
    /// A snapshot that knows nothing yet, not even which zones are ours: it answers SERVFAIL.
    #[must_use]
    pub fn unsynced(settings: Arc<Settings>) -> Self {
        let seed = settings.seed;
        Self {
            settings,
            heads: Heads::default(),
            cluster: None,
            names: Names::new(seed),
            implied: 0,
            reverse: Arc::default(),
            zones: Table::with_hasher(seed),
            imported: View::default(),
            shared: OrdMap::new(),
            view: None,
            clients: Clients::none(seed),
            layers: OrdMap::new(),
        }
    }

    /// All names that follow from the cluster's state, which stands at `heads`.
    #[must_use]
    pub fn build(settings: Arc<Settings>, cluster: &Cluster, heads: Heads) -> Self {
        Self::build_with(settings, cluster, View::default(), heads)
    }

    /// The same, and those that follow from what other programs store.
    #[must_use]
    pub fn build_with(settings: Arc<Settings>, cluster: &Cluster, imported: View, heads: Heads) -> Self {
        let keys = imported.entries().map(|(key, _)| Source::SkyDns(Arc::clone(key)));
        let touched = apart_from_briefs(&settings, cluster).chain(keys).collect();
        let briefs = || cluster.lb.briefs().filter_map(BriefRef::key).map(Source::Service);
        let mut snapshot = Self::unsynced(settings);
        snapshot.follow_clients(cluster, &touched);
        snapshot.update_layers(cluster, &touched, heads);
        snapshot.update_own((cluster, imported), (&touched, briefs), heads);
        snapshot
    }

    /// Brings the records of the touched sources to the cluster's state, which stands at `heads`; the same as building it anew when
    /// `touched` has every source that differs ([`super::touched`]).
    pub fn update(&mut self, cluster: &Cluster, touched: &BTreeSet<Source>, heads: Heads) {
        let imported = self.imported.clone();
        let touched = imported.resting(touched);
        self.follow_clients(cluster, &touched);
        self.update_layers(cluster, &touched, heads);
        self.update_own((cluster, imported.clone()), (&touched, iter::empty), heads);
    }

    /// Brings the records that follow from what other programs store to `imported`, at the same state of the cluster.
    pub fn import(&mut self, cluster: &Cluster, imported: View, heads: Heads) {
        let mut touched = BTreeSet::new();
        self.imported.moved(&imported, &mut touched);
        self.update_own((cluster, imported), (&touched, iter::empty), heads);
    }

    /// The same of the names that are not those of another view. Of those `more` that were touched nobody has to keep a list.
    fn update_own<I: Iterator<Item = Source>>(
        &mut self,
        (cluster, imported): (&Cluster, View),
        (touched, more): (&BTreeSet<Source>, impl Fn() -> I),
        heads: Heads,
    ) {
        let before = self.clone();
        self.cluster = Some(cluster.clone());
        self.imported = imported;
        self.heads = heads;
        if touched.contains(&Source::Zones) && self.view.is_none() {
            self.cover(reverse_apexes(cluster));
        }
        let view = self.view.clone();
        let here = || touched.iter().cloned().chain(more()).filter(|source| layer::belongs(view.as_ref(), source));
        let mut update = Update::new(&before);
        self.follow_briefs(here(), &mut update);
        for source in here() {
            if let Source::Zone(name) = &source {
                self.restart(cluster, name);
            }
            self.replace(&Arc::new(source), &mut update);
        }
        let changed = update.changed();
        // Only where others have a zone anything is noted of how it changes.
        if !before.shared.is_empty() {
            self.remember(&before, touched, changed);
        }
    }

    /// Answers for these reverse zones from now on, and for the cluster's domain.
    fn cover(&mut self, reverse: BTreeSet<DomainName>) {
        let before = std::mem::replace(&mut self.reverse, Arc::new(reverse));
        let after = Arc::clone(&self.reverse);
        let own = self.settings.zone().clone();
        before.union(&after).chain([&own]).for_each(|zone| self.share(zone));
    }

    /// The revision of the state that these names follow from.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.heads.newest()
    }

    /// Whether the state was ever known.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.cluster.is_some()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether nobody can say yet that a name of this zone is not there.
    pub(super) fn awaits(&self, zone: &[u8]) -> bool {
        self.imported.awaits(zone)
    }

    /// Puts or removes the start of a stored zone.
    fn restart(&mut self, cluster: &Cluster, name: &ZoneName) {
        match cluster.dns.zone(name.as_str()) {
            Some(zone) => self.zones.insert(name.domain().clone(), Arc::new(Apex::of(zone, &self.settings))),
            None => self.zones.remove(name.domain()),
        };
        self.share(name.domain());
    }

    /// The serial number of one of our zones, by its apex: the same on all replicas at the same revision.
    #[must_use]
    pub fn serial(&self, zone: &DomainName) -> u32 {
        self.serial_at(zone.as_wire())
    }

    /// The same of an apex as it stands in a message.
    pub(super) fn serial_at(&self, zone: &[u8]) -> u32 {
        self.heads.serial(self.apex(zone).map_or_else(|| Basis::computed(zone), |apex| apex.basis))
    }

    /// The reverse zones, by name.
    pub fn reverse_zones(&self) -> impl Iterator<Item = &DomainName> {
        self.reverse.iter()
    }

    /// The records that follow from a source at the state that the names follow from.
    fn records_of(&self, source: &Source) -> Arc<[Record]> {
        let Some(cluster) = &self.cluster else { return Arc::default() };
        match source {
            Source::SkyDns(key) => self.imported.records(cluster, key),
            source => records(&self.settings, cluster, source, self.view.as_ref()),
        }
    }

    /// Every record with its source, in no order: made anew from the state.
    pub fn records(&self) -> impl Iterator<Item = (Source, Record)> {
        let all = self.cluster.iter().flat_map(|cluster| {
            let briefs = cluster.lb.briefs().filter_map(BriefRef::key).map(Source::Service);
            apart_from_briefs(&self.settings, cluster).chain(briefs)
        });
        let imported = self.imported.entries().map(|(key, _)| Source::SkyDns(Arc::clone(key)));
        all.chain(imported).filter(|source| layer::belongs(self.view.as_ref(), source)).flat_map(|source| {
            let records = self.records_of(&source);
            (0..records.len()).filter_map(move |nth| Some((source.clone(), records.get(nth)?.clone())))
        })
    }

    /// The records that answer for one name, each with its source: those that stand there, or at the wildcard that stands for it.
    pub fn records_at(&self, name: &DomainName) -> impl Iterator<Item = (Arc<Source>, Record)> {
        let of = |name: &DomainName, node: &Node| (name.clone(), node.sources.iter().cloned().collect());
        let wild = || self.wildcard(self.stored_zone_of(name.as_wire())?, name.as_wire());
        let (name, sources): (_, Vec<_>) = match self.at(name.as_wire()) {
            Some(At::Kept(node)) => of(name, node),
            Some(At::Implied(_)) => (name.clone(), self.implying_sources(name.as_wire())),
            None => wild().map_or_else(|| (name.clone(), Vec::new()), |(wild, node)| of(wild, node)),
        };
        sources.into_iter().flat_map(move |source| {
            let records = set::at(&self.records_of(&source), &name).to_vec();
            records.into_iter().map(move |record| (Arc::clone(&source), record))
        })
    }

    /// The innermost of our zones that has the name.
    #[must_use]
    pub fn zone_containing(&self, name: &DomainName) -> Option<DomainName> {
        self.zone_of(name.as_wire()).and_then(DomainName::from_wire)
    }

    /// How many names there are, empty ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.names.len() + self.implied
    }

    /// Whether there are no names.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The start of the zone with this apex, where it is stored.
    pub(super) fn apex(&self, zone: &[u8]) -> Option<&Apex> {
        self.zones.get(zone).map(AsRef::as_ref)
    }

    /// Whether the zone with this apex is stored.
    pub(super) fn is_stored(&self, zone: &DomainName) -> bool {
        self.zones.contains_key(zone)
    }

    /// The innermost of our zones that has the name, if it is a stored one: the name's own suffix.
    pub(super) fn stored_zone_of<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        // The zones first: without any, a name that is not there costs nothing more.
        if self.zones.is_empty() || is_under(name, self.settings.zone().as_wire()) {
            return None;
        }
        self.zone_of(name).filter(|zone| self.zones.contains_key(*zone))
    }

    /// Every name that has records, with them, in no order; some may have none.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (DomainName, Cow<'_, Node>)> {
        let kept = self.names.iter().map(|(name, node)| (name.clone(), Cow::Borrowed(node)));
        kept.chain(self.implied_nodes().map(|(name, node)| (name, Cow::Owned(node))))
    }

    /// What the table has at a name: everything but what follows from services.
    pub(super) fn kept(&self, name: &[u8]) -> Option<&Node> {
        self.names.get(name)
    }

    /// What stands at a name with all its records, which are made for the caller where they follow from services.
    pub(super) fn node(&self, name: &DomainName) -> Option<Cow<'_, Node>> {
        match self.at(name.as_wire())? {
            At::Kept(node) => Some(Cow::Borrowed(node)),
            At::Implied(_) => Some(Cow::Owned(self.implied_node(name))),
        }
    }

    /// The wildcard that stands for a name of a stored zone that is not there: `*` below the nearest name above it that is.
    pub(super) fn wildcard(&self, zone: &[u8], name: &[u8]) -> Option<(&DomainName, &Node)> {
        let mut above = suffixes(name).skip(1).take_while(|suffix| suffix.len() >= zone.len());
        let encloser = above.find(|suffix| self.contains(suffix))?;
        let mut wild = [0; WILDCARD.len() + MOST_BYTES];
        let length = WILDCARD.len() + encloser.len();
        wild.get_mut(..WILDCARD.len())?.copy_from_slice(&WILDCARD);
        wild.get_mut(WILDCARD.len()..length)?.copy_from_slice(encloser);
        self.names.get_key_value(wild.get(..length)?)
    }

    /// The innermost of our zones that has the name: the name's own suffix.
    pub(super) fn zone_of<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let zone = self.settings.zone().as_wire();
        if is_under(name, zone) {
            return name.get(name.len() - zone.len()..);
        }
        suffixes(name).find(|suffix| self.zones.contains_key(*suffix) || self.reverse.contains(*suffix))
    }
}

#[cfg(test)]
mod tests;
