//! Calls of methods that are known by their descriptors.

use http::uri::PathAndQuery;
use polder_proto::dynamic::{DynamicCodec, method};
use polder_runtime::link::Link;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value as Json;
use tonic::client::Grpc;
use tonic::{Request, Status};

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
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let codec = DynamicCodec { answer: method.output() };
        let mut client = Grpc::new(self.link.clone());
        client.ready().await.unwrap_or_else(|never| match never {});
        let request = Request::new(tokio_stream::once(request));
        let answers = client.streaming(request, PathAndQuery::try_from(path).unwrap(), codec).await?;
        Ok(answers.into_inner().message().await?.unwrap_or_else(|| panic!("{} gives no answer", method.full_name())))
    }
}

/// The method of a package: `PoolService/CreatePool`.
pub(super) fn method_of(package: &str, path: &str) -> MethodDescriptor {
    let (service, name) = path.split_once('/').unwrap();
    method(&format!("{package}.{service}"), name).unwrap_or_else(|| panic!("there is no method {path}"))
}
