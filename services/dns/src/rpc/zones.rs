//! The methods of `polder.dns.v1.DnsService` that are about what operators store.

use polder_proto::convert::common::parsed;
use polder_proto::convert::dns::import::Importing;
use polder_proto::convert::dns::resolver::Resetting;
use polder_proto::convert::dns::zones::set_key;
use polder_proto::convert::dns::{self as convert};
use polder_proto::convert::page;
use polder_proto::convert::written::{Creation, Deletion, Revision};
use polder_proto::dns::v1::*;
use polder_proto::stored::ForNames;
use polder_runtime::call::Call;
use polder_runtime::freshness::aged;
use polder_runtime::status::refuse;
use polder_store::Snapshot;
use tonic::{Request, Response};

use super::Answer;
use crate::zones::{Changed, Zones};

/// An answer read from a view, with the view's age.
fn read<T>(snapshot: &Snapshot<ForNames>, message: T) -> Response<T> {
    aged(snapshot.age(), message)
}

impl Zones {
    /// The answer of a change, with the serial number that its zone has then.
    fn numbered(&self, changed: Changed<Zone>) -> Changed<Zone> {
        let numbered = |zone| self.serial_after(zone, changed.revision, &changed.impact);
        Changed { object: changed.object.map(numbered), ..changed }
    }

    pub(super) async fn on_create_zone(&self, request: Request<CreateZoneRequest>) -> Answer<CreateZoneResponse> {
        let (call, message) = Call::of("CreateZone", request);
        let creation = Creation::<Zone>::read(message.zone, &message.request_id, message.validate_only).map_err(refuse)?;
        let Changed { object: zone, revision, impact } = self.numbered(self.create(&call, creation).await.map_err(refuse)?);
        Ok(Response::new(CreateZoneResponse { zone, revision, impact }))
    }

    pub(super) fn on_get_zone(&self, request: &GetZoneRequest) -> Answer<GetZoneResponse> {
        let name = convert::zone_name("name", &request.name).map_err(refuse)?;
        let (view, zone) = self.zone(&name).map_err(refuse)?;
        Ok(read(&view, GetZoneResponse { zone: Some(zone) }))
    }

    pub(super) fn on_list_zones(&self, request: &ListZonesRequest) -> Answer<ListZonesResponse> {
        let wanted = convert::zone_page(request).map_err(refuse)?;
        let (zones, more, view) = self.zones(&wanted).map_err(refuse)?;
        let last = zones.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |zone| page::token(&[&zone.name]));
        let revision = view.revision.0;
        Ok(read(&view, ListZonesResponse { zones, next_page_token, revision }))
    }

    pub(super) async fn on_update_zone(&self, request: Request<UpdateZoneRequest>) -> Answer<UpdateZoneResponse> {
        let (call, message) = Call::of("UpdateZone", request);
        let paths = message.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let manner = (message.request_id.as_str(), message.validate_only);
        let revision = Revision::<Zone>::read(message.zone, paths, message.allow_missing, manner).map_err(refuse)?;
        let Changed { object: zone, revision, impact } = self.numbered(self.update(&call, revision).await.map_err(refuse)?);
        Ok(Response::new(UpdateZoneResponse { zone, revision, impact }))
    }

    pub(super) async fn on_delete_zone(&self, request: Request<DeleteZoneRequest>) -> Answer<DeleteZoneResponse> {
        let (call, message) = Call::of("DeleteZone", request);
        let manner = (message.request_id.as_str(), message.validate_only);
        let deletion = Deletion::read(|bad| parsed(&message.name, "name", bad), &message.etag, manner);
        let changed = self.delete_zone(&call, deletion.map_err(refuse)?, message.force).await.map_err(refuse)?;
        Ok(Response::new(DeleteZoneResponse { revision: changed.revision, impact: changed.impact }))
    }

    pub(super) fn on_get_resolver(&self) -> Answer<GetResolverSettingsResponse> {
        let (view, settings) = self.resolver_settings().map_err(refuse)?;
        Ok(read(&view, GetResolverSettingsResponse { settings: Some(settings) }))
    }

    pub(super) async fn on_set_resolver(
        &self,
        request: Request<UpdateResolverSettingsRequest>,
    ) -> Answer<UpdateResolverSettingsResponse> {
        let (call, message) = Call::of("UpdateResolverSettings", request);
        let resetting = Resetting::read(message).map_err(refuse)?;
        self.set_resolver(&call, resetting).await.map(Response::new).map_err(refuse)
    }

    pub(super) async fn on_import(&self, request: Request<ImportZoneRequest>) -> Answer<ImportZoneResponse> {
        let (call, message) = Call::of("ImportZone", request);
        let answer = self.import(&call, Importing::read(&message).map_err(refuse)?).await.map_err(refuse)?;
        let zone = answer.zone.map(|zone| self.serial_after(zone, answer.revision, &answer.impact));
        Ok(Response::new(ImportZoneResponse { zone, ..answer }))
    }

    pub(super) async fn on_create_set(&self, request: Request<CreateRecordSetRequest>) -> Answer<CreateRecordSetResponse> {
        let (call, message) = Call::of("CreateRecordSet", request);
        let creation = Creation::<RecordSet>::read(message.record_set, &message.request_id, message.validate_only);
        let Changed { object: record_set, revision, impact } =
            self.create(&call, creation.map_err(refuse)?).await.map_err(refuse)?;
        Ok(Response::new(CreateRecordSetResponse { record_set, revision, impact }))
    }

    pub(super) fn on_get_set(&self, request: &GetRecordSetRequest) -> Answer<GetRecordSetResponse> {
        let mut bad = polder_core::reason::Violations::new();
        let key = set_key([&request.zone, &request.name, &request.r#type], "", &mut bad);
        let key = bad.finish(key).map_err(refuse)?;
        let (view, set) = self.set(&key).map_err(refuse)?;
        Ok(read(&view, GetRecordSetResponse { record_set: Some(set) }))
    }

    pub(super) fn on_list_sets(&self, request: &ListRecordSetsRequest) -> Answer<ListRecordSetsResponse> {
        let (zone, wanted) = convert::set_page(request).map_err(refuse)?;
        let (record_sets, more, view) = self.sets(&zone, &wanted).map_err(refuse)?;
        let last = record_sets.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |set| page::token(&[&set.name, &set.r#type]));
        let revision = view.revision.0;
        Ok(read(&view, ListRecordSetsResponse { record_sets, next_page_token, revision }))
    }

    pub(super) async fn on_update_set(&self, request: Request<UpdateRecordSetRequest>) -> Answer<UpdateRecordSetResponse> {
        let (call, message) = Call::of("UpdateRecordSet", request);
        let paths = message.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let manner = (message.request_id.as_str(), message.validate_only);
        let revision = Revision::<RecordSet>::read(message.record_set, paths, message.allow_missing, manner).map_err(refuse)?;
        let Changed { object: record_set, revision, impact } = self.update(&call, revision).await.map_err(refuse)?;
        Ok(Response::new(UpdateRecordSetResponse { record_set, revision, impact }))
    }

    pub(super) async fn on_delete_set(&self, request: Request<DeleteRecordSetRequest>) -> Answer<DeleteRecordSetResponse> {
        let (call, message) = Call::of("DeleteRecordSet", request);
        let path = [message.zone.as_str(), &message.name, &message.r#type];
        let manner = (message.request_id.as_str(), message.validate_only);
        let deletion = Deletion::read(|bad| set_key(path, "", bad), &message.etag, manner);
        let changed = self.delete_set(&call, deletion.map_err(refuse)?).await.map_err(refuse)?;
        Ok(Response::new(DeleteRecordSetResponse { revision: changed.revision, impact: changed.impact }))
    }
}
