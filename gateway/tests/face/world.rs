//! A gateway with fake services behind it, and an HTTP client to ask it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use polder_gateway::{Options, Upstreams};
use polder_runtime::component::Component;
use polder_runtime::config::ProcessConfig;
use polder_runtime::link::Link;
use polder_runtime::process::{Process, Program, Running};
use polder_runtime::tasks::Tasks;
use serde_json::Value as Json;
use tokio::net::TcpStream;

use crate::fakes;

const PROGRAM: Program = Program { name: "polder-test", version: "0", descriptors: polder_proto::FILE_DESCRIPTOR_SET };

/// A running gateway.
pub(crate) struct World {
    pub(crate) process: Running,
    pub(crate) http: SocketAddr,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The reason in an error's details.
    pub(crate) fn reason(&self) -> String {
        let body = self.json();
        let details = body["error"]["details"].as_array().unwrap();
        let info = details.iter().find(|detail| detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo").unwrap();
        assert_eq!(info["domain"], "polder.dev");
        info["reason"].as_str().unwrap().to_owned()
    }

    /// The bad fields in an error's details.
    pub(crate) fn bad_fields(&self) -> Vec<String> {
        let body = self.json();
        let details = body["error"]["details"].as_array().unwrap();
        let bad = details.iter().filter_map(|detail| detail["fieldViolations"].as_array()).flatten();
        bad.map(|violation| violation["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// The fake services as a component.
pub(crate) fn services() -> Component {
    fakes::component()
}

impl World {
    /// A gateway and its services in one process.
    pub(crate) async fn new() -> Self {
        Self::with(&Options::default()).await
    }

    pub(crate) async fn with(options: &Options) -> Self {
        let process = Process::new(PROGRAM, ProcessConfig::default().with_http(0)).unwrap();
        let fakes = services();
        let link = process.local(&fakes);
        Self::start(process, options, link, vec![fakes]).await
    }

    /// A gateway alone, with `link` to its services.
    pub(crate) async fn linked(link: Link) -> Self {
        let process = Process::new(PROGRAM, ProcessConfig::default().with_http(0)).unwrap();
        Self::start(process, &Options::default(), link, Vec::new()).await
    }

    async fn start(process: Process, options: &Options, link: Link, mut components: Vec<Component>) -> Self {
        let upstreams = Upstreams { ipam: link.clone(), lb: link.clone(), dns: link };
        components.push(polder_gateway::build(options, &upstreams, &process.stop_token()).unwrap());
        let running = process.start(components).await.unwrap();
        let http = running.addresses().http.unwrap();
        Self { process: running, http }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    /// Sends a JSON body.
    pub(crate) async fn json(&self, method: Method, path: &str, body: &str) -> Answer {
        self.send(self.request(method, path).header("content-type", "application/json"), body.to_owned()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header("host", self.http.to_string())
    }

    pub(crate) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let (head, body) = self.open(request, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Sends a request over a connection of its own, and leaves the answer's body to be read.
    pub(crate) async fn open(&self, request: http::request::Builder, body: impl Into<Bytes>) -> http::Response<Incoming> {
        let stream = TcpStream::connect(self.http).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        Tasks::new().spawn("client", |_| async move {
            // Ends with the test.
            let _ended = connection.await;
        });
        sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }
}

/// The fake services in a process of their own, with gRPC on a port.
pub(crate) async fn services_elsewhere() -> (Running, Link) {
    let process = Process::new(PROGRAM, ProcessConfig::default().with_grpc(0)).unwrap();
    let running = process.start(vec![services()]).await.unwrap();
    let uri = format!("http://{}", running.addresses().grpc.unwrap());
    (running, Link::remote(&[uri], None).unwrap())
}
