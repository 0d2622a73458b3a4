//! Decisions about nodes: registration, change, removal.
//!
//! A node's own addresses are an allocation under a handle of Polder's own, made in the same transaction as the node: a node is
//! never registered without its address.

pub mod number;
mod removal;

use std::net::IpAddr;
use std::sync::Arc;

pub use self::removal::{Deletion, Extent, Removal, delete, resume};

use super::allocate;
use super::decision::{Decision, Fields};
use super::record::{Allocation, Change, Interface, Node, Owner, OwnerKind, Route};
use super::release;
use super::view::View;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::{Labels, Name};
use crate::reason::{Obstacle, Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// Handles that begin with this are Polder's own; no caller may use them.
pub const OWN_HANDLES: &str = "polder.dev/";

const READS: &[Domain] = &[Domain::IpamPools, Domain::IpamNodes, Domain::IpamAllocations];

/// The handle under which a node holds its own addresses.
#[must_use]
pub fn handle(name: &Name) -> String {
    format!("{OWN_HANDLES}node/{name}")
}

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub name: Name,
    /// Its labels.
    pub labels: Labels,
    /// Its failure zone; may be empty.
    pub zone: String,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Version of its agent; may be empty.
    pub agent_version: String,
    /// Hardware address of its tunnel interface; may be empty.
    pub tunnel_mac: String,
    /// The addresses it wants; empty: the ones it has, else any.
    pub addresses: Vec<IpAddr>,
}

/// Registers a node, or takes what it says now. Repeating it changes nothing.
///
/// # Errors
/// Those of [`allocate::plan`], when the node cannot have its address; `NODE_DRAINING` while a node of this name is being removed;
/// `NODE_LIMIT` when the cluster has as many nodes as there are numbers for them.
pub fn register(cluster: &Cluster, request: &Registration, context: PlanContext) -> Result<Decision<Arc<Node>>, Refusal> {
    let known = cluster.ipam.node(&request.name);
    if let Some(known) = known {
        stays(&cluster.ipam, known)?;
    }
    let number = number::given(&cluster.ipam, known.map(AsRef::as_ref)).ok_or_else(|| number::none_left(&request.name))?;
    let node = Arc::new(registered(known, request, number, context));
    let mut changes = addresses(cluster, request, &node.labels, context)?;
    if known != Some(&node) {
        changes.insert(0, Change::Node(node.name.clone(), Some(Arc::clone(&node))));
    }
    Ok(Decision { changes, reads: READS, answer: node })
}

fn registered(known: Option<&Arc<Node>>, request: &Registration, number: u16, context: PlanContext) -> Node {
    let Registration { name, labels, zone, interfaces, routes, agent_version, tunnel_mac, .. } = request.clone();
    let fresh = Meta::new(context.now, context.entropy, 1);
    let mut node = Node {
        name,
        meta: known.map_or(fresh, |node| node.meta),
        labels: known.map_or_else(|| labels.clone(), |node| overlaid(node, &labels)),
        zone,
        interfaces,
        agent_version,
        routes,
        tunnel_mac,
        unschedulable: known.is_some_and(|node| node.unschedulable),
        draining: known.is_some_and(|node| node.draining),
        excluded_from_external: known.is_some_and(|node| node.excluded_from_external),
        operator_labels: known.map(|node| node.operator_labels.clone()).unwrap_or_default(),
        liveness: known.map(|node| node.liveness).unwrap_or_default(),
        removing: None,
        number,
    };
    if known.is_some_and(|known| **known != node) {
        node.meta = node.meta.changed(context.now);
    }
    node
}

/// The labels that the node gives, over which those stay that an operator set.
fn overlaid(stored: &Node, given: &Labels) -> Labels {
    let kept = stored.labels.iter().filter(|(key, _)| stored.operator_labels.iter().any(|own| own == key));
    let pairs = given.iter().chain(kept).map(|(key, value)| (key.to_owned(), value.to_owned()));
    Labels::new(pairs).unwrap_or_default()
}

/// The changes that give the node its addresses: none when it has them.
fn addresses(cluster: &Cluster, request: &Registration, labels: &Labels, context: PlanContext) -> Result<Vec<Change>, Refusal> {
    let owner = Owner {
        kind: OwnerKind::Node,
        namespace: None,
        name: request.name.clone(),
        node: Some(request.name.clone()),
        interface: String::new(),
        container: String::new(),
        uid: String::new(),
    };
    let mut wish = allocate::Request::new(handle(&request.name), owner);
    wish.addresses.clone_from(&request.addresses);
    wish.node_labels = Some(labels.clone());
    let Some(held) = cluster.ipam.by_handle(&wish.handle) else {
        return allocate::plan(cluster, &wish, context).map(|decision| decision.changes);
    };
    let wants_others = !request.addresses.is_empty() && !holds_exactly(held, &request.addresses);
    if wants_others { moved(cluster, held, &wish, context) } else { Ok(Vec::new()) }
}

fn holds_exactly(held: &Allocation, addresses: &[IpAddr]) -> bool {
    held.holdings.len() == addresses.len() && held.holdings.iter().all(|holding| addresses.contains(&holding.address))
}

/// The node asks for other addresses than it has: it gets them in place of the old ones, or keeps the old ones. Those it gives up
/// rest like any others.
fn moved(cluster: &Cluster, held: &Allocation, wish: &allocate::Request, context: PlanContext) -> Result<Vec<Change>, Refusal> {
    let mut without = cluster.clone();
    without.ipam.apply(&Change::Allocation(held.meta.uid, None));
    let given = allocate::plan(&without, wish, context)?.answer.allocation;
    let meta = held.meta.changed(context.now);
    let kept = |address: IpAddr| given.holdings.iter().any(|holding| holding.address == address);
    let gone = held.holdings.iter().filter(|holding| !kept(holding.address)).copied().collect();
    // The node's own record has taken number 1.
    let resting = release::resting(&cluster.ipam, held, gone, (2, context));
    let allocation = Allocation { holdings: given.holdings.clone(), meta, ..held.clone() };
    Ok([Change::Allocation(meta.uid, Some(Arc::new(allocation)))].into_iter().chain(resting).collect())
}

/// New values of what an operator may say about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Which node.
    pub name: Name,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// What to replace: `labels`, `zone`, `unschedulable`, `draining`, `exclude_from_external_load_balancers`.
    pub fields: Fields,
    /// Labels.
    pub labels: Labels,
    /// Failure zone; may be empty.
    pub zone: String,
    /// Gets no new pods.
    pub unschedulable: bool,
    /// Being emptied.
    pub draining: bool,
    /// Never announces an external virtual IP.
    pub excluded_from_external: bool,
}

impl Update {
    /// A change of the drain flag alone.
    #[must_use]
    pub fn drain(name: Name, etag: String, draining: bool) -> Self {
        let fields = Fields::new(["draining".to_owned()]);
        let labels = Labels::default();
        Self { name, etag, fields, labels, zone: String::new(), unschedulable: false, draining, excluded_from_external: false }
    }
}

/// Changes what an operator may say about a node.
///
/// # Errors
/// `NODE_NOT_FOUND`, `ETAG_MISMATCH`; `NODE_DRAINING` while it is being removed.
pub fn update(cluster: &Cluster, request: &Update, context: PlanContext) -> Result<Decision<Arc<Node>>, Refusal> {
    let node = find(&cluster.ipam, &request.name)?;
    node.meta.check_etag("node", node.name.as_str(), &request.etag)?;
    stays(&cluster.ipam, node)?;
    let fields = &request.fields;
    let mut changed = Node::clone(node);
    if fields.has("labels") && request.labels != node.labels {
        changed.operator_labels = request.labels.iter().map(|(key, _)| key.to_owned()).collect();
        changed.labels = request.labels.clone();
    }
    changed.zone = fields.pick("zone", &request.zone, &node.zone);
    changed.unschedulable = fields.pick("unschedulable", &request.unschedulable, &node.unschedulable);
    changed.draining = fields.pick("draining", &request.draining, &node.draining);
    changed.excluded_from_external =
        fields.pick("exclude_from_external_load_balancers", &request.excluded_from_external, &node.excluded_from_external);
    // One that finds none goes without, as before: its registration says so.
    changed.number = number::given(&cluster.ipam, Some(node)).unwrap_or(0);
    if changed == **node {
        return Ok(Decision { changes: Vec::new(), reads: &[Domain::IpamNodes], answer: Arc::clone(node) });
    }
    changed.meta = node.meta.changed(context.now);
    let changed = Arc::new(changed);
    let changes = vec![Change::Node(changed.name.clone(), Some(Arc::clone(&changed)))];
    Ok(Decision { changes, reads: &[], answer: changed })
}

/// The node with this name.
///
/// # Errors
/// `NODE_NOT_FOUND`.
pub fn find<'a>(view: &'a View, name: &Name) -> Result<&'a Arc<Node>, Refusal> {
    view.node(name).ok_or_else(|| Refusal::missing(Reason::NodeNotFound, "node", name))
}

/// A node that is being removed goes: nothing about it changes any more.
fn stays(view: &View, node: &Node) -> Result<(), Refusal> {
    if node.removing.is_none() {
        return Ok(());
    }
    let (name, left) = (&node.name, pods_on(view, &node.name).count());
    let message = format!("Node `{name}` is being removed; {left} pods of it are still to be freed. Try again when it is gone.");
    Err(Refusal::new(Reason::NodeDraining, message).with("node", name).with("pods", left).about("node", name))
}

/// What holds addresses on a node besides the node itself.
pub fn pods_on<'a>(view: &'a View, name: &'a Name) -> impl Iterator<Item = &'a Arc<Allocation>> {
    view.allocations_on(name).filter(|held| held.owner.kind != OwnerKind::Node)
}

/// An allocation that stands in the way of something.
pub(super) fn holder(allocation: &Allocation) -> Obstacle {
    let addresses = allocation.holdings.iter().map(|holding| holding.address.to_string()).collect::<Vec<_>>().join(", ");
    Obstacle {
        reason: Reason::AddressInUse,
        subject: format!("allocations/{}", allocation.meta.uid),
        description: format!("{addresses} is held by {} {}", allocation.owner.kind.as_str(), allocation.owner.full_name()),
    }
}
