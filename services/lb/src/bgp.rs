//! The use cases of BGP peers and advertisements: read the view, or decide on it and commit. Both go the same ways.

mod list;

pub(crate) use list::{Asked, Listed};

use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::lb::bgp::conditions::Heard;
use polder_core::lb::bgp::plan::READS;
use polder_core::lb::bgp::{Decision, Record};
use polder_core::net::Label;
use polder_core::reason::{Refusal, Violations};
use polder_core::schema::{Plan, PlanContext, Verdict};
use polder_proto::convert::common::parsed;
use polder_proto::convert::lb::bgp::{Creation, Deletion, Manner, Revision, Shown, impact};
use polder_proto::stored::Stored;
use polder_proto::types::v1::Impact;
use polder_runtime::call::Call;
use polder_store::{Ledger, Snapshot};
use prost::Message;

use self::list::page;
use crate::lead::Lead;
use crate::service::Catalog;

/// BGP, apart from gRPC. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bgp {
    catalog: Catalog,
    ledger: Ledger<Stored>,
    lead: Lead,
}

/// What a change answers: recorded with the commit, and given again to a repetition.
pub(crate) struct Changed<M> {
    pub(crate) object: Option<M>,
    pub(crate) revision: u64,
    pub(crate) impact: Vec<Impact>,
}

/// A page of records, and the view that they are from.
pub(crate) struct Page<M> {
    pub(crate) objects: Vec<M>,
    /// Asks for the next page; empty: there is none.
    pub(crate) next: String,
    pub(crate) snapshot: Arc<Snapshot<Stored>>,
}

impl Bgp {
    pub(crate) const fn new(catalog: Catalog, ledger: Ledger<Stored>, lead: Lead) -> Self {
        Self { catalog, ledger, lead }
    }

    fn view(&self) -> Result<Arc<Snapshot<Stored>>, Refusal> {
        self.catalog.view()
    }

    /// One record, as the API has it, and the view that it is from.
    pub(crate) fn get<M: Shown>(&self, name: &str) -> Result<(Arc<Snapshot<Stored>>, M), Refusal> {
        let mut bad = Violations::new();
        let name: Option<Label> = parsed(name, "name", &mut bad);
        let name = bad.finish(name)?;
        let snapshot = self.view()?;
        let record = M::Record::find(&snapshot.view, &name)?;
        let shown = M::show(&snapshot.view, record).observe(&snapshot.view, record, self.heard(&snapshot.view, &name).as_ref());
        Ok((snapshot, shown))
    }

    /// A page of records.
    ///
    /// # Errors
    /// Every bad field.
    pub(crate) fn list<M: Shown<Record: Listed>>(&self, asked: Asked<'_>) -> Result<Page<M>, Refusal> {
        let snapshot = self.view()?;
        let (page, next) = page::<M::Record>(&snapshot.view, asked)?;
        let show = |record: &Arc<M::Record>| {
            M::show(&snapshot.view, record).observe(&snapshot.view, record, self.heard(&snapshot.view, record.name()).as_ref())
        };
        Ok(Page { objects: page.into_iter().map(show).collect(), next, snapshot })
    }

    /// What nodes said last of their sessions with a peer; `None` when this replica does not hear them.
    fn heard(&self, cluster: &Cluster, peer: &Label) -> Option<Heard> {
        self.lead.with(|reign, _| reign.words.of_sessions(cluster, peer))
    }

    /// Makes a record.
    pub(crate) async fn create<M: Shown>(&self, call: &Call, creation: Creation<M>) -> Result<Changed<M>, Refusal> {
        let Creation { draft, manner } = creation;
        self.change(call, manner, move |cluster, context| M::Record::create(cluster, draft.clone(), context)).await
    }

    /// Changes a record, or makes it where that is allowed.
    pub(crate) async fn update<M: Shown>(&self, call: &Call, revision: Revision<M>) -> Result<Changed<M>, Refusal> {
        let manner = revision.manner.clone();
        self.change(call, manner, move |cluster, context| {
            // Whoever has seen a version does not mean a new one.
            let may_be_new = revision.allow_missing && revision.etag.is_empty();
            if M::Record::of(cluster, &revision.name).is_none() && may_be_new {
                return M::Record::create(cluster, revision.draft(None)?, context);
            }
            let current = M::Record::find(cluster, &revision.name)?;
            current.meta().check_etag(M::Record::KIND, revision.name.as_str(), &revision.etag)?;
            M::Record::update(cluster, revision.draft(Some(current))?, context)
        })
        .await
    }

    /// Ends a record.
    pub(crate) async fn delete<M: Shown>(&self, call: &Call, deletion: Deletion) -> Result<Changed<M>, Refusal> {
        let Deletion { name, etag, manner } = deletion;
        self.change(call, manner, move |cluster, _| M::Record::delete(cluster, &name, &etag)).await
    }

    async fn change<M: Shown>(
        &self,
        call: &Call,
        manner: Manner,
        decide: impl Fn(&Cluster, PlanContext) -> Result<Decision<M::Record>, Refusal> + Send + 'static,
    ) -> Result<Changed<M>, Refusal> {
        let planner = move |cluster: &Cluster, context: PlanContext| verdict::<M>(cluster, &decide(cluster, context)?);
        let Manner { request_id, validate_only } = manner;
        let (changed, revision) = self.ledger.change(call.intent(request_id), validate_only, planner).await?;
        let (object, impact) = M::parts(changed);
        Ok(Changed { object, revision: revision.0, impact })
    }
}

/// The plan of a decision. Its answer shows the record in the state that the decision leads to.
fn verdict<M: Shown>(cluster: &Cluster, decision: &Decision<M::Record>) -> Verdict<Change> {
    let changes: Vec<Change> = decision.change().into_iter().map(Change::from).collect();
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.apply(change));
    let shown = decision.after.as_deref().map(|record| M::show(&after, record));
    let answer = M::changed(shown, impact::<M>(decision)).encode_to_vec();
    Ok(Plan { changes, reads: READS.to_vec(), answer })
}
