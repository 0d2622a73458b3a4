//! A load balancer with a few services, and the judgement of each row on it.

use std::sync::Arc;

use polder_core::ipam::{Change, Namespace, Purpose, Quotas, Reservation};
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::reason::Refusal;
use polder_core::time::Timestamp;
use polder_proto::dynamic::method;
use polder_proto::lb::v1 as pb;
use polder_runtime::status::decode;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::site::{Addresses, Replica, creation, embedded, web};
use crate::table::{Expect, Row, Table, with};

const META: Meta = Meta { uid: polder_core::id::Uid(1), version: 1, created: Timestamp(1), updated: Timestamp(1) };

/// A method of the catalogue by its name.
pub(crate) fn method_of(name: &str) -> MethodDescriptor {
    method("polder.lb.v1.ServiceCatalogService", name).unwrap_or_else(|| panic!("there is no method {name}"))
}

/// The store, what belongs to IPAM in it, and one replica.
pub(crate) struct World {
    _folder: TempDir,
    lb: Replica,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (folder, store) = embedded().await;
        let addresses = Addresses::open(&store).await;
        addresses.usual().await;
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
        let lb = Replica::start(&store).await;
        let mut holder = web("shop/holder");
        let external = pb::ExternalSpec { addresses: vec!["192.0.2.1".to_owned()], ..Default::default() };
        holder.spec.as_mut().unwrap().external = Some(external);
        for service in [holder, web("shop/web")] {
            lb.client().create_service(creation(service)).await.unwrap();
        }
        Self { _folder: folder, lb }
    }

    /// Sends a request in its JSON form; `paths` are its update mask, which JSON cannot have wrong.
    pub(crate) async fn call(&self, name: &str, json: &Json) -> Result<(), Status> {
        let mut json = json.clone();
        let paths = json.as_object_mut().and_then(|object| object.remove("updateMask"));
        let paths: Vec<String> = paths.map(|paths| serde_json::from_value(paths).unwrap()).unwrap_or_default();
        let request = DynamicMessage::deserialize(method_of(name).input(), &json);
        let request = request.unwrap_or_else(|error| panic!("{name}: {error}: {json}"));
        let mut client = self.lb.client();
        match name {
            "CreateService" => client.create_service(request.transcode_to::<pb::CreateServiceRequest>().unwrap()).await.map(drop),
            "UpdateService" => {
                let mut request = request.transcode_to::<pb::UpdateServiceRequest>().unwrap();
                request.update_mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
                client.update_service(request).await.map(drop)
            }
            "DeleteService" => client.delete_service(request.transcode_to::<pb::DeleteServiceRequest>().unwrap()).await.map(drop),
            "GetService" => client.get_service(request.transcode_to::<pb::GetServiceRequest>().unwrap()).await.map(drop),
            "ExplainService" => {
                client.explain_service(request.transcode_to::<pb::ExplainServiceRequest>().unwrap()).await.map(drop)
            }
            "ListServices" => client.list_services(request.transcode_to::<pb::ListServicesRequest>().unwrap()).await.map(drop),
            "ListEndpoints" => client.list_endpoints(request.transcode_to::<pb::ListEndpointsRequest>().unwrap()).await.map(drop),
            "WatchServices" => {
                let stream = client.watch_services(request.transcode_to::<pb::WatchServicesRequest>().unwrap()).await?;
                stream.into_inner().message().await.map(drop)
            }
            _ => panic!("{name} is no method of the catalogue"),
        }
    }

    async fn revision(&self) -> u64 {
        self.lb.client().list_services(pb::ListServicesRequest::default()).await.unwrap().into_inner().revision
    }

    /// Judges every row of the tables, all of them before it fails.
    pub(crate) async fn judge(&self, tables: Vec<Table>) {
        let before = self.revision().await;
        let (mut failures, mut rows) = (Vec::new(), 0);
        for Table { method, request, rows: wrong } in tables {
            let whole = self.call(method, &dry(method, request.clone())).await;
            failures.extend(whole.err().map(|status| format!("{method}: the request without a row: {status:?}")));
            for row in &wrong {
                rows += 1;
                let changed = with(&request, &row.field, &row.to);
                let why = self.row(method, row, changed).await.err();
                failures.extend(why.map(|why| format!("{method} {} = {:.100}: {why}", row.field, row.to.to_string())));
            }
        }
        // The view may lag behind the store: the next commit says whether there was another one before it.
        let service = json!({"namespace": "shop", "name": "web", "labels": {"touched": before.to_string()}});
        self.call("UpdateService", &json!({"service": service, "updateMask": ["labels"]})).await.unwrap();
        assert_eq!(self.revision().await, before + 1, "something has changed");
        assert!(failures.is_empty(), "{} of {rows} rows fail:\n{}", failures.len(), failures.join("\n"));
    }

    async fn row(&self, method: &str, row: &Row, request: Json) -> Result<(), String> {
        if matches!(row.expect, Expect::Good) {
            let answer = self.call(method, &dry(method, request)).await;
            return answer.map_err(|status| format!("it is good, and was refused: {status:?}"));
        }
        match self.call(method, &request).await {
            Ok(()) => Err("it was accepted".to_owned()),
            Err(status) => says(row, &status),
        }
    }

    pub(crate) async fn stop(self) {
        self.lb.stop().await;
    }
}

/// Whether a refusal says what it must.
fn says(row: &Row, status: &Status) -> Result<(), String> {
    let refusal: Refusal = decode(status);
    let fields: Vec<_> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
    let short = status.message().len() < 2000 && !status.message().chars().any(char::is_control);
    let good = short
        && match &row.expect {
            Expect::Good => false,
            Expect::Refused(code, reason) => (status.code(), refusal.reason) == (*code, *reason),
            Expect::Invalid(reason) => {
                (status.code(), refusal.reason) == (Code::InvalidArgument, *reason) && fields == [(row.named.as_str(), *reason)]
            }
        };
    if good { Ok(()) } else { Err(format!("{:?} {} {fields:?}: {:.300}", status.code(), refusal.reason, status.message())) }
}

/// The request with nothing committed, where there is a choice.
fn dry(method: &str, mut request: Json) -> Json {
    if matches!(method, "CreateService" | "UpdateService" | "DeleteService") {
        request["validateOnly"] = true.into();
    }
    request
}
