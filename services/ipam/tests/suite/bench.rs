//! Short words for what tests ask of it.

use polder_core::reason::{Reason, Refusal};
use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::compute_network_service_client::ComputeNetworkServiceClient;
use polder_proto::ipam::v1::namespace_service_client::NamespaceServiceClient;
use polder_proto::ipam::v1::node_service_client::NodeServiceClient;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::*;
use polder_runtime::link::Link;
use polder_runtime::status::decode;
use tonic::Status;

pub(crate) use super::replica::{Replica, store, until, usual};

impl Replica {
    pub(crate) fn pools(&self) -> PoolServiceClient<Link> {
        PoolServiceClient::new(self.link.clone())
    }

    pub(crate) fn nodes(&self) -> NodeServiceClient<Link> {
        NodeServiceClient::new(self.link.clone())
    }

    pub(crate) fn namespaces(&self) -> NamespaceServiceClient<Link> {
        NamespaceServiceClient::new(self.link.clone())
    }

    pub(crate) fn allocations(&self) -> AllocationServiceClient<Link> {
        AllocationServiceClient::new(self.link.clone())
    }

    pub(crate) fn network(&self) -> ComputeNetworkServiceClient<Link> {
        ComputeNetworkServiceClient::new(self.link.clone())
    }

    /// The usual network with two nodes.
    pub(crate) async fn usual(&self) {
        let request = ApplyComputeNetworkRequest { network: Some(usual()), ..Default::default() };
        self.network().apply_compute_network(request).await.unwrap();
        for name in ["node-a", "node-b"] {
            let request = RegisterNodeRequest { name: name.to_owned(), ..Default::default() };
            self.nodes().register_node(request).await.unwrap();
        }
    }

    /// Allocates for a pod named as its handle.
    pub(crate) async fn pod(&self, handle: &str, node: &str) -> Result<Allocation, Status> {
        let answer = self.allocations().allocate_addresses(wish(handle, node)).await?;
        Ok(answer.into_inner().allocation.unwrap())
    }

    /// The node with a name.
    pub(crate) async fn node(&self, name: &str) -> Node {
        let answer = self.nodes().get_node(GetNodeRequest { name: name.to_owned() }).await.unwrap();
        answer.into_inner().node.unwrap()
    }

    /// Whether this replica has heard of the node.
    pub(crate) async fn knows(&self, name: &str) -> bool {
        self.nodes().get_node(GetNodeRequest { name: name.to_owned() }).await.is_ok()
    }

    /// Releases a handle; the addresses that were freed.
    pub(crate) async fn release(&self, handle: &str) -> Vec<String> {
        let request = ReleaseAddressesRequest { handle: handle.to_owned(), ..Default::default() };
        self.allocations().release_addresses(request).await.unwrap().into_inner().released
    }

    /// Every allocation, page by page.
    pub(crate) async fn all(&self, page_size: u32) -> Vec<Allocation> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListAllocationsRequest { page_size, page_token, ..Default::default() };
            let page = self.allocations().list_allocations(request).await.unwrap().into_inner();
            assert!(page.allocations.len() <= page_size.max(100) as usize);
            all.extend(page.allocations);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// The audit finds nothing.
    pub(crate) async fn is_sound(&self) {
        let found = self.allocations().check_consistency(CheckConsistencyRequest::default()).await.unwrap().into_inner();
        assert!(found.findings.is_empty(), "{:#?}", found.findings);
    }
}

pub(crate) fn wish(handle: &str, node: &str) -> AllocateAddressesRequest {
    let owner = Owner { namespace: "shop".to_owned(), name: handle.to_owned(), node: node.to_owned(), ..Default::default() };
    let spec = AllocationSpec { handle: handle.to_owned(), owner: Some(owner), ..Default::default() };
    AllocateAddressesRequest { spec: Some(spec), ..Default::default() }
}

/// The one address of an allocation.
pub(crate) fn only(allocation: &Allocation) -> &str {
    assert_eq!(allocation.addresses.len(), 1, "{allocation:?}");
    &allocation.addresses[0].address
}

/// What a refusal says.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Refusal {
    decode(&outcome.unwrap_err())
}

/// The reason of a refusal.
pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Reason {
    refused(outcome).reason
}
