//! Calls of methods that are known by their descriptors.

use http::uri::PathAndQuery;
use polder_proto::dynamic::{DynamicCodec, method};
use polder_runtime::link::Link;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Request, Status, Streaming};

use super::request::request;

/// The way to a service, and the package of its API.
#[derive(Debug, Clone)]
pub struct Client {
    package: &'static str,
    link: Link,
}

impl Client {
    /// The API is that of `package`: `polder.ipam.v1`.
    #[must_use]
    pub const fn new(package: &'static str, link: Link) -> Self {
        Self { package, link }
    }

    /// The answer to a request in its JSON form.
    pub async fn ask(&self, path: &str, json: &Json) -> Result<DynamicMessage, Status> {
        let method = method_of(self.package, path);
        self.call(&method, request(&method, json)).await
    }

    /// The answer to a request that comes after a good one in its stream.
    pub async fn ask_after(&self, path: &str, good: &Json, json: &Json) -> Result<DynamicMessage, Status> {
        let method = method_of(self.package, path);
        let mut stream = self.open(&method).await;
        stream.ask(request(&method, good)).await?;
        stream.ask(request(&method, json)).await
    }

    /// The answer to a request that must succeed.
    pub async fn made(&self, path: &str, json: Json) -> DynamicMessage {
        self.ask(path, &json).await.unwrap_or_else(|status| panic!("{path}: {status:?}"))
    }

    /// The token of the second page of a list, with one item a page.
    pub async fn token(&self, path: &str, mut list: Json) -> String {
        list["pageSize"] = 1.into();
        let page = self.made(path, list).await;
        let token = page.get_field_by_name("next_page_token").unwrap().as_str().unwrap().to_owned();
        assert!(!token.is_empty(), "{path} has a second page");
        token
    }

    /// `PoolService/CreatePool`.
    pub(super) fn method_of(&self, path: &str) -> MethodDescriptor {
        method_of(self.package, path)
    }

    /// The first answer to a request of any kind of method.
    pub(super) async fn call(&self, method: &MethodDescriptor, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        let mut answers = self.answers(method, tokio_stream::once(request)).await?;
        Ok(answers.message().await?.unwrap_or_else(|| panic!("{} gives no answer", method.full_name())))
    }

    /// A stream of requests, each of which is answered before the next one is sent.
    pub(super) async fn open(&self, method: &MethodDescriptor) -> Open {
        let (requests, sent) = mpsc::channel(1);
        let answers = self.answers(method, ReceiverStream::new(sent)).await;
        Open { requests, answers: answers.unwrap_or_else(|status| panic!("{}: {status:?}", method.full_name())) }
    }

    async fn answers(
        &self,
        method: &MethodDescriptor,
        requests: impl Stream<Item = DynamicMessage> + Send + 'static,
    ) -> Result<Streaming<DynamicMessage>, Status> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let codec = DynamicCodec { answer: method.output() };
        let mut client = Grpc::new(self.link.clone());
        client.ready().await.unwrap_or_else(|never| match never {});
        let answers = client.streaming(Request::new(requests), PathAndQuery::try_from(path).unwrap(), codec).await?;
        Ok(answers.into_inner())
    }
}

/// A stream of requests that is open.
pub(super) struct Open {
    requests: mpsc::Sender<DynamicMessage>,
    answers: Streaming<DynamicMessage>,
}

impl Open {
    /// The answer to the next request.
    pub(super) async fn ask(&mut self, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        self.requests.send(request).await.unwrap();
        Ok(self.answers.message().await?.unwrap_or_else(|| panic!("the stream has ended without an error")))
    }
}

/// The method of a package: `PoolService/CreatePool`.
pub(super) fn method_of(package: &str, path: &str) -> MethodDescriptor {
    let (service, name) = path.split_once('/').unwrap();
    method(&format!("{package}.{service}"), name).unwrap_or_else(|| panic!("there is no method {path}"))
}
