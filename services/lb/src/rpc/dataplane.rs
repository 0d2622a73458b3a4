//! `polder.lb.v1.DataplaneService`.

mod watching;

use futures::stream::BoxStream;
use polder_core::id::Uid;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal};
use polder_proto::convert::lb::report::{self as convert, Report};
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_server::DataplaneService;
use polder_runtime::node_stream::{NodeStream, answers};
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use self::watching::DataplaneServer;
use super::Answered;
use crate::convergence::Converging;

/// See the module.
pub(crate) struct Dataplane {
    converging: Converging,
}

impl Dataplane {
    pub(crate) const fn new(converging: Converging) -> Self {
        Self { converging }
    }
}

/// One node's stream of reports.
struct Reporting {
    converging: Converging,
}

impl NodeStream for Reporting {
    type Request = pb::ReportDataplaneRequest;
    type Said = Report;
    type Answer = pb::ReportDataplaneResponse;

    const NODE: &'static str = "node";

    fn read(request: &Self::Request) -> Result<Report, Refusal> {
        convert::report(request)
    }

    fn node(report: &Report) -> (&Name, Uid) {
        (&report.node, report.uid)
    }

    async fn take(&mut self, report: Report) -> Result<Self::Answer, Refusal> {
        let newest = self.converging.report(&report).await?;
        Ok(pb::ReportDataplaneResponse { sequence: report.sequence, target_revision: newest.0 })
    }
}

#[tonic::async_trait]
impl DataplaneService for Dataplane {
    type WatchDataplaneStream = BoxStream<'static, Result<pb::WatchDataplaneResponse, Status>>;
    type ReportDataplaneStream = BoxStream<'static, Result<pb::ReportDataplaneResponse, Status>>;

    async fn watch_dataplane(&self, _: Request<pb::WatchDataplaneRequest>) -> Answered<Self::WatchDataplaneStream> {
        let message = "These calls are served by another method, which sends what is encoded already.";
        Err(refuse(Refusal::new(Reason::Internal, message)))
    }

    async fn report_dataplane(
        &self,
        request: Request<Streaming<pb::ReportDataplaneRequest>>,
    ) -> Answered<Self::ReportDataplaneStream> {
        let reporting = Reporting { converging: self.converging.clone() };
        Ok(Response::new(answers(request.into_inner(), reporting)))
    }

    async fn get_convergence(&self, request: Request<pb::GetConvergenceRequest>) -> Answered<pb::GetConvergenceResponse> {
        let (revision, wait) = convert::question(request.get_ref()).map_err(refuse)?;
        let convergence = self.converging.of(revision, wait).await.map_err(refuse)?;
        Ok(Response::new(pb::GetConvergenceResponse { convergence: Some(convergence) }))
    }
}
