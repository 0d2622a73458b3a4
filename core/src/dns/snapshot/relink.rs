//! How a snapshot is brought to a newer state, source by source.
//!
//! First come the names that services have come to imply, or do no longer: from then on what is implied is what the new state says.
//! Then come the records that are kept. A name of an address that is implied and has other sources too, or names below it, is in the table
//! with all of them; one that is only implied is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::name::{DomainName, suffixes};
use super::super::record::Record;
use super::super::reverse::address_of;
use super::super::source::Source;
use super::sources::Sources;
use super::{Node, Snapshot, set};
use crate::lb::BriefRef;

/// An update on its way.
pub(super) struct Update<'a> {
    before: &'a Snapshot,
    /// The records of sources at the new state, as far as they were needed.
    known: BTreeMap<Arc<Source>, Arc<[Record]>>,
    /// Names whose answers have changed; where nobody has a zone nobody asks.
    changed: BTreeSet<DomainName>,
}

impl<'a> Update<'a> {
    pub(super) const fn new(before: &'a Snapshot) -> Self {
        Self { before, known: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// The names whose answers have changed, if somebody has a zone.
    pub(super) fn changed(self) -> BTreeSet<DomainName> {
        self.changed
    }

    /// Whether a source has something at a name now.
    fn has(&mut self, after: &Snapshot, source: &Arc<Source>, name: &DomainName) -> bool {
        let records = self.known.entry(Arc::clone(source)).or_insert_with(|| after.records_of(source));
        !set::at(records, name).is_empty()
    }
}

impl Snapshot {
    /// Puts the records that a source has now in the place of those before.
    pub(super) fn replace(&mut self, source: &Arc<Source>, update: &mut Update<'_>) {
        let before = update.before;
        let (was, is) = (before.kept_records_of(source), self.kept_records_of(source));
        if !before.shared.is_empty() {
            update.changed.extend(changed_names(&before.records_of(source), &self.records_of(source)));
        }
        let turned = match source.as_ref() {
            Source::Service(key) => before.implying(key).is_some() != self.implying(key).is_some(),
            _ => false,
        };
        if turned {
            self.uproot(source, &was, update);
        }
        let names = changed_names(if turned { &[] } else { &was }, &is);
        for name in &names {
            self.relink(name, source, update);
        }
        // Every source is asked for its own names once, and of very many nobody else asks.
        update.known.remove(source);
    }

    /// Takes out what a service had that implied its front and does no longer, or the other way round: where the front is in the table
    /// the names below it count there, and where it is not they do not.
    fn uproot(&mut self, source: &Arc<Source>, was: &[Record], update: &mut Update<'_>) {
        let names: BTreeSet<&DomainName> = was.iter().map(|record| &record.name).collect();
        let (implied, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| !self.implying_sources(name.as_wire()).is_empty());
        update.known.insert(Arc::clone(source), Arc::default());
        others.into_iter().for_each(|name| self.relink(name, source, update));
        update.known.remove(source);
        implied.into_iter().for_each(|name| self.relink(name, source, update));
    }

    /// Takes in what services imply now.
    pub(super) fn follow_briefs(&mut self, sources: impl Iterator<Item = Source>, update: &mut Update<'_>) {
        let before = update.before;
        // Names that several of them imply are looked at once.
        let mut shared = BTreeSet::new();
        for source in sources {
            let Source::Service(key) = source else { continue };
            let (was, is) = (before.implying(&key), self.implying(&key));
            if was == is {
                continue;
            }
            let names: BTreeSet<DomainName> = was.iter().chain(&is).flat_map(|brief| self.rooted(*brief)).collect();
            let count = |brief: Option<BriefRef<'_>>| brief.map_or(0, |brief| self.count_below(brief));
            let (more, less) = (count(is), count(was));
            self.implied = self.implied + more - less;
            for name in names {
                if before.implied(name.as_wire()).max(self.implied(name.as_wire())) > 1 {
                    shared.insert(name);
                } else {
                    self.turn(&name, update);
                }
            }
        }
        shared.iter().for_each(|name| self.turn(name, update));
    }

    /// Takes in that a name is implied, or is no longer.
    fn turn(&mut self, name: &DomainName, update: &mut Update<'_>) {
        let (was, is) = (update.before.implied(name.as_wire()) > 0, self.implied(name.as_wire()) > 0);
        if self.names.contains(name.as_wire()) {
            self.compile(name, Vec::new(), update);
        } else if is && !was {
            self.implied += 1;
            self.enter(name.as_wire(), update);
        } else if was && !is {
            self.implied -= 1;
            self.leave(name.as_wire());
            if address_of(name.as_wire()).is_some() {
                // Whoever implied it may have an endpoint by this address, which was of no weight beside a virtual IP.
                self.compile(name, update.before.implying_sources(name.as_wire()), update);
            }
        }
    }

    /// Compiles a name anew after the records of `source` have changed there.
    fn relink(&mut self, name: &DomainName, source: &Arc<Source>, update: &mut Update<'_>) {
        self.compile(name, vec![Arc::clone(source)], update);
    }

    /// Compiles a name from the sources that it has, those that imply it, and `sources`, as far as they have it.
    fn compile(&mut self, name: &DomainName, mut sources: Vec<Arc<Source>>, update: &mut Update<'_>) {
        let node = self.names.get(name.as_wire());
        let (is_kept, children) = (node.is_some(), node.map_or(0, |node| node.children));
        let implying = self.implying_sources(name.as_wire());
        // Whether it counts at the names above it all the same.
        let is_implied = self.implied(name.as_wire()) > 0;
        sources.extend(node.into_iter().flat_map(|node| node.sources.iter()).chain(&implying).cloned());
        sources.sort_unstable();
        sources.dedup();
        sources.retain(|source| update.has(self, source, name));
        if children == 0 && sources.iter().all(|source| implying.contains(source)) {
            match (self.names.remove(name.as_wire()), is_implied) {
                (false, _) => {}
                (true, true) => self.implied += 1,
                (true, false) => self.leave(name.as_wire()),
            }
            return;
        }
        let stored = sources.iter().any(|source| source.in_stored_zone());
        let owned: Vec<&[Record]> = sources.iter().filter_map(|source| update.known.get(source).map(AsRef::as_ref)).collect();
        let sets = set::compile(name, &owned, stored);
        self.names.insert(name.clone(), Node { sources: Sources::of(sources), stored, children, sets });
        match (is_kept, is_implied) {
            (true, _) => {}
            (false, true) => self.implied -= 1,
            (false, false) => self.enter(name.as_wire(), update),
        }
    }

    /// Counts a new name at the names above it, which exist from now on.
    fn enter(&mut self, name: &[u8], update: &mut Update<'_>) {
        for above in suffixes(name).skip(1) {
            if let Some(node) = self.names.get_mut(above) {
                node.children += 1;
                return;
            }
            let (is_implied, is_address) = (self.implied(above) > 0, address_of(above).is_some());
            // What is below a front is its own, and comes and goes with it.
            let Some(name) = DomainName::from_wire(above).filter(|_| !is_implied || is_address) else { return };
            self.names.insert(name.clone(), Node { children: 1, ..Node::default() });
            if is_implied {
                self.implied -= 1;
                self.compile(&name, Vec::new(), update);
                return;
            }
        }
    }

    /// The same of a name that exists no longer, and of those above it that existed only because of it.
    fn leave(&mut self, name: &[u8]) {
        for above in suffixes(name).skip(1) {
            let Some(node) = self.names.get_mut(above) else { return };
            node.children -= 1;
            if node.children > 0 {
                return;
            }
            let Some(node) = self.names.get(above) else { return };
            let implying = self.implying_sources(above);
            if !node.sources.iter().all(|source| implying.contains(source)) {
                return;
            }
            self.names.remove(above);
            if self.implied(above) > 0 {
                self.implied += 1;
                return;
            }
        }
    }

    /// The records at a name that only services imply, compiled.
    pub(super) fn implied_node(&self, name: &DomainName) -> Node {
        let sources = self.implying_sources(name.as_wire());
        let records: Vec<Arc<[Record]>> = sources.iter().map(|source| self.records_of(source)).collect();
        let owned: Vec<&[Record]> = records.iter().map(AsRef::as_ref).collect();
        Node { sets: set::compile(name, &owned, false), sources: Sources::of(sources), stored: false, children: 0 }
    }

    /// Every name with records that the table does not have.
    pub(super) fn implied_nodes(&self) -> impl Iterator<Item = (DomainName, Node)> {
        self.all_implying().filter_map(BriefRef::key).flat_map(|key| {
            let source = Source::Service(key);
            let names: BTreeSet<DomainName> = self.records_of(&source).iter().map(|record| record.name.clone()).collect();
            // A name that several services imply comes with the first of them.
            let is_first = |name: &DomainName| self.implying_sources(name.as_wire()).first().is_some_and(|one| **one == source);
            let here = names.into_iter().filter(|name| self.kept(name.as_wire()).is_none()).filter(is_first).collect::<Vec<_>>();
            here.into_iter().map(|name| (name.clone(), self.implied_node(&name)))
        })
    }
}

/// The names whose answers differ: those with other records, and those that carry the addresses of such a name as glue.
fn changed_names(before: &[Record], after: &[Record]) -> BTreeSet<DomainName> {
    let mut changed = BTreeSet::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let record = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                old.next();
                new.next();
                continue;
            }
            (Some(a), Some(b)) if a < b => old.next(),
            (Some(_), None) => old.next(),
            (_, Some(_)) => new.next(),
        };
        changed.extend(record.map(|record| record.name.clone()));
    }
    let holds_glue = |record: &&Record| record.data.glue().is_some_and(|target| changed.contains(target));
    let glued: Vec<DomainName> = after.iter().filter(holds_glue).map(|record| record.name.clone()).collect();
    changed.extend(glued);
    changed
}
