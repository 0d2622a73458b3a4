//! BGP: decisions about peers and advertisements, and the routes that follow.

mod advertisements;
mod histories;
mod peers;
mod random;
mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::fixture::{META, Site};
use crate::cluster::Cluster;
use crate::ipam::{self, Allocation, AnyOf, Node};
use crate::lb::bgp::*;
use crate::net::Labels;
use crate::reason::Refusal;
use crate::testing::{self, labels};

fn either(texts: &[&str]) -> AnyOf {
    AnyOf(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn node(name: &str, pairs: &[(&str, &str)]) -> Node {
    Node { labels: labels(pairs), ..testing::node(name) }
}

fn pod(number: u8, node: &str, ready: bool) -> ipam::Change {
    let allocation = Allocation { ready, ..testing::on(node, testing::pod(number.into())) };
    ipam::Change::Allocation(allocation.meta.uid, Some(Arc::new(allocation)))
}

pub(super) fn peer_spec(address: &str, peer_asn: u32) -> PeerSpec {
    PeerSpec {
        router: Router::Address(address.parse().unwrap()),
        peer_asn: Asn::new(peer_asn).unwrap(),
        local_asn: Asn::new(64_512).unwrap(),
        port: 179,
        source: None,
        router_id: None,
        hold: 90,
        keepalive: None,
        multihop: false,
        graceful_restart: false,
        nodes: AnyOf::default(),
        bfd: None,
    }
}

pub(super) fn spec() -> AdvertisementSpec {
    AdvertisementSpec {
        pools: Vec::new(),
        pool_selectors: AnyOf::default(),
        services: AnyOf::default(),
        nodes: AnyOf::default(),
        peers: Vec::new(),
        length_v4: 32,
        length_v6: 128,
        local_pref: None,
        communities: Vec::new(),
    }
}

impl Site {
    fn node(&mut self, name: &str, pairs: &[(&str, &str)], with: impl FnOnce(&mut Node)) -> Node {
        let mut node = node(name, pairs);
        with(&mut node);
        self.put(ipam::Change::Node(node.name.clone(), Some(Arc::new(node.clone()))));
        node
    }

    fn settle<T: Record>(&mut self, decision: Result<Decision<T>, Refusal>) -> Result<Arc<T>, Refusal> {
        let decision = decision?;
        if let Some(change) = decision.change() {
            self.cluster.apply(&change.into());
        }
        Ok(decision.after.or(decision.before).unwrap())
    }

    /// An internal peer of all nodes, unless `with` says otherwise.
    fn peer(&mut self, name: &str, address: &str, with: impl FnOnce(&mut PeerSpec)) -> Result<Arc<BgpPeer>, Refusal> {
        let mut spec = peer_spec(address, 64_512);
        with(&mut spec);
        let draft = PeerDraft { name: name.parse().unwrap(), labels: Labels::default(), spec, secret: Secret::Keep };
        let ctx = self.ctx();
        let decision = BgpPeer::create(&self.cluster, draft, ctx);
        self.settle(decision)
    }

    fn change_peer(&mut self, name: &str, with: impl FnOnce(&mut PeerDraft)) -> Result<Arc<BgpPeer>, Refusal> {
        let peer = Arc::clone(self.cluster.lb.bgp_peer(&name.parse().unwrap()).unwrap());
        let mut draft =
            PeerDraft { name: peer.name.clone(), labels: peer.labels.clone(), spec: peer.spec.clone(), secret: Secret::Keep };
        with(&mut draft);
        let ctx = self.ctx();
        let decision = BgpPeer::update(&self.cluster, draft, ctx);
        self.settle(decision)
    }

    fn end_peer(&mut self, name: &str, etag: &str) -> Result<Arc<BgpPeer>, Refusal> {
        let decision = BgpPeer::delete(&self.cluster, &name.parse().unwrap(), etag);
        self.settle(decision)
    }

    /// An advertisement of everything to everybody, unless `with` says otherwise.
    fn advertise(&mut self, name: &str, with: impl FnOnce(&mut AdvertisementSpec)) -> Result<Arc<BgpAdvertisement>, Refusal> {
        let mut spec = spec();
        with(&mut spec);
        let draft = AdvertisementDraft { name: name.parse().unwrap(), labels: Labels::default(), spec };
        let ctx = self.ctx();
        let decision = BgpAdvertisement::create(&self.cluster, draft, ctx);
        self.settle(decision)
    }

    fn change_advertisement(
        &mut self,
        name: &str,
        with: impl FnOnce(&mut AdvertisementSpec),
    ) -> Result<Arc<BgpAdvertisement>, Refusal> {
        let found = Arc::clone(self.cluster.lb.bgp_advertisement(&name.parse().unwrap()).unwrap());
        let mut draft = AdvertisementDraft { name: found.name.clone(), labels: found.labels.clone(), spec: found.spec.clone() };
        with(&mut draft.spec);
        let ctx = self.ctx();
        let decision = BgpAdvertisement::update(&self.cluster, draft, ctx);
        self.settle(decision)
    }

    /// What the node tells the peer: `prefix preference communities`.
    fn told(&self, node: &Node, peer: &str) -> Vec<String> {
        let peer = self.cluster.lb.bgp_peer(&peer.parse().unwrap()).unwrap();
        let text = |route: BgpRoute| {
            let preference = route.local_pref.map(|pref| format!(" {pref}")).unwrap_or_default();
            let communities: String = route.communities.iter().map(|community| format!(" {community}")).collect();
            format!("{}{preference}{communities}", route.prefix)
        };
        routes(&self.cluster, node, peer).into_iter().map(text).collect()
    }
}

fn sessions(cluster: &Cluster, node: &Node) -> Vec<Arc<BgpPeer>> {
    Speaker::of(cluster, node).sessions().to_vec()
}

/// Everything that the node tells the peer, by prefix: what an agent makes of the routes of every address.
fn routes(cluster: &Cluster, node: &Node, peer: &BgpPeer) -> Vec<BgpRoute> {
    let speaker = Speaker::of(cluster, node);
    let advertised = cluster.lb.held_after(None).filter_map(|address| advertised(cluster, address));
    let mut table: BTreeMap<IpNet, BgpRoute> = BTreeMap::new();
    for route in advertised.flat_map(|address| speaker.routes(&address)).filter(|route| route.peer == peer.name) {
        let told = table.entry(route.prefix).or_insert_with(|| route.clone());
        told.local_pref = told.local_pref.max(route.local_pref);
        told.communities.extend(route.communities);
        told.communities.sort();
        told.communities.dedup();
    }
    table.into_values().collect()
}
