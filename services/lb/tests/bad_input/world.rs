//! A cluster that requests are about, and the judgement of each row on it.

use http::uri::PathAndQuery;
use polder_core::reason::Refusal;
use polder_proto::dynamic::DynamicCodec;
use polder_proto::lb::v1::ListBgpPeersRequest;
use polder_proto::lb::v1::announcement_service_client::AnnouncementServiceClient;
use polder_runtime::status::decode;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use serde_json::json;
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::{Request, Status};

use crate::request::{method_of, request, with};
use crate::site::{Addresses, Replica, embedded};
use crate::table::{Expect, Row, Table};

/// So many refusals fit into the details of a status, which travel in a header.
const MOST_AT_ONCE: usize = 15;

/// What requests need and nobody can know beforehand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The token of the second page of peers, a peer a page.
    pub(crate) peers_token: String,
    /// The same of advertisements.
    pub(crate) advertisements_token: String,
}

/// A service with one of everything in it.
pub(crate) struct World {
    _folder: TempDir,
    replica: Replica,
    pub(crate) known: Known,
}

impl World {
    /// An internal peer `tor` that the advertisement `all` names, an external peer `edge`, an advertisement `spare`.
    pub(crate) async fn new() -> Self {
        let (folder, store) = embedded().await;
        Addresses::open(&store).await.usual().await;
        let replica = Replica::start(&store).await;
        let mut world = Self { _folder: folder, replica, known: Known::default() };
        let peer = |name, address, asn| json!({"name": name, "peerAddress": address, "peerAsn": asn, "localAsn": 64_512});
        world.made("CreateBgpPeer", json!({"bgpPeer": peer("tor", "10.0.0.1", 64_512)})).await;
        world.made("CreateBgpPeer", json!({"bgpPeer": peer("edge", "10.0.0.2", 64_999)})).await;
        for name in ["all", "spare"] {
            let advertisement = json!({"name": name, "peers": ["tor"], "localPref": 100});
            world.made("CreateBgpAdvertisement", json!({"bgpAdvertisement": advertisement})).await;
        }
        world.known.peers_token = world.token("ListBgpPeers", json!({})).await;
        world.known.advertisements_token = world.token("ListBgpAdvertisements", json!({})).await;
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
        let mut client = AnnouncementServiceClient::new(self.replica.link.clone());
        client.list_bgp_peers(ListBgpPeersRequest::default()).await.unwrap().into_inner().revision
    }

    /// Judges every row of the tables, all of them before it fails.
    pub(crate) async fn judge(&self, tables: Vec<Table>) {
        let before = self.revision().await;
        let mut failures = Vec::new();
        let mut rows = 0;
        for table in tables {
            let method = method_of(table.method);
            let whole = request(&method, &table.request);
            let good = self.call(&method, dry(whole.clone())).await;
            failures.extend(good.err().map(|status| format!("{}: the request without a row: {status:?}", table.method)));
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
        let label = json!({"bgpPeer": {"name": "tor", "labels": {"touched": before.to_string()}}, "updateMask": "labels"});
        let after = self.made("UpdateBgpPeer", label).await;
        assert_eq!(after.get_field_by_name("revision").unwrap().as_u64(), Some(before + 1), "something has changed");
        assert!(failures.is_empty(), "{} of {rows} rows fail:\n{}", failures.len(), failures.join("\n"));
    }

    /// Many fields wrong in one request: every one of them is named.
    async fn at_once(&self, method: &MethodDescriptor, table: &Table, whole: &DynamicMessage) -> Result<(), String> {
        let mut chosen: Vec<&Row> = Vec::new();
        let apart = |one: &str, other: &str| !one.starts_with(other) && !other.starts_with(one);
        for row in table.rows.iter().filter(|row| matches!(row.expect, Expect::Invalid(_))) {
            if chosen.len() < MOST_AT_ONCE && chosen.iter().all(|other| apart(&row.field, &other.field)) {
                chosen.push(row);
            }
        }
        if chosen.len() < 2 {
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
