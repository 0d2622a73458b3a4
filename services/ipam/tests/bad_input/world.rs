//! A cluster that requests are about, and the judgement of each row on it.

use http::uri::PathAndQuery;
use polder_core::reason::Refusal;
use polder_proto::dynamic::DynamicCodec;
use polder_proto::ipam::v1::compute_network_service_client::ComputeNetworkServiceClient;
use polder_proto::ipam::v1::{ApplyComputeNetworkRequest, ListPoolsRequest, pool_service_client::PoolServiceClient};
use polder_runtime::status::decode;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use serde_json::json;
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::{Request, Status};

use crate::replica::{Replica, store, usual};
use crate::request::{method_of, request, with};
use crate::table::{Expect, Row, Table};

/// So many refusals fit into the details of a status, which travel in a header.
const MOST_AT_ONCE: usize = 15;

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
    pub(crate) known: Known,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (folder, store) = store();
        let replica = Replica::on(&store).await;
        let network = ApplyComputeNetworkRequest { network: Some(usual()), ..Default::default() };
        ComputeNetworkServiceClient::new(replica.link.clone()).apply_compute_network(network).await.unwrap();
        let mut world = Self { _folder: folder, replica, known: Known::default() };
        let node = world.made("NodeService/RegisterNode", json!({"name": "node-a", "labels": {"rack": "1"}})).await;
        world.made("NodeService/RegisterNode", json!({"name": "node-b"})).await;
        world.made("NamespaceService/CreateNamespace", json!({"namespace": {"name": "shop"}})).await;
        world.made("NamespaceService/CreateNamespace", json!({"namespace": {"name": "empty"}})).await;
        for (name, range) in [("own", "10.7.0.0/24"), ("spare", "10.7.1.0/24"), ("third", "10.7.2.0/24")] {
            let pool = json!({"name": name, "purpose": "POOL_PURPOSE_EXTERNAL_SERVICE", "ranges": [range]});
            world.made("PoolService/CreatePool", json!({"pool": pool})).await;
        }
        let kept = json!({"name": "kept", "ranges": ["10.8.0.0/28"]});
        world.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        let kept = json!({"name": "pods", "ranges": ["172.27.9.9"]});
        world.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        let pod = |name| json!({"handle": name, "owner": {"namespace": "shop", "name": name, "node": "node-a"}});
        let given = world.made("AllocationService/AllocateAddresses", json!({"spec": pod("p0")})).await;
        world.made("AllocationService/AllocateAddresses", json!({"spec": pod("p1")})).await;
        let allocation = json_of(&given, "allocation");
        world.known.pod = text_at(&allocation, "/uid");
        world.known.address = text_at(&allocation, "/addresses/0/address");
        world.known.node = text_at(&json_of(&node, "node"), "/uid");
        // A second event of the address.
        let kept = json!({"name": "held", "ranges": [world.known.address]});
        world.made("PoolService/CreateReservation", json!({"reservation": kept})).await;
        world.known.pools_token = world.token("PoolService/ListPools", json!({})).await;
        world.known.allocations_token = world.token("AllocationService/ListAllocations", json!({})).await;
        let history = json!({"address": world.known.address});
        world.known.history_token = world.token("AllocationService/ListAddressHistory", history).await;
        world
    }

    /// The token of the second page.
    async fn token(&self, path: &str, mut list: serde_json::Value) -> String {
        list["pageSize"] = 1.into();
        let page = self.made(path, list).await;
        let token = page.get_field_by_name("next_page_token").unwrap().as_str().unwrap().to_owned();
        assert!(!token.is_empty(), "{path} has a second page");
        token
    }

    async fn made(&self, path: &str, json: serde_json::Value) -> DynamicMessage {
        let method = method_of(path);
        self.call(&method, request(&method, &json)).await.unwrap_or_else(|status| panic!("{path}: {status:?}"))
    }

    pub(crate) async fn stop(self) {
        self.replica.stop().await;
    }

    /// The first answer to a request of any kind of method.
    pub(crate) async fn call(&self, method: &MethodDescriptor, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let codec = DynamicCodec { answer: method.output() };
        let mut client = Grpc::new(self.replica.link.clone());
        client.ready().await.unwrap_or_else(|never| match never {});
        let request = Request::new(tokio_stream::once(request));
        let answers = client.streaming(request, PathAndQuery::try_from(path).unwrap(), codec).await?;
        Ok(answers.into_inner().message().await?.unwrap_or_else(|| panic!("{} gives no answer", method.full_name())))
    }

    /// The revision that the service shows.
    pub(crate) async fn revision(&self) -> u64 {
        let mut pools = PoolServiceClient::new(self.replica.link.clone());
        pools.list_pools(ListPoolsRequest { page_size: 1, ..Default::default() }).await.unwrap().into_inner().revision
    }

    /// Judges every row of the tables, all of them before it fails.
    pub(crate) async fn judge(&self, tables: Vec<Table>) {
        let before = self.revision().await;
        let mut failures = Vec::new();
        let mut rows = 0;
        for table in tables {
            let method = method_of(table.method);
            let whole = request(&method, &table.request);
            // A renewal of a lease is not the same twice.
            if !method.is_client_streaming() {
                let good = self.call(&method, dry(whole.clone())).await;
                failures.extend(good.err().map(|status| format!("{}: the request without a row: {status:?}", table.method)));
            }
            if let Err(why) = self.at_once(&method, &table, &whole).await {
                failures.push(format!("{}: many fields at once: {why}", table.method));
            }
            for row in &table.rows {
                rows += 1;
                let wrong = with(&whole, &row.field, &row.to);
                let failure = self.row(&method, row, wrong).await.err();
                failures.extend(failure.map(|why| format!("{} {} = {}: {why}", table.method, row.field, brief(row))));
                if self.revision().await != before {
                    panic!("{} {} = {}: something has changed", table.method, row.field, brief(row));
                }
            }
        }
        // The view may lag behind the store: the next commit says whether there was another one before it.
        let label = json!({"namespace": {"name": "shop", "labels": {"touched": before.to_string()}}});
        let after = self.made("NamespaceService/UpdateNamespace", label).await;
        assert_eq!(after.get_field_by_name("revision").unwrap().as_u64(), Some(before + 1), "something has changed");
        assert!(failures.is_empty(), "{} of {rows} rows fail:\n{}", failures.len(), failures.join("\n"));
    }

    /// Many fields wrong in one request: every one of them is named.
    async fn at_once(&self, method: &MethodDescriptor, table: &Table, whole: &DynamicMessage) -> Result<(), String> {
        let mut chosen: Vec<&Row> = Vec::new();
        let apart = |one: &str, other: &str| !one.starts_with(other) && !other.starts_with(one);
        for row in table.rows.iter().filter(|row| matches!(row.expect, Expect::Invalid(_)) && !row.field.starts_with("specs[")) {
            if chosen.len() < MOST_AT_ONCE && chosen.iter().all(|other| apart(&row.field, &other.field)) {
                chosen.push(row);
            }
        }
        // A release takes one of its fields: with more of them that alone is wrong.
        if chosen.len() < 2 || method.name() == "ReleaseAddresses" {
            return Ok(());
        }
        let wrong = chosen.iter().fold(whole.clone(), |request, row| with(&request, &row.field, &row.to));
        let refusal = match self.call(method, wrong).await {
            Ok(answer) => return Err(format!("it was accepted: {answer}")),
            Err(status) => decode(&status),
        };
        let named: Vec<&str> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
        let unnamed: Vec<&str> = chosen
            .iter()
            .map(|row| row.named.as_ref().unwrap_or(&row.field).as_str())
            .filter(|field| !named.contains(field))
            .collect();
        if unnamed.is_empty() { Ok(()) } else { Err(format!("{unnamed:?} are not named, only {named:?}")) }
    }

    async fn row(&self, method: &MethodDescriptor, row: &Row, wrong: DynamicMessage) -> Result<(), String> {
        if matches!(row.expect, Expect::Good) {
            return self
                .call(method, dry(wrong))
                .await
                .map(drop)
                .map_err(|status| format!("it is good, and was refused: {status:?}"));
        }
        if method.name() == "BatchAllocateAddresses" && row.field.starts_with("specs[") {
            // Each item stands or falls alone.
            let answer = self.call(method, wrong).await.map_err(|status| format!("{status:?}"))?;
            return item_says(row, &answer);
        }
        let status = match self.call(method, wrong).await {
            Ok(answer) => return Err(format!("it was accepted: {answer}")),
            Err(status) => status,
        };
        says(row, &status)
    }
}

/// Whether a refusal says what it must.
fn says(row: &Row, status: &Status) -> Result<(), String> {
    let refusal = decode(status);
    let expected = |holds: bool| if holds { Ok(()) } else { Err(told(status, &refusal)) };
    expected(status.message().len() < 2000 && !status.message().chars().any(char::is_control))?;
    match &row.expect {
        Expect::Good => Ok(()),
        Expect::Refused(code, reason) => expected(status.code() == *code && refusal.reason == *reason),
        Expect::Invalid(reason) => {
            let named = row.named.as_ref().unwrap_or(&row.field);
            let fields: Vec<_> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
            expected(status.code() == tonic::Code::InvalidArgument && refusal.reason == *reason)?;
            expected(fields == [(named.as_str(), *reason)])
        }
    }
}

/// Whether the refusal of a batch's only item says what it must.
fn item_says(row: &Row, answer: &DynamicMessage) -> Result<(), String> {
    let Expect::Invalid(reason) = &row.expect else { return Err("an item is only judged by itself".to_owned()) };
    let answer = serde_json::to_value(answer).unwrap();
    let refusal = answer.pointer("/results/0/refusal").ok_or_else(|| format!("the item was accepted: {answer}"))?;
    let field = row.named.as_ref().unwrap_or(&row.field).replace("specs[0]", "spec");
    let expected = (Some(3), Some(reason.as_str()), Some(field.as_str()));
    let said = (refusal["code"].as_u64(), refusal["reason"].as_str(), refusal["metadata"]["field"].as_str());
    if said == expected { Ok(()) } else { Err(refusal.to_string()) }
}

fn told(status: &Status, refusal: &Refusal) -> String {
    let fields: Vec<_> = refusal.violations.iter().map(|bad| format!("{} {}", bad.field, bad.reason)).collect();
    format!("{:?} {} {fields:?}: {:.200}", status.code(), refusal.reason, status.message())
}

/// The request with nothing committed, where there is a choice.
fn dry(mut request: DynamicMessage) -> DynamicMessage {
    if let Some(field) = request.descriptor().get_field_by_name("validate_only") {
        request.set_field(&field, Value::Bool(true));
    }
    request
}

fn brief(row: &Row) -> String {
    let text = format!("{:?}", row.to);
    text.chars().take(120).collect()
}

fn json_of(message: &DynamicMessage, field: &str) -> serde_json::Value {
    let value = message.get_field_by_name(field).unwrap();
    serde_json::to_value(value.as_message().unwrap()).unwrap()
}

fn text_at(json: &serde_json::Value, place: &str) -> String {
    json.pointer(place).and_then(|value| value.as_str()).unwrap_or_else(|| panic!("{place} of {json}")).to_owned()
}
