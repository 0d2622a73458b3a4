//! The use cases of what operators store: read the view, or decide on it and commit. Zones and record sets go the same ways.

mod import;
mod list;
mod resolver;

use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::dns::zones::plan::{self, READS};
use polder_core::dns::zones::{Decision, RecordSet, RecordSetKey, Zone, ZoneName};
use polder_core::dns::{DomainName, Heads, serial_at};
use polder_core::id::Revision;
use polder_core::reason::Refusal;
use polder_core::schema::{Plan, PlanContext, Verdict};
use polder_proto::convert::common::Manner;
use polder_proto::convert::dns::zones::{Shown, impact};
use polder_proto::convert::written::{self, Creation, Deletion};
use polder_proto::dns::v1 as pb;
use polder_proto::stored::ForNames;
use polder_proto::types::v1::Impact;
use polder_runtime::call::Call;
use polder_store::{Ledger, Snapshot};
use prost::Message;

use crate::service::Service;

/// What operators store, apart from gRPC. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Zones {
    ledger: Ledger<ForNames>,
    service: Service,
    domain: DomainName,
}

/// What a change answers: recorded with the commit, and given again to a repetition.
pub(crate) struct Changed<M> {
    pub(crate) object: Option<M>,
    pub(crate) revision: u64,
    pub(crate) impact: Vec<Impact>,
}

/// A kind of record that is stored.
pub(crate) trait Kept: Shown<Record: PartialEq> {
    fn find<'a>(cluster: &'a Cluster, key: &Self::Key) -> Result<&'a Arc<Self::Record>, Refusal>;
    /// Whether it can be made where it is not there.
    fn is_absent(cluster: &Cluster, key: &Self::Key) -> bool;
    fn create(cluster: &Cluster, domain: &DomainName, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal>;
    fn update(cluster: &Cluster, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal>;
}

impl Kept for pb::Zone {
    fn find<'a>(cluster: &'a Cluster, key: &ZoneName) -> Result<&'a Arc<Zone>, Refusal> {
        plan::zone(cluster, key)
    }

    fn is_absent(cluster: &Cluster, key: &ZoneName) -> bool {
        cluster.dns.zone(key.as_str()).is_none()
    }

    fn create(cluster: &Cluster, domain: &DomainName, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal> {
        plan::create_zone(cluster, domain, draft, context)
    }

    fn update(cluster: &Cluster, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal> {
        plan::update_zone(cluster, draft, context)
    }
}

impl Kept for pb::RecordSet {
    fn find<'a>(cluster: &'a Cluster, key: &RecordSetKey) -> Result<&'a Arc<RecordSet>, Refusal> {
        plan::set(cluster, key)
    }

    fn is_absent(cluster: &Cluster, key: &RecordSetKey) -> bool {
        cluster.dns.set(key).is_none()
    }

    fn create(cluster: &Cluster, _: &DomainName, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal> {
        plan::create_set(cluster, draft, context)
    }

    fn update(cluster: &Cluster, draft: Self::Draft, context: PlanContext) -> Result<Decision, Refusal> {
        plan::update_set(cluster, draft, context)
    }
}

impl Zones {
    pub(crate) const fn new(ledger: Ledger<ForNames>, service: Service, domain: DomainName) -> Self {
        Self { ledger, service, domain }
    }

    /// The view for a read: whole, and as new as this process has it.
    pub(crate) fn view(&self) -> Result<Arc<Snapshot<ForNames>>, Refusal> {
        self.ledger.mirror().readable()
    }

    /// One zone, stored or computed, and the view that it is from.
    pub(crate) fn zone(&self, name: &ZoneName) -> Result<(Arc<Snapshot<ForNames>>, pb::Zone), Refusal> {
        let view = self.view()?;
        let zone = match view.view.dns.zone(name.as_str()) {
            Some(zone) => self.stored(&view, zone),
            None => self.service.computed_zone(name)?,
        };
        Ok((view, zone))
    }

    /// The zone with the serial number that it has after a change: the change's revision, unless nothing has changed.
    pub(crate) fn serial_after(&self, zone: pb::Zone, revision: u64, impact: &[Impact]) -> pb::Zone {
        let view = self.ledger.mirror().snapshot();
        let current = view.view.dns.zone(&zone.name).filter(|_| impact.is_empty());
        let serial = current.map_or_else(|| serial_at(Revision(revision)), |zone| self.serial_in(&view, zone));
        pb::Zone { serial, ..zone }
    }

    /// A stored zone, with the serial number that it has in this view.
    fn stored(&self, view: &Snapshot<ForNames>, zone: &Zone) -> pb::Zone {
        pb::Zone { serial: self.serial_in(view, zone), ..pb::Zone::show(&view.view, zone) }
    }

    fn serial_in(&self, view: &Snapshot<ForNames>, zone: &Zone) -> u32 {
        Heads::of(|domain| view.heads.get(domain)).with_imports(self.service.imported_at()).serial_of(zone)
    }

    /// One record set, and the view that it is from.
    pub(crate) fn set(&self, key: &RecordSetKey) -> Result<(Arc<Snapshot<ForNames>>, pb::RecordSet), Refusal> {
        let view = self.view()?;
        let shown = pb::RecordSet::show(&view.view, plan::set(&view.view, key)?);
        Ok((view, shown))
    }

    /// Makes a record.
    pub(crate) async fn create<M: Kept>(&self, call: &Call, creation: Creation<M>) -> Result<Changed<M>, Refusal> {
        let Creation { draft, manner } = creation;
        let domain = self.domain.clone();
        self.change(call, manner, move |cluster, context| M::create(cluster, &domain, draft.clone(), context)).await
    }

    /// Changes a record, or makes it where that is allowed.
    pub(crate) async fn update<M: Kept>(&self, call: &Call, revision: written::Revision<M>) -> Result<Changed<M>, Refusal> {
        let (manner, domain) = (revision.manner.clone(), self.domain.clone());
        self.change(call, manner, move |cluster, context| {
            // Whoever has seen a version does not mean a new one.
            let may_be_new = revision.allow_missing && revision.etag.is_empty();
            if may_be_new && M::is_absent(cluster, &revision.key) {
                return M::create(cluster, &domain, revision.draft(None)?, context);
            }
            let current = M::find(cluster, &revision.key)?;
            M::meta(current).check_etag(M::KIND, &revision.key.to_string(), &revision.etag)?;
            M::update(cluster, revision.draft(Some(current))?, context)
        })
        .await
    }

    /// Ends a zone, with `force` together with its record sets.
    pub(crate) async fn delete_zone(
        &self,
        call: &Call,
        deletion: Deletion<ZoneName>,
        force: bool,
    ) -> Result<Changed<pb::Zone>, Refusal> {
        let Deletion { key, etag, manner } = deletion;
        self.change(call, manner, move |cluster, _| plan::delete_zone(cluster, &key, &etag, force)).await
    }

    /// Ends a record set.
    pub(crate) async fn delete_set(
        &self,
        call: &Call,
        deletion: Deletion<RecordSetKey>,
    ) -> Result<Changed<pb::RecordSet>, Refusal> {
        let Deletion { key, etag, manner } = deletion;
        self.change(call, manner, move |cluster, _| plan::delete_set(cluster, &key, &etag)).await
    }

    /// Decides on the newest view and commits, or only says what would come of it. The same planner does both.
    async fn change<M: Kept>(
        &self,
        call: &Call,
        manner: Manner,
        decide: impl Fn(&Cluster, PlanContext) -> Result<Decision, Refusal> + Send + 'static,
    ) -> Result<Changed<M>, Refusal> {
        let planner = move |cluster: &Cluster, context: PlanContext| verdict::<M>(cluster, &decide(cluster, context)?);
        let (changed, revision) =
            self.ledger.change::<M::Changed>(call.intent(manner.request_id), manner.validate_only, planner).await?;
        let (object, impact) = M::parts(changed);
        Ok(Changed { object, revision: revision.0, impact })
    }
}

/// The plan of a decision. Its answer shows the record in the state that the decision leads to.
fn verdict<M: Kept>(cluster: &Cluster, decision: &Decision) -> Verdict<Change> {
    let changes: Vec<Change> = decision.changes().into_iter().map(Change::from).collect();
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.apply(change));
    let main = M::main(decision).and_then(|record| record.after.as_deref());
    let answer = M::changed(main.map(|record| M::show(&after, record)), impact(decision)).encode_to_vec();
    Ok(Plan { changes, reads: READS.to_vec(), answer })
}
