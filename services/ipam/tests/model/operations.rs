//! What callers ask for: drawn at random, from few names and few addresses, so that requests meet.

use std::collections::BTreeMap;

use polder_core::net::AddrRange;
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::{AddressFamily, LabelSelector};
use prost_types::{Duration, FieldMask};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::calls::Ask;

pub(crate) const NODES: [&str; 4] = ["n0", "n1", "n2", "n3"];
pub(crate) const HANDLES: usize = 48;
const NAMESPACES: [&str; 3] = ["lab", "ops", "shop"];
const RESERVATIONS: [&str; 3] = ["kept-0", "kept-1", "kept-2"];
const POOLS: [&str; 5] = ["a", "b", "c", "d", "six"];
/// Cool-downs stay far below the time for which the sweep keeps records of releases.
const COOLDOWNS: [i64; 4] = [0, 1, 10, 60];

/// What callers have learned from answers: some of it is out of date, as with callers anywhere.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Handle, uid and addresses of allocations.
    pub(crate) allocations: Vec<(String, String, Vec<String>)>,
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) nodes: BTreeMap<String, String>,
}

fn one_of<'a>(rng: &mut StdRng, all: &[&'a str]) -> &'a str {
    all[rng.random_range(0..all.len())]
}

fn chance(rng: &mut StdRng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// The pools and nodes to begin with.
pub(crate) fn beginning() -> Vec<Ask> {
    let pool = |name: &str, purpose: PoolPurpose, range: &str| Pool {
        name: name.to_owned(),
        purpose: purpose.into(),
        ranges: vec![range.to_owned()],
        cooldown: seconds(10),
        ..Default::default()
    };
    let pods = |name, range, len| Pool { block_prefix_length_v4: len, ..pool(name, PoolPurpose::Pod, range) };
    let pools = [
        Pool { cooldown: seconds(5), ..pool("nodes", PoolPurpose::Node, "10.0.0.0/28") },
        Pool { max_blocks_per_node: 2, ..pods("a", "10.1.0.0/27", 28) },
        Pool { strict_affinity: true, max_blocks_per_node: 2, ..pods("b", "10.1.0.32/27", 29) },
        Pool { block_prefix_length_v6: 124, ..pool("six", PoolPurpose::Pod, "fd00::/122") },
    ];
    let pools = pools.map(|pool| Ask::CreatePool(CreatePoolRequest { pool: Some(pool), ..Default::default() }));
    let nodes = NODES.map(|name| Ask::RegisterNode(RegisterNodeRequest { name: name.to_owned(), ..Default::default() }));
    pools.into_iter().chain(nodes).collect()
}

/// Any request for a change.
pub(crate) fn draw(rng: &mut StdRng, known: &Known) -> Ask {
    match rng.random_range(0..100) {
        0..38 => Ask::AllocateAddresses(AllocateAddressesRequest { spec: Some(spec(rng, known)), ..Default::default() }),
        38..42 => batch(rng, known),
        42..64 => Ask::ReleaseAddresses(release(rng, known)),
        64..69 => update(rng, known),
        69..80 => pools(rng, known),
        80..87 => reservations(rng),
        87..91 => namespaces(rng),
        91..99 => nodes(rng),
        _ => Ask::CheckConsistency(CheckConsistencyRequest { repair: true, ..Default::default() }),
    }
}

/// A wish for addresses. Who asks under a handle is mostly the same, so that repetitions agree.
pub(crate) fn spec(rng: &mut StdRng, known: &Known) -> AllocationSpec {
    let number = rng.random_range(0..HANDLES);
    let handle = format!("p{number}");
    let node = match rng.random_range(0..100) {
        0..90 => NODES[number % NODES.len()],
        90..95 => one_of(rng, &NODES),
        _ => "",
    };
    let kind = if number % 12 == 11 { OwnerKind::Other } else { OwnerKind::Pod };
    let namespace = if kind == OwnerKind::Pod { NAMESPACES[number % NAMESPACES.len()] } else { "" };
    let owner = Owner {
        kind: kind.into(),
        namespace: namespace.to_owned(),
        name: handle.clone(),
        node: node.to_owned(),
        ..Default::default()
    };
    let labels = BTreeMap::from([("app".to_owned(), if number.is_multiple_of(2) { "even" } else { "odd" }.to_owned())]);
    let mut spec = AllocationSpec { handle, owner: Some(owner), labels, ..Default::default() };
    let (v4, v6) = (AddressFamily::Ipv4.into(), AddressFamily::Ipv6.into());
    spec.families = match if chance(rng, 80) { number % 8 } else { rng.random_range(0..8) } {
        0..4 => vec![v4],
        4 => vec![v6],
        5..7 => vec![v4, v6],
        _ => Vec::new(),
    };
    match rng.random_range(0..100) {
        0..12 => {
            spec.families = Vec::new();
            spec.addresses = vec![address(rng, known)];
        }
        12..20 => spec.pools = vec![one_of(rng, &POOLS).to_owned()],
        20..26 => {
            spec.families = Vec::new();
            spec.reservation = one_of(rng, &RESERVATIONS).to_owned();
        }
        26..36 => spec.count = rng.random_range(2..4),
        _ => {}
    }
    spec.allow_partial = spec.addresses.is_empty() && spec.reservation.is_empty() && chance(rng, 10);
    spec
}

fn address(rng: &mut StdRng, known: &Known) -> String {
    let heard = known.allocations.get(rng.random_range(0..known.allocations.len().max(1)));
    match heard.and_then(|(.., addresses)| addresses.first()).filter(|_| rng.random_range(0..2) == 0) {
        Some(address) => address.clone(),
        None => format!("10.1.0.{}", rng.random_range(0..100)),
    }
}

fn batch(rng: &mut StdRng, known: &Known) -> Ask {
    let mut specs: Vec<AllocationSpec> = (0..rng.random_range(2..7)).map(|_| spec(rng, known)).collect();
    specs.sort_by(|one, other| one.handle.cmp(&other.handle));
    specs.dedup_by(|one, other| one.handle == other.handle);
    Ask::BatchAllocateAddresses(BatchAllocateAddressesRequest { specs, ..Default::default() })
}

fn release(rng: &mut StdRng, known: &Known) -> ReleaseAddressesRequest {
    let handle = format!("p{}", rng.random_range(0..HANDLES));
    let by_handle = ReleaseAddressesRequest { handle, ..Default::default() };
    if known.allocations.is_empty() || chance(rng, 50) {
        return by_handle;
    }
    // The older ones are stale, most likely.
    let (_, uid, addresses) = &known.allocations[rng.random_range(0..known.allocations.len())];
    if chance(rng, 30) {
        return ReleaseAddressesRequest { uid: uid.clone(), ..Default::default() };
    }
    let mut claims: Vec<AddressClaim> =
        addresses.iter().map(|address| AddressClaim { address: address.clone(), uid: uid.clone() }).collect();
    if claims.len() > 1 && chance(rng, 50) {
        claims.truncate(1);
    }
    ReleaseAddressesRequest { addresses: claims, ..Default::default() }
}

fn update(rng: &mut StdRng, known: &Known) -> Ask {
    let (mut allocation, number) = (Allocation::default(), rng.random_range(0..HANDLES));
    match known.allocations.get(rng.random_range(0..known.allocations.len().max(1))).filter(|_| number.is_multiple_of(2)) {
        Some((_, uid, _)) => allocation.uid.clone_from(uid),
        None => allocation.handle = format!("p{number}"),
    }
    allocation.ready = chance(rng, 50);
    allocation.labels = BTreeMap::from([("app".to_owned(), one_of(rng, &["even", "odd"]).to_owned())]);
    let update_mask = Some(FieldMask { paths: vec!["ready".to_owned(), "labels".to_owned()] });
    Ask::UpdateAllocation(UpdateAllocationRequest { allocation: Some(allocation), update_mask, ..Default::default() })
}

/// A piece of the addresses that pools share, mostly aligned.
fn range(rng: &mut StdRng) -> String {
    let first = rng.random_range(0..12) * 8;
    match rng.random_range(0..6) {
        0 => format!("10.1.0.{first}-10.1.0.{}", first + rng.random_range(2..20)),
        1 => format!("10.1.0.{}/28", first / 16 * 16),
        2 => format!("fd00::{:x}-fd00::{:x}", first, first + 15),
        _ => format!("10.1.0.{first}/29"),
    }
}

fn fresh(rng: &mut StdRng, name: &str) -> Pool {
    Pool {
        name: name.to_owned(),
        purpose: PoolPurpose::Pod.into(),
        ranges: vec![range(rng)],
        state: if chance(rng, 85) { PoolState::Enabled } else { PoolState::Draining }.into(),
        priority: rng.random_range(0..3),
        owner_selectors: if chance(rng, 15) { vec![selector("app", "even")] } else { Vec::new() },
        namespaces: if chance(rng, 10) { vec!["shop".to_owned(), "lab".to_owned()] } else { Vec::new() },
        explicit_only: chance(rng, 10),
        avoid_first_last: chance(rng, 20),
        avoid_buggy_ips: chance(rng, 20),
        block_prefix_length_v4: rng.random_range(28..31),
        block_prefix_length_v6: 124,
        max_blocks_per_node: rng.random_range(1..4),
        strict_affinity: chance(rng, 30),
        order: if chance(rng, 30) { AllocationOrder::Lowest } else { AllocationOrder::LongestFree }.into(),
        cooldown: seconds(COOLDOWNS[rng.random_range(0..COOLDOWNS.len())]),
        ..Default::default()
    }
}

fn selector(key: &str, value: &str) -> LabelSelector {
    LabelSelector { match_labels: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..Default::default() }
}

fn pools(rng: &mut StdRng, known: &Known) -> Ask {
    let name = one_of(rng, &POOLS).to_owned();
    let heard = known.pools.get(&name).cloned();
    match (rng.random_range(0..10), heard) {
        (0, _) => Ask::DeletePool(DeletePoolRequest { name, ..Default::default() }),
        (1..5, Some(pool)) => edited(rng, pool),
        (5..9, Some(pool)) => applied(rng, known, pool),
        _ => Ask::CreatePool(CreatePoolRequest { pool: Some(fresh(rng, &name)), ..Default::default() }),
    }
}

/// Growing, shrinking, draining, enabling, and other options.
fn edited(rng: &mut StdRng, mut pool: Pool) -> Ask {
    let field = match rng.random_range(0..10) {
        0..2 => {
            pool.ranges.push(range(rng));
            "ranges"
        }
        2..4 => {
            pool.ranges = halves(&pool).0;
            "ranges"
        }
        4..8 => {
            let states = [PoolState::Enabled, PoolState::Enabled, PoolState::Draining, PoolState::Disabled];
            pool.state = states[rng.random_range(0..4)].into();
            "state"
        }
        8 => {
            pool.strict_affinity = !pool.strict_affinity;
            "strict_affinity"
        }
        _ => {
            pool.cooldown = seconds(COOLDOWNS[rng.random_range(0..COOLDOWNS.len())]);
            "cooldown"
        }
    };
    if chance(rng, 70) {
        pool.etag.clear();
    }
    let update_mask = Some(FieldMask { paths: vec![field.to_owned()] });
    Ask::UpdatePool(UpdatePoolRequest { pool: Some(pool), update_mask, ..Default::default() })
}

/// The pool's ranges cut in two: the first range in its middle, the others to the second half.
fn halves(pool: &Pool) -> (Vec<String>, Vec<String>) {
    let Some(first) = pool.ranges.first().and_then(|range| range.parse::<AddrRange>().ok()) else {
        return (Vec::new(), Vec::new());
    };
    let middle = first.nth(first.len() / 2).unwrap();
    let end = first.nth((first.len() / 2).saturating_sub(1)).unwrap();
    let second = vec![format!("{middle}-{}", first.end())];
    (vec![format!("{}-{end}", first.start())], second.into_iter().chain(pool.ranges.iter().skip(1).cloned()).collect())
}

/// Splitting, merging, renaming, in one transaction.
fn applied(rng: &mut StdRng, known: &Known, mut pool: Pool) -> Ask {
    use pool_change::Change;
    pool.etag.clear();
    let other = one_of(rng, &POOLS).to_owned();
    let heard = known.pools.get(&other).filter(|_| other != pool.name).cloned();
    let changes = match (rng.random_range(0..3), heard) {
        (0, Some(other)) => {
            let merged = Pool { ranges: pool.ranges.iter().chain(&other.ranges).cloned().collect(), ..pool };
            vec![Change::Delete(other.name), Change::Put(merged)]
        }
        (0 | 1, _) if other != pool.name => {
            let (first, second) = halves(&pool);
            let split = Pool { name: other, ranges: second, uid: String::new(), ..pool.clone() };
            vec![Change::Put(Pool { ranges: first, ..pool }), Change::Put(split)]
        }
        _ => vec![Change::Rename(PoolRename { from: pool.name, to: other })],
    };
    let changes = changes.into_iter().map(|change| PoolChange { change: Some(change) }).collect();
    Ask::ApplyPools(ApplyPoolsRequest { changes, ..Default::default() })
}

fn reservations(rng: &mut StdRng) -> Ask {
    let name = one_of(rng, &RESERVATIONS).to_owned();
    let first = rng.random_range(0..90);
    let ranges = match chance(rng, 70) {
        true => vec![format!("10.1.0.{first}-10.1.0.{}", first + rng.random_range(0..5))],
        false => vec![format!("fd00::{first:x}")],
    };
    let ttl = if chance(rng, 60) { seconds(rng.random_range(1..30)) } else { None };
    let reservation = Some(Reservation { name: name.clone(), ranges, ttl, ..Default::default() });
    match rng.random_range(0..10) {
        0..4 => Ask::CreateReservation(CreateReservationRequest { reservation, ..Default::default() }),
        4..6 => {
            let allow_missing = chance(rng, 50);
            Ask::UpdateReservation(UpdateReservationRequest { reservation, allow_missing, ..Default::default() })
        }
        _ => Ask::DeleteReservation(DeleteReservationRequest { name, ..Default::default() }),
    }
}

fn namespaces(rng: &mut StdRng) -> Ask {
    let name = one_of(rng, &NAMESPACES).to_owned();
    let pod_addresses = [None, Some(4), Some(12), Some(40)][rng.random_range(0..4)];
    let quotas = Some(NamespaceQuotas { pod_addresses, ..Default::default() });
    let namespace = Some(Namespace { name: name.clone(), quotas, ..Default::default() });
    match rng.random_range(0..10) {
        0..3 => Ask::CreateNamespace(CreateNamespaceRequest { namespace, ..Default::default() }),
        3..9 => Ask::UpdateNamespace(UpdateNamespaceRequest { namespace, allow_missing: true, ..Default::default() }),
        _ => Ask::DeleteNamespace(DeleteNamespaceRequest { name, ..Default::default() }),
    }
}

fn nodes(rng: &mut StdRng) -> Ask {
    let name = one_of(rng, &NODES).to_owned();
    match rng.random_range(0..10) {
        0..7 => {
            let addresses = if chance(rng, 20) { vec![format!("10.0.0.{}", rng.random_range(0..16))] } else { Vec::new() };
            let labels = BTreeMap::from([("rack".to_owned(), one_of(rng, &["1", "2"]).to_owned())]);
            Ask::RegisterNode(RegisterNodeRequest { name, labels, addresses, ..Default::default() })
        }
        7 => Ask::DrainNode(DrainNodeRequest { name, end: chance(rng, 75), ..Default::default() }),
        8 => {
            let node = Some(Node { name, unschedulable: chance(rng, 30), ..Default::default() });
            let update_mask = Some(FieldMask { paths: vec!["unschedulable".to_owned()] });
            Ask::UpdateNode(UpdateNodeRequest { node, update_mask, ..Default::default() })
        }
        _ => Ask::DeleteNode(DeleteNodeRequest { name, force: chance(rng, 50), ..Default::default() }),
    }
}
