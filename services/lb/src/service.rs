//! The use cases: read the view, or decide on it and commit.

use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::id::{RequestId, Revision};
use polder_core::lb::plan::{self, READS};
use polder_core::lb::{Decision, Service, dataplane};
use polder_core::reason::{Reason, Refusal};
use polder_core::schema::{Plan, PlanContext, Verdict};
use polder_proto::convert::lb::{self as convert, Creation, Deletion};
use polder_proto::lb::v1 as pb;
use polder_proto::stored::Stored;
use polder_runtime::call::Call;
use polder_store::{Ledger, Mirror, Snapshot};
use prost::Message;

use crate::convergence::Converging;
use crate::{naming, programming};

/// How long a reader waits for a revision that it has heard of already.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(2);

/// How old the view may be before the process says that it is not ready.
const STALE: Duration = Duration::from_secs(10);

/// The catalogue of services, apart from gRPC. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Catalog {
    ledger: Ledger<Stored>,
    converging: Converging,
    domain: Arc<str>,
}

/// What a change answers: recorded with the commit, and given again to a repetition.
type Changed = pb::UpdateServiceResponse;

impl Catalog {
    pub(crate) const fn new(ledger: Ledger<Stored>, converging: Converging, domain: Arc<str>) -> Self {
        Self { ledger, converging, domain }
    }

    /// The cluster's domain.
    pub(crate) const fn domain(&self) -> &Arc<str> {
        &self.domain
    }

    /// Whether nodes and name servers are as far as this view, each with what that means for the service.
    pub(crate) async fn arrival(&self, service: &Service, view: &Snapshot<Stored>) -> Vec<pb::ExplainStep> {
        let newest = view.heads.newest();
        // That the store cannot be asked is no more than not knowing.
        let servers = self.converging.servers().await.unwrap_or_default();
        let naming = naming::step(service, &self.domain, &servers, newest);
        if !dataplane::concerns(service) {
            return vec![naming];
        }
        vec![programming::step(self.converging.now(newest).await.as_ref()), naming]
    }

    /// The view for a read: whole, and as new as this process has it.
    pub(crate) fn view(&self) -> Result<Arc<Snapshot<Stored>>, Refusal> {
        self.mirror().readable()
    }

    /// Waits until this replica has a revision that the reader knows.
    pub(crate) async fn reach(&self, revision: Revision) -> Result<(), Refusal> {
        self.mirror().wait_for(revision, CATCH_UP).await.map(drop)
    }

    pub(crate) const fn mirror(&self) -> &Mirror<Stored> {
        self.ledger.mirror()
    }

    /// Makes a service together with its addresses.
    pub(crate) async fn create(&self, call: &Call, creation: Creation) -> Result<Changed, Refusal> {
        let Creation { draft, manner } = creation;
        let wishes = manner.wishes;
        let how = How { request_id: manner.request_id, validate_only: manner.validate_only, wait: manner.wait };
        self.change(call, how, move |cluster, context| plan::create(cluster, draft.clone(), wishes, context)).await
    }

    /// Changes a service, or makes it where that is allowed.
    pub(crate) async fn update(&self, call: &Call, revision: convert::Revision) -> Result<Changed, Refusal> {
        let manner = revision.manner.clone();
        let wishes = manner.wishes;
        let how = How { request_id: manner.request_id, validate_only: manner.validate_only, wait: manner.wait };
        self.change(call, how, move |cluster, context| {
            let current = cluster.lb.service(&revision.key);
            match current {
                None if revision.allow_missing && revision.etag.is_empty() => {
                    plan::create(cluster, revision.draft(None)?, wishes, context)
                }
                None => Err(plan::find(cluster, &revision.key).err().unwrap_or_else(gone)),
                Some(current) => {
                    current.meta.check_etag("service", &current.key.to_string(), &revision.etag)?;
                    plan::update(cluster, revision.draft(Some(current))?, wishes, context)
                }
            }
        })
        .await
    }

    /// Ends a service and frees its addresses.
    pub(crate) async fn delete(&self, call: &Call, deletion: Deletion) -> Result<Changed, Refusal> {
        let Deletion { key, etag, request_id, validate_only, wait } = deletion;
        let how = How { request_id, validate_only, wait };
        self.change(call, how, move |cluster, context| plan::delete(cluster, &key, &etag, context)).await
    }

    /// Makes a change, then waits, if it shall, until it has come everywhere. The change stands, whatever becomes of the wait.
    async fn change(
        &self,
        call: &Call,
        How { request_id, validate_only, wait }: How,
        decide: impl Fn(&Cluster, PlanContext) -> Result<Decision, Refusal> + Send + 'static,
    ) -> Result<Changed, Refusal> {
        let wait = wait.filter(|_| !validate_only);
        if wait.is_some() {
            self.converging.possible().await?;
        }
        let domain = Arc::clone(&self.domain);
        let planner = move |cluster: &Cluster, context: PlanContext| verdict(cluster, &decide(cluster, context)?, &domain);
        let (changed, revision) = self.ledger.change::<Changed>(call.intent(request_id), validate_only, planner).await?;
        let convergence = match wait {
            Some(_) => Some(self.converging.of(revision, wait).await.unwrap_or_else(|_| unknown(revision))),
            None => None,
        };
        Ok(Changed { revision: revision.0, convergence, ..changed })
    }
}

/// How a change is to be made.
struct How {
    request_id: Option<RequestId>,
    validate_only: bool,
    wait: Option<Duration>,
}

/// What is said of a change that stands when nobody can be asked any more how far it has come.
fn unknown(revision: Revision) -> pb::Convergence {
    pb::Convergence { revision: revision.0, converged: false, nodes: Vec::new(), dns_servers: Vec::new() }
}

/// The plan of a decision. Its answer shows the service in the state that the decision leads to.
fn verdict(cluster: &Cluster, decision: &Decision, domain: &str) -> Verdict<Change> {
    let changes: Vec<Change> = decision.changes().map(Change::from).collect();
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.apply(change));
    let service = decision.after.as_deref().map(|service: &Service| convert::service(&after, service, domain));
    let answer = Changed { service, impact: convert::impact(decision), ..Changed::default() };
    Ok(Plan { changes, reads: READS.to_vec(), answer: answer.encode_to_vec() })
}

fn gone() -> Refusal {
    Refusal::new(Reason::ServiceNotFound, "The service does not exist any more.")
}

/// Whether the service can work: the store has been read, and heard of lately.
pub(crate) fn ready(mirror: &Mirror<Stored>) -> Result<(), Refusal> {
    let snapshot = mirror.snapshot();
    snapshot.usable()?;
    match snapshot.age() {
        Some(age) if age <= STALE => Ok(()),
        age => {
            let seconds = age.unwrap_or_default().as_secs();
            let message = format!("The store has not answered for {seconds} s; reads show the state of then.");
            Err(Refusal::new(Reason::StoreUnavailable, message).with("age_seconds", seconds))
        }
    }
}
