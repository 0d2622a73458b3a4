//! Every change that a caller may ask for, as one type: sent, repeated and compared without knowing which it is.

use polder_core::reason::{Reason, Refusal};
use polder_proto::ipam::v1 as pb;
use polder_runtime::context::ACTOR_HEADER;
use prost::Message as _;

use crate::world::Running;

macro_rules! changes {
    ($($name:ident($request:ident, $answer:ident, $client:ident, $rpc:ident);)*) => {
        /// A request for a change; the names are those in the journal.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Ask { $($name(pb::$request),)* }

        /// The answer to one.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Reply { $($name(pb::$answer),)* }

        impl Ask {
            /// The same request under an id, for real or to be tried out only.
            pub(crate) fn under(self, id: &str, validate_only: bool) -> Self {
                match self { $(Self::$name(request) => {
                    Self::$name(pb::$request { request_id: id.to_owned(), validate_only, ..request })
                })* }
            }

            pub(crate) fn id(&self) -> &str {
                match self { $(Self::$name(request) => &request.request_id,)* }
            }

            pub(crate) fn is_dry(&self) -> bool {
                match self { $(Self::$name(request) => request.validate_only,)* }
            }

            /// Sends it for an actor of its own, by which the journal tells this sending from all others.
            pub(crate) async fn send(&self, replica: &Running, actor: &str) -> Result<Reply, Refusal> {
                match self { $(Self::$name(request) => {
                    let mut request = tonic::Request::new(request.clone());
                    request.metadata_mut().insert(ACTOR_HEADER, actor.parse().unwrap());
                    let answer = Box::pin(replica.$client().$rpc(request)).await;
                    answer.map(|answer| Reply::$name(answer.into_inner())).map_err(|status| polder_runtime::status::decode(&status))
                })* }
            }

            /// The answer that the journal recorded for it, as it is given.
            pub(crate) fn recorded(&self, answer: &[u8], revision: u64) -> Reply {
                match self { $(Self::$name(_) => {
                    Reply::$name(pb::$answer { revision, ..pb::$answer::decode(answer).unwrap() })
                })* }
            }
        }

        impl Reply {
            pub(crate) fn revision(&self) -> u64 {
                match self { $(Self::$name(answer) => answer.revision,)* }
            }
        }
    };
}

changes! {
    CreatePool(CreatePoolRequest, CreatePoolResponse, pools, create_pool);
    UpdatePool(UpdatePoolRequest, UpdatePoolResponse, pools, update_pool);
    DeletePool(DeletePoolRequest, DeletePoolResponse, pools, delete_pool);
    ApplyPools(ApplyPoolsRequest, ApplyPoolsResponse, pools, apply_pools);
    CreateReservation(CreateReservationRequest, CreateReservationResponse, pools, create_reservation);
    UpdateReservation(UpdateReservationRequest, UpdateReservationResponse, pools, update_reservation);
    DeleteReservation(DeleteReservationRequest, DeleteReservationResponse, pools, delete_reservation);
    CreateNamespace(CreateNamespaceRequest, CreateNamespaceResponse, namespaces, create_namespace);
    UpdateNamespace(UpdateNamespaceRequest, UpdateNamespaceResponse, namespaces, update_namespace);
    DeleteNamespace(DeleteNamespaceRequest, DeleteNamespaceResponse, namespaces, delete_namespace);
    RegisterNode(RegisterNodeRequest, RegisterNodeResponse, nodes, register_node);
    UpdateNode(UpdateNodeRequest, UpdateNodeResponse, nodes, update_node);
    DrainNode(DrainNodeRequest, DrainNodeResponse, nodes, drain_node);
    DeleteNode(DeleteNodeRequest, DeleteNodeResponse, nodes, delete_node);
    AllocateAddresses(AllocateAddressesRequest, AllocateAddressesResponse, allocations, allocate_addresses);
    BatchAllocateAddresses(BatchAllocateAddressesRequest, BatchAllocateAddressesResponse, allocations, batch_allocate_addresses);
    ReleaseAddresses(ReleaseAddressesRequest, ReleaseAddressesResponse, allocations, release_addresses);
    UpdateAllocation(UpdateAllocationRequest, UpdateAllocationResponse, allocations, update_allocation);
    CheckConsistency(CheckConsistencyRequest, CheckConsistencyResponse, allocations, check_consistency);
}

impl Ask {
    /// The wish for addresses under a handle, if it is one.
    pub(crate) fn allocation(&self, handle: &str) -> Option<pb::AllocateAddressesRequest> {
        let spec = match self {
            Self::AllocateAddresses(request) => request.spec.as_ref(),
            Self::BatchAllocateAddresses(request) => request.specs.iter().find(|spec| spec.handle == handle),
            _ => None,
        };
        let spec = spec.filter(|spec| spec.handle == handle).cloned();
        spec.map(|spec| pb::AllocateAddressesRequest { spec: Some(spec), ..Default::default() })
    }
}

/// Whether a refusal says nothing about the request, only that it could not be looked at now.
pub(crate) fn is_passing(refusal: &Refusal) -> bool {
    matches!(
        refusal.reason,
        Reason::StoreUnavailable
            | Reason::OutcomeUnknown
            | Reason::CommitContended
            | Reason::NotSynced
            | Reason::ShuttingDown
            | Reason::Overloaded
            | Reason::PeerUnavailable
    )
}
