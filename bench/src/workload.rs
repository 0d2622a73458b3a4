//! Allocating and releasing, as node agents do it when many pods start: one address for one pod under a handle of its own.
//!
//! Every caller is the agent of some node. A call that the service refuses for now is made again with the same handle, which is
//! what agents do, and its latency counts until the answer. When the load is over, the addresses that were answered must all
//! differ, and the service must hold exactly those that were not released again.

use std::collections::BTreeSet;
use std::time::Duration;

use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::{
    AllocateAddressesRequest, AllocationSpec, CheckConsistencyRequest, ListAllocationsRequest, Owner, OwnerKind,
    ReleaseAddressesRequest,
};
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;
use tonic::{Code, Response, Status};

use crate::load::{Caller, Measured, Window, drive};

/// Nodes that the callers' pods are spread over.
pub const NODES: usize = 256;
/// The namespace of all pods.
pub(crate) const NAMESPACE: &str = "bench";
/// How often one call is made until its case has failed.
const ATTEMPTS: u64 = 20;
/// The pause before a call is made again.
const PAUSE: Duration = Duration::from_millis(20);
/// Allocations per page of a list.
const PAGE: u32 = 1000;

type Client = AllocationServiceClient<Link>;

/// One phase of the workload.
#[derive(Debug)]
pub struct Phase {
    /// Rates and latencies.
    pub measured: Measured,
    /// Calls that had to be made again.
    pub retries: u64,
}

/// Allocates through `links` for the whole window, and hands back what it takes to release.
///
/// # Errors
/// A call that fails for good; an address that was answered twice.
pub async fn allocate(links: &[Link], callers: usize, window: Window) -> Result<(Phase, Held), Failure> {
    let callers = (0..callers).map(|number| {
        let client = Client::new(links[number % links.len()].clone());
        Allocating { client, number, held: Vec::new(), retries: 0 }
    });
    let (measured, callers) = drive(callers.collect(), window).await?;
    let retries = callers.iter().map(|caller| caller.retries).sum();
    let held = Held(callers.into_iter().map(|caller| caller.held).collect());
    held.all_differ()?;
    Ok((Phase { measured, retries }, held))
}

/// Releases what is held, oldest first, until the window is over or nothing is left.
///
/// # Errors
/// A call that fails for good; a handle that did not hold the address that it was given.
pub async fn release(links: &[Link], held: Held, window: Window) -> Result<(Phase, Held), Failure> {
    let callers = held.0.into_iter().enumerate().map(|(number, held)| {
        let client = Client::new(links[number % links.len()].clone());
        Releasing { client, number, held, released: 0, retries: 0 }
    });
    let (measured, callers) = drive(callers.collect(), window).await?;
    let retries = callers.iter().map(|caller| caller.retries).sum();
    let left = callers.into_iter().map(|mut caller| caller.held.split_off(caller.released));
    Ok((Phase { measured, retries }, Held(left.collect())))
}

/// The addresses that every caller holds, in the order of its handles.
#[derive(Debug)]
pub struct Held(Vec<Vec<String>>);

impl Held {
    fn all_differ(&self) -> Result<(), Failure> {
        let answered = self.0.iter().map(Vec::len).sum::<usize>();
        let distinct = self.0.iter().flatten().collect::<BTreeSet<_>>().len();
        if distinct == answered {
            Ok(())
        } else {
            Err(format!("{answered} addresses were given, {distinct} different ones").into())
        }
    }

    /// Asks the service what is held, which must be exactly this, and whether its records agree with each other.
    ///
    /// # Errors
    /// What is missing, too much, or found.
    pub async fn verify(&self, link: &Link) -> Result<(), Failure> {
        let expected: BTreeSet<&str> = self.0.iter().flatten().map(String::as_str).collect();
        let listed = listed(&mut Client::new(link.clone())).await?;
        let lost = expected.iter().filter(|address| !listed.contains(**address)).count();
        let surplus = listed.iter().filter(|address| !expected.contains(address.as_str())).count();
        if lost + surplus > 0 {
            let count = expected.len();
            return Err(format!("{count} addresses should be held; {lost} of them are not, {surplus} others are").into());
        }
        let checked = Client::new(link.clone()).check_consistency(CheckConsistencyRequest::default()).await?.into_inner();
        if checked.total == 0 { Ok(()) } else { Err(format!("the records do not agree: {:?}", checked.findings).into()) }
    }
}

async fn listed(client: &mut Client) -> Result<BTreeSet<String>, Failure> {
    let mut addresses = BTreeSet::new();
    let mut request = ListAllocationsRequest { page_size: PAGE, namespace: NAMESPACE.to_owned(), ..Default::default() };
    loop {
        let page = client.list_allocations(request.clone()).await?.into_inner();
        addresses.extend(page.allocations.into_iter().flat_map(|allocation| allocation.addresses).map(|held| held.address));
        if page.next_page_token.is_empty() {
            return Ok(addresses);
        }
        request.page_token = page.next_page_token;
    }
}

/// The request of a caller for its pod of a number.
pub(crate) fn request(caller: usize, number: usize) -> AllocateAddressesRequest {
    let owner = Owner {
        kind: OwnerKind::Pod.into(),
        namespace: NAMESPACE.to_owned(),
        name: format!("web-{caller}-{number}"),
        node: node((caller * 31 + number) % NODES),
        interface: "eth0".to_owned(),
        ..Owner::default()
    };
    let labels = [("app".to_owned(), "web".to_owned())].into();
    let spec = AllocationSpec { handle: handle(caller, number), owner: Some(owner), labels, ready: true, ..Default::default() };
    AllocateAddressesRequest { spec: Some(spec), ..Default::default() }
}

fn handle(caller: usize, number: usize) -> String {
    format!("pod-network.{caller:08x}{number:024x}")
}

/// The name of a node.
pub(crate) fn node(number: usize) -> String {
    format!("node-{number:03}")
}

struct Allocating {
    client: Client,
    number: usize,
    held: Vec<String>,
    retries: u64,
}

impl Caller for Allocating {
    async fn call(&mut self) -> Result<bool, Failure> {
        let request = request(self.number, self.held.len());
        let client = &self.client;
        let (answer, retries) = persistently(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.allocate_addresses(request).await }
        })
        .await?;
        self.retries += retries;
        let given = answer.allocation.map(|allocation| allocation.addresses).unwrap_or_default();
        let [address] = <[_; 1]>::try_from(given).map_err(|given| format!("one address was asked for, not {given:?}"))?;
        self.held.push(address.address);
        Ok(true)
    }
}

struct Releasing {
    client: Client,
    number: usize,
    held: Vec<String>,
    released: usize,
    retries: u64,
}

impl Caller for Releasing {
    async fn call(&mut self) -> Result<bool, Failure> {
        let Some(address) = self.held.get(self.released) else { return Ok(false) };
        let handle = handle(self.number, self.released);
        let client = &self.client;
        let (answer, retries) = persistently(|| {
            let request = ReleaseAddressesRequest { handle: handle.clone(), ..Default::default() };
            let mut client = client.clone();
            async move { client.release_addresses(request).await }
        })
        .await?;
        self.retries += retries;
        // An attempt whose answer was lost may have released it.
        if retries > 0 || answer.released == [address.as_str()] {
            self.released += 1;
            return Ok(true);
        }
        Err(format!("`{handle}` held {address}: {answer:?}").into())
    }
}

/// Makes a call until it is answered, as an agent does, with pauses in between. The answer, and how often it had to be made again.
///
/// # Errors
/// A refusal for good; no answer in all attempts.
pub(crate) async fn persistently<T, F>(call: impl Fn() -> F) -> Result<(T, u64), Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    for retries in 0..ATTEMPTS {
        match call().await {
            Ok(answer) => return Ok((answer.into_inner(), retries)),
            Err(status) => pause(status).await?,
        }
    }
    Err(format!("no answer in {ATTEMPTS} attempts").into())
}

/// Waits before the next attempt, if another one may succeed.
async fn pause(status: Status) -> Result<(), Failure> {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => {
            tokio::time::sleep(PAUSE).await;
            Ok(())
        }
        _ => Err(status.into()),
    }
}
