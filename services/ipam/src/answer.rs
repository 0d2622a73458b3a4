//! What every answer to a change carries besides its object: the revision, and what changed.

use polder_proto::ipam::v1 as pb;
use polder_proto::types::v1::Impact;
use prost::Message;

/// The answer to a change.
pub(crate) trait Answer: Message + Default + Send + 'static {
    /// Says at which revision it holds.
    fn stamp(&mut self, revision: u64);

    /// Says what changed.
    fn tell(&mut self, impact: Vec<Impact>);
}

macro_rules! answers {
    ($($message:ident)*) => {
        $(impl Answer for pb::$message {
            fn stamp(&mut self, revision: u64) {
                self.revision = revision;
            }

            fn tell(&mut self, impact: Vec<Impact>) {
                self.impact = impact;
            }
        })*
    };
}

answers! {
    CreateNamespaceResponse UpdateNamespaceResponse DeleteNamespaceResponse
    CreatePoolResponse UpdatePoolResponse DeletePoolResponse ApplyPoolsResponse
    CreateReservationResponse UpdateReservationResponse DeleteReservationResponse
    AllocateAddressesResponse ReleaseAddressesResponse UpdateAllocationResponse
    RegisterNodeResponse UpdateNodeResponse DeleteNodeResponse DrainNodeResponse
    ApplyComputeNetworkResponse CheckConsistencyResponse
}
