//! The compute network: what an operator types in, checked as a whole, and the pools and reservations that follow from it.
//!
//! Everything is written in one transaction: the network's record, its four pools, and the reservations of the service subnet's
//! first and tenth address. [`check`] gives every finding and the changes; [`apply`] is the same with errors turned into a refusal.

mod findings;
mod neighbors;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use super::decision::Decision;
use super::evict::{Eviction, settle};
use super::finding::{Finding, Severity};
use super::pool;
use super::record::{Change, ComputeNetwork, Pool, Purpose, Reservation};
use super::view::View;
use crate::cluster::Cluster;
use crate::id::Uid;
use crate::meta::Meta;
use crate::net::{AddrRange, Labels, Name, RangeSet};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

const READS: &[Domain] = &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations, Domain::LbServices];

/// The pools that follow from the network: name, purpose, and the field that their ranges come from.
const POOLS: [(&str, Purpose, &str); 4] = [
    ("node", Purpose::Node, "network.node_range"),
    ("external", Purpose::ExternalService, "network.external_range"),
    ("pod", Purpose::Pod, "network.pod_subnet"),
    ("service", Purpose::ClusterService, "network.service_subnet"),
];

/// The reservation of the addresses at which the cluster's DNS is asked.
pub const CLUSTER_DNS: &str = "cluster-dns";

/// The reservations that follow from it: name, whom they are for, and which address of every service subnet.
const RESERVED: [(&str, &str, u128); 2] = [("cluster-api", "cluster API", 1), (CLUSTER_DNS, "cluster DNS", 10)];

/// What an operator typed in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The interface of the nodes that the ranges lie on; empty: the one towards the default gateway.
    pub interface: String,
    /// The subnet on it; `None`: what the nodes report.
    pub subnet: Option<IpNet>,
    /// The gateway in it; `None`: what the nodes report.
    pub gateway: Option<IpAddr>,
    /// Addresses for nodes.
    pub node_ranges: Vec<AddrRange>,
    /// Addresses for services on the outside.
    pub external_ranges: Vec<AddrRange>,
    /// Pod subnets; none: 172.27.0.0/16.
    pub pod_subnets: Vec<IpNet>,
    /// Service subnets; none: 172.28.0.0/16.
    pub service_subnets: Vec<IpNet>,
    /// Prefixes that were typed in with host bits: field, text, and what is stored.
    pub normalised: Vec<(String, String, IpNet)>,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// Whether nodes and services may lose addresses that leave their ranges, and get others.
    pub eviction: Eviction,
    /// Warnings that do not refuse the network, where they would without: [`CONFIRMED`].
    pub accepted: Vec<Reason>,
}

/// Warnings that somebody has to accept: a probe may be wrong, but only a person can know.
pub const CONFIRMED: &[Reason] = &[Reason::AddressAnswersArp];

/// A network, what is to be said about it, and the changes that would apply it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The network as it would be stored.
    pub network: Arc<ComputeNetwork>,
    /// Everything found, worst first.
    pub findings: Vec<Finding>,
    /// The changes; they may be committed only when nothing that was found forbids it.
    pub changes: Vec<Change>,
    /// Warnings that were accepted.
    accepted: Vec<Reason>,
}

impl Checked {
    /// Whether the network may be applied.
    #[must_use]
    pub fn acceptable(&self) -> bool {
        self.forbidding().next().is_none()
    }

    /// What forbids to apply it: errors, and warnings that somebody has to accept and has not.
    fn forbidding(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| match finding.severity {
            Severity::Error => true,
            Severity::Warning => CONFIRMED.contains(&finding.reason) && !self.accepted.contains(&finding.reason),
            Severity::Info => false,
        })
    }
}

/// Checks a network as a whole.
///
/// # Errors
/// `ETAG_MISMATCH`, `NETWORK_NOT_FOUND` for an etag of a network that there is not; everything else is a finding.
pub fn check(cluster: &Cluster, draft: &Draft, context: PlanContext) -> Result<Decision<Checked>, Refusal> {
    let old = cluster.ipam.network();
    match old {
        Some(old) => old.meta.check_etag("network", "compute", &draft.etag)?,
        None if draft.etag.is_empty() => {}
        None => return Err(Refusal::missing(Reason::NetworkNotFound, "network", "compute")),
    }
    let network = network(old, draft, context);
    let mut findings = findings::all(cluster, draft, &network, context.now);
    let changes = changes(&cluster.ipam, &network, context);
    // What is wrong by itself is not tried: the findings say it better.
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    let changes = match settle(cluster, changes.clone(), draft.eviction, context) {
        Ok(settled) => settled,
        Err(_) if wrong => changes,
        Err(refusal) => {
            findings.push(Finding::new(Severity::Error, refusal.reason, "network", refusal.message.clone()));
            changes
        }
    };
    findings.sort_by_key(|finding| finding.severity);
    let accepted = draft.accepted.clone();
    let answer = Checked { network: Arc::new(network), findings, changes: changes.clone(), accepted };
    Ok(Decision { changes, reads: READS, answer })
}

/// Sets the network.
///
/// # Errors
/// `ETAG_MISMATCH`; else the reason of the first finding that is an error, with all of them as obstacles.
pub fn apply(cluster: &Cluster, draft: &Draft, context: PlanContext) -> Result<Decision<Checked>, Refusal> {
    let decision = check(cluster, draft, context)?;
    let errors: Vec<&Finding> = decision.answer.forbidding().collect();
    let Some(first) = errors.first() else {
        return Ok(decision);
    };
    let mut message = format!("{}: {}", first.field, first.message);
    if !first.suggestion.is_empty() {
        message.push_str(&format!(" {}", first.suggestion));
    }
    if errors.len() > 1 {
        message.push_str(&format!(" ({} more findings forbid it; the details list them.)", errors.len() - 1));
    }
    let mut refusal = Refusal::new(first.reason, message).with("field", &first.field).about("network", "compute");
    refusal.obstacles = errors.iter().map(|finding| finding.obstacle()).collect();
    Err(refusal)
}

/// The fields of the network that cannot change now, each with the reason and the first of those who hold addresses.
#[must_use]
pub fn locks(cluster: &Cluster) -> Vec<Finding> {
    findings::locks(cluster)
}

fn network(old: Option<&Arc<ComputeNetwork>>, draft: &Draft, context: PlanContext) -> ComputeNetwork {
    let merged = |ranges: &[AddrRange]| ranges.iter().copied().collect::<RangeSet>().ranges().to_vec();
    let or_default = |subnets: &[IpNet], second: u8| {
        let usual = Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16);
        if subnets.is_empty() { vec![IpNet::V4(usual)] } else { subnets.to_vec() }
    };
    let mut network = ComputeNetwork {
        meta: old.map_or_else(|| Meta::new(context.now, context.entropy, 0), |old| old.meta),
        interface: draft.interface.clone(),
        subnet: draft.subnet,
        gateway: draft.gateway,
        node_ranges: merged(&draft.node_ranges),
        external_ranges: merged(&draft.external_ranges),
        pod_subnets: or_default(&draft.pod_subnets, 27),
        service_subnets: or_default(&draft.service_subnets, 28),
    };
    if old.is_some_and(|old| **old != network) {
        network.meta = network.meta.changed(context.now);
    }
    network
}

/// The ranges of each pool that follows from the network, in the order of [`POOLS`].
fn ranges(network: &ComputeNetwork) -> [Vec<AddrRange>; 4] {
    let whole = |subnets: &[IpNet]| subnets.iter().map(|net| AddrRange::of_net(*net)).collect::<RangeSet>().ranges().to_vec();
    [network.node_ranges.clone(), network.external_ranges.clone(), whole(&network.pod_subnets), whole(&network.service_subnets)]
}

/// The pools of the network are known by their names: none of them can have another.
///
/// # Errors
/// `FIELD_IMMUTABLE`.
pub(super) fn keeps_name(view: &View, pool: &Name) -> Result<(), Refusal> {
    match POOLS.iter().find(|(name, ..)| view.network().is_some() && pool.as_str() == *name) {
        None => Ok(()),
        Some((name, _, field)) => {
            let message = format!("Pool `{name}` follows from {field} of the compute network, which knows it by this name.");
            Err(Refusal::new(Reason::FieldImmutable, message).with("pool", name).about("pool", name))
        }
    }
}

/// The changes that make the state follow the network; none where it does already.
fn changes(view: &View, network: &ComputeNetwork, context: PlanContext) -> Vec<Change> {
    let mut changes = Vec::new();
    if view.network().is_none_or(|old| **old != *network) {
        changes.push(Change::Network(Some(Arc::new(network.clone()))));
    }
    for (n, ((name, purpose, _), ranges)) in POOLS.iter().zip(ranges(network)).enumerate() {
        changes
            .extend(name.parse().ok().and_then(|name: Name| pool_change(view, name, (*purpose, ranges), (n as u64 + 1, context))));
    }
    for (n, (name, owner, nth)) in RESERVED.iter().enumerate() {
        let addresses = network.service_subnets.iter().filter_map(|net| AddrRange::of_net(*net).nth(*nth));
        let ranges: Vec<AddrRange> = addresses.map(AddrRange::single).collect();
        let uid = Uid::new(context.now, context.entropy, n as u64 + 5);
        changes.extend(name.parse().ok().and_then(|name: Name| reservation_change(view, name, (owner, ranges), (uid, context))));
    }
    changes
}

fn pool_change(
    view: &View,
    name: Name,
    (purpose, ranges): (Purpose, Vec<AddrRange>),
    (n, context): (u64, PlanContext),
) -> Option<Change> {
    match view.pool(&name) {
        None if ranges.is_empty() => None,
        None => {
            let meta = Meta::new(context.now, context.entropy, n);
            // As in Kubernetes, no service gets the first or the last address of the service subnet.
            let avoid_first_last = purpose == Purpose::ClusterService;
            let draft = pool::Draft { avoid_first_last, ..pool::Draft::new(name.clone(), purpose, ranges) };
            Some(Change::Pool(name, Some(Arc::new(draft.pool(purpose, meta)))))
        }
        Some(_) if ranges.is_empty() => Some(Change::Pool(name, None)),
        Some(old) if old.ranges == ranges => None,
        Some(old) => {
            let grown = Pool { ranges, meta: old.meta.changed(context.now), ..Pool::clone(old) };
            Some(Change::Pool(name, Some(Arc::new(grown))))
        }
    }
}

fn reservation_change(
    view: &View,
    name: Name,
    (owner, ranges): (&str, Vec<AddrRange>),
    (uid, context): (Uid, PlanContext),
) -> Option<Change> {
    let old = view.reservation(&name);
    if old.is_some_and(|old| old.ranges == ranges && old.system) {
        return None;
    }
    let fresh = Meta { uid, version: 1, created: context.now, updated: context.now };
    let meta = old.map_or(fresh, |old| old.meta.changed(context.now));
    let (owner, labels) = (owner.to_owned(), Labels::default());
    let kept = Reservation { name: name.clone(), meta, ranges, owner, expires: None, ttl: None, labels, system: true };
    Some(Change::Reservation(name, Some(Arc::new(kept))))
}
