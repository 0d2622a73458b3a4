//! The limit that the call itself sets: a service that answers with the request it got, an allocation's in size and shape.
//!
//! Once as bare tonic on both sides, once behind Polder's server stack and through a [`Link`], so that what the stack adds
//! to every call can be read off.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use polder_proto::ipam::v1::AllocateAddressesRequest;
use polder_runtime::component::Component;
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::load::{Caller, Measured, Window, drive};
use crate::site::{Serving, connections};
use crate::workload::request;

const SAY: &str = "/polder.bench.v1.EchoService/Say";

type Codec = ProstCodec<AllocateAddressesRequest, AllocateAddressesRequest>;

/// Measures bare tonic.
///
/// # Errors
/// A call that fails.
pub async fn bare(callers: usize, window: Window) -> Result<Measured, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = JoinSet::new();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = Server::builder().add_service(Echo).serve_with_incoming_shutdown(incoming, stopped.map(|_| ()));
    server.spawn(serving);
    let mut channels: Vec<Channel> = Vec::new();
    for _ in 0..connections(callers) {
        channels.push(Endpoint::from_shared(uri.clone())?.connect().await?);
    }
    let measured = through(&channels, callers, window).await?;
    drop((stop, channels));
    while let Some(ended) = server.join_next().await {
        ended??;
    }
    Ok(measured)
}

/// Measures the same service behind Polder's server stack, over sockets or over a local link.
///
/// # Errors
/// A call that fails, or a process that does not start or end.
pub async fn behind_the_stack(callers: usize, window: Window, local: bool) -> Result<Measured, Failure> {
    let serving = Serving::start(|_| Ok(Component::new("echo").grpc(Echo))).await?;
    let links: Vec<Link> = if local { vec![serving.local()] } else { serving.links(callers)? };
    let measured = through(&links, callers, window).await?;
    drop(links);
    serving.stop().await?;
    Ok(measured)
}

async fn through<T>(channels: &[T], callers: usize, window: Window) -> Result<Measured, Failure>
where
    T: GrpcService<Body, ResponseBody = Body, Error: Into<Failure>, Future: Send> + Clone + Send + 'static,
{
    let callers = (0..callers).map(|number| Saying {
        grpc: tonic::client::Grpc::new(channels[number % channels.len()].clone()),
        number,
        next: 0,
    });
    Ok(drive(callers.collect(), window).await?.0)
}

struct Saying<T> {
    grpc: tonic::client::Grpc<T>,
    number: usize,
    next: usize,
}

impl<T> Caller for Saying<T>
where
    T: GrpcService<Body, ResponseBody = Body, Error: Into<Failure>, Future: Send> + Send + 'static,
{
    async fn call(&mut self) -> Result<bool, Failure> {
        let message = Request::new(request(self.number, self.next));
        self.next += 1;
        self.grpc.ready().await.map_err(Into::into)?;
        let answer = self.grpc.unary(message, PathAndQuery::from_static(SAY), Codec::default()).await?;
        if answer.get_ref().spec.is_some() { Ok(true) } else { Err("the echo lost what it was told".into()) }
    }
}

/// The service.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "polder.bench.v1.EchoService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let say =
            service_fn(
                |request: Request<AllocateAddressesRequest>| async move { Ok::<_, Status>(Response::new(request.into_inner())) },
            );
        async move { Ok(tonic::server::Grpc::new(Codec::default()).unary(say, request).await) }.boxed()
    }
}
