//! A name server that requests are about.

use std::time::Duration;

use polder_proto::state::v1::DnsServing;
use polder_runtime::link::Link;
use polder_store::backend::KeyRange;
use polder_testing::bad_input::{self, Client, Table};
use prost::Message as _;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::site::Site;

/// The API of the name server.
pub(crate) const PACKAGE: &str = "polder.dns.v1";

/// What requests need and nobody can know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The token of the second page of zones, a zone a page.
    pub(crate) zones_token: String,
    /// The same of record sets.
    pub(crate) sets_token: String,
}

/// The store with the shop in it, and one server.
pub(crate) struct World {
    _folder: TempDir,
    site: Site,
    client: Client,
    known: Known,
}

impl World {
    /// The zones `example.com`, which has records, `empty.example` and `other.example`; in the first the addresses `www`, the alias `alias`, and
    /// `sub`, which is delegated.
    pub(crate) async fn new() -> Self {
        let (folder, site) = Site::shop().await;
        let address = site.running.addresses().grpc.unwrap();
        let link = Link::remote(&[format!("http://{address}").as_str()], None).unwrap();
        let client = Client::new(PACKAGE, link);
        for name in ["example.com", "empty.example"] {
            client.made("DnsService/CreateZone", json!({"zone": {"name": name}})).await;
        }
        for (name, kind, data) in [("www", "A", "10.0.0.5"), ("alias", "CNAME", "www"), ("sub", "NS", "ns.example.org.")] {
            let set = json!({"zone": "example.com", "name": name, "type": kind, "data": [data]});
            client.made("DnsService/CreateRecordSet", json!({"recordSet": set})).await;
        }
        let made = client.made("DnsService/CreateZone", json!({"zone": {"name": "other.example"}})).await;
        settle(&site, &client, made.get_field_by_name("revision").unwrap().as_u64().unwrap()).await;
        let zones_token = client.token("DnsService/ListZones", json!({})).await;
        let sets_token = client.token("DnsService/ListRecordSets", json!({"zone": "example.com"})).await;
        Self { _folder: folder, site, client, known: Known { zones_token, sets_token } }
    }
}

/// Waits until the server has said how far it is with the newest change, which moves the store, and has seen that.
async fn settle(site: &Site, client: &Client, newest: u64) {
    let settled = async {
        loop {
            let page = site.store.range(KeyRange::prefix("/polder/dns/serving/"), 1, None).await.unwrap();
            let told = page.entries.first().map(|entry| DnsServing::decode(&entry.value[..]).unwrap().revision);
            let seen = client.made("DnsService/ListZones", json!({})).await.get_field_by_name("revision").unwrap().as_u64();
            if told == Some(newest) && seen == Some(page.revision.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
}

impl bad_input::World for World {
    const LIST: &'static str = "DnsService/ListZones";

    fn client(&self) -> &Client {
        &self.client
    }

    fn touch(&self, mark: &str) -> (&'static str, Json) {
        let zone = json!({"name": "empty.example", "labels": {"touched": mark}});
        ("DnsService/UpdateZone", json!({"zone": zone, "updateMask": "labels"}))
    }
}

/// Judges tables in a world of their own.
pub(crate) async fn judged(tables: fn(&Known) -> Vec<Table>) {
    let world = World::new().await;
    bad_input::judge(&world, tables(&world.known)).await;
    world.site.stop().await;
}
