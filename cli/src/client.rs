//! Calls to the services: any method by name, requests and answers as proto3 JSON.

use std::time::Duration;

use http::uri::PathAndQuery;
use polder_proto::dynamic::{self, DynamicCodec};
use polder_runtime::context::ACTOR_HEADER;
use polder_runtime::link::Link;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Map, Value};
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::failure::Failure;

/// How often a call is sent in all when nobody is there to answer it. Mutations keep their request id.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// How long the services of a process that has just been started may take to become ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// The services of one site.
#[derive(Debug, Clone)]
pub struct Client {
    ipam: Link,
    lb: Link,
    dns: Link,
}

impl Client {
    /// A client over links to the three services.
    #[must_use]
    pub const fn new(ipam: Link, lb: Link, dns: Link) -> Self {
        Self { ipam, lb, dns }
    }

    /// Calls `service/method` (`ipam.PoolService/ListPools`).
    ///
    /// # Errors
    /// [`Failure::Usage`] when the JSON does not fit the request; what the server refused.
    pub async fn call(&self, method: &str, request: Value) -> Result<Value, Failure> {
        let (area, descriptor) = find(method)?;
        let message = message(&descriptor, request)?;
        let mut attempt = 1;
        loop {
            match send(self.link(area), &descriptor, message.clone()).await {
                Ok(answer) => return to_json(&answer),
                Err(failure) if attempt < ATTEMPTS && failure.is_passing() => attempt += 1,
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Calls a method that answers with a stream, to its end.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn stream(&self, method: &str, request: Value) -> Result<Vec<Value>, Failure> {
        let (area, descriptor) = find(method)?;
        let message = message(&descriptor, request)?;
        let mut grpc = ready(self.link(area)).await?;
        let (path, codec) = route(&descriptor)?;
        let mut answers = grpc.server_streaming(signed(message), path, codec).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.push(to_json(&answer)?);
        }
        Ok(all)
    }

    fn link(&self, area: &str) -> Link {
        match area {
            "ipam" => &self.ipam,
            "lb" => &self.lb,
            _ => &self.dns,
        }
        .clone()
    }

    /// Calls a mutation: `request` gets a fresh request id, so that repeating it is safe.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn change(&self, method: &str, mut request: Map<String, Value>) -> Result<Value, Failure> {
        request.insert("requestId".to_owned(), Value::String(format!("{:032x}", polder_runtime::entropy::draw().0)));
        self.call(method, Value::Object(request)).await
    }

    /// Says that every service is ready to serve.
    ///
    /// # Errors
    /// [`Failure::Negative`] naming the first one that is not; what the transport says when it cannot be reached.
    pub async fn health(&self) -> Result<String, Failure> {
        for (area, link) in [("ipam", &self.ipam), ("lb", &self.lb), ("dns", &self.dns)] {
            let answer = HealthClient::new(link.clone()).check(HealthCheckRequest::default()).await?.into_inner();
            if answer.status() != ServingStatus::Serving {
                return Err(Failure::Negative(format!("{area} is not ready: {}\n", answer.status().as_str_name())));
            }
        }
        Ok("ready\n".to_owned())
    }

    /// Waits until every service answers from its view: right after the start it may still be reading the store.
    ///
    /// # Errors
    /// What a service last said, after half a minute.
    pub async fn until_ready(&self) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for method in ["ipam.PoolService/ListPools", "lb.ServiceCatalogService/ListServices", "dns.DnsService/ListZones"] {
            loop {
                match self.call(method, serde_json::json!({ "pageSize": 1 })).await {
                    Ok(_) => break,
                    Err(failure) if !failure.is_passing() || tokio::time::Instant::now() > deadline => return Err(failure),
                    Err(_) => tokio::time::sleep(PAUSE / 10).await,
                }
            }
        }
        Ok(())
    }

    /// Calls a list method page by page and gives all its items.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn list(&self, method: &str, items: &str, mut request: Map<String, Value>) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        request.insert("pageSize".to_owned(), Value::from(500));
        loop {
            let mut page = self.call(method, Value::Object(request.clone())).await?;
            if let Some(Value::Array(found)) = page.get_mut(items) {
                listing.items.append(found);
            }
            listing.revision = page.get("revision").cloned().unwrap_or_default();
            match page.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
                Some(token) => request.insert("pageToken".to_owned(), Value::from(token)),
                None => return Ok(listing),
            };
        }
    }
}

/// All items of a list, and the revision of its last page.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The items.
    pub items: Vec<Value>,
    /// The revision that a watch can start from.
    pub revision: Value,
}

fn find(method: &str) -> Result<(&str, MethodDescriptor), Failure> {
    let unknown = || Failure::Local(format!("`{method}` is not a method of this release"));
    let (service, name) = method.split_once('/').ok_or_else(unknown)?;
    let (area, service) = service.split_once('.').ok_or_else(unknown)?;
    let descriptor = dynamic::method(&format!("polder.{area}.v1.{service}"), name).ok_or_else(unknown)?;
    Ok((area, descriptor))
}

fn message(method: &MethodDescriptor, request: Value) -> Result<DynamicMessage, Failure> {
    DynamicMessage::deserialize(method.input(), request)
        .map_err(|error| Failure::Usage(format!("{}: {error}", method.input().name())))
}

async fn send(link: Link, method: &MethodDescriptor, message: DynamicMessage) -> Result<DynamicMessage, Failure> {
    let mut grpc = ready(link).await?;
    let (path, codec) = route(method)?;
    Ok(grpc.unary(signed(message), path, codec).await?.into_inner())
}

async fn ready(link: Link) -> Result<Grpc<Link>, Failure> {
    let mut grpc = Grpc::new(link);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}

/// Where a method is, and how its messages are read.
fn route(method: &MethodDescriptor) -> Result<(PathAndQuery, DynamicCodec), Failure> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::try_from(path).map_err(|error| Failure::Local(error.to_string()))?;
    Ok((path, DynamicCodec { answer: method.output() }))
}

/// A request in the operator's name.
fn signed(message: DynamicMessage) -> Request<DynamicMessage> {
    let mut request = Request::new(message);
    if let Some(actor) = actor() {
        request.metadata_mut().insert(ACTOR_HEADER, actor);
    }
    request
}

/// The operator's login name, for the journal; without certificates the server takes the caller's word for it.
fn actor() -> Option<AsciiMetadataValue> {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|name| !name.is_empty())?;
    name.parse().ok()
}

fn to_json(message: &DynamicMessage) -> Result<Value, Failure> {
    let options = SerializeOptions::new().stringify_64_bit_integers(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| Failure::Local(format!("the answer cannot be written as JSON: {error}")))
}
