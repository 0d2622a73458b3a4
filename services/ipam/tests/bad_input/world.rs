//! A cluster that requests are about.

use std::time::Duration;

use polder_ipam::IpamConfig;
use polder_proto::ipam::v1::ApplyComputeNetworkRequest;
use polder_proto::ipam::v1::compute_network_service_client::ComputeNetworkServiceClient;
use polder_runtime::config::Period;
use polder_testing::bad_input::{self, Client, Expect, Row, Table, says};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tonic::Status;

use crate::replica::{Replica, store, usual};

/// The API of address management.
pub(crate) const PACKAGE: &str = "polder.ipam.v1";

/// Identities that requests need and nobody can know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The uid of pod `p0`'s allocation.
    pub(crate) pod: String,
    /// The address that it holds.
    pub(crate) address: String,
    /// The uid of `node-a`.
    pub(crate) node: String,
    /// The token of the second page of pools, a pool a page.
    pub(crate) pools_token: String,
    /// The same of allocations.
    pub(crate) allocations_token: String,
    /// The same of the history of the address.
    pub(crate) history_token: String,
}

/// A service with one of everything in it.
pub(crate) struct World {
    _folder: TempDir,
    replica: Replica,
    pub(crate) client: Client,
    pub(crate) known: Known,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (folder, store) = store();
        // No lease of a node may run out meanwhile: that would be a change.
        let long = Period(Duration::from_secs(3600));
        let replica = Replica::with(&store, IpamConfig { node_lease: long, ..IpamConfig::default() }).await;
        let network = ApplyComputeNetworkRequest { network: Some(usual()), ..Default::default() };
        ComputeNetworkServiceClient::new(replica.link.clone()).apply_compute_network(network).await.unwrap();
        let client = Client::new(PACKAGE, replica.link.clone());
        let mut world = Self { _folder: folder, replica, client, known: Known::default() };
        let node = world.client.made("NodeService/RegisterNode", json!({"name": "node-a", "labels": {"rack": "1"}})).await;
        world.client.made("NodeService/RegisterNode", json!({"name": "node-b"})).await;
        world.client.made("NamespaceService/CreateNamespace", json!({"namespace": {"name": "shop"}})).await;
        world.client.made("NamespaceService/CreateNamespace", json!({"namespace": {"name": "empty"}})).await;
        for (name, range) in [("own", "10.7.0.0/24"), ("spare", "10.7.1.0/24"), ("third", "10.7.2.0/24")] {
            let pool = json!({"name": name, "purpose": "POOL_PURPOSE_EXTERNAL_SERVICE", "ranges": [range]});
            world.client.made("PoolService/CreatePool", json!({"pool": pool})).await;
        }
        let kept = json!({"name": "kept", "ranges": ["10.8.0.0/28"]});
        world.client.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        let kept = json!({"name": "pods", "ranges": ["172.27.9.9"]});
        world.client.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        let pod = |name| json!({"handle": name, "owner": {"namespace": "shop", "name": name, "node": "node-a"}});
        let given = world.client.made("AllocationService/AllocateAddresses", json!({"spec": pod("p0")})).await;
        world.client.made("AllocationService/AllocateAddresses", json!({"spec": pod("p1")})).await;
        let allocation = json_of(&given, "allocation");
        world.known.pod = text_at(&allocation, "/uid");
        world.known.address = text_at(&allocation, "/addresses/0/address");
        world.known.node = text_at(&json_of(&node, "node"), "/uid");
        // A second event of the address.
        let kept = json!({"name": "held", "ranges": [world.known.address]});
        world.client.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        world.known.pools_token = world.client.token("PoolService/ListPools", json!({})).await;
        world.known.allocations_token = world.client.token("AllocationService/ListAllocations", json!({})).await;
        let history = json!({"address": world.known.address});
        world.known.history_token = world.client.token("AllocationService/ListAddressHistory", history).await;
        world
    }

    pub(crate) async fn stop(self) {
        self.replica.stop().await;
    }
}

impl bad_input::World for World {
    const LIST: &'static str = "PoolService/ListPools";

    fn client(&self) -> &Client {
        &self.client
    }

    fn touch(&self, mark: &str) -> (&'static str, Json) {
        ("NamespaceService/UpdateNamespace", json!({"namespace": {"name": "shop", "labels": {"touched": mark}}}))
    }

    fn verdict(&self, method: &MethodDescriptor, row: &Row, answer: Result<DynamicMessage, Status>) -> Result<(), String> {
        if method.name() == "BatchAllocateAddresses" && row.field.starts_with("specs[") {
            // Each item stands or falls alone.
            return item_says(row, &answer.map_err(|status| format!("{status:?}"))?);
        }
        says(row, answer)
    }
}

/// Judges tables in a world of their own.
pub(crate) async fn judged(tables: fn(&Known) -> Vec<Table>) {
    let world = World::new().await;
    bad_input::judge(&world, tables(&world.known)).await;
    world.stop().await;
}

/// Whether the refusal of a batch's only item says what it must.
fn item_says(row: &Row, answer: &DynamicMessage) -> Result<(), String> {
    let Expect::Invalid(reason) = &row.expect else { return Err("an item is only judged by itself".to_owned()) };
    let answer = serde_json::to_value(answer).unwrap();
    let refusal = answer.pointer("/results/0/refusal").ok_or_else(|| format!("the item was accepted: {answer}"))?;
    let field = row.named.replace("specs[0]", "spec");
    let expected = (Some(3), Some(reason.as_str()), Some(field.as_str()));
    let said = (refusal["code"].as_u64(), refusal["reason"].as_str(), refusal["metadata"]["field"].as_str());
    if said == expected { Ok(()) } else { Err(refusal.to_string()) }
}

pub(crate) fn json_of(message: &DynamicMessage, field: &str) -> Json {
    let value = message.get_field_by_name(field).unwrap();
    serde_json::to_value(value.as_message().unwrap()).unwrap()
}

pub(crate) fn text_at(json: &Json, place: &str) -> String {
    json.pointer(place).and_then(|value| value.as_str()).unwrap_or_else(|| panic!("{place} of {json}")).to_owned()
}
