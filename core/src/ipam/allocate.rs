//! Giving addresses to pods, nodes and others.
//!
//! [`plan`] decides; [`explain()`] is the same decision with the judgement of every pool beside it. An allocation is one record,
//! with the blocks lent for it in the same transaction: it is there as a whole or not at all.

mod choose;
mod eligible;
mod explain;
mod explicit;
mod refuse;
mod request;
mod search;

use std::net::IpAddr;
use std::sync::Arc;

pub use self::choose::Step;
pub use self::eligible::Ineligible;
pub use self::explain::{Explanation, explain};
pub use self::request::Request;

use self::choose::{Choice, Chooser};
use self::eligible::{Judged, families};
use super::decision::Decision;
use super::record::{Allocation, Block, Change, OwnerKind, Pool};
use super::usage::{Usage, usage};
use super::view::View;
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::meta::Meta;
use crate::net::{Family, Name};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// The domains an allocation is decided on, besides those it changes.
const READS: &[Domain] = &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations];

/// The most records of earlier releases that one allocation clears away.
const MOST_CLEARED: usize = 16;

/// What a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocated {
    /// The allocation.
    pub allocation: Arc<Allocation>,
    /// The handle had it before.
    pub existing: bool,
    /// Families of which fewer addresses were given than asked for, with how many are missing.
    pub missing: Vec<(Family, usize)>,
}

/// How one pool was judged for one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolTrace {
    /// The pool.
    pub pool: Name,
    /// The family looked for.
    pub family: Family,
    /// What came of it.
    pub judgement: Judgement,
    /// How full the pool is: in an explanation, and for a pool that has run out.
    pub usage: Option<Usage>,
}

/// What came of asking one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It gave these addresses, and has no need to be judged further.
    Gave(Vec<(IpAddr, Step)>),
    /// It gave some, and ran out.
    RanOut(Vec<(IpAddr, Step)>, Reason),
    /// It was not asked.
    Ineligible(Ineligible),
    /// The address that the request names lies in it, and cannot be had.
    Withheld(IpAddr, Reason),
    /// The pools before it gave everything.
    NotNeeded,
}

/// Decides which addresses the request gets.
///
/// # Errors
/// `HANDLE_IN_USE`, `NODE_NOT_FOUND`, `NODE_DRAINING`, `POOL_NOT_FOUND`, `NO_ELIGIBLE_POOL`, `POOL_EXHAUSTED`, `BLOCK_LIMIT`,
/// `QUOTA_EXCEEDED`, and for addresses asked for by name `ADDRESS_NOT_IN_POOL`, `ADDRESS_IN_USE`, `RESERVED_ADDRESS`.
pub fn plan(cluster: &Cluster, request: &Request, context: PlanContext) -> Result<Decision<Allocated>, Refusal> {
    Planner::new(&cluster.ipam, request, context).decide()
}

/// One decision in the making.
struct Planner<'a> {
    view: &'a View,
    request: &'a Request,
    context: PlanContext,
    chosen: Vec<Choice>,
    taken: Vec<IpAddr>,
    lending: Vec<Arc<Block>>,
    traces: Vec<PoolTrace>,
}

impl<'a> Planner<'a> {
    const fn new(view: &'a View, request: &'a Request, context: PlanContext) -> Self {
        Self { view, request, context, chosen: Vec::new(), taken: Vec::new(), lending: Vec::new(), traces: Vec::new() }
    }

    fn decide(mut self) -> Result<Decision<Allocated>, Refusal> {
        self.run()
    }

    fn run(&mut self) -> Result<Decision<Allocated>, Refusal> {
        if let Some(held) = self.view.by_handle(&self.request.handle) {
            return self.repeat(held);
        }
        self.check_node()?;
        let missing = self.choose()?;
        let missing = self.check_quota(missing)?;
        Ok(self.decision(missing))
    }

    /// The handle is held: the same answer again, or a refusal when something else is asked for.
    fn repeat(&self, held: &Arc<Allocation>) -> Result<Decision<Allocated>, Refusal> {
        if !self.request.agrees_with(held) {
            return Err(refuse::handle_in_use(self.request, held));
        }
        let answer = Allocated { allocation: Arc::clone(held), existing: true, missing: Vec::new() };
        Ok(Decision { changes: Vec::new(), reads: READS, answer })
    }

    fn check_node(&self) -> Result<(), Refusal> {
        let Some(name) = self.request.owner.node.as_ref().filter(|_| self.request.owner.kind != OwnerKind::Node) else {
            return Ok(());
        };
        let node = self.view.node(name).ok_or_else(|| Refusal::missing(Reason::NodeNotFound, "node", name))?;
        if node.draining || node.unschedulable {
            let why = if node.draining { "is being drained" } else { "is marked unschedulable" };
            let message = format!("Node `{name}` {why} and gets no new pods. Choose another node, or end that first.");
            return Err(Refusal::new(Reason::NodeDraining, message).with("node", name).about("node", name));
        }
        Ok(())
    }

    fn choose(&mut self) -> Result<Vec<(Family, usize)>, Refusal> {
        if !self.request.addresses.is_empty() || self.request.reservation.is_some() {
            self.chosen = explicit::choose(self.view, self.request, self.context.now)?;
            return Ok(Vec::new());
        }
        let pools = eligible::pools(self.view, self.request)?;
        let asked = pools.iter().filter(|(_, why)| why.is_none()).map(|(pool, _)| *pool);
        let wanted = if self.request.families.is_empty() { families(asked) } else { self.request.families.clone() };
        let mut missing = Vec::new();
        for family in &wanted {
            let short = self.choose_family(&pools, *family);
            if short > 0 {
                missing.push((*family, short));
            }
        }
        let enough = missing.is_empty() || (self.request.allow_partial && !self.chosen.is_empty());
        if wanted.is_empty() || !enough {
            self.trace_unwanted(&pools, &wanted);
            return Err(refuse::no_address(self.request, &missing, &self.traces));
        }
        Ok(missing)
    }

    /// Chooses addresses of one family and says how many are missing.
    fn choose_family(&mut self, pools: &[Judged<'a>], family: Family) -> usize {
        let mut left = self.request.count;
        for (pool, why) in pools {
            let judgement = match why {
                Some(why) => Judgement::Ineligible(why.clone()),
                None if pool.ranges.iter().all(|range| range.family() != family) => Judgement::Ineligible(Ineligible::Family),
                None if left == 0 => Judgement::NotNeeded,
                None => self.ask(pool, family, &mut left),
            };
            let short = matches!(judgement, Judgement::RanOut(..));
            let usage = short.then(|| usage(self.view, pool, family, self.context.now));
            self.traces.push(PoolTrace { pool: pool.name.clone(), family, judgement, usage });
        }
        left
    }

    fn ask(&mut self, pool: &Pool, family: Family, left: &mut usize) -> Judgement {
        let mut given = Vec::new();
        while *left > 0 {
            let node = self.request.owner.node.as_ref();
            let (view, now) = (self.view, self.context.now);
            let chooser = Chooser { view, pool, node, family, now, taken: &self.taken, lending: &self.lending };
            match chooser.choose() {
                Err(reason) => return Judgement::RanOut(given, reason),
                Ok(choice) => {
                    given.push((choice.holding.address, choice.step));
                    self.taken.push(choice.holding.address);
                    self.lending.extend(choice.lend.clone());
                    self.chosen.push(choice);
                    *left -= 1;
                }
            }
        }
        Judgement::Gave(given)
    }

    /// With no family to look for, every pool still gets its judgement.
    fn trace_unwanted(&mut self, pools: &[Judged<'a>], wanted: &[Family]) {
        let unasked = pools.iter().filter(|_| wanted.is_empty());
        self.traces.extend(unasked.map(|(pool, why)| PoolTrace {
            pool: pool.name.clone(),
            family: pool.ranges.first().map_or(Family::V4, |range| range.family()),
            judgement: Judgement::Ineligible(why.clone().unwrap_or(Ineligible::Family)),
            usage: None,
        }));
    }

    /// Keeps the namespace's quota of pod addresses.
    fn check_quota(&mut self, mut missing: Vec<(Family, usize)>) -> Result<Vec<(Family, usize)>, Refusal> {
        let namespace = self.request.owner.namespace.as_ref().filter(|_| self.request.owner.kind == OwnerKind::Pod);
        let limit = namespace.and_then(|name| self.view.namespace(name)).and_then(|record| record.quotas.pod_addresses);
        let (Some(namespace), Some(limit)) = (namespace, limit) else {
            return Ok(missing);
        };
        let used = self.view.pod_addresses(namespace);
        let room = usize::try_from(limit.saturating_sub(used)).unwrap_or(usize::MAX);
        if self.chosen.len() <= room {
            return Ok(missing);
        }
        if !self.request.allow_partial || room == 0 {
            return Err(refuse::quota(namespace, used, limit, self.chosen.len()));
        }
        for cut in self.chosen.split_off(room) {
            let family = Family::of(cut.holding.address);
            match missing.iter_mut().find(|(short, _)| *short == family) {
                Some((_, count)) => *count += 1,
                None => missing.push((family, 1)),
            }
        }
        Ok(missing)
    }

    fn decision(&mut self, missing: Vec<(Family, usize)>) -> Decision<Allocated> {
        let Request { handle, owner, labels, ready, hostname, subdomain, named_ports, .. } = self.request.clone();
        let meta = Meta::new(self.context.now, self.context.entropy, 0);
        let holdings: Vec<_> = self.chosen.iter().map(|choice| choice.holding).collect();
        let released = None;
        let allocation =
            Arc::new(Allocation { handle, meta, holdings, owner, labels, ready, hostname, subdomain, named_ports, released });
        let blocks = self.chosen.iter().filter_map(|choice| choice.lend.as_ref());
        let mut changes: Vec<Change> = blocks.map(|block| Change::Block(block.cidr, Some(Arc::clone(block)))).collect();
        changes.extend(self.outlived(&allocation).into_iter().map(|uid| Change::Allocation(uid, None)));
        changes.push(Change::Allocation(meta.uid, Some(Arc::clone(&allocation))));
        Decision { changes, reads: READS, answer: Allocated { allocation, existing: false, missing } }
    }

    /// Records of earlier releases that say nothing any more once these addresses are held.
    fn outlived(&self, allocation: &Allocation) -> Vec<Uid> {
        let given: Vec<IpAddr> = allocation.holdings.iter().map(|holding| holding.address).collect();
        let rests = given.iter().flat_map(|address| self.view.rests_at(*address));
        let mut uids: Vec<Uid> = rests
            .filter(|rest| rest.holdings.iter().all(|holding| given.contains(&holding.address)))
            .map(|rest| rest.meta.uid)
            .take(MOST_CLEARED)
            .collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }
}
