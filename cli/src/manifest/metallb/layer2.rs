//! L2Advertisement: which nodes answer for the addresses of which pools, on which interfaces.
//!
//! MetalLB lets several advertisements speak of one pool, and a node answers on an interface when any of them lets it. A pool of
//! Polder has one list of nodes and one of interfaces. The two say the same when the advertisements differ in their nodes only,
//! or in their interfaces only; else the lists together let more, and a note says so.

use polder_core::net::Selector;

use super::super::document::Document;
use super::pool::Pool;
use super::selectors::{Chosen, selectors};
use super::{ByPool, unknown, words};
use crate::failure::Failure;

/// One advertisement.
#[derive(Debug)]
pub(super) struct Layer2 {
    name: String,
    pools: Chosen,
    way: Way,
    notes: Vec<String>,
}

/// Nodes that one of the selectors matches, on these interfaces; an empty list is all.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Way {
    pub(super) nodes: Vec<Selector>,
    pub(super) interfaces: Vec<String>,
}

/// How a pool is announced on the local network.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) way: Way,
    pub(super) notes: Vec<String>,
}

impl Layer2 {
    /// # Errors
    /// [`Failure::Usage`] naming the field that cannot be read.
    pub(super) fn read(document: &Document) -> Result<Self, Failure> {
        let lost = ["serviceSelectors", "preferredNodeSelectors"];
        let known = ["ipAddressPools", "ipAddressPoolSelectors", "nodeSelectors", "interfaces"];
        let mut notes = unknown(document, &[&known[..], &lost[..]].concat());
        if !selectors(document, &["spec", "serviceSelectors"])?.is_empty() {
            notes.push(
                "spec.serviceSelectors is not carried over: the addresses of a pool are announced for all services".to_owned(),
            );
        }
        if !document.list(&["spec", "preferredNodeSelectors"])?.is_empty() {
            let why = "Polder spreads addresses evenly; `polder move announcement ADDRESS --to NODE` pins one";
            notes.push(format!("spec.preferredNodeSelectors is not carried over: {why}"));
        }
        let mut nodes = selectors(document, &["spec", "nodeSelectors"])?;
        if nodes.iter().any(Selector::is_empty) {
            nodes.clear();
        }
        let way = Way { nodes, interfaces: words(document, "interfaces")? };
        Ok(Self { name: document.name()?, pools: Chosen::read(document)?, way, notes })
    }

    pub(super) fn titled_notes(&self) -> impl Iterator<Item = String> {
        self.notes.iter().map(|note| format!("l2advertisement/{}: {note}", self.name))
    }
}

/// How each pool is announced that any of the advertisements means.
pub(super) fn by_pool(advertisements: &mut [Layer2], pools: &[Pool]) -> ByPool<Announced> {
    for one in advertisements.iter_mut() {
        for name in one.pools.strangers(pools) {
            one.notes.push(format!(
                "spec.ipAddressPools: pool `{name}` is not in this run, so nothing is carried over to it: apply both together"
            ));
        }
        if one.pools.names.is_empty() && !pools.iter().any(|pool| one.pools.means(pool)) {
            let why = "it means no pool of this run, so nothing is carried over: apply it together with its pools";
            one.notes.push(why.to_owned());
        }
    }
    let mut found = ByPool::new();
    for pool in pools {
        let meant: Vec<&Layer2> = advertisements.iter().filter(|one| one.pools.means(pool)).collect();
        if !meant.is_empty() {
            found.insert(pool.intent.name.clone(), announced(&meant));
        }
    }
    found
}

fn announced(meant: &[&Layer2]) -> Announced {
    let (way, exact) = unite(meant.iter().map(|one| &one.way));
    let mut notes = Vec::new();
    if !exact {
        let names = meant.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "its L2Advertisements ({names}) pair nodes with interfaces; a pool has one list of each, so that every one of these \
             nodes may answer on every one of these interfaces"
        ));
    }
    Announced { way, notes }
}

/// All ways together, and whether that lets exactly what they let.
fn unite<'a>(ways: impl Iterator<Item = &'a Way>) -> (Way, bool) {
    let mut kept: Vec<&Way> = Vec::new();
    for way in ways {
        if !kept.iter().any(|wider| way.within(wider)) {
            kept.retain(|narrower| !narrower.within(way));
            kept.push(way);
        }
    }
    let same = |equal: fn(&Way, &Way) -> bool| kept.windows(2).all(|pair| matches!(pair, [one, other] if equal(one, other)));
    let nodes = same(|one, other| within(&one.nodes, &other.nodes) && within(&other.nodes, &one.nodes));
    let interfaces = same(|one, other| within(&one.interfaces, &other.interfaces) && within(&other.interfaces, &one.interfaces));
    let way = Way {
        nodes: together(kept.iter().map(|way| way.nodes.as_slice())),
        interfaces: together(kept.iter().map(|way| way.interfaces.as_slice())),
    };
    (way, nodes || interfaces)
}

impl Way {
    fn within(&self, wider: &Self) -> bool {
        within(&self.nodes, &wider.nodes) && within(&self.interfaces, &wider.interfaces)
    }
}

/// Whether a list lets nothing that the other does not; an empty one lets everything.
fn within<T: PartialEq>(narrower: &[T], wider: &[T]) -> bool {
    wider.is_empty() || (!narrower.is_empty() && narrower.iter().all(|item| wider.contains(item)))
}

fn together<'a, T: PartialEq + Clone + 'a>(lists: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let mut all = Vec::new();
    for list in lists {
        if list.is_empty() {
            return Vec::new();
        }
        for item in list {
            if !all.contains(item) {
                all.push(item.clone());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
