//! `polder.lb.v1.DataplaneService`.

mod watching;

use futures::stream::{self, BoxStream, StreamExt as _};
use polder_core::id::Uid;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, Violations};
use polder_proto::convert::lb::report as convert;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_server::DataplaneService;
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
    requests: Streaming<pb::ReportDataplaneRequest>,
    /// The node that the stream is for, as its first message says.
    node: Option<(Name, Uid)>,
}

impl Reporting {
    /// Takes the next report and answers it; `None` when the node has ended its stream.
    async fn next(&mut self) -> Option<Result<pb::ReportDataplaneResponse, Status>> {
        match self.requests.message().await {
            Ok(request) => Some(self.take(&request?).await.map_err(refuse)),
            Err(status) => Some(Err(status)),
        }
    }

    async fn take(&mut self, request: &pb::ReportDataplaneRequest) -> Result<pb::ReportDataplaneResponse, Refusal> {
        let report = convert::report(request)?;
        let this = (report.node.clone(), report.uid);
        if self.node.as_ref().is_some_and(|node| *node != this) {
            let mut bad = Violations::new();
            let why = format!("this stream is for another node than `{}`; open a stream for each node", this.0);
            bad.add("node", Reason::ConflictingFields, why);
            return bad.finish(None);
        }
        let newest = self.converging.report(&report).await?;
        self.node = Some(this);
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
        let reporting = Reporting { converging: self.converging.clone(), requests: request.into_inner(), node: None };
        let answers = stream::unfold(Some(reporting), |state| async move {
            let mut reporting = state?;
            match reporting.next().await? {
                Ok(answer) => Some((Ok(answer), Some(reporting))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn get_convergence(&self, request: Request<pb::GetConvergenceRequest>) -> Answered<pb::GetConvergenceResponse> {
        let (revision, wait) = convert::question(request.get_ref()).map_err(refuse)?;
        let convergence = self.converging.of(revision, wait).await.map_err(refuse)?;
        Ok(Response::new(pb::GetConvergenceResponse { convergence: Some(convergence) }))
    }
}
