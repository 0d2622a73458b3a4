//! The peer itself: `AcquireIP` of a go-ipam server that somebody has started, over its gRPC API.
//!
//! It is not started here, because it is not ours to build. What it stands on is up to who starts it; for a fair figure that is
//! an etcd of this machine, as under our own cases.

use std::collections::BTreeSet;

use http::uri::PathAndQuery;
use polder_runtime::tasks::Failure;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::load::{Caller, Measured, Window, drive};
use crate::site::connections;

const CREATE_PREFIX: &str = "/api.v1.IpamService/CreatePrefix";
const ACQUIRE_IP: &str = "/api.v1.IpamService/AcquireIP";

/// A request about one prefix: the part of `CreatePrefixRequest` and `AcquireIPRequest` that is used here.
#[derive(Clone, PartialEq, Message)]
struct Prefix {
    #[prost(string, tag = "1")]
    cidr: String,
}

#[derive(Clone, PartialEq, Message)]
struct Acquired {
    #[prost(message, optional, tag = "1")]
    ip: Option<Ip>,
}

#[derive(Clone, PartialEq, Message)]
struct Ip {
    #[prost(string, tag = "1")]
    ip: String,
}

/// Measures acquiring addresses from a prefix that is new to the server at `uri`.
///
/// # Errors
/// A call that fails; an address that was given twice; a server that has all the prefixes that are tried already.
pub async fn acquire(uri: &str, callers: usize, window: Window) -> Result<Measured, Failure> {
    let mut channels: Vec<Channel> = Vec::new();
    for _ in 0..connections(callers) {
        channels.push(Endpoint::from_shared(uri.to_owned())?.connect().await?);
    }
    let cidr = fresh_prefix(&channels[0]).await?;
    let callers = (0..callers).map(|number| Acquiring {
        channel: channels[number % channels.len()].clone(),
        cidr: cidr.clone(),
        given: Vec::new(),
    });
    let (measured, callers) = drive(callers.collect(), window).await?;
    let given: Vec<&String> = callers.iter().flat_map(|caller| &caller.given).collect();
    if given.iter().collect::<BTreeSet<_>>().len() == given.len() {
        Ok(measured)
    } else {
        Err(format!("go-ipam gave some of {} addresses twice", given.len()).into())
    }
}

/// Makes the first of some prefixes that the server does not have yet.
async fn fresh_prefix(channel: &Channel) -> Result<String, Failure> {
    let mut refused = Failure::from("no prefix was tried");
    for at in 0..16 {
        let cidr = format!("10.{}.0.0/12", at * 16);
        match call::<Prefix>(channel, CREATE_PREFIX, &cidr).await {
            Ok(_) => return Ok(cidr),
            Err(status) => refused = status.into(),
        }
    }
    Err(refused)
}

async fn call<T: Message + Default + 'static>(channel: &Channel, path: &'static str, cidr: &str) -> Result<T, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let request = Request::new(Prefix { cidr: cidr.to_owned() });
    let codec = ProstCodec::<Prefix, T>::default();
    Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
}

struct Acquiring {
    channel: Channel,
    cidr: String,
    given: Vec<String>,
}

impl Caller for Acquiring {
    async fn call(&mut self) -> Result<bool, Failure> {
        let acquired = call::<Acquired>(&self.channel, ACQUIRE_IP, &self.cidr).await?;
        self.given.push(acquired.ip.ok_or("go-ipam's answer has no address")?.ip);
        Ok(true)
    }
}
