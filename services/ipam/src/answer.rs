//! What every answer to a change carries besides its object: the revision, and what changed.

use polder_proto::ipam::v1 as pb;
use polder_proto::types::v1::Impact;
use prost::Message;
use sha2::{Digest, Sha256};

/// The answer to a change.
pub(crate) trait Answer: Message + Default + Send + 'static {
    /// Says at which revision it holds.
    fn stamp(&mut self, revision: u64);

    /// Says what changed.
    fn tell(&mut self, impact: Vec<Impact>);

    /// Whether the answer names the plan, so that a caller can ask for exactly this one.
    const PLANNED: bool = false;

    /// Says which plan it is.
    fn name_plan(&mut self, _etag: String) {}
}

/// A name for what was decided: what changes, and the versions of the objects it rests on. Another decision has another name.
pub(crate) fn plan_etag(impact: &[Impact], basis: &[String]) -> String {
    let mut digest = Sha256::new();
    for one in impact {
        digest.update(one.encode_length_delimited_to_vec());
    }
    for version in basis {
        digest.update(version.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! answers {
    ($($message:ident)* ; $($planned:ident)*) => {
        $(answers!(@ $message {});)*
        $(answers!(@ $planned {
            const PLANNED: bool = true;

            fn name_plan(&mut self, etag: String) {
                self.plan_etag = etag;
            }
        });)*
    };
    (@ $message:ident { $($more:tt)* }) => {
        impl Answer for pb::$message {
            fn stamp(&mut self, revision: u64) {
                self.revision = revision;
            }

            fn tell(&mut self, impact: Vec<Impact>) {
                self.impact = impact;
            }

            $($more)*
        }
    };
}

answers! {
    CreateNamespaceResponse UpdateNamespaceResponse DeleteNamespaceResponse
    CreatePoolResponse DeletePoolResponse
    CreateReservationResponse UpdateReservationResponse DeleteReservationResponse
    AllocateAddressesResponse ReleaseAddressesResponse UpdateAllocationResponse
    RegisterNodeResponse ReportNeighborsResponse UpdateNodeResponse DeleteNodeResponse DrainNodeResponse
    CheckConsistencyResponse;
    UpdatePoolResponse ApplyPoolsResponse ApplyComputeNetworkResponse
}
