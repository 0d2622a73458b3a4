//! What an allocation would get now, and how every pool was judged for it, with the numbers.

use std::net::IpAddr;
use std::sync::Arc;

use super::eligible::{Ineligible, unfit};
use super::{Allocated, Judgement, Planner, PoolTrace, Request, Step};
use crate::cluster::Cluster;
use crate::ipam::decision::Decision;
use crate::ipam::record::Pool;
use crate::ipam::usage::usage;
use crate::ipam::view::View;
use crate::net::Family;
use crate::reason::Refusal;
use crate::schema::PlanContext;

/// A decision, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What [`plan`](super::plan) answers.
    pub outcome: Result<Decision<Allocated>, Refusal>,
    /// Every pool and how it was judged, in the order of asking.
    pub pools: Vec<PoolTrace>,
}

/// What [`plan`](super::plan) would answer now, and how every pool was judged.
#[must_use]
pub fn explain(cluster: &Cluster, request: &Request, context: PlanContext) -> Explanation {
    let view = &cluster.ipam;
    let mut planner = Planner::new(view, request, context);
    let outcome = planner.run();
    let mut pools = planner.traces;
    if pools.is_empty() {
        pools = by_name(view, request, &outcome);
    }
    for trace in pools.iter_mut().filter(|trace| trace.usage.is_none()) {
        trace.usage = view.pool(&trace.pool).map(|pool| usage(view, pool, trace.family, context.now));
    }
    Explanation { outcome, pools }
}

/// How the pools were judged for a request whose addresses are settled without asking them: named in the request, kept by a
/// reservation, or held under the handle already.
fn by_name(view: &View, request: &Request, outcome: &Result<Decision<Allocated>, Refusal>) -> Vec<PoolTrace> {
    let kept = request.reservation.as_ref().and_then(|name| view.reservation(name));
    let addresses: Vec<IpAddr> = match outcome {
        Ok(decision) => decision.answer.allocation.holdings.iter().map(|holding| holding.address).collect(),
        Err(_) if !request.addresses.is_empty() => request.addresses.clone(),
        Err(_) => kept.iter().flat_map(|kept| &kept.ranges).map(|range| range.start()).collect(),
    };
    let of = |pool: &Arc<Pool>| judge(pool, &addresses, request, outcome);
    view.pools().flat_map(of).collect()
}

/// The judgement of one pool, for each family of which it has an address that is asked for.
fn judge(
    pool: &Arc<Pool>,
    addresses: &[IpAddr],
    request: &Request,
    outcome: &Result<Decision<Allocated>, Refusal>,
) -> Vec<PoolTrace> {
    let trace = |family, judgement| PoolTrace { pool: pool.name.clone(), family, judgement, usage: None };
    let mine = |address: &&IpAddr| pool.ranges.iter().any(|range| range.contains(**address));
    let of_family = |family: Family| addresses.iter().filter(move |address| Family::of(**address) == family).filter(mine);
    let judged = |family: Family| {
        let asked: Vec<IpAddr> = of_family(family).copied().collect();
        let first = asked.first().copied()?;
        let judgement = match (outcome, unfit(pool, request)) {
            (Ok(decision), _) => {
                let step = if decision.answer.existing { Step::Held } else { Step::Named };
                Judgement::Gave(asked.into_iter().map(|address| (address, step)).collect())
            }
            (Err(_), Some(why)) => Judgement::Ineligible(why),
            (Err(refusal), None) => Judgement::Withheld(first, refusal.reason),
        };
        Some(trace(family, judgement))
    };
    let traces: Vec<PoolTrace> = [Family::V4, Family::V6].into_iter().filter_map(judged).collect();
    if traces.is_empty() {
        let family = pool.ranges.first().map_or(Family::V4, |range| range.family());
        return vec![trace(family, Judgement::Ineligible(Ineligible::Elsewhere))];
    }
    traces
}
