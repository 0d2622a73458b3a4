//! The use cases of announcements: list them, move one, drain a node; take a node's renewals.

use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::id::RequestId;
use polder_core::lb::announce::reconcile::READS;
use polder_core::lb::announce::{Target, operate};
use polder_core::reason::Refusal;
use polder_core::schema::{Plan, PlanContext, Verdict};
use polder_core::{ipam, lb};
use polder_proto::convert::lb::announcement::{self as convert, Draining, Move, Observed, Renewal};
use polder_proto::lb::v1 as pb;
use polder_proto::stored::Stored;
use polder_runtime::call::Call;
use polder_store::{Ledger, Snapshot};
use prost::Message;
use std::net::IpAddr;

use crate::lead::Lead;
use crate::service::CATCH_UP;

/// Announcements, apart from gRPC. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Announcing {
    ledger: Ledger<Stored>,
    lead: Lead,
}

/// What a change answers: recorded with the commit, and given again to a repetition.
type Changed = pb::DrainAnnouncementsResponse;

impl Announcing {
    pub(crate) const fn new(ledger: Ledger<Stored>, lead: Lead) -> Self {
        Self { ledger, lead }
    }

    /// The view for a read.
    pub(crate) fn view(&self) -> Result<Arc<Snapshot<Stored>>, Refusal> {
        self.ledger.mirror().readable()
    }

    /// Who really answers for the address, as far as this replica knows.
    pub(crate) fn observed(&self, address: IpAddr) -> Observed {
        let holder = self.lead.with(|reign, now| reign.rights.holder(address, now).map(|(node, epoch)| (node.clone(), epoch)));
        holder.map_or(Observed::NotLeading, Observed::Holder)
    }

    /// Moves an announcement.
    pub(crate) async fn move_to(&self, call: &Call, wish: Move) -> Result<pb::MoveAnnouncementResponse, Refusal> {
        let Move { address, node, etag, request_id, validate_only } = wish;
        let decide = move |cluster: &Cluster, context: PlanContext| {
            let changes = operate::move_to(cluster, address, node.as_ref(), &etag, context)?;
            Ok((changes, vec![address]))
        };
        let Changed { announcements, revision, impact } = self.change(call, request_id, validate_only, decide).await?;
        Ok(pb::MoveAnnouncementResponse { announcement: announcements.into_iter().next(), revision, impact })
    }

    /// Drains a node, or ends that.
    pub(crate) async fn drain(&self, call: &Call, wish: Draining) -> Result<Changed, Refusal> {
        let Draining { node, end, request_id, validate_only } = wish;
        let decide = move |cluster: &Cluster, context: PlanContext| {
            let changes = if end { operate::end_drain(cluster, &node)? } else { operate::drain(cluster, &node, context)? };
            let moved = changes.iter().filter_map(|change| match change {
                lb::Change::Announcement(address, _) => Some(*address),
                _ => None,
            });
            let moved = moved.collect();
            Ok((changes, moved))
        };
        self.change(call, request_id, validate_only, decide).await
    }

    /// Takes a renewal, if this replica leads.
    ///
    /// # Errors
    /// `NOT_LEADING`; `NODE_NOT_FOUND`, `NODE_UID_MISMATCH`.
    pub(crate) async fn renew(&self, renewal: &Renewal) -> Result<pb::HoldAnnouncementsResponse, Refusal> {
        let Renewal { node, uid, sequence, claims, released } = renewal;
        let mirror = self.ledger.mirror();
        let mut snapshot = mirror.snapshot();
        if ipam::liveness::renewing(&snapshot.view.ipam, node, *uid).is_err() {
            // Another process may have registered it a moment ago.
            snapshot = mirror.latest(CATCH_UP).await?;
            ipam::liveness::renewing(&snapshot.view.ipam, node, *uid)?;
        }
        let board = snapshot.view.lb.board();
        let granted = self.lead.with(|reign, now| {
            let is_new = !reign.presence.is_heard(node, now);
            reign.presence.hear(node, now);
            reign.rights.release(node, released);
            (reign.rights.renew(board, node, claims, now), is_new)
        });
        let (verdict, is_new) = granted.ok_or_else(|| self.lead.refusal())?;
        if is_new {
            self.lead.stir();
        }
        Ok(convert::granted(*sequence, &verdict, self.lead.ttl()))
    }

    async fn change(
        &self,
        call: &Call,
        request_id: Option<RequestId>,
        validate_only: bool,
        decide: impl Fn(&Cluster, PlanContext) -> Result<(Vec<lb::Change>, Vec<IpAddr>), Refusal> + Send + 'static,
    ) -> Result<Changed, Refusal> {
        let planner = move |cluster: &Cluster, context: PlanContext| {
            let (changes, concerned) = decide(cluster, context)?;
            verdict(cluster, changes, &concerned)
        };
        let (changed, revision) = self.ledger.change::<Changed>(call.intent(request_id), validate_only, planner).await?;
        Ok(Changed { revision: revision.0, ..changed })
    }
}

/// The plan of changes. Its answer shows the announcements concerned in the state that the changes lead to.
fn verdict(cluster: &Cluster, changes: Vec<lb::Change>, concerned: &[IpAddr]) -> Verdict<Change> {
    let impact = convert::announcement_impact(cluster, &changes);
    let changes: Vec<Change> = changes.into_iter().map(Change::from).collect();
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.apply(change));
    let targets = concerned.iter().filter_map(|address| Target::held(&after, *address));
    // What is recorded must be the same whichever replica planned it.
    let announcements = targets.map(|target| convert::announcement(&after, &target, &Observed::NotLeading)).collect();
    let answer = Changed { announcements, impact, ..Changed::default() };
    Ok(Plan { changes, reads: READS.to_vec(), answer: answer.encode_to_vec() })
}
