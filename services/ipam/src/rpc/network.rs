//! `polder.ipam.v1.ComputeNetworkService`.

use polder_core::ipam::network;
use polder_core::reason::{Reason, Refusal};
use polder_proto::convert::ipam::findings;
use polder_proto::convert::ipam::network as convert;
use polder_proto::ipam::v1::compute_network_service_server::ComputeNetworkService;
use polder_proto::ipam::v1::*;
use polder_runtime::status::refuse;
use tonic::Request;

use super::{Answered, answer, read};
use crate::call::Call;
use crate::service::Service;

/// The gRPC service.
pub(crate) struct ComputeNetwork {
    service: Service,
}

impl ComputeNetwork {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }
}

fn show(checked: &network::Checked) -> ApplyComputeNetworkResponse {
    ApplyComputeNetworkResponse {
        network: Some(convert::show(&checked.network)),
        findings: checked.findings.iter().map(findings::show).collect(),
        acceptable: checked.acceptable(),
        ..Default::default()
    }
}

#[tonic::async_trait]
impl ComputeNetworkService for ComputeNetwork {
    async fn get_compute_network(&self, _: Request<GetComputeNetworkRequest>) -> Answered<GetComputeNetworkResponse> {
        let snapshot = self.service.view().map_err(refuse)?;
        let Some(network) = snapshot.view.ipam.network() else {
            let message = "No compute network is set yet. Set one: `polder apply -f`, or the page's first step.";
            return Err(refuse(Refusal::new(Reason::NetworkNotFound, message).about("network", "compute")));
        };
        let network = Some(convert::show(network));
        let locked_fields = network::locks(&snapshot.view).iter().map(findings::show).collect();
        read(&snapshot, GetComputeNetworkResponse { network, revision: snapshot.revision.0, locked_fields })
    }

    async fn apply_compute_network(&self, request: Request<ApplyComputeNetworkRequest>) -> Answered<ApplyComputeNetworkResponse> {
        let (call, message) = Call::of("ApplyComputeNetwork", request);
        let (call, draft) = call.wants(convert::apply(&message).map_err(refuse)?);
        // A dry run answers with every finding; the change itself is refused by the first that is an error.
        let plan = if call.validate_only { network::check } else { network::apply };
        let change = self.service.change(&call, move |cluster, context| {
            plan(cluster, &draft, context).map(|decision| decision.map(|checked| show(&checked)))
        });
        answer(change.await)
    }
}
