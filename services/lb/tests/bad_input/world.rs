//! A load balancer that requests are about.

use std::sync::Arc;
use std::time::Duration;

use polder_core::ipam::{Change, Namespace, Purpose, Quotas, Reservation};
use polder_core::net::Labels;
use polder_core::testing::META;
use polder_lb::LbConfig;
use polder_proto::lb::v1 as pb;
use polder_runtime::config::Period;
use polder_store::Store;
use polder_testing::bad_input::{self, Client, Table};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::agent::register;
use crate::site::{Addresses, Replica, creation, embedded, wait_for, web};

/// The API of the load balancer.
pub(crate) const PACKAGE: &str = "polder.lb.v1";

/// A node without a network, which can answer for nothing.
pub(crate) const QUIET: &str = "quiet";

/// What requests need and nobody can know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The token of the second page of peers, a peer a page.
    pub(crate) peers_token: String,
    /// The same of advertisements.
    pub(crate) advertisements_token: String,
}

/// The store, what belongs to IPAM in it, and one replica.
pub(crate) struct World {
    _folder: TempDir,
    lb: Replica,
    pub(crate) client: Client,
    pub(crate) known: Known,
}

impl World {
    /// The services `web` and `holder`, an internal peer `tor` that the advertisement `all` names, an external peer `edge`, an
    /// advertisement `spare`.
    pub(crate) async fn new() -> Self {
        let (folder, store) = embedded().await;
        addresses(&store).await;
        // However busy the machine is, the lead is not lost meanwhile.
        let lead_ttl = Period(Duration::from_secs(60));
        let lb = Replica::with(&store, LbConfig { lead_ttl, ..LbConfig::default() }).await;
        let client = Client::new(PACKAGE, lb.link.clone());
        wait_for("the lead", async || client.ask("DataplaneService/GetConvergence", &json!({})).await.ok()).await;
        let mut world = Self { _folder: folder, lb, client, known: Known::default() };
        world.services().await;
        world.bgp().await;
        world
    }

    async fn services(&self) {
        let mut holder = web("shop/holder");
        let external = pb::ExternalSpec { addresses: vec!["192.0.2.1".to_owned()], ..Default::default() };
        holder.spec.as_mut().unwrap().external = Some(external);
        for service in [holder, web("shop/web")] {
            self.lb.client().create_service(creation(service)).await.unwrap();
        }
    }

    async fn bgp(&mut self) {
        let client = &self.client;
        let peer = |name, address, asn| json!({"name": name, "peerAddress": address, "peerAsn": asn, "localAsn": 64_512});
        for peer in [peer("tor", "10.0.0.1", 64_512), peer("edge", "10.0.0.2", 64_999)] {
            client.made("AnnouncementService/CreateBgpPeer", json!({"bgpPeer": peer})).await;
        }
        for name in ["all", "spare"] {
            let advertisement = json!({"name": name, "peers": ["tor"], "localPref": 100});
            client.made("AnnouncementService/CreateBgpAdvertisement", json!({"bgpAdvertisement": advertisement})).await;
        }
        let peers_token = client.token("AnnouncementService/ListBgpPeers", json!({})).await;
        let advertisements_token = client.token("AnnouncementService/ListBgpAdvertisements", json!({})).await;
        self.known = Known { peers_token, advertisements_token };
    }

    pub(crate) async fn stop(self) {
        self.lb.stop().await;
    }
}

impl bad_input::World for World {
    const LIST: &'static str = "AnnouncementService/ListBgpPeers";

    fn client(&self) -> &Client {
        &self.client
    }

    fn touch(&self, mark: &str) -> (&'static str, Json) {
        let peer = json!({"name": "tor", "labels": {"touched": mark}});
        ("AnnouncementService/UpdateBgpPeer", json!({"bgpPeer": peer, "updateMask": "labels"}))
    }
}

/// Judges tables in a world of their own.
pub(crate) async fn judged(tables: fn(&Known) -> Vec<Table>) {
    let world = World::new().await;
    bad_input::judge(&world, tables(&world.known)).await;
    world.stop().await;
}

/// What belongs to IPAM: the usual pools and a full one, a reservation, and a namespace that may have no services.
async fn addresses(store: &Store) {
    let addresses = Addresses::open(store).await;
    addresses.usual().await;
    register(&addresses, "node-a", |_| {}).await;
    register(&addresses, QUIET, |node| node.interfaces.clear()).await;
    addresses.pool("full", Purpose::ExternalService, "192.0.2.1").await;
    let kept = Reservation {
        name: "kept".parse().unwrap(),
        meta: META,
        ranges: vec!["10.0.0.20".parse().unwrap()],
        owner: "somebody".to_owned(),
        expires: None,
        ttl: None,
        labels: Labels::default(),
        system: false,
    };
    addresses.put(Change::Reservation(kept.name.clone(), Some(Arc::new(kept)))).await;
    let quotas = Quotas { services: Some(0), ..Quotas::default() };
    let poor = Namespace { name: "poor".parse().unwrap(), meta: META, labels: Labels::default(), quotas };
    addresses.put(Change::Namespace(poor.name.clone(), Some(Arc::new(poor)))).await;
}
