//! Tests of the decisions, and of the view they rest on. Every step of every test ends in an audit.

mod allocating;
mod applying;
mod configuring;
mod evicting;
mod filling;
mod liveness;
mod neighbors;
mod numbers;
mod properties;
mod repairing;
mod views;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::record::{Allocation, Block, Change, Owner, OwnerKind, Purpose};
use super::{Decision, Eviction, View, allocate, audit, node, pool, release};
use crate::cluster::Cluster;
use crate::id::Entropy;
use crate::net::{AddrRange, Label, Labels, Name};
use crate::reason::{Reason, Refusal};
use crate::schema::PlanContext;
use crate::time::Timestamp;

/// A cluster under test: it commits decisions as the ledger would, with a clock and randomness that the test holds.
#[derive(Debug, Clone, Default)]
struct World {
    cluster: Cluster,
    seconds: u64,
    drawn: u128,
}

impl World {
    /// Two nodes, and pools of the usual sizes.
    fn usual() -> Self {
        let mut world = Self::default();
        world.pool("node", Purpose::Node, &["10.0.0.10-10.0.0.19"]);
        world.pool("pod", Purpose::Pod, &["172.27.0.0/16"]);
        world.node("node-a");
        world.node("node-b");
        world
    }

    fn context(&mut self) -> PlanContext {
        self.drawn += 1;
        PlanContext { now: Timestamp(1_700_000_000_000_000 + self.seconds * 1_000_000), entropy: Entropy(self.drawn << 64) }
    }

    fn wait(&mut self, duration: Duration) {
        self.seconds += duration.as_secs();
    }

    fn commit<A>(&mut self, decision: Decision<A>) -> A {
        for change in &decision.changes {
            self.cluster.ipam.apply(change);
        }
        let findings = audit::audit(&self.cluster).findings;
        assert!(findings.is_empty(), "{findings:#?}");
        decision.answer
    }

    fn pool(&mut self, name: &str, purpose: Purpose, ranges: &[&str]) {
        let draft = draft(name, purpose, ranges);
        self.create(&draft);
    }

    fn create(&mut self, draft: &pool::Draft) {
        let context = self.context();
        let decision = pool::create(&self.cluster, draft, context).unwrap();
        self.commit(decision);
    }

    fn node(&mut self, name: &str) {
        let context = self.context();
        let decision = node::register(&self.cluster, &registration(name), context).unwrap();
        self.commit(decision);
    }

    fn allocate(&mut self, request: &allocate::Request) -> Result<Arc<Allocation>, Refusal> {
        let context = self.context();
        let decision = allocate::plan(&self.cluster, request, context)?;
        Ok(self.commit(decision).allocation)
    }

    /// The one address that a pod on a node gets.
    fn pod(&mut self, handle: &str, node: &str) -> Result<IpAddr, Reason> {
        self.allocate(&pod(handle, node)).map(|allocation| only(&allocation)).map_err(|refusal| refusal.reason)
    }

    fn release(&mut self, handle: &str) -> release::Released {
        let context = self.context();
        let decision = release::release(&self.cluster, &release::Release::Handle(handle.into()), context).unwrap();
        self.commit(decision)
    }
}

fn draft(name: &str, purpose: Purpose, ranges: &[&str]) -> pool::Draft {
    pool::Draft::new(name.parse().unwrap(), purpose, ranges.iter().map(|range| range.parse::<AddrRange>().unwrap()))
}

fn registration(name: &str) -> node::Registration {
    node::Registration {
        name: name.parse().unwrap(),
        labels: Labels::default(),
        zone: String::new(),
        interfaces: Vec::new(),
        routes: Vec::new(),
        agent_version: String::new(),
        tunnel_mac: String::new(),
        addresses: Vec::new(),
    }
}

fn removal(name: &Name, force: bool) -> node::Deletion {
    node::Deletion { name: name.clone(), etag: String::new(), force }
}

fn owner(name: &str, node: Option<&str>) -> Owner {
    Owner {
        kind: OwnerKind::Pod,
        namespace: Some("shop".parse::<Label>().unwrap()),
        name: name.parse().unwrap(),
        node: node.map(|node| node.parse::<Name>().unwrap()),
        interface: "eth0".to_owned(),
        container: String::new(),
        uid: String::new(),
    }
}

/// A wish for one address for a pod on a node; an empty node is none.
fn pod(handle: &str, node: &str) -> allocate::Request {
    allocate::Request::new(handle, owner(handle, Some(node).filter(|node| !node.is_empty())))
}

fn only(allocation: &Allocation) -> IpAddr {
    assert_eq!(allocation.holdings.len(), 1, "{allocation:?}");
    allocation.holdings[0].address
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
}

fn apply(cluster: &mut Cluster, changes: &[Change]) {
    changes.iter().for_each(|change| cluster.ipam.apply(change));
}
