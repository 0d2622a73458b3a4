//! Decisions about pools.
//!
//! Pools never overlap, whatever their purpose, so an address belongs to at most one. Growing is live; what would take an address
//! from its holder is refused with the list of holders.

mod apply;
mod check;

use std::sync::Arc;
use std::time::Duration;

pub use self::apply::{PoolChange, apply};
pub(super) use self::check::{are_held, held_by_no_other_purpose, holders, overlap};

use super::decision::{Decision, Fields};
use super::evict::{Eviction, settle};
use super::record::{Change, Order, Pool, PoolSelectors, PoolState, Purpose};
use super::view::View;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::{AddrRange, Labels, Name, RangeSet};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// Changing a pool rests on who holds its addresses: pods, nodes and services.
const READS: &[Domain] = &[Domain::IpamPools, Domain::IpamAllocations, Domain::LbServices];

/// Moving holders to other addresses rests on their nodes as well.
const EVICTION_READS: &[Domain] = &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations, Domain::LbServices];

/// What the decision rests on.
const fn reads(eviction: Eviction) -> &'static [Domain] {
    match eviction {
        Eviction::Refused => READS,
        Eviction::Allowed => EVICTION_READS,
    }
}

/// The default prefix length of IPv4 blocks.
pub const BLOCK_LEN_V4: u8 = 26;
/// The default prefix length of IPv6 blocks.
pub const BLOCK_LEN_V6: u8 = 122;
/// The default for the most blocks of a pool that a node has in one family.
pub const BLOCKS_PER_NODE: u32 = 20;
/// The default cool-down of pools that give the address longest free.
pub const COOLDOWN: Duration = Duration::from_secs(30);

/// What a caller says about a pool; `None` takes the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: Name,
    /// What its addresses are for; required for a new pool.
    pub purpose: Option<Purpose>,
    /// Its addresses.
    pub ranges: Vec<AddrRange>,
    /// Whether it gives addresses.
    pub state: PoolState,
    /// The lower number is asked first; 0 comes last.
    pub priority: u32,
    /// Who may use it without naming it.
    pub selectors: PoolSelectors,
    /// Gives only to those who name it.
    pub explicit_only: bool,
    /// Keeps the first and last address of every prefix free.
    pub avoid_first_last: bool,
    /// Keeps IPv4 addresses ending in .0 and .255 free.
    pub avoid_buggy_ips: bool,
    /// Prefix length of IPv4 blocks.
    pub block_len_v4: Option<u8>,
    /// Prefix length of IPv6 blocks.
    pub block_len_v6: Option<u8>,
    /// The most blocks lent to one node, in one family.
    pub max_blocks_per_node: Option<u32>,
    /// Never borrow from another node's block.
    pub strict_affinity: bool,
    /// Which free address comes first.
    pub order: Option<Order>,
    /// How long a released address rests.
    pub cooldown: Option<Duration>,
    /// Services of different namespaces may share an address.
    pub share_across_namespaces: bool,
    /// The interfaces on which external addresses are answered for; empty: the one whose subnet has them.
    pub announce_interfaces: Vec<String>,
    /// External addresses are advertised by BGP and not answered for on the local network.
    pub bgp_only: bool,
    /// Addresses are given although strangers on the network answer for them.
    pub ignore_neighbors: bool,
    /// Labels.
    pub labels: Labels,
    /// For people.
    pub description: String,
}

impl Draft {
    /// A pool with these ranges and otherwise defaults.
    #[must_use]
    pub fn new(name: Name, purpose: Purpose, ranges: impl IntoIterator<Item = AddrRange>) -> Self {
        Self {
            name,
            purpose: Some(purpose),
            ranges: ranges.into_iter().collect(),
            state: PoolState::Enabled,
            priority: 0,
            selectors: PoolSelectors::default(),
            explicit_only: false,
            avoid_first_last: false,
            avoid_buggy_ips: false,
            block_len_v4: None,
            block_len_v6: None,
            max_blocks_per_node: None,
            strict_affinity: false,
            order: None,
            cooldown: None,
            share_across_namespaces: false,
            announce_interfaces: Vec::new(),
            bgp_only: false,
            ignore_neighbors: false,
            labels: Labels::default(),
            description: String::new(),
        }
    }

    /// The pool, every default filled in, ranges merged and in order.
    #[must_use]
    pub fn pool(&self, purpose: Purpose, meta: Meta) -> Pool {
        let usual = match purpose {
            Purpose::Pod => Order::LongestFree,
            Purpose::Node | Purpose::ClusterService | Purpose::ExternalService => Order::Lowest,
        };
        let order = self.order.unwrap_or(usual);
        Pool {
            name: self.name.clone(),
            meta,
            purpose,
            ranges: self.ranges.iter().copied().collect::<RangeSet>().ranges().to_vec(),
            state: self.state,
            priority: self.priority,
            selectors: self.selectors.clone(),
            auto_assign: !self.explicit_only,
            avoid_first_last: self.avoid_first_last,
            avoid_buggy_ips: self.avoid_buggy_ips,
            block_len_v4: self.block_len_v4.unwrap_or(BLOCK_LEN_V4),
            block_len_v6: self.block_len_v6.unwrap_or(BLOCK_LEN_V6),
            max_blocks_per_node: self.max_blocks_per_node.unwrap_or(BLOCKS_PER_NODE),
            strict_affinity: self.strict_affinity,
            order,
            cooldown: self.cooldown.unwrap_or(if order == Order::LongestFree { COOLDOWN } else { Duration::ZERO }),
            share_across_namespaces: self.share_across_namespaces,
            announce_interfaces: self.announce_interfaces.clone(),
            bgp_only: self.bgp_only,
            ignore_neighbors: self.ignore_neighbors,
            labels: self.labels.clone(),
            description: self.description.clone(),
        }
    }
}

/// Makes a pool.
///
/// # Errors
/// `ALREADY_EXISTS`, `POOL_OVERLAP`, and the findings about the draft itself.
pub fn create(cluster: &Cluster, draft: &Draft, context: PlanContext) -> Result<Decision<Arc<Pool>>, Refusal> {
    if cluster.ipam.pool(&draft.name).is_some() {
        let message = format!("Pool `{}` exists already. Update it, or choose another name.", draft.name);
        return Err(Refusal::new(Reason::AlreadyExists, message).with("pool", &draft.name).about("pool", &draft.name));
    }
    let purpose = check::purpose(draft)?;
    let pool = Arc::new(draft.pool(purpose, Meta::new(context.now, context.entropy, 0)));
    check::draft(draft)?;
    check::disjoint(&cluster.ipam, &pool)?;
    let changes = vec![Change::Pool(pool.name.clone(), Some(Arc::clone(&pool)))];
    held_by_no_other_purpose(cluster, &changes)?;
    Ok(Decision { changes, reads: READS, answer: pool })
}

/// A change of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The new values; the name says which pool.
    pub draft: Draft,
    /// The fields to replace.
    pub fields: Fields,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// Make the pool when there is none.
    pub allow_missing: bool,
    /// Whether holders may lose addresses that leave the pool.
    pub eviction: Eviction,
}

/// Changes a pool. Growing is live; taking an address from its holder is refused, or gives the holder another.
///
/// # Errors
/// `POOL_NOT_FOUND`, `ETAG_MISMATCH`, `FIELD_IMMUTABLE`, `POOL_OVERLAP`, `POOL_IN_USE` with the holders.
pub fn update(cluster: &Cluster, request: &Update, context: PlanContext) -> Result<Decision<Arc<Pool>>, Refusal> {
    let name = &request.draft.name;
    let Some(old) = cluster.ipam.pool(name) else {
        // Whoever has seen a version does not mean a new pool.
        if request.allow_missing && request.etag.is_empty() {
            return create(cluster, &request.draft, context);
        }
        return Err(Refusal::missing(Reason::PoolNotFound, "pool", name));
    };
    old.meta.check_etag("pool", name.as_str(), &request.etag)?;
    check::immutable(old, &request.draft, &request.fields)?;
    let mut pool = merged(old, &request.draft, &request.fields);
    if pool == **old {
        return Ok(Decision { changes: Vec::new(), reads: READS, answer: Arc::clone(old) });
    }
    check::draft(&Draft { ranges: request.fields.pick("ranges", &request.draft.ranges, &old.ranges), ..request.draft.clone() })?;
    check::disjoint(&cluster.ipam, &pool)?;
    pool.meta = old.meta.changed(context.now);
    let pool = Arc::new(pool);
    let change = Change::Pool(pool.name.clone(), Some(Arc::clone(&pool)));
    let changes = settle(cluster, vec![change], request.eviction, context).map_err(|refusal| cannot("changed", &pool, refusal))?;
    Ok(Decision { changes, reads: reads(request.eviction), answer: pool })
}

/// The refusal of a change of one pool.
fn cannot(be: &str, pool: &Pool, mut refusal: Refusal) -> Refusal {
    refusal.message = format!("Pool `{}` cannot be {be}: {}", pool.name, refusal.message);
    refusal.with("pool", &pool.name).about("pool", &pool.name)
}

fn merged(old: &Pool, draft: &Draft, fields: &Fields) -> Pool {
    let new = draft.pool(old.purpose, old.meta);
    let (has, theirs) = (|field: &str| fields.has(field), &old.selectors);
    Pool {
        name: new.name.clone(),
        meta: old.meta,
        purpose: old.purpose,
        ranges: fields.pick("ranges", &new.ranges, &old.ranges),
        state: fields.pick("state", &new.state, &old.state),
        priority: fields.pick("priority", &new.priority, &old.priority),
        selectors: PoolSelectors {
            nodes: fields.pick("node_selectors", &new.selectors.nodes, &theirs.nodes),
            namespaces: fields.pick("namespaces", &new.selectors.namespaces, &theirs.namespaces),
            namespace_labels: fields.pick("namespace_selectors", &new.selectors.namespace_labels, &theirs.namespace_labels),
            objects: fields.pick("owner_selectors", &new.selectors.objects, &theirs.objects),
        },
        auto_assign: fields.pick("explicit_only", &new.auto_assign, &old.auto_assign),
        avoid_first_last: fields.pick("avoid_first_last", &new.avoid_first_last, &old.avoid_first_last),
        avoid_buggy_ips: fields.pick("avoid_buggy_ips", &new.avoid_buggy_ips, &old.avoid_buggy_ips),
        block_len_v4: old.block_len_v4,
        block_len_v6: old.block_len_v6,
        max_blocks_per_node: fields.pick("max_blocks_per_node", &new.max_blocks_per_node, &old.max_blocks_per_node),
        strict_affinity: fields.pick("strict_affinity", &new.strict_affinity, &old.strict_affinity),
        order: fields.pick("order", &new.order, &old.order),
        cooldown: if has("cooldown") { new.cooldown } else { old.cooldown },
        share_across_namespaces: fields.pick(
            "allow_cross_namespace_sharing",
            &new.share_across_namespaces,
            &old.share_across_namespaces,
        ),
        announce_interfaces: fields.pick("announce_interfaces", &new.announce_interfaces, &old.announce_interfaces),
        bgp_only: fields.pick("bgp_only", &new.bgp_only, &old.bgp_only),
        ignore_neighbors: fields.pick("ignore_neighbors", &new.ignore_neighbors, &old.ignore_neighbors),
        labels: fields.pick("labels", &new.labels, &old.labels),
        description: fields.pick("description", &new.description, &old.description),
    }
}

/// Deletes a pool that nobody holds an address of.
///
/// # Errors
/// `POOL_NOT_FOUND`, `ETAG_MISMATCH`, `POOL_IN_USE` with the holders.
pub fn delete(cluster: &Cluster, name: &Name, etag: &str, context: PlanContext) -> Result<Decision<()>, Refusal> {
    let pool = find(&cluster.ipam, name)?;
    pool.meta.check_etag("pool", name.as_str(), etag)?;
    let changes = vec![Change::Pool(name.clone(), None)];
    let changes = settle(cluster, changes, Eviction::Refused, context).map_err(|refusal| cannot("deleted", pool, refusal))?;
    Ok(Decision { changes, reads: READS, answer: () })
}

/// The pool with this name.
///
/// # Errors
/// `POOL_NOT_FOUND`.
pub fn find<'a>(view: &'a View, name: &Name) -> Result<&'a Arc<Pool>, Refusal> {
    view.pool(name).ok_or_else(|| Refusal::missing(Reason::PoolNotFound, "pool", name))
}
