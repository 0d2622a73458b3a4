//! The resolver's settings: one record that is there for all.

use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::dns::resolver::plan::{READS, check_etag, update};
use polder_core::dns::zones::Change as ZoneChange;
use polder_core::reason::Refusal;
use polder_core::schema::{Plan, PlanContext};
use polder_proto::convert::dns::resolver::{Resetting, changed, configured, stored};
use polder_proto::dns::v1 as pb;
use polder_proto::stored::ForNames;
use polder_runtime::call::Call;
use polder_store::Snapshot;
use prost::Message;

use super::Zones;

impl Zones {
    /// The settings as they are, and the view that they are from.
    pub(crate) fn resolver_settings(&self) -> Result<(Arc<Snapshot<ForNames>>, pb::ResolverSettings), Refusal> {
        let view = self.view()?;
        let shown = stored(view.view.dns.resolver().map(AsRef::as_ref));
        Ok((view, self.service.configured(|settings| configured(shown, settings))))
    }

    /// Changes the settings, or makes them.
    pub(crate) async fn set_resolver(
        &self,
        call: &Call,
        resetting: Resetting,
    ) -> Result<pb::UpdateResolverSettingsResponse, Refusal> {
        let (manner, domain) = (resetting.manner.clone(), self.domain.clone());
        let intent = call.intent(manner.request_id);
        let planner = move |cluster: &Cluster, context: PlanContext| {
            let current = cluster.dns.resolver();
            check_etag(current, &resetting.etag)?;
            let decided = update(cluster, &domain, resetting.spec(current)?, context)?;
            let change = decided.after.clone().filter(|_| decided.moves());
            let changes = change.map(|after| Change::Dns(ZoneChange::Resolver(Some(after)))).into_iter().collect();
            Ok(Plan { changes, reads: READS.to_vec(), answer: changed(&decided).encode_to_vec() })
        };
        let changed = self.ledger.change::<pb::UpdateResolverSettingsResponse>(intent, manner.validate_only, planner).await?;
        let (answer, revision) = changed;
        let settings = answer.settings.map(|shown| self.service.configured(|settings| configured(shown, settings)));
        Ok(pb::UpdateResolverSettingsResponse { settings, revision: revision.0, ..answer })
    }
}
