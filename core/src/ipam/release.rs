//! Taking addresses back, and changing what is said about their owner.
//!
//! A released allocation stays as a record of when its addresses became free, for as long as a pool of theirs makes use of
//! that; the sweep removes it later. Where no pool does, the record goes at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::decision::{Decision, Fields};
use super::node::OWN_HANDLES;
use super::record::{Allocation, Change, Holding, Order, OwnerKind};
use super::view::View;
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::meta::Meta;
use crate::net::{Label, Labels};
use crate::reason::{Reason, Refusal, shown};
use crate::schema::{Domain, PlanContext};

const READS: &[Domain] = &[Domain::IpamPools, Domain::IpamAllocations];

/// What is to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Everything held under a handle.
    Handle(Arc<str>),
    /// Everything held by one allocation.
    Allocation(Uid),
    /// These addresses, as long as the allocation with the uid beside each still holds it.
    Addresses(Vec<(IpAddr, Uid)>),
}

/// What was released.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Released {
    /// The addresses that were freed.
    pub released: Vec<IpAddr>,
    /// What was not held as the caller thought: a handle, a uid, or addresses.
    pub not_held: Vec<String>,
}

/// Decides what to free. What is not held is not an error, so a repeated release is harmless.
///
/// # Errors
/// `NODE_IN_USE` for the addresses of a node: they go with the node.
pub fn release(cluster: &Cluster, request: &Release, context: PlanContext) -> Result<Decision<Released>, Refusal> {
    let view = &cluster.ipam;
    match request {
        Release::Handle(handle) => whole(view, view.by_handle(handle), || handle.to_string(), context),
        Release::Allocation(uid) => {
            let held = view.allocation(*uid).filter(|allocation| allocation.is_held());
            whole(view, held, || uid.to_string(), context)
        }
        Release::Addresses(claims) => addresses(view, claims, context),
    }
}

fn whole(
    view: &View,
    held: Option<&Arc<Allocation>>,
    named: impl FnOnce() -> String,
    context: PlanContext,
) -> Result<Decision<Released>, Refusal> {
    let Some(allocation) = held else {
        let answer = Released { released: Vec::new(), not_held: vec![named()] };
        return Ok(Decision { changes: Vec::new(), reads: READS, answer });
    };
    check_own(allocation)?;
    let released = allocation.holdings.iter().map(|holding| holding.address).collect();
    let changes = vec![end(view, allocation, context)];
    Ok(Decision { changes, reads: READS, answer: Released { released, not_held: Vec::new() } })
}

fn addresses(view: &View, claims: &[(IpAddr, Uid)], context: PlanContext) -> Result<Decision<Released>, Refusal> {
    let mut answer = Released::default();
    let mut claims = claims.to_vec();
    claims.sort_unstable();
    claims.dedup();
    let mut by_uid: Vec<(&Arc<Allocation>, Vec<IpAddr>)> = Vec::new();
    for (address, uid) in claims {
        match view.held(address).filter(|held| held.meta.uid == uid) {
            None => answer.not_held.push(address.to_string()),
            Some(held) => {
                check_own(held)?;
                answer.released.push(address);
                match by_uid.iter_mut().find(|(known, _)| known.meta.uid == uid) {
                    Some((_, freed)) => freed.push(address),
                    None => by_uid.push((held, vec![address])),
                }
            }
        }
    }
    let mut changes = Vec::new();
    for (n, (allocation, freed)) in by_uid.into_iter().enumerate() {
        changes.extend(part(view, allocation, &freed, (n as u64, context)));
    }
    Ok(Decision { changes, reads: READS, answer })
}

/// Frees some addresses of an allocation. What rests is a record of its own.
fn part(view: &View, allocation: &Arc<Allocation>, freed: &[IpAddr], (n, context): (u64, PlanContext)) -> Vec<Change> {
    let (gone, left): (Vec<Holding>, Vec<Holding>) =
        allocation.holdings.iter().partition(|holding| freed.contains(&holding.address));
    if left.is_empty() {
        return vec![end(view, allocation, context)];
    }
    let meta = allocation.meta.changed(context.now);
    let kept = Allocation { holdings: left, meta, ..Allocation::clone(allocation) };
    let mut changes = vec![Change::Allocation(meta.uid, Some(Arc::new(kept)))];
    changes.extend(resting(view, allocation, gone, (n, context)));
    changes
}

/// The record of addresses that an allocation gives up while it lives on; `None` when nothing would look at it.
pub(super) fn resting(
    view: &View,
    allocation: &Allocation,
    gone: Vec<Holding>,
    (n, context): (u64, PlanContext),
) -> Option<Change> {
    if !rests(view, &gone) {
        return None;
    }
    let meta = Meta { uid: Uid::new(context.now, context.entropy, n), ..allocation.meta.changed(context.now) };
    let resting = Allocation { holdings: gone, meta, released: Some(context.now), ..allocation.clone() };
    Some(Change::Allocation(meta.uid, Some(Arc::new(resting))))
}

/// The end of an allocation: its record rests, or goes when nothing would look at it.
pub(super) fn end(view: &View, allocation: &Allocation, context: PlanContext) -> Change {
    let uid = allocation.meta.uid;
    if !rests(view, &allocation.holdings) {
        return Change::Allocation(uid, None);
    }
    let meta = allocation.meta.changed(context.now);
    Change::Allocation(uid, Some(Arc::new(Allocation { meta, released: Some(context.now), ..allocation.clone() })))
}

/// Whether some pool of these addresses asks when they became free.
fn rests(view: &View, holdings: &[Holding]) -> bool {
    let pools = holdings.iter().filter_map(|holding| view.pool_of(holding.address));
    pools.into_iter().any(|pool| pool.order == Order::LongestFree || pool.cooldown > Duration::ZERO)
}

fn check_own(allocation: &Allocation) -> Result<(), Refusal> {
    if allocation.owner.kind != OwnerKind::Node && !allocation.handle.starts_with(OWN_HANDLES) {
        return Ok(());
    }
    let message = format!("These are the addresses of node `{}`. Delete the node to free them.", allocation.owner.name);
    Err(Refusal::new(Reason::NodeInUse, message).with("node", &allocation.owner.name).about("node", &allocation.owner.name))
}

/// Which allocation a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// By identity.
    Uid(Uid),
    /// By handle.
    Handle(Arc<str>),
}

/// New values of what may change about an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Which one.
    pub key: Key,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// What to replace: `labels`, `ready`, `hostname`, `subdomain`, `ports`.
    pub fields: Fields,
    /// The owner's labels.
    pub labels: Labels,
    /// Whether the owner is ready for traffic.
    pub ready: bool,
    /// The pod's own host name.
    pub hostname: Option<Label>,
    /// The headless service under which the host name is published.
    pub subdomain: Option<Label>,
    /// Named ports of the pod.
    pub named_ports: Vec<(Label, u16)>,
}

/// The held allocation that a key names.
///
/// # Errors
/// `ALLOCATION_NOT_FOUND`.
pub fn find<'a>(view: &'a View, key: &Key) -> Result<&'a Arc<Allocation>, Refusal> {
    let (found, named) = match key {
        Key::Uid(uid) => (view.allocation(*uid).filter(|allocation| allocation.is_held()), uid.to_string()),
        Key::Handle(handle) => (view.by_handle(handle), shown(handle)),
    };
    found.ok_or_else(|| Refusal::missing(Reason::AllocationNotFound, "allocation", named))
}

/// Decides a change of labels, readiness, names or ports. Addresses and owner stay.
///
/// # Errors
/// `ALLOCATION_NOT_FOUND`, `ETAG_MISMATCH`.
pub fn update(cluster: &Cluster, request: &Update, context: PlanContext) -> Result<Decision<Arc<Allocation>>, Refusal> {
    let held = find(&cluster.ipam, &request.key)?;
    held.meta.check_etag("allocation", &held.meta.uid.to_string(), &request.etag)?;
    let fields = &request.fields;
    let mut changed = Allocation::clone(held);
    changed.labels = fields.pick("labels", &request.labels, &held.labels);
    changed.ready = fields.pick("ready", &request.ready, &held.ready);
    changed.hostname = fields.pick("hostname", &request.hostname, &held.hostname);
    changed.subdomain = fields.pick("subdomain", &request.subdomain, &held.subdomain);
    changed.named_ports = fields.pick("ports", &request.named_ports, &held.named_ports);
    if changed == **held {
        return Ok(Decision { changes: Vec::new(), reads: &[Domain::IpamAllocations], answer: Arc::clone(held) });
    }
    changed.meta = held.meta.changed(context.now);
    let changed = Arc::new(changed);
    let changes = vec![Change::Allocation(changed.meta.uid, Some(Arc::clone(&changed)))];
    Ok(Decision { changes, reads: &[], answer: changed })
}
