//! Everything there is to say about a compute network before it is applied.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Draft, POOLS, RESERVED, neighbors, ranges};
use crate::cluster::Cluster;
use crate::ipam::evict::Eviction;
use crate::ipam::finding::{Finding, Severity};
use crate::ipam::pool::{are_held, holders, overlap};
use crate::ipam::record::{ComputeNetwork, Interface, Node};
use crate::ipam::view::View;
use crate::net::range::number;
use crate::net::{AddrRange, Family, Name, RangeSet};
use crate::reason::{Reason, shown};
use crate::time::Timestamp;

/// One range typed in, with the field it came from and what it is for.
pub(super) struct Typed {
    pub(super) pool: &'static str,
    pub(super) field: String,
    pub(super) range: AddrRange,
}

impl Typed {
    fn named(&self) -> String {
        format!("{} range {}", self.pool, self.range)
    }
}

/// Every finding, in the order of the fields.
pub(super) fn all(cluster: &Cluster, draft: &Draft, network: &ComputeNetwork, now: Timestamp) -> Vec<Finding> {
    let typed = typed(draft, network);
    let mut found = Vec::new();
    counts(cluster, network, &mut found);
    on_the_subnet(&cluster.ipam, network, &typed, &mut found);
    overlaps(&cluster.ipam, &typed, &mut found);
    in_use(cluster, network, draft.eviction, &mut found);
    reserved(&cluster.ipam, network, &mut found);
    on_hosts(&cluster.ipam, network, &mut found);
    neighbors::answered(&cluster.ipam, &typed, now, &mut found);
    let normalised = draft.normalised.iter().map(|(field, given, stored)| {
        let message = format!("`{}` has host bits set and is stored as {stored}.", shown(given));
        Finding::new(Severity::Info, Reason::SubnetHostBits, field, message)
    });
    found.extend(normalised);
    found
}

fn typed(draft: &Draft, network: &ComputeNetwork) -> Vec<Typed> {
    let subnets = |subnets: &[IpNet]| subnets.iter().map(|net| AddrRange::of_net(*net)).collect::<Vec<_>>();
    let given = [
        draft.node_ranges.clone(),
        draft.external_ranges.clone(),
        subnets(&network.pod_subnets),
        subnets(&network.service_subnets),
    ];
    let all = POOLS.iter().zip(given).flat_map(|((pool, _, field), ranges)| {
        let with_field = ranges.into_iter().enumerate();
        with_field.map(move |(at, range)| Typed { pool, field: format!("{field}[{at}]"), range })
    });
    all.collect()
}

/// Are there enough addresses?
fn counts(cluster: &Cluster, network: &ComputeNetwork, found: &mut Vec<Finding>) {
    let nodes = cluster.ipam.nodes().count() as u128;
    let given: RangeSet = network.node_ranges.iter().copied().collect();
    let (given, needed) = (given.count(Family::V4).max(given.count(Family::V6)), nodes + 1);
    if given < needed {
        let message = format!("{given} node addresses given, {needed} needed: {nodes} nodes + 1 control plane.");
        let last = network.node_ranges.iter().map(AddrRange::end).max();
        let until = last.and_then(|last| Some(Family::of(last).address(number(last).checked_add(needed - given)?)));
        let advice = until.map_or_else(|| format!("Give {needed} addresses."), |until| format!("Extend the range to {until}."));
        found.push(Finding::new(Severity::Error, Reason::RangeTooSmall, "network.node_range", message).advise(advice));
    }
    if network.external_ranges.is_empty() {
        let message = "No LoadBalancer service can get an address.";
        let finding = Finding::new(Severity::Warning, Reason::NoExternalAddresses, "network.external_range", message);
        found.push(finding.advise("At least 1 address is recommended."));
    }
    for (at, net) in network.service_subnets.iter().enumerate() {
        for (_, owner, nth) in RESERVED.iter().filter(|(_, _, nth)| AddrRange::of_net(*net).nth(*nth).is_none()) {
            let message = format!("{net} is too small: the address for {owner} is number {nth} of it.");
            let field = format!("network.service_subnet[{at}]");
            found.push(Finding::new(Severity::Error, Reason::RangeTooSmall, field, message).advise("Give a /28 or larger."));
        }
    }
}

/// The interface of a node that the ranges lie on.
fn interface<'a>(node: &'a Node, name: &str) -> Option<&'a Interface> {
    node.interfaces.iter().find(|interface| if name.is_empty() { !interface.gateways.is_empty() } else { interface.name == name })
}

/// The subnet that ranges of this family must lie in: what the operator gave, else what a node reports.
fn subnet(view: &View, network: &ComputeNetwork, family: Family) -> Option<IpNet> {
    let fits = |net: &IpNet| Family::of(net.addr()) == family;
    let reported = || {
        let interfaces = view.nodes().filter_map(|node| interface(node, &network.interface));
        interfaces
            .flat_map(|interface| &interface.addresses)
            .map(IpNet::trunc)
            .find(|net| fits(net) && net.prefix_len() < family.bits())
    };
    network.subnet.filter(fits).or_else(reported)
}

fn gateways(view: &View, network: &ComputeNetwork) -> Vec<IpAddr> {
    match network.gateway {
        Some(gateway) => vec![gateway],
        None => {
            let interfaces = view.nodes().filter_map(|node| interface(node, &network.interface));
            let mut all: Vec<IpAddr> = interfaces.flat_map(|interface| interface.gateways.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
    }
}

/// Node and external ranges lie on the interface's subnet and hold nothing that is somebody's already.
fn on_the_subnet(view: &View, network: &ComputeNetwork, typed: &[Typed], found: &mut Vec<Finding>) {
    let error = |reason, one: &Typed, message: String| Finding::new(Severity::Error, reason, &one.field, message);
    let gateways = gateways(view, network);
    for one in typed.iter().filter(|one| matches!(one.pool, "node" | "external")) {
        let subnet = subnet(view, network, one.range.family());
        match subnet {
            Some(net) if !AddrRange::of_net(net).covers(&one.range) => {
                let message = format!("{} is outside the interface's subnet {net}.", one.range);
                found.push(error(Reason::RangeOutsideSubnet, one, message));
            }
            Some(net) => found.extend(ends_of_subnet(one, net)),
            None => found.extend(odd_ends(one)),
        }
        for gateway in gateways.iter().filter(|gateway| one.range.contains(**gateway)) {
            found.push(error(Reason::RangeHasGateway, one, format!("{gateway} in {} is the gateway.", one.range)));
        }
        for node in view.nodes() {
            let own =
                node.interfaces.iter().flat_map(|interface| interface.addresses.iter().map(move |net| (interface, net.addr())));
            let foreign = own.filter(|(_, address)| {
                one.range.contains(*address) && !view.node_addresses(&node.name).any(|given| given == *address)
            });
            for (interface, address) in foreign {
                let message = format!("{address} in {} is the address of {} on node `{}`.", one.range, interface.name, node.name);
                found.push(error(Reason::RangeHasInterfaceAddress, one, message).about("nodes", &node.name));
            }
        }
    }
}

fn ends_of_subnet(one: &Typed, net: IpNet) -> Option<Finding> {
    let IpNet::V4(v4) = net else {
        return None;
    };
    let ends = [(IpAddr::V4(v4.network()), "network"), (IpAddr::V4(v4.broadcast()), "broadcast")];
    let (address, what) = ends.into_iter().find(|(address, _)| v4.prefix_len() < 31 && one.range.contains(*address))?;
    let message = format!("{address} in {} is the {what} address of {net}.", one.range);
    Some(Finding::new(Severity::Error, Reason::RangeHasNetworkOrBroadcast, &one.field, message))
}

/// Without a known subnet, .0 and .255 are only suspicious.
fn odd_ends(one: &Typed) -> Option<Finding> {
    let odd = |address: IpAddr| matches!(address, IpAddr::V4(v4) if matches!(v4.octets()[3], 0 | 255));
    let address = [one.range.start(), one.range.end()].into_iter().find(|address| odd(*address))?;
    let message = format!("{address} in {} may be the network or broadcast address; the subnet is not known.", one.range);
    Some(Finding::new(Severity::Warning, Reason::RangeHasNetworkOrBroadcast, &one.field, message))
}

/// No range meets another one, nor a pool that is not the network's own.
fn overlaps(view: &View, typed: &[Typed], found: &mut Vec<Finding>) {
    for (at, one) in typed.iter().enumerate() {
        for other in typed[..at].iter().filter(|other| other.range.intersection(&one.range).is_some()) {
            let (message, _) = overlap(&capital(&one.named()), one.range, &other.named(), other.range);
            found.push(beside(Finding::new(Severity::Error, Reason::RangeOverlap, &one.field, message), one.range, other.range));
        }
        let own = |name: &Name| POOLS.iter().any(|(pool, ..)| *pool == name.as_str());
        for (name, theirs) in view.pools_overlapping(one.range).filter(|(name, _)| !own(name)) {
            let (message, _) = overlap(&capital(&one.named()), one.range, &format!("{theirs} of pool `{name}`"), theirs);
            let finding = Finding::new(Severity::Error, Reason::RangeOverlap, &one.field, message).about("pools", name);
            found.push(beside(finding, one.range, theirs));
        }
    }
}

/// Advises where the range can begin, or end, so that it does not meet the other.
fn beside(finding: Finding, range: AddrRange, other: AddrRange) -> Finding {
    let after = range.contains(other.end()).then(|| range.behind(other.end())).flatten();
    let before = || range.contains(other.start()).then(|| number(other.start()).checked_sub(1)).flatten();
    match (after, before().filter(|last| *last >= number(range.start()))) {
        (Some(after), _) => finding.advise(format!("Start at {}.", after.start())),
        (None, Some(last)) => finding.advise(format!("End at {}.", range.family().address(last))),
        (None, None) => finding,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// No holder loses its address, and no pool of another kind stands under a name that is needed.
fn in_use(cluster: &Cluster, network: &ComputeNetwork, eviction: Eviction, found: &mut Vec<Finding>) {
    for ((name, purpose, field), ranges) in POOLS.iter().zip(ranges(network)) {
        let Some(pool) = cluster.ipam.pools().find(|pool| pool.name.as_str() == *name) else {
            continue;
        };
        if pool.purpose != *purpose {
            let message = format!("Pool `{name}` exists with another purpose.");
            let finding = Finding::new(Severity::Error, Reason::AlreadyExists, *field, message).about("pools", name);
            found.push(finding.advise("Delete it, or make it under another name."));
            continue;
        }
        let after: RangeSet = ranges.iter().copied().collect();
        let lost = pool.ranges.iter().copied().collect::<RangeSet>().minus(&after);
        let (count, obstacles) = holders(cluster, lost.ranges());
        if count == 0 {
            continue;
        }
        let first = obstacles.first().map(|obstacle| obstacle.description.clone()).unwrap_or_default();
        let mut finding = match (is_locked(name), eviction) {
            (true, _) => locked(field, count).advise(format!("Release them first; the first: {first}.")),
            (false, Eviction::Refused) => {
                let message = format!("{} of what would leave the range; the first: {first}.", are_held(count));
                Finding::new(Severity::Error, Reason::RangeInUseShrink, *field, message)
                    .advise("Release them first, or allow eviction: then their holders get others.")
            }
            (false, Eviction::Allowed) => {
                let message = format!("{} of what leaves the range, and who holds them gets others.", are_held(count));
                Finding::new(Severity::Warning, Reason::RangeInUseShrink, *field, message)
            }
        };
        finding.objects = obstacles.into_iter().map(|obstacle| obstacle.subject).collect();
        found.push(finding);
    }
}

/// Whether the pool's ranges cannot change while anybody holds an address of them: routes and names rest on them.
fn is_locked(pool: &str) -> bool {
    matches!(pool, "pod" | "service")
}

fn locked(field: &str, count: u64) -> Finding {
    Finding::new(Severity::Error, Reason::FieldLocked, field, format!("Locked: {} of it.", are_held(count)))
}

/// The fields that cannot change now, each with the reason: what an operator is told before trying.
pub(super) fn locks(cluster: &Cluster) -> Vec<Finding> {
    let pools = POOLS.iter().filter(|(name, ..)| is_locked(name));
    let held = pools.filter_map(|(name, _, field)| {
        let pool = cluster.ipam.pools().find(|pool| pool.name.as_str() == *name)?;
        let (count, obstacles) = holders(cluster, &pool.ranges);
        let mut lock = locked(field, count).about("pools", name);
        lock.objects.extend(obstacles.into_iter().map(|obstacle| obstacle.subject));
        (count > 0).then_some(lock)
    });
    held.collect()
}

/// Nobody else has reserved the addresses that Polder keeps for itself, or taken the names of its reservations.
fn reserved(view: &View, network: &ComputeNetwork, found: &mut Vec<Finding>) {
    let own = |name: &Name| view.reservation(name).is_some_and(|kept| kept.system);
    for (name, owner, nth) in RESERVED {
        if view.reservations().any(|kept| kept.name.as_str() == name && !kept.system) {
            let message = format!("Reservation `{name}` exists and is not Polder's own.");
            let finding = Finding::new(Severity::Error, Reason::AlreadyExists, "network.service_subnet", message);
            found.push(finding.about("reservations", name).advise("Delete it, or make it under another name."));
        }
        let addresses = network.service_subnets.iter().enumerate();
        for (at, address) in addresses.filter_map(|(at, net)| Some((at, AddrRange::of_net(*net).nth(nth)?))) {
            for (other, _) in view.reserved_overlapping(AddrRange::single(address)).filter(|(other, _)| !own(other)) {
                let message = format!("{address} is the address for {owner}, and reservation `{other}` keeps it.");
                let field = format!("network.service_subnet[{at}]");
                found.push(Finding::new(Severity::Error, Reason::RangeOverlap, field, message).about("reservations", other));
            }
        }
    }
}

/// Pod and service subnets that are new must not be routed on a node already.
fn on_hosts(view: &View, network: &ComputeNetwork, found: &mut Vec<Finding>) {
    let old = view.network();
    let known = |net: &IpNet| old.is_some_and(|old| old.pod_subnets.contains(net) || old.service_subnets.contains(net));
    let pods = network.pod_subnets.iter().enumerate().map(|(at, net)| (format!("network.pod_subnet[{at}]"), *net));
    let services = network.service_subnets.iter().enumerate().map(|(at, net)| (format!("network.service_subnet[{at}]"), *net));
    for (field, net) in pods.chain(services).filter(|(_, net)| !known(net)) {
        for node in view.nodes() {
            if let Some((what, via)) = seen_on(node, net) {
                let message = format!("{net} meets {what} on node `{}` via {via}.", node.name);
                let finding =
                    Finding::new(Severity::Error, Reason::SubnetInUseOnHost, &field, message).advise("Choose another subnet.");
                found.push(finding.about("nodes", &node.name));
            }
        }
    }
}

fn seen_on(node: &Node, net: IpNet) -> Option<(IpNet, &str)> {
    let meets = |other: &IpNet| other.prefix_len() > 0 && AddrRange::of_net(*other).intersection(&AddrRange::of_net(net)).is_some();
    let routes = node.routes.iter().map(|route| (route.destination, route.interface.as_str()));
    let addresses =
        node.interfaces.iter().flat_map(|interface| interface.addresses.iter().map(|net| (net.trunc(), interface.name.as_str())));
    routes.chain(addresses).find(|(other, _)| meets(other))
}
