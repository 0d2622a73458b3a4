//! `polder.dns.v1.DnsService`: decode, call, encode.

mod seen;
mod zones;

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use polder_core::id::Revision;
use polder_core::reason::Refusal;
use polder_proto::convert::{dns as convert, page};
use polder_proto::dns::v1::dns_service_server::DnsService;
use polder_proto::dns::v1::*;
use polder_runtime::clock;
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status};

use crate::resolver::Found;
use crate::service::{Resolution, Service};
use crate::zones::Zones;

/// Lines in one piece of an exported zone.
const PIECE: usize = 256;

type Answer<T> = Result<Response<T>, Status>;

/// The gRPC service.
pub(crate) struct Rpc {
    service: Service,
    zones: Zones,
}

impl Rpc {
    pub(crate) const fn new(service: Service, zones: Zones) -> Self {
        Self { service, zones }
    }

    fn list_records(&self, request: &ListRecordsRequest) -> Result<ListRecordsResponse, Refusal> {
        let (listed, more, revision) = self.service.list(&convert::record_page(request)?)?;
        let last = listed.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |last| page::token(&last.key.each_ref().map(String::as_str)));
        let records = listed.iter().filter_map(|listed| convert::record(&listed.source, &listed.record)).collect();
        Ok(ListRecordsResponse { records, next_page_token, revision: revision.0 })
    }
}

fn resolved(resolution: &Resolution, elapsed: Duration) -> ResolveResponse {
    let Resolution { name, message, tried, names, origin } = resolution;
    let records = |section: &[_]| section.iter().map(|sent| convert::answered(names, sent)).collect();
    let source = match origin.as_ref().map(|origin| origin.found) {
        Some(Found::Kept) => AnswerSource::Cache,
        Some(Found::Stale) => AnswerSource::Stale,
        Some(Found::Asked) => AnswerSource::Upstream,
        None if message.authoritative => AnswerSource::Authority,
        None => AnswerSource::Unspecified,
    };
    let zone = || names.zone_containing(name).map(|zone| zone.to_string());
    let answered_by = match origin {
        Some(origin) => origin.by.map(|by| by.to_string()),
        None => zone(),
    };
    let kept = origin.as_ref().filter(|origin| origin.found != Found::Asked);
    // People read it: to the millisecond.
    let age = kept.map(|origin| Duration::from_millis(u64::try_from(origin.age.as_millis()).unwrap_or(u64::MAX)));
    ResolveResponse {
        name: name.to_string(),
        rcode: message.rcode.to_string(),
        answers: records(&message.answer),
        authority: records(&message.authority),
        additional: records(&message.additional),
        authoritative: message.authoritative,
        source: source.into(),
        answered_by: answered_by.unwrap_or_default(),
        tried: tried.iter().map(ToString::to_string).collect(),
        elapsed: prost_types::Duration::try_from(elapsed).ok(),
        revision: names.revision().0,
        rule: origin.as_ref().map(|origin| convert::resolver::rule(&origin.rule)).unwrap_or_default(),
        age: age.and_then(|age| prost_types::Duration::try_from(age).ok()),
    }
}

#[tonic::async_trait]
impl DnsService for Rpc {
    type ExportZoneStream = Pin<Box<dyn Stream<Item = Result<ExportZoneResponse, Status>> + Send>>;

    async fn resolve(&self, request: Request<ResolveRequest>) -> Answer<ResolveResponse> {
        let began = clock::monotonic();
        let question = convert::question(request.get_ref()).map_err(refuse)?;
        let resolution = self.service.resolve(&question).await.map_err(refuse)?;
        Ok(Response::new(resolved(&resolution, began.elapsed())))
    }

    async fn list_records(&self, request: Request<ListRecordsRequest>) -> Answer<ListRecordsResponse> {
        Self::list_records(self, request.get_ref()).map(Response::new).map_err(refuse)
    }

    async fn list_zones(&self, request: Request<ListZonesRequest>) -> Answer<ListZonesResponse> {
        self.zones.on_list_zones(request.get_ref())
    }

    async fn get_zone(&self, request: Request<GetZoneRequest>) -> Answer<GetZoneResponse> {
        self.zones.on_get_zone(request.get_ref())
    }

    async fn export_zone(&self, request: Request<ExportZoneRequest>) -> Answer<Self::ExportZoneStream> {
        let zone = convert::zone_name("zone", &request.get_ref().zone).map_err(refuse)?;
        let (lines, names) = self.service.export(zone.domain()).map_err(refuse)?;
        let (serial, revision) = (names.serial(zone.domain()), names.revision().0);
        let pieces = stream::iter(lines).chunks(PIECE);
        let pieces = pieces.map(move |lines| Ok(ExportZoneResponse { text: lines.concat(), serial, revision }));
        Ok(Response::new(pieces.boxed()))
    }

    async fn wait_for_revision(&self, request: Request<WaitForRevisionRequest>) -> Answer<WaitForRevisionResponse> {
        let request = request.get_ref();
        let within = convert::wait(request.timeout).map_err(refuse)?;
        let revision = Revision(request.revision);
        let (reached, servers) = if request.everywhere {
            self.service.wait_everywhere(revision, within).await.map_err(refuse)?
        } else {
            (self.service.wait_for(revision, within).await.map_err(refuse)?, 0)
        };
        Ok(Response::new(WaitForRevisionResponse {
            server: self.service.name().to_owned(),
            serving_revision: reached.revision.0,
            serving_since: Some(seen::time(reached.since)),
            servers: u32::try_from(servers).unwrap_or(u32::MAX),
        }))
    }

    async fn get_top_names(&self, request: Request<GetTopNamesRequest>) -> Answer<GetTopNamesResponse> {
        self.service.on_top_names(request.get_ref())
    }

    async fn get_recent_failures(&self, request: Request<GetRecentFailuresRequest>) -> Answer<GetRecentFailuresResponse> {
        self.service.on_recent_failures(request.get_ref())
    }

    async fn get_resolver_settings(&self, _: Request<GetResolverSettingsRequest>) -> Answer<GetResolverSettingsResponse> {
        self.zones.on_get_resolver()
    }

    async fn update_resolver_settings(
        &self,
        request: Request<UpdateResolverSettingsRequest>,
    ) -> Answer<UpdateResolverSettingsResponse> {
        self.zones.on_set_resolver(request).await
    }

    async fn create_zone(&self, request: Request<CreateZoneRequest>) -> Answer<CreateZoneResponse> {
        self.zones.on_create_zone(request).await
    }

    async fn update_zone(&self, request: Request<UpdateZoneRequest>) -> Answer<UpdateZoneResponse> {
        self.zones.on_update_zone(request).await
    }

    async fn delete_zone(&self, request: Request<DeleteZoneRequest>) -> Answer<DeleteZoneResponse> {
        self.zones.on_delete_zone(request).await
    }

    async fn import_zone(&self, request: Request<ImportZoneRequest>) -> Answer<ImportZoneResponse> {
        self.zones.on_import(request).await
    }

    async fn create_record_set(&self, request: Request<CreateRecordSetRequest>) -> Answer<CreateRecordSetResponse> {
        self.zones.on_create_set(request).await
    }

    async fn get_record_set(&self, request: Request<GetRecordSetRequest>) -> Answer<GetRecordSetResponse> {
        self.zones.on_get_set(request.get_ref())
    }

    async fn list_record_sets(&self, request: Request<ListRecordSetsRequest>) -> Answer<ListRecordSetsResponse> {
        self.zones.on_list_sets(request.get_ref())
    }

    async fn update_record_set(&self, request: Request<UpdateRecordSetRequest>) -> Answer<UpdateRecordSetResponse> {
        self.zones.on_update_set(request).await
    }

    async fn delete_record_set(&self, request: Request<DeleteRecordSetRequest>) -> Answer<DeleteRecordSetResponse> {
        self.zones.on_delete_set(request).await
    }
}
