//! `polder.lb.v1.DataplaneService`.

mod watching;

use futures::stream::BoxStream;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::dataplane_service_server::DataplaneService;
use tonic::{Request, Status, Streaming};

pub(crate) use self::watching::DataplaneServer;
use super::{Answered, not_built};

/// See the module.
pub(crate) struct Dataplane;

#[tonic::async_trait]
impl DataplaneService for Dataplane {
    type WatchDataplaneStream = BoxStream<'static, Result<pb::WatchDataplaneResponse, Status>>;
    type ReportDataplaneStream = BoxStream<'static, Result<pb::ReportDataplaneResponse, Status>>;

    async fn watch_dataplane(&self, _: Request<pb::WatchDataplaneRequest>) -> Answered<Self::WatchDataplaneStream> {
        // These calls go to `Watching`, which sends what is encoded already.
        Err(not_built("Telling nodes what to program by messages of their own"))
    }

    async fn report_dataplane(&self, _: Request<Streaming<pb::ReportDataplaneRequest>>) -> Answered<Self::ReportDataplaneStream> {
        Err(not_built("Hearing what nodes have programmed"))
    }

    async fn get_convergence(&self, _: Request<pb::GetConvergenceRequest>) -> Answered<pb::GetConvergenceResponse> {
        Err(not_built("Saying how far a revision has come"))
    }
}
