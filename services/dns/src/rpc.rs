//! `polder.dns.v1.DnsService`: decode, call, encode.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_proto::convert::{dns as convert, page};
use polder_proto::dns::v1::dns_service_server::DnsService;
use polder_proto::dns::v1::*;
use polder_runtime::clock;
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status};

use crate::service::{Resolution, Service};

/// Lines in one piece of an exported zone.
const PIECE: usize = 256;
/// How long a wait takes that does not say, and how long it may take.
const WAIT: Duration = Duration::from_secs(5);
const MOST_WAIT: Duration = Duration::from_secs(300);

type Answer<T> = Result<Response<T>, Status>;

/// The gRPC service.
pub(crate) struct Rpc {
    service: Service,
}

impl Rpc {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service }
    }

    fn list_records(&self, request: &ListRecordsRequest) -> Result<ListRecordsResponse, Refusal> {
        let (listed, more, revision) = self.service.list(&convert::record_page(request)?)?;
        let last = listed.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |last| page::token(&last.key.each_ref().map(String::as_str)));
        let records = listed.iter().filter_map(|listed| convert::record(&listed.source, &listed.record)).collect();
        Ok(ListRecordsResponse { records, next_page_token, revision: revision.0 })
    }

    fn list_zones(&self, request: &ListZonesRequest) -> Result<ListZonesResponse, Refusal> {
        let (zones, more, names) = self.service.zones(&convert::zone_page(request)?)?;
        let last = zones.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |zone| page::token(&[&zone.to_string()]));
        let zones = zones.iter().map(|zone| convert::system_zone(&names, zone)).collect();
        Ok(ListZonesResponse { zones, next_page_token, revision: names.revision().0 })
    }
}

/// What operators store comes later; names that follow from services are complete.
fn not_yet<T>(what: &str) -> Answer<T> {
    let message =
        format!("{what} cannot be stored yet. Names of services, endpoints and addresses are computed and need no records.");
    Err(refuse(Refusal::new(Reason::NotImplemented, message)))
}

fn resolved(resolution: &Resolution, elapsed: Duration) -> ResolveResponse {
    let Resolution { name, message, tried, names } = resolution;
    let records = |section: &[_]| section.iter().map(|sent| convert::answered(names, sent)).collect();
    let source = if message.authoritative { AnswerSource::Authority } else { AnswerSource::Unspecified };
    ResolveResponse {
        name: name.to_string(),
        rcode: message.rcode.to_string(),
        answers: records(&message.answer),
        authority: records(&message.authority),
        additional: records(&message.additional),
        authoritative: message.authoritative,
        source: source.into(),
        answered_by: names.zone_containing(name).map_or_else(String::new, |zone| zone.to_string()),
        tried: tried.iter().map(ToString::to_string).collect(),
        elapsed: prost_types::Duration::try_from(elapsed).ok(),
        revision: names.revision().0,
    }
}

#[tonic::async_trait]
impl DnsService for Rpc {
    type ExportZoneStream = Pin<Box<dyn Stream<Item = Result<ExportZoneResponse, Status>> + Send>>;

    async fn resolve(&self, request: Request<ResolveRequest>) -> Answer<ResolveResponse> {
        let began = clock::monotonic();
        let question = convert::question(request.get_ref()).map_err(refuse)?;
        let resolution = self.service.resolve(&question).map_err(refuse)?;
        Ok(Response::new(resolved(&resolution, began.elapsed())))
    }

    async fn list_records(&self, request: Request<ListRecordsRequest>) -> Answer<ListRecordsResponse> {
        Self::list_records(self, request.get_ref()).map(Response::new).map_err(refuse)
    }

    async fn list_zones(&self, request: Request<ListZonesRequest>) -> Answer<ListZonesResponse> {
        Self::list_zones(self, request.get_ref()).map(Response::new).map_err(refuse)
    }

    async fn get_zone(&self, request: Request<GetZoneRequest>) -> Answer<GetZoneResponse> {
        let zone = convert::zone_name("name", &request.get_ref().name).map_err(refuse)?;
        let names = self.service.zone(&zone).map_err(refuse)?;
        Ok(Response::new(GetZoneResponse { zone: Some(convert::system_zone(&names, &zone)) }))
    }

    async fn export_zone(&self, request: Request<ExportZoneRequest>) -> Answer<Self::ExportZoneStream> {
        let zone = convert::zone_name("zone", &request.get_ref().zone).map_err(refuse)?;
        let (lines, names) = self.service.export(&zone).map_err(refuse)?;
        let (serial, revision) = (names.serial(), names.revision().0);
        let pieces = stream::iter(lines).chunks(PIECE);
        let pieces = pieces.map(move |lines| Ok(ExportZoneResponse { text: lines.concat(), serial, revision }));
        Ok(Response::new(pieces.boxed()))
    }

    async fn wait_for_revision(&self, request: Request<WaitForRevisionRequest>) -> Answer<WaitForRevisionResponse> {
        let request = request.get_ref();
        let within = request.timeout.map_or(WAIT, |timeout| Duration::try_from(timeout).unwrap_or_default());
        let reached = self.service.wait_for(Revision(request.revision), within.min(MOST_WAIT)).await.map_err(refuse)?;
        let micros = i64::try_from(reached.since.0).unwrap_or_default();
        let nanos = i32::try_from(micros % 1_000_000 * 1000).unwrap_or_default();
        Ok(Response::new(WaitForRevisionResponse {
            server: self.service.name().to_owned(),
            serving_revision: reached.revision.0,
            serving_since: Some(prost_types::Timestamp { seconds: micros / 1_000_000, nanos }),
        }))
    }

    async fn get_resolver_settings(&self, _: Request<GetResolverSettingsRequest>) -> Answer<GetResolverSettingsResponse> {
        let names = self.service.snapshot().map_err(refuse)?;
        Ok(Response::new(GetResolverSettingsResponse { settings: Some(convert::resolver_settings(&names)) }))
    }

    async fn update_resolver_settings(&self, _: Request<UpdateResolverSettingsRequest>) -> Answer<UpdateResolverSettingsResponse> {
        not_yet("Resolver settings")
    }

    async fn create_zone(&self, _: Request<CreateZoneRequest>) -> Answer<CreateZoneResponse> {
        not_yet("Zones")
    }

    async fn update_zone(&self, _: Request<UpdateZoneRequest>) -> Answer<UpdateZoneResponse> {
        not_yet("Zones")
    }

    async fn delete_zone(&self, _: Request<DeleteZoneRequest>) -> Answer<DeleteZoneResponse> {
        not_yet("Zones")
    }

    async fn create_record_set(&self, _: Request<CreateRecordSetRequest>) -> Answer<CreateRecordSetResponse> {
        not_yet("Records")
    }

    async fn get_record_set(&self, _: Request<GetRecordSetRequest>) -> Answer<GetRecordSetResponse> {
        not_yet("Records")
    }

    async fn list_record_sets(&self, _: Request<ListRecordSetsRequest>) -> Answer<ListRecordSetsResponse> {
        not_yet("Records")
    }

    async fn update_record_set(&self, _: Request<UpdateRecordSetRequest>) -> Answer<UpdateRecordSetResponse> {
        not_yet("Records")
    }

    async fn delete_record_set(&self, _: Request<DeleteRecordSetRequest>) -> Answer<DeleteRecordSetResponse> {
        not_yet("Records")
    }
}
