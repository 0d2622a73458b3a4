//! The step that heals services by itself: those that lack addresses get them when they can, and those whose addresses no pool
//! has any more give them up.

use std::sync::Arc;

use super::address::address;
use super::ask::Side;
use super::plan::{Decision, revised};
use super::record::{Change, Service};
use crate::cluster::Cluster;
use crate::schema::PlanContext;

/// What can be mended now: at most `most` services, the longest waiting first. Empty when there is nothing to do.
///
/// Every decision rests on those before it, so all of them commit together. It looks at the whole state and nothing else: it
/// does the same after a restart or a missed event.
#[must_use]
pub fn reassign(cluster: &Cluster, most: usize, ctx: PlanContext) -> Vec<Decision> {
    let displaced = cluster.lb.services().filter(|service| is_displaced(cluster, service));
    let mut decisions: Vec<Decision> = Vec::new();
    let mut work = cluster.clone();
    for before in cluster.lb.waiting().chain(displaced) {
        if decisions.len() >= most {
            break;
        }
        let decided = |decision: &Decision| decision.after.as_ref().is_some_and(|after| after.key == before.key);
        if decisions.iter().any(decided) {
            continue;
        }
        let Some(decision) = mended(&work, before, ctx) else { continue };
        if let Some(change) = decision.change() {
            work.apply(&change.into());
            decisions.push(decision);
        }
    }
    decisions
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

/// The service with what it can have now. A new sentence for an old reason alone is no reason to write.
fn mended(cluster: &Cluster, before: &Arc<Service>, ctx: PlanContext) -> Option<Decision> {
    let after = address(cluster, ctx.now, Service::clone(before), Some(before)).ok()?.service;
    let reasons =
        |service: &Service| service.conditions.iter().map(|condition| (condition.kind, condition.reason)).collect::<Vec<_>>();
    let same = after.cluster == before.cluster && after.external == before.external && reasons(&after) == reasons(before);
    (!same).then(|| revised(before, after, ctx))
}

/// The changes of decisions that commit together.
pub fn changes(decisions: &[Decision]) -> impl Iterator<Item = Change> {
    decisions.iter().filter_map(Decision::change)
}
