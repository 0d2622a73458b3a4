//! Checking the whole state against the promises: what must be true at every revision.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::finding::{Finding, Severity};
use super::record::{Allocation, OwnerKind, Purpose};
use super::view::View;
use crate::cluster::Cluster;
use crate::net::AddrRange;
use crate::reason::Reason;
use crate::time::Timestamp;

/// What an audit found, and how many records it looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// Allocations, blocks, pools, nodes and reservations.
    pub checked: usize,
}

/// Checks every record: no address twice, every address in a pool of its purpose, blocks disjoint and lent to nodes that exist,
/// pools disjoint, and every index in agreement with the records.
#[must_use]
pub fn audit(cluster: &Cluster) -> Audit {
    let view = &cluster.ipam;
    let mut findings = Vec::new();
    pools(view, &mut findings);
    blocks(view, &mut findings);
    let held = allocations(cluster, &mut findings);
    indexes(view, &held, &mut findings);
    findings.sort_by_key(|finding| finding.severity);
    let allocations = view.allocations(None).count() + view.released(Timestamp(0)).count();
    let checked = allocations + view.blocks().count() + view.pools().count() + view.nodes().count();
    Audit { findings, checked: checked + view.reservations().count() }
}

fn error(reason: Reason, message: String) -> Finding {
    Finding::new(Severity::Error, reason, "", message)
}

fn pools(view: &View, findings: &mut Vec<Finding>) {
    let mut all: Vec<(AddrRange, &str)> =
        view.pools().flat_map(|pool| pool.ranges.iter().map(|range| (*range, pool.name.as_str()))).collect();
    all.sort_unstable();
    for pair in all.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one.intersection(other).is_some()
        {
            let message = format!("{one} of pool {first} and {other} of pool {second} have addresses in common");
            findings.push(error(Reason::PoolOverlap, message).about("pools", first).about("pools", second));
        }
    }
}

fn blocks(view: &View, findings: &mut Vec<Finding>) {
    let mut last: Option<AddrRange> = None;
    for block in view.blocks() {
        let range = AddrRange::of_net(block.cidr);
        if last.is_some_and(|last| last.intersection(&range).is_some()) {
            findings.push(
                error(Reason::DataCorrupt, format!("block {} overlaps the one before it", block.cidr)).about("blocks", block.cidr),
            );
        }
        last = Some(range);
        if view.node(&block.node).is_none() {
            let message = format!("block {} is lent to node {}, which does not exist", block.cidr, block.node);
            findings.push(Finding::new(Severity::Warning, Reason::NodeNotFound, "", message).about("blocks", block.cidr));
        }
    }
}

/// Checks every held allocation and gives the holders of every address.
fn allocations<'a>(cluster: &'a Cluster, findings: &mut Vec<Finding>) -> BTreeMap<IpAddr, &'a Allocation> {
    let view = &cluster.ipam;
    let mut holders: BTreeMap<IpAddr, &Allocation> = BTreeMap::new();
    let mut handles: BTreeMap<&str, &Allocation> = BTreeMap::new();
    for (uid, allocation) in view.allocations(None) {
        if handles.insert(&allocation.handle, allocation).is_some() {
            findings
                .push(error(Reason::HandleInUse, format!("handle {} is held twice", allocation.handle)).about("allocations", uid));
        }
        for holding in &allocation.holdings {
            let address = holding.address;
            if let Some(other) = holders.insert(address, allocation) {
                let message = format!("{address} is held by {} and {}", other.owner.full_name(), allocation.owner.full_name());
                findings.push(error(Reason::AddressInUse, message).about("allocations", uid).about("allocations", other.meta.uid));
            }
            if cluster.lb.holders(address).next().is_some() {
                findings.push(error(Reason::AddressInUse, format!("{address} is held by a service too")).about("allocations", uid));
            }
            if holding.block.is_some_and(|cidr| !cidr.contains(&address)) {
                findings.push(error(Reason::DataCorrupt, format!("{address} does not lie in its block")).about("allocations", uid));
            }
        }
        findings.extend(place(view, allocation));
    }
    holders
}

/// Whether an allocation's addresses lie where its kind belongs, and its node exists.
fn place(view: &View, allocation: &Allocation) -> Option<Finding> {
    let wanted = match allocation.owner.kind {
        OwnerKind::Node => Purpose::Node,
        OwnerKind::Pod | OwnerKind::Other => Purpose::Pod,
    };
    let fits = |address: IpAddr| view.pool_of(address).is_some_and(|pool| pool.purpose == wanted);
    let uid = allocation.meta.uid;
    if let Some(stray) = allocation.holdings.iter().find(|holding| !fits(holding.address)) {
        let message = format!("{} of {} lies in no pool for it", stray.address, allocation.owner.full_name());
        return Some(error(Reason::AddressNotInPool, message).about("allocations", uid));
    }
    let node = allocation.owner.node.as_ref().filter(|name| view.node(name).is_none())?;
    let message = format!("node {node} of {} does not exist", allocation.owner.full_name());
    Some(Finding::new(Severity::Warning, Reason::NodeNotFound, "", message).about("allocations", uid))
}

/// Every index says what the records say.
fn indexes(view: &View, held: &BTreeMap<IpAddr, &Allocation>, findings: &mut Vec<Finding>) {
    for (address, allocation) in held {
        let indexed = view.held(*address).map(|found| found.meta.uid);
        let by_handle = view.by_handle(&allocation.handle).map(|found| found.meta.uid);
        if indexed != Some(allocation.meta.uid) || by_handle != Some(allocation.meta.uid) {
            findings.push(error(Reason::Internal, format!("the index of {address} disagrees with the records")));
        }
    }
    let mut rebuilt = View::default();
    view.changes().for_each(|change| rebuilt.apply(&change));
    if rebuilt != *view {
        findings.push(error(Reason::Internal, "the indexes disagree with those rebuilt from the records".to_owned()));
    }
}
