//! Pools.

mod changes;

use std::net::IpAddr;

use polder_core::cluster::Cluster;
use polder_core::ipam::forecast::Growth;
use polder_core::ipam::pool::{Draft, Update};
use polder_core::ipam::usage::{NodeUsage, Usage, by_node, of_pool};
use polder_core::ipam::{Order, Pool, PoolSelectors, PoolState, Purpose};
use polder_core::net::range::number;
use polder_core::net::{AddrRange, Family, Name};
use polder_core::reason::{Reason, Refusal, Violations, shown};
use polder_core::time::Timestamp;

pub use self::changes::apply;
use super::values::{duration, few, fields, names, prose, ranges, selectors, show_count, show_duration, show_selectors, text};
use super::{Mutation, eviction};
use crate::convert::common::{known, labels, parsed, show_labels, show_time};
use crate::convert::page;
use crate::ipam::v1 as pb;
use crate::types::v1 as types;

/// The fields of a pool that an update may name. Those that cannot change may be named with the value they have.
const FIELDS: &[&str] = &[
    "labels",
    "purpose",
    "ranges",
    "state",
    "priority",
    "node_selectors",
    "namespaces",
    "namespace_selectors",
    "owner_selectors",
    "explicit_only",
    "avoid_first_last",
    "avoid_buggy_ips",
    "block_prefix_length_v4",
    "block_prefix_length_v6",
    "max_blocks_per_node",
    "strict_affinity",
    "order",
    "cooldown",
    "allow_cross_namespace_sharing",
    "announce_interfaces",
    "bgp_only",
    "ignore_neighbors",
    "description",
];

/// Reads a request for a new pool.
///
/// # Errors
/// The refusal that names every bad field.
pub fn create(request: &pb::CreatePoolRequest) -> Result<Mutation<Draft>, Refusal> {
    let mut bad = Violations::new();
    let pool = request.pool.clone().unwrap_or_default();
    let draft = draft(&pool, "pool", &mut bad);
    if pool.purpose == pb::PoolPurpose::Unspecified as i32 {
        bad.add(
            "pool.purpose",
            Reason::FieldRequired,
            "say what the addresses are for: NODE, POD, CLUSTER_SERVICE or EXTERNAL_SERVICE",
        );
    }
    Mutation::finish(&request.request_id, request.validate_only, draft, bad)
}

/// Reads a request for a changed pool.
///
/// # Errors
/// The refusal that names every bad field.
pub fn update(request: &pb::UpdatePoolRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let pool = request.pool.clone().unwrap_or_default();
    let fields = fields(request.update_mask.as_ref(), FIELDS, &mut bad);
    let draft = draft(&pool, "pool", &mut bad);
    let (etag, allow_missing) = (pool.etag, request.allow_missing);
    let eviction = eviction(request.allow_eviction);
    let wish = draft.map(|draft| Update { draft, fields, etag, allow_missing, eviction });
    let mutation = Mutation::finish(&request.request_id, request.validate_only, wish, bad)?;
    Ok(mutation.if_planned(&request.plan_etag))
}

/// Reads a request to delete a pool: its name and etag.
///
/// # Errors
/// The refusal that names every bad field.
pub fn delete(request: &pb::DeletePoolRequest) -> Result<Mutation<(Name, String)>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, name.map(|name| (name, request.etag.clone())), bad)
}

/// Reads a pool that stands at `place` in the request.
fn draft(pool: &pb::Pool, place: &str, bad: &mut Violations) -> Option<Draft> {
    let at = |field: &str| format!("{place}.{field}");
    let purpose = match known(pool.purpose, &at("purpose"), bad) {
        pb::PoolPurpose::Unspecified => None,
        pb::PoolPurpose::Node => Some(Purpose::Node),
        pb::PoolPurpose::Pod => Some(Purpose::Pod),
        pb::PoolPurpose::ClusterService => Some(Purpose::ClusterService),
        pb::PoolPurpose::ExternalService => Some(Purpose::ExternalService),
    };
    let state = match known(pool.state, &at("state"), bad) {
        pb::PoolState::Unspecified | pb::PoolState::Enabled => PoolState::Enabled,
        pb::PoolState::Draining => PoolState::Draining,
        pb::PoolState::Disabled => PoolState::Disabled,
    };
    let order = match known(pool.order, &at("order"), bad) {
        pb::AllocationOrder::Unspecified => None,
        pb::AllocationOrder::Lowest => Some(Order::Lowest),
        pb::AllocationOrder::LongestFree => Some(Order::LongestFree),
    };
    let ranges = ranges(&pool.ranges, &at("ranges"), bad);
    let selectors = PoolSelectors {
        nodes: selectors(&pool.node_selectors, &at("node_selectors"), bad),
        namespaces: names(&pool.namespaces, &at("namespaces"), bad),
        namespace_labels: selectors(&pool.namespace_selectors, &at("namespace_selectors"), bad),
        objects: selectors(&pool.owner_selectors, &at("owner_selectors"), bad),
    };
    let block_len_v4 = block_len(pool.block_prefix_length_v4, &at("block_prefix_length_v4"), bad);
    let block_len_v6 = block_len(pool.block_prefix_length_v6, &at("block_prefix_length_v6"), bad);
    let cooldown = duration(pool.cooldown.as_ref(), &at("cooldown"), bad);
    let announce_interfaces = interfaces(&pool.announce_interfaces, &at("announce_interfaces"), bad);
    if pool.purpose() != pb::PoolPurpose::ExternalService && pool.purpose() != pb::PoolPurpose::Unspecified {
        for (field, said) in [("announce_interfaces", !pool.announce_interfaces.is_empty()), ("bgp_only", pool.bgp_only)] {
            if said {
                bad.add(at(field), Reason::ConflictingFields, "only external addresses of services are announced");
            }
        }
    }
    let description = prose(&pool.description, &at("description"), bad);
    let labels = labels(pool.labels.clone(), &at("labels"), bad);
    let name = parsed(&pool.name, at("name"), bad)?;
    Some(Draft {
        name,
        purpose,
        ranges,
        state,
        priority: pool.priority,
        selectors,
        explicit_only: pool.explicit_only,
        avoid_first_last: pool.avoid_first_last,
        avoid_buggy_ips: pool.avoid_buggy_ips,
        block_len_v4,
        block_len_v6,
        max_blocks_per_node: (pool.max_blocks_per_node > 0).then_some(pool.max_blocks_per_node),
        strict_affinity: pool.strict_affinity,
        order,
        cooldown,
        share_across_namespaces: pool.allow_cross_namespace_sharing,
        announce_interfaces,
        bgp_only: pool.bgp_only,
        ignore_neighbors: pool.ignore_neighbors,
        labels,
        description,
    })
}

fn interfaces(given: &[String], field: &str, bad: &mut Violations) -> Vec<String> {
    if !few(given.len(), MOST_INTERFACES, field, bad) {
        return Vec::new();
    }
    for (at, name) in given.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if name.is_empty() {
            bad.add(field, Reason::FieldRequired, "a name of an interface is required");
        } else if given[..at].contains(name) {
            bad.add(field, Reason::DuplicateValue, format!("`{}` is given twice", shown(name)));
        } else {
            text(name, &field, bad);
        }
    }
    given.to_vec()
}

/// The most interfaces that a pool names.
const MOST_INTERFACES: usize = 32;

fn block_len(given: u32, field: &str, bad: &mut Violations) -> Option<u8> {
    let read = u8::try_from(given);
    if read.is_err() {
        bad.add(field, Reason::CountOutOfBounds, format!("{given} is not a prefix length"));
    }
    read.ok().filter(|length| *length > 0)
}

/// A pool as it is stored.
#[must_use]
pub fn show(pool: &Pool) -> pb::Pool {
    let purpose = match pool.purpose {
        Purpose::Node => pb::PoolPurpose::Node,
        Purpose::Pod => pb::PoolPurpose::Pod,
        Purpose::ClusterService => pb::PoolPurpose::ClusterService,
        Purpose::ExternalService => pb::PoolPurpose::ExternalService,
    };
    let state = match pool.state {
        PoolState::Enabled => pb::PoolState::Enabled,
        PoolState::Draining => pb::PoolState::Draining,
        PoolState::Disabled => pb::PoolState::Disabled,
    };
    let order = match pool.order {
        Order::Lowest => pb::AllocationOrder::Lowest,
        Order::LongestFree => pb::AllocationOrder::LongestFree,
    };
    pb::Pool {
        name: pool.name.to_string(),
        uid: pool.meta.uid.to_string(),
        etag: pool.meta.etag(),
        labels: show_labels(&pool.labels),
        create_time: Some(show_time(pool.meta.created)),
        update_time: Some(show_time(pool.meta.updated)),
        purpose: purpose.into(),
        ranges: pool.ranges.iter().map(ToString::to_string).collect(),
        state: state.into(),
        priority: pool.priority,
        node_selectors: show_selectors(&pool.selectors.nodes),
        namespaces: pool.selectors.namespaces.iter().map(ToString::to_string).collect(),
        namespace_selectors: show_selectors(&pool.selectors.namespace_labels),
        owner_selectors: show_selectors(&pool.selectors.objects),
        explicit_only: !pool.auto_assign,
        avoid_first_last: pool.avoid_first_last,
        avoid_buggy_ips: pool.avoid_buggy_ips,
        block_prefix_length_v4: pool.block_len_v4.into(),
        block_prefix_length_v6: pool.block_len_v6.into(),
        max_blocks_per_node: pool.max_blocks_per_node,
        strict_affinity: pool.strict_affinity,
        order: order.into(),
        cooldown: show_duration(pool.cooldown),
        allow_cross_namespace_sharing: pool.share_across_namespaces,
        announce_interfaces: pool.announce_interfaces.clone(),
        bgp_only: pool.bgp_only,
        ignore_neighbors: pool.ignore_neighbors,
        description: pool.description.clone(),
        ..pb::Pool::default()
    }
}

/// A pool with how full it is, how fast it fills, and what is true of it now.
#[must_use]
pub fn show_now(cluster: &Cluster, pool: &Pool, growth: Option<Growth>, now: Timestamp) -> pb::Pool {
    let usage = [Family::V4, Family::V6].map(|family| of_pool(cluster, pool, family, now));
    let sum = usage[0].plus(usage[1]);
    let usage = whole_usage(cluster, pool, (sum, growth), now);
    pb::Pool { conditions: vec![available(pool, sum)], usage: Some(usage), ..show(pool) }
}

fn available(pool: &Pool, usage: Usage) -> types::Condition {
    let (reason, message) = match pool.state {
        PoolState::Draining => (Some(Reason::PoolDraining), "the pool is draining: it gives nothing new".to_owned()),
        PoolState::Disabled => (Some(Reason::PoolDisabled), "the pool is disabled".to_owned()),
        PoolState::Enabled if usage.free == 0 => (Some(Reason::PoolExhausted), usage.to_string()),
        PoolState::Enabled => (None, usage.to_string()),
    };
    let status = if reason.is_none() { types::ConditionStatus::True } else { types::ConditionStatus::False };
    types::Condition {
        r#type: "Available".to_owned(),
        status: status.into(),
        reason: reason.map_or("", Reason::as_str).to_owned(),
        message,
        last_transition_time: None,
    }
}

/// How full a pool is, both families together.
fn whole_usage(cluster: &Cluster, pool: &Pool, (sum, growth): (Usage, Option<Growth>), now: Timestamp) -> pb::PoolUsage {
    let forecast = growth.map(|growth| pb::PoolForecast {
        since: Some(show_time(growth.since)),
        net_growth: growth.net,
        time_to_full: growth.time_to_full(sum.free, now).and_then(show_duration),
    });
    pb::PoolUsage { owners: owners(cluster, pool), forecast, ..show_usage(sum) }
}

/// How full one family of a pool is.
#[must_use]
pub fn show_usage(usage: Usage) -> pb::PoolUsage {
    pb::PoolUsage {
        total: show_count(usage.total),
        used: show_count(usage.used),
        reserved: show_count(usage.reserved),
        cooling: show_count(usage.cooling),
        quarantined: show_count(usage.quarantined),
        avoided: show_count(usage.avoided),
        free: show_count(usage.free),
        in_blocks: show_count(usage.in_blocks),
        owners: 0,
        forecast: None,
    }
}

/// How many owners hold addresses of the pool; one that holds several counts once.
fn owners(cluster: &Cluster, pool: &Pool) -> u64 {
    let inside = |address| pool.ranges.iter().any(|range| range.contains(address));
    let held = pool.ranges.iter().flat_map(|range| cluster.ipam.held_in(*range));
    let firsts = held
        .filter(|(address, owner)| owner.holdings.iter().map(|holding| holding.address).find(|own| inside(*own)) == Some(*address));
    let vips = pool.ranges.iter().flat_map(|range| cluster.lb.held_in(*range));
    firsts.count() as u64 + vips.map(|vip| cluster.lb.holders(vip).count() as u64).sum::<u64>()
}

/// Reads a question about how full a pool is: which, and the most free ranges and blocks of the answer.
///
/// # Errors
/// The refusal that names every bad field.
pub fn usage(request: &pb::GetPoolUsageRequest) -> Result<(Name, usize), Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    let most = page::limit(request.limit, "limit", "ask for at most 1000", &mut bad);
    bad.finish(name.map(|name| (name, most)))
}

/// The whole answer about how full a pool is, with at most so many free ranges and blocks.
#[must_use]
pub fn show_pool_usage(
    cluster: &Cluster,
    pool: &Pool,
    growth: Option<Growth>,
    (most, now): (usize, Timestamp),
) -> pb::GetPoolUsageResponse {
    let v4 = of_pool(cluster, pool, Family::V4, now);
    let v6 = of_pool(cluster, pool, Family::V6, now);
    let (free_ranges, more_ranges) = free_ranges(cluster, pool, most);
    let blocks = pool.ranges.iter().flat_map(|range| cluster.ipam.blocks_overlapping(*range));
    let mut blocks: Vec<pb::BlockUsage> = blocks.take(most + 1).map(|block| block_usage(cluster, block)).collect();
    let truncated = more_ranges || blocks.len() > most;
    blocks.truncate(most);
    pb::GetPoolUsageResponse {
        usage: Some(whole_usage(cluster, pool, (v4.plus(v6), growth), now)),
        usage_v4: Some(show_usage(v4)),
        usage_v6: Some(show_usage(v6)),
        free_ranges,
        blocks,
        truncated,
        revision: 0,
        nodes: by_node(cluster, pool, now).iter().map(show_node_usage).collect(),
    }
}

fn show_node_usage(usage: &NodeUsage) -> pb::NodeUsage {
    pb::NodeUsage {
        node: usage.node.to_string(),
        blocks: usage.blocks,
        total: show_count(usage.total),
        used: usage.used,
        borrowed: usage.borrowed,
        lent: usage.lent,
        free: show_count(usage.free),
    }
}

fn block_usage(cluster: &Cluster, block: &polder_core::ipam::Block) -> pb::BlockUsage {
    let range = AddrRange::of_net(block.cidr);
    let used = cluster.ipam.count_held(range);
    let foreign = cluster.ipam.held_in(range).filter(|(_, held)| held.owner.node.as_ref() != Some(&block.node)).count();
    let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    pb::BlockUsage {
        prefix: block.cidr.to_string(),
        node: block.node.to_string(),
        used: small(used),
        borrowed: small(foreign as u64),
        free: small(u64::try_from(range.len()).unwrap_or(u64::MAX).saturating_sub(used)),
    }
}

/// The first runs of addresses that nobody holds, and whether there are more. Held runs of allocations are jumped over.
fn free_ranges(cluster: &Cluster, pool: &Pool, most: usize) -> (Vec<types::AddressRange>, bool) {
    let runs = pool.ranges.iter().flat_map(|range| Runs { cluster, left: Some(*range) });
    let mut shown: Vec<types::AddressRange> =
        runs.take(most + 1).map(|run| types::AddressRange { start: run.start().to_string(), end: run.end().to_string() }).collect();
    let more = shown.len() > most;
    shown.truncate(most);
    (shown, more)
}

/// The runs of addresses in a range that neither an allocation nor a service holds.
struct Runs<'a> {
    cluster: &'a Cluster,
    left: Option<AddrRange>,
}

impl Runs<'_> {
    /// The first address of the range that nobody holds.
    fn free(&self, range: AddrRange) -> Option<AddrRange> {
        let mut left = Some(range);
        while let Some(here) = left {
            let address = self.cluster.ipam.first_unheld(here)?;
            let rest = AddrRange::new(address, range.end()).ok()?;
            if self.cluster.lb.holders(address).next().is_none() {
                return Some(rest);
            }
            left = rest.behind(address);
        }
        None
    }

    /// The first address held in the range.
    fn held(&self, range: AddrRange) -> Option<IpAddr> {
        let allocation = self.cluster.ipam.held_in(range).next().map(|(address, _)| address);
        let vip = self.cluster.lb.held_in(range).next();
        allocation.into_iter().chain(vip).min()
    }
}

impl Iterator for Runs<'_> {
    type Item = AddrRange;

    fn next(&mut self) -> Option<AddrRange> {
        let left = self.left.take()?;
        let free = self.free(left)?;
        let Some(held) = self.held(free) else {
            return Some(free);
        };
        self.left = free.behind(held);
        let last = number(held).checked_sub(1)?;
        AddrRange::new(free.start(), free.family().address(last)).ok()
    }
}
