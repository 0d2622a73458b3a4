//! What changes do to which objects: the same list for a dry run and for the answer to the change itself.
//!
//! It is computed from the changes alone, so it cannot say anything else than what is committed. Who loses an address because a
//! change of pools leaves it without one is said as well: for allocations, which change in the same transaction, and for
//! services, which their own planner gives others right after it.

use std::net::IpAddr;
use std::sync::Arc;

use super::evict;
use super::record::{Allocation, Change, Pool};
use super::view::View;
use crate::cluster::Cluster;
use crate::lb::Service;
use crate::lb::reassign::{Scope, reassign};
use crate::net::{AddrRange, RangeSet};
use crate::schema::PlanContext;

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is gone.
    Delete,
    /// It loses an address that it holds.
    Evict,
}

/// One object that a decision touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impact {
    /// `pool`, `node`, `allocation` and so on.
    pub kind: &'static str,
    /// Its namespace; may be empty.
    pub namespace: String,
    /// Its name; for a block its prefix, for an allocation its handle.
    pub name: String,
    /// What happens to it.
    pub action: Action,
    /// The same for people, with what changes from what to what.
    pub description: String,
}

/// What the changes do to which objects, seen from the state before them.
#[must_use]
pub fn impact(cluster: &Cluster, changes: &[Change], context: PlanContext) -> Vec<Impact> {
    let view = &cluster.ipam;
    let lost = evict::lost(view, changes);
    let mut all: Vec<Impact> = changes.iter().map(|change| impact_of(view, change, &lost)).collect();
    all.extend(services(cluster, changes, &lost, context));
    all
}

/// One text for every version of the objects that the changes replace or remove: it tells whether a plan still rests on what it
/// was made on.
#[must_use]
pub fn basis(view: &View, changes: &[Change]) -> Vec<String> {
    let before = changes.iter().filter_map(|change| match change {
        Change::Namespace(name, _) => view.namespace(name).map(|old| old.meta.etag()),
        Change::Pool(name, _) => view.pool(name).map(|old| old.meta.etag()),
        Change::Reservation(name, _) => view.reservation(name).map(|old| old.meta.etag()),
        Change::Network(_) => view.network().map(|old| old.meta.etag()),
        Change::Node(name, _) => view.node(name).map(|old| old.meta.etag()),
        Change::Block(cidr, _) => view.block(*cidr).map(|old| format!("{} {}", old.node, old.claimed.0)),
        Change::Allocation(uid, _) => view.allocation(*uid).map(|old| old.meta.etag()),
        Change::Neighbors(node, _) => view.neighbors_of(node).map(|old| old.reported.0.to_string()),
    });
    before.collect()
}

fn impact_of(view: &View, change: &Change, lost: &RangeSet) -> Impact {
    let plain = |kind, name: String, before: bool, after: bool| made(kind, name, action(before, after));
    match change {
        Change::Namespace(name, record) => plain("namespace", name.to_string(), view.namespace(name).is_some(), record.is_some()),
        Change::Pool(name, record) => of_pool(name.to_string(), view.pool(name), record.as_ref()),
        Change::Reservation(name, record) => {
            plain("reservation", name.to_string(), view.reservation(name).is_some(), record.is_some())
        }
        Change::Network(record) => plain("network", "compute".to_owned(), view.network().is_some(), record.is_some()),
        Change::Node(name, record) => plain("node", name.to_string(), view.node(name).is_some(), record.is_some()),
        Change::Block(cidr, record) => plain("block", cidr.to_string(), view.block(*cidr).is_some(), record.is_some()),
        Change::Allocation(uid, record) => of_allocation(view.allocation(*uid), record.as_ref(), lost),
        Change::Neighbors(node, record) => {
            plain("neighbors", node.to_string(), view.neighbors_of(node).is_some(), record.is_some())
        }
    }
}

const fn action(before: bool, after: bool) -> Action {
    match (before, after) {
        (false, true) => Action::Create,
        (true, true) => Action::Update,
        (_, false) => Action::Delete,
    }
}

fn made(kind: &'static str, name: String, action: Action) -> Impact {
    let verb = match action {
        Action::Create => "made",
        Action::Update => "changed",
        Action::Delete => "removed",
        Action::Evict => "moved",
    };
    let description = format!("{kind} {name} is {verb}");
    Impact { kind, namespace: String::new(), name, action, description }
}

fn of_pool(name: String, before: Option<&Arc<Pool>>, after: Option<&Arc<Pool>>) -> Impact {
    let mut impact = made("pool", name, action(before.is_some(), after.is_some()));
    let text = |pool: &Pool| listed(pool.ranges.iter());
    match (before, after) {
        (Some(before), Some(after)) if before.ranges != after.ranges => {
            impact.description.push_str(&format!(": its ranges {} become {}", text(before), text(after)));
        }
        (Some(before), Some(after)) if before.state != after.state => {
            impact.description.push_str(&format!(": it was {}, and is {} now", before.state.as_str(), after.state.as_str()));
        }
        (None, Some(after)) => impact.description.push_str(&format!(" with {}", text(after))),
        _ => {}
    }
    impact
}

fn of_allocation(before: Option<&Arc<Allocation>>, after: Option<&Arc<Allocation>>, lost: &RangeSet) -> Impact {
    let held = after.filter(|allocation| allocation.is_held());
    let known = held.or(before).or(after);
    let owner = known.map(|allocation| &allocation.owner);
    let addresses = |allocation: Option<&Arc<Allocation>>| -> Vec<IpAddr> {
        let holdings = allocation.filter(|allocation| allocation.is_held()).into_iter().flat_map(|held| &held.holdings);
        holdings.map(|holding| holding.address).collect()
    };
    let (had, has) = (addresses(before), addresses(held));
    let evicted = had.iter().any(|address| lost.contains(*address));
    let action = if evicted { Action::Evict } else { action(before.is_some(), held.is_some()) };
    let who = owner.map(|owner| format!("{} {}", owner.kind.as_str(), owner.full_name())).unwrap_or_default();
    let description = match (action, had.is_empty()) {
        (Action::Evict, _) => moved(&who, &had, &has, "no other can be had, so its allocation ends"),
        (Action::Create, _) => format!("{who} gets {}", listed(has.iter())),
        (Action::Update, _) if had != has => format!("{who} holds {} in place of {}", listed(has.iter()), listed(had.iter())),
        (Action::Update, _) => format!("what is said about {who} changes"),
        (Action::Delete, true) => format!("the record of a release by {who} is removed"),
        (Action::Delete, false) => format!("{who} gives up {}", listed(had.iter())),
    };
    Impact {
        kind: "allocation",
        namespace: owner.and_then(|owner| owner.namespace.as_ref()).map(ToString::to_string).unwrap_or_default(),
        name: known.map(|allocation| allocation.handle.to_string()).unwrap_or_default(),
        action,
        description,
    }
}

/// The services that lose an address, and what each gets for it by the very decision that their planner makes next.
fn services(cluster: &Cluster, changes: &[Change], lost: &RangeSet, context: PlanContext) -> Vec<Impact> {
    let concerned: Vec<&Arc<Service>> = evict::services(cluster, lost).collect();
    if concerned.is_empty() {
        return Vec::new();
    }
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.ipam.apply(change));
    let mended = reassign(&after, Scope::All, usize::MAX, context);
    let addresses = |service: &Service| service.vips().map(|vip| vip.address).collect::<Vec<_>>();
    let one = |before: &Arc<Service>| {
        let next = mended.iter().filter_map(|decision| decision.after.as_ref()).find(|next| next.key == before.key);
        let had = addresses(before);
        // One that its planner leaves alone keeps the addresses that it does not lose.
        let keeps = || had.iter().filter(|address| !lost.contains(**address)).copied().collect();
        let has = next.map_or_else(keeps, |next| addresses(next));
        let why = "no other can be had now, so it waits for one";
        Impact {
            kind: "service",
            namespace: before.key.namespace.to_string(),
            name: before.key.name.to_string(),
            action: Action::Evict,
            description: moved(&format!("service {}", before.key), &had, &has, why),
        }
    };
    concerned.into_iter().map(one).collect()
}

/// Who loses what, and gets what for it.
fn moved(who: &str, had: &[IpAddr], has: &[IpAddr], otherwise: &str) -> String {
    let gone = listed(had.iter().filter(|address| !has.contains(address)));
    let new: Vec<&IpAddr> = has.iter().filter(|address| !had.contains(address)).collect();
    match new.is_empty() {
        true => format!("{who} loses {gone}; {otherwise}"),
        false => format!("{who} loses {gone} and gets {}", listed(new.into_iter())),
    }
}

fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The ranges, for a sentence.
pub(super) fn shown(ranges: &[AddrRange]) -> String {
    listed(ranges.iter())
}
