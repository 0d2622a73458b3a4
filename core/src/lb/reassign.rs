//! The step that heals services by itself: those that lack addresses get them when they can, and those whose addresses no pool
//! has any more give them up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::address::{State, address};
use super::ask::{Exhausted, Side};
use super::conflict::is_unsaid;
use super::plan::{Decision, revised};
use super::record::{Change, ConditionKind, Service, ServiceKey};
use crate::cluster::Cluster;
use crate::schema::PlanContext;

/// Which services to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that wait for addresses. Enough when only services have changed.
    Waiting,
    /// Also those that hold addresses, which a change of pools may have taken from under them, or a stranger may answer for.
    All,
}

/// What can be mended now, the longest waiting first, until it takes `most` writes. Empty when there is nothing to do.
///
/// Every decision rests on those before it, so all of them commit together. It looks at the whole state and nothing else: it
/// does the same after a restart or a missed event.
#[must_use]
pub fn reassign(cluster: &Cluster, scope: Scope, most: usize, ctx: PlanContext) -> Vec<Decision> {
    let moved = |service: &Service| is_displaced(cluster, service) || is_unsaid(cluster, service, ctx.now);
    let displaced = cluster.lb.services().filter(|service| scope == Scope::All && moved(service));
    let exhausted = Exhausted::default();
    let (mut decisions, mut decided): (Vec<Decision>, BTreeSet<&ServiceKey>) = Default::default();
    let (mut work, mut writes) = (cluster.clone(), 0);
    for before in cluster.lb.waiting().chain(displaced) {
        if writes >= most {
            break;
        }
        if decided.contains(&before.key) {
            continue;
        }
        let state = State { cluster: &work, now: ctx.now, exhausted: Some(&exhausted) };
        let Some(decision) = mended(state, before, ctx) else { continue };
        if gives_up(&decision) {
            exhausted.borrow_mut().clear();
        }
        for change in decision.changes() {
            writes += 1;
            work.apply(&change.into());
        }
        decisions.push(decision);
        decided.insert(&before.key);
    }
    decisions
}

/// Whether an address becomes free, so that a pool may have one again.
fn gives_up(decision: &Decision) -> bool {
    let holds = |service: &Service, address| service.vips().any(|vip| vip.address == address);
    let after = decision.after.as_deref();
    let mut before = decision.before.iter().flat_map(|before| before.vips());
    before.any(|vip| after.is_none_or(|after| !holds(after, vip.address)))
}

/// Whether it holds an address that no pool of the right purpose has, or that another pool has by now.
fn is_displaced(cluster: &Cluster, service: &Service) -> bool {
    [Side::Cluster, Side::External].into_iter().any(|side| {
        side.held(service).iter().any(|held| {
            let pool = cluster.ipam.pool_of(held.address).filter(|pool| pool.purpose == side.purpose());
            pool.is_none_or(|pool| pool.name != held.pool)
        })
    })
}

/// The service with what it can have now. A new sentence for an old reason alone is no reason to write, unless it names another
/// stranger.
fn mended(state: State<'_>, before: &Arc<Service>, ctx: PlanContext) -> Option<Decision> {
    let after = address(state, Service::clone(before), Some(before)).ok()?.service;
    let reasons =
        |service: &Service| service.conditions.iter().map(|condition| (condition.kind, condition.reason)).collect::<Vec<_>>();
    let disputes = |service: &Service| service.condition(ConditionKind::AddressConflict).map(|condition| condition.message.clone());
    let same = (&after.cluster, &after.external) == (&before.cluster, &before.external)
        && reasons(&after) == reasons(before)
        && disputes(&after) == disputes(before);
    (!same).then(|| revised(state.cluster, before, after, ctx))
}

/// The changes of decisions that commit together, at most one of each record: an address that one service gives up another may
/// get by its name.
#[must_use]
pub fn changes(cluster: &Cluster, decisions: &[Decision]) -> Vec<Change> {
    let (mut services, mut rests) = (Vec::new(), BTreeMap::new());
    for change in decisions.iter().flat_map(Decision::changes) {
        match change {
            Change::Rest(address, record) => drop(rests.insert(address, record)),
            _ => services.push(change),
        }
    }
    let rests = rests.into_iter().filter(|(address, record)| record.is_some() || cluster.lb.rest(*address).is_some());
    services.extend(rests.map(|(address, record)| Change::Rest(address, record)));
    services
}
