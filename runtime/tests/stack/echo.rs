//! A small service to call, and a process around it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use http::uri::PathAndQuery;
use polder_core::reason::{Reason, Refusal};
use polder_runtime::component::Component;
use polder_runtime::config::ProcessConfig;
use polder_runtime::context::RequestContext;
use polder_runtime::link::Link;
use polder_runtime::process::{Process, Program, Running};
use polder_runtime::status;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

pub(crate) const SERVICE: &str = "polder.test.v1.EchoService";
const SAY: &str = "/polder.test.v1.EchoService/Say";
const LISTEN: &str = "/polder.test.v1.EchoService/Listen";
/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(string, tag = "2")]
    pub(crate) actor: String,
    #[prost(string, tag = "3")]
    pub(crate) trace_id: String,
}

impl Text {
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// Answers with what it was told, except for a few words: `hang` waits until [`Echo::release`], `panic` panics, `refuse`
/// refuses, `forward` asks the next one, `headers` tells the trace headers that came, `forward headers` those that the next got.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    release: Notify,
    hanging: AtomicUsize,
    changed: Notify,
    next: Option<Link>,
}

impl Echo {
    pub(crate) fn before(next: Link) -> Self {
        Self { state: Arc::new(State { next: Some(next), ..State::default() }) }
    }

    pub(crate) fn release(&self) {
        self.state.release.notify_waiters();
    }

    /// Waits until exactly `count` calls hang.
    pub(crate) async fn hanging(&self, count: usize) {
        let wait = async {
            loop {
                let changed = self.state.changed.notified();
                if self.state.hanging.load(Ordering::SeqCst) == count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("the number of hanging calls");
    }

    async fn say(self, request: Request<Text>) -> Result<Response<Text>, Status> {
        let context = RequestContext::of(&request);
        let header = |name| request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let headers = format!("{} {}", header("traceparent"), header("tracestate")).trim().to_owned();
        let told = request.into_inner().text;
        match told.as_str() {
            "hang" => {
                // Made before the count goes up, so that a release after the count is not missed.
                let released = self.state.release.notified();
                let _hanging = Hanging::begin(&self.state);
                released.await;
            }
            "panic" => panic!("as told"),
            "refuse" => return Err(status::encode(&Refusal::missing(Reason::PoolNotFound, "pool", "external"))),
            "forward" => return say(self.state.next.as_ref().unwrap(), Text::of("forwarded")).await.map(Response::new),
            "forward headers" => return say(self.state.next.as_ref().unwrap(), Text::of("headers")).await.map(Response::new),
            "headers" => return Ok(Response::new(Text::of(&headers))),
            _ => {}
        }
        Ok(Response::new(Text { text: told, actor: context.actor.clone(), trace_id: context.trace_id.clone() }))
    }

    /// Sends the text once and keeps the stream open.
    async fn listen(self, request: Request<Text>) -> Result<Response<BoxStream<'static, Result<Text, Status>>>, Status> {
        let told = request.into_inner();
        if told.text == "panic" {
            return Ok(Response::new(futures::stream::once(async { panic!("as told") }).boxed()));
        }
        Ok(Response::new(futures::stream::iter([Ok(told)]).chain(futures::stream::pending()).boxed()))
    }
}

/// Counts a hanging call while it hangs, so that a test sees a handler that was dropped.
struct Hanging(Arc<State>);

impl Hanging {
    fn begin(state: &Arc<State>) -> Self {
        state.hanging.fetch_add(1, Ordering::SeqCst);
        state.changed.notify_waiters();
        Self(Arc::clone(state))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl NamedService for Echo {
    const NAME: &'static str = SERVICE;
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Text, Text>::default());
        match request.uri().path() {
            SAY => async move { Ok(grpc.unary(service_fn(move |request| echo.clone().say(request)), request).await) }.boxed(),
            LISTEN => {
                async move { Ok(grpc.server_streaming(service_fn(move |request| echo.clone().listen(request)), request).await) }
                    .boxed()
            }
            _ => async { Ok(Status::unimplemented("no such method").into_http()) }.boxed(),
        }
    }
}

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let method = |name: &str| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".polder.test.v1.Text".to_owned()),
        output_type: Some(".polder.test.v1.Text".to_owned()),
        server_streaming: Some(name == "Listen"),
        ..MethodDescriptorProto::default()
    };
    let service = |name: &str| ServiceDescriptorProto {
        name: Some(name.to_owned()),
        method: vec![method("Say"), method("Listen")],
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("polder/test/v1/echo.proto".to_owned()),
        package: Some("polder.test.v1".to_owned()),
        // The second one is described, but nobody serves it.
        service: vec![service("EchoService"), service("AbsentService")],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
});

pub(crate) fn program() -> Program {
    Program { name: "polder-test", version: "0.0.1", descriptors: &DESCRIPTORS }
}

/// Every port on loopback, chosen by the system.
pub(crate) fn config() -> ProcessConfig {
    ProcessConfig::default().with_grpc(0).with_http(0).with_metrics(0)
}

pub(crate) fn component(echo: &Echo) -> Component {
    Component::new("echo").grpc(echo.clone())
}

/// A served echo, with a link over the socket and one in process.
pub(crate) struct Served {
    pub(crate) echo: Echo,
    pub(crate) remote: Link,
    pub(crate) local: Link,
    pub(crate) running: Running,
}

impl Served {
    pub(crate) async fn with(config: ProcessConfig) -> Self {
        Self::start(config, Echo::default(), |component| component).await
    }

    pub(crate) async fn start(config: ProcessConfig, echo: Echo, more: impl FnOnce(Component) -> Component) -> Self {
        let process = Process::new(program(), config).unwrap();
        let component = more(component(&echo));
        let local = process.local(&component);
        let running = process.start(vec![component]).await.unwrap();
        let remote = Link::remote(&[uri(&running)], None).unwrap();
        Self { echo, remote, local, running }
    }

    /// Both links, for what must be the same over either.
    pub(crate) fn links(&self) -> [Link; 2] {
        [self.remote.clone(), self.local.clone()]
    }
}

pub(crate) fn uri(running: &Running) -> String {
    format!("http://{}", running.addresses().grpc.unwrap())
}

pub(crate) async fn say(link: &Link, message: Text) -> Result<Text, Status> {
    call(link, Request::new(message), SAY).await
}

pub(crate) async fn call(link: &Link, request: Request<Text>, path: &'static str) -> Result<Text, Status> {
    let mut grpc = tonic::client::Grpc::new(link.clone());
    let Ok(()) = grpc.ready().await;
    let answer = grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<Text, Text>::default()).await;
    Ok(answer?.into_inner())
}

pub(crate) async fn say_request(link: &Link, request: Request<Text>) -> Result<Text, Status> {
    call(link, request, SAY).await
}

pub(crate) async fn listen(link: &Link, request: Request<Text>) -> Result<Streaming<Text>, Status> {
    let mut grpc = tonic::client::Grpc::new(link.clone());
    let Ok(()) = grpc.ready().await;
    let path = PathAndQuery::from_static(LISTEN);
    Ok(grpc.server_streaming(request, path, ProstCodec::<Text, Text>::default()).await?.into_inner())
}
