//! `polder.dns.v1.DnsService`: decode, call, encode.

mod seen;
mod zones;

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use polder_core::dns::views::Sight;
use polder_core::dns::{Standing, explain};
use polder_core::id::Revision;
use polder_core::reason::Refusal;
use polder_proto::convert::dns::Question;
use polder_proto::convert::{dns as convert, page};
use polder_proto::dns::v1::dns_service_server::DnsService;
use polder_proto::dns::v1::*;
use polder_proto::types::v1::ConditionStatus;
use polder_runtime::clock;
use polder_runtime::status::refuse;
use tonic::{Request, Response, Status};

use crate::resolver::{Found, Origin};
use crate::service::{Resolution, Service, sight};
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

fn resolved(question: &Question, resolution: &Resolution, elapsed: Duration) -> ResolveResponse {
    let Resolution { name, message, tried, names, origin } = resolution;
    let sight = sight(names, question);
    let records = |section: &[_]| section.iter().map(|sent| convert::answered(sight, sent)).collect();
    let source = match origin.as_ref().map(|origin| origin.found) {
        Some(Found::Kept) => AnswerSource::Cache,
        Some(Found::Stale) => AnswerSource::Stale,
        Some(Found::Asked) => AnswerSource::Upstream,
        None if message.authoritative => AnswerSource::Authority,
        None => AnswerSource::Unspecified,
    };
    let zone = || {
        let part = sight.tables(name.as_wire());
        let view = part.view().map_or_else(String::new, |view| format!("@{view}"));
        part.zone_containing(name).map(|zone| format!("{zone}{view}"))
    };
    let answered_by = match origin {
        Some(origin) => origin.by.as_ref().map(ToString::to_string),
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
        view: sight.view().map(ToString::to_string).unwrap_or_default(),
        steps: steps(sight, question, resolution),
    }
}

/// How the answer came about; where others were asked, what became of it.
fn steps(sight: Sight<'_>, question: &Question, resolution: &Resolution) -> Vec<ResolveStep> {
    let Resolution { name, message, tried, origin, .. } = resolution;
    let missed = tried.iter().map(|name| ResolveStep {
        step: "name".to_owned(),
        status: ConditionStatus::Unknown.into(),
        message: format!("`{name}`, on the search path of the namespace, has no such records"),
        ..ResolveStep::default()
    });
    let own = explain(sight, name, question.rtype);
    let is_elsewhere = own.last().is_some_and(|step| step.standing == Standing::Elsewhere && step.step != "delegation");
    let upstream = is_elsewhere.then(|| {
        let rcode = &message.rcode;
        let (found, text) = match origin {
            None => (false, format!("no upstream is asked for such names: {rcode}")),
            Some(Origin { by: None, .. }) => (false, format!("no upstream answers: {rcode}")),
            Some(Origin { by: Some(by), found, age, .. }) => {
                let how = match found {
                    Found::Asked => "was asked now".to_owned(),
                    Found::Kept => format!("said it {} s ago", age.as_secs()),
                    Found::Stale => format!("said it {} s ago, which is too long, and none answers now", age.as_secs()),
                };
                (!message.answer.is_empty(), format!("`{by}` {how}: {rcode}, {} records", message.answer.len()))
            }
        };
        let status = if found { ConditionStatus::True } else { ConditionStatus::False };
        ResolveStep { step: "upstream".to_owned(), status: status.into(), message: text, ..ResolveStep::default() }
    });
    missed.chain(own.iter().map(convert::step)).chain(upstream).collect()
}

#[tonic::async_trait]
impl DnsService for Rpc {
    type ExportZoneStream = Pin<Box<dyn Stream<Item = Result<ExportZoneResponse, Status>> + Send>>;

    async fn resolve(&self, request: Request<ResolveRequest>) -> Answer<ResolveResponse> {
        let began = clock::monotonic();
        let question = convert::question(request.get_ref()).map_err(refuse)?;
        let resolution = self.service.resolve(&question).await.map_err(refuse)?;
        Ok(Response::new(resolved(&question, &resolution, began.elapsed())))
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
        let (lines, serial, revision) = self.service.export(&zone).map_err(refuse)?;
        let pieces = stream::iter(lines).chunks(PIECE);
        let pieces = pieces.map(move |lines| Ok(ExportZoneResponse { text: lines.concat(), serial, revision: revision.0 }));
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
