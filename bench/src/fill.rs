//! Filling and emptying to a number: callers that share what is to be done, until nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::{AllocateAddressesRequest, AllocationSpec, Owner, OwnerKind, ReleaseAddressesRequest};
use polder_runtime::link::Link;
use polder_runtime::tasks::Failure;

use crate::load::{Caller, Measured, Window, drive};
use crate::workload::{NAMESPACE, node, persistently};

/// Long enough for everything that is filled here: callers end when nothing is left.
const WINDOW: Window = Window { warm_up: Duration::ZERO, measured: Duration::from_secs(600) };

type Client = AllocationServiceClient<Link>;

/// What is filled, by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    /// How many addresses.
    pub(crate) count: u64,
    /// Handles are told apart by it from those of other fills.
    pub(crate) round: u64,
    /// How many nodes the pods are on.
    pub(crate) nodes: usize,
    /// How many callers.
    pub(crate) callers: usize,
}

/// One allocation: its handle and its address.
pub(crate) type Given = (String, String);

impl Fill {
    /// The request for one pod.
    pub(crate) fn request(&self, number: u64) -> AllocateAddressesRequest {
        let at = usize::try_from(number).unwrap_or(0) % self.nodes;
        let owner = Owner {
            kind: OwnerKind::Pod.into(),
            namespace: NAMESPACE.to_owned(),
            name: format!("web-{}-{number}", self.round),
            node: node(at),
            interface: "eth0".to_owned(),
            ..Owner::default()
        };
        let labels = [("app".to_owned(), format!("web-{}", number % 50)), ("tier".to_owned(), "front".to_owned())].into();
        let handle = format!("pod-network.{:08x}{number:024x}", self.round);
        let spec = AllocationSpec { handle, owner: Some(owner), labels, ready: true, ..Default::default() };
        AllocateAddressesRequest { spec: Some(spec), ..Default::default() }
    }

    /// Allocates all of them. Everything that was given, in no order.
    ///
    /// # Errors
    /// A call that fails for good.
    pub(crate) async fn allocate(&self, links: &[Link]) -> Result<(Measured, Vec<Given>), Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let callers = (0..self.callers).map(|number| Filling {
            fill: *self,
            client: Client::new(links[number % links.len()].clone()),
            next: Arc::clone(&next),
            given: Vec::new(),
        });
        let (measured, callers) = drive(callers.collect(), WINDOW).await?;
        Ok((measured, callers.into_iter().flat_map(|caller| caller.given).collect()))
    }

    /// Releases what was given.
    ///
    /// # Errors
    /// A call that fails for good; a handle that did not hold its address.
    pub(crate) async fn release(&self, links: &[Link], given: Vec<Given>) -> Result<Measured, Failure> {
        let given: Arc<[Given]> = given.into();
        let next = Arc::new(AtomicU64::new(0));
        let callers = (0..self.callers).map(|number| Emptying {
            client: Client::new(links[number % links.len()].clone()),
            next: Arc::clone(&next),
            given: Arc::clone(&given),
        });
        Ok(drive(callers.collect(), WINDOW).await?.0)
    }
}

struct Filling {
    fill: Fill,
    client: Client,
    next: Arc<AtomicU64>,
    given: Vec<Given>,
}

impl Caller for Filling {
    async fn call(&mut self) -> Result<bool, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.fill.count {
            return Ok(false);
        }
        let request = self.fill.request(number);
        let client = &self.client;
        let answer = persistently(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.allocate_addresses(request).await }
        });
        let allocation = answer.await?.0.allocation.ok_or("the answer has no allocation")?;
        let [address] =
            <[_; 1]>::try_from(allocation.addresses).map_err(|given| format!("one address was asked for, not {given:?}"))?;
        self.given.push((allocation.handle, address.address));
        Ok(true)
    }
}

struct Emptying {
    client: Client,
    next: Arc<AtomicU64>,
    given: Arc<[Given]>,
}

impl Caller for Emptying {
    async fn call(&mut self) -> Result<bool, Failure> {
        let number = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed))?;
        let Some((handle, address)) = self.given.get(number) else { return Ok(false) };
        let client = &self.client;
        let answer = persistently(|| {
            let request = ReleaseAddressesRequest { handle: handle.clone(), ..Default::default() };
            let mut client = client.clone();
            async move { client.release_addresses(request).await }
        });
        let (answer, retries) = answer.await?;
        // An attempt whose answer was lost may have released it.
        if retries > 0 || answer.released == [address.as_str()] {
            return Ok(true);
        }
        Err(format!("`{handle}` held {address}: {answer:?}").into())
    }
}
