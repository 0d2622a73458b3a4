//! Announcements: requests to wishes, records to answers.

use std::net::IpAddr;
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::id::{RequestId, Uid};
use polder_core::lb::announce::{Announcement, Claim, Target, Verdict, explain, operate, target};
use polder_core::lb::{Change, Service};
use polder_core::net::{Name, parse_addr};
use polder_core::reason::{Reason, Refusal, Violations};

use super::super::common::{object, optional, parsed, request_id, show_time};
use crate::lb::v1 as pb;
use crate::types::v1 as types;

/// The most claims, and the most releases, of one renewal.
pub const MOST_CLAIMS: usize = 65_536;

/// One renewal of a node's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The node.
    pub node: Name,
    /// Its identity.
    pub uid: Uid,
    /// Counts the messages of the stream.
    pub sequence: u64,
    /// What it has or wants.
    pub claims: Vec<Claim>,
    /// What it has stopped answering for.
    pub released: Vec<Claim>,
}

/// Reads a renewal.
///
/// # Errors
/// Every bad field.
pub fn renewal(request: &pb::HoldAnnouncementsRequest) -> Result<Renewal, Refusal> {
    let mut bad = Violations::new();
    let node = parsed(&request.node, "node", &mut bad);
    let uid = parsed(&request.node_uid, "node_uid", &mut bad);
    let claims = read_claims(&request.claims, "claims", &mut bad);
    let released = read_claims(&request.released, "released", &mut bad);
    let sequence = request.sequence;
    bad.finish(node.zip(uid).map(|(node, uid)| Renewal { node, uid, sequence, claims, released }))
}

fn read_claims(claims: &[pb::AnnouncementClaim], field: &str, bad: &mut Violations) -> Vec<Claim> {
    if claims.len() > MOST_CLAIMS {
        let text = format!("{} are too many; at most {MOST_CLAIMS} are taken", claims.len());
        bad.add(field, Reason::CountOutOfBounds, text);
        return Vec::new();
    }
    let read = claims.iter().enumerate().filter_map(|(nth, claim)| {
        let address = bad.take(format!("{field}[{nth}].address"), parse_addr(&claim.address));
        if claim.epoch == 0 {
            bad.add(format!("{field}[{nth}].epoch"), Reason::FieldRequired, "the epoch of the announcement is required");
        }
        Some(Claim { address: address?, epoch: claim.epoch, held: claim.held })
    });
    read.collect()
}

/// The answer to a renewal.
#[must_use]
pub fn granted(sequence: u64, verdict: &Verdict, ttl: Duration) -> pb::HoldAnnouncementsResponse {
    let show = |claims: &[Claim]| claims.iter().map(show_claim).collect();
    pb::HoldAnnouncementsResponse {
        sequence,
        granted: show(&verdict.granted),
        denied: show(&verdict.denied),
        ttl: prost_types::Duration::try_from(ttl).ok(),
    }
}

fn show_claim(claim: &Claim) -> pb::AnnouncementClaim {
    pb::AnnouncementClaim { address: claim.address.to_string(), epoch: claim.epoch, held: claim.held }
}

/// A move that an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The address.
    pub address: IpAddr,
    /// Where to; `None` lets it go.
    pub node: Option<Name>,
    /// The etag that the caller has seen; empty is no check.
    pub etag: String,
    /// The caller's id for it.
    pub request_id: Option<RequestId>,
    /// Plan only.
    pub validate_only: bool,
}

/// Reads a request for a move.
///
/// # Errors
/// Every bad field.
pub fn moving(request: &pb::MoveAnnouncementRequest) -> Result<Move, Refusal> {
    let mut bad = Violations::new();
    let address = bad.take("address", parse_addr(&request.address));
    let node = optional(&request.node, "node", &mut bad);
    let request_id = request_id(&request.request_id, &mut bad);
    let (etag, validate_only) = (request.etag.clone(), request.validate_only);
    bad.finish(address.map(|address| Move { address, node, etag, request_id, validate_only }))
}

/// A drain that an operator asks for, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// The node.
    pub node: Name,
    /// It ends.
    pub end: bool,
    /// The caller's id for it.
    pub request_id: Option<RequestId>,
    /// Plan only.
    pub validate_only: bool,
}

/// Reads a request for a drain.
///
/// # Errors
/// Every bad field.
pub fn draining(request: &pb::DrainAnnouncementsRequest) -> Result<Draining, Refusal> {
    let mut bad = Violations::new();
    let node = parsed(&request.node, "node", &mut bad);
    let request_id = request_id(&request.request_id, &mut bad);
    let (end, validate_only) = (request.end, request.validate_only);
    bad.finish(node.map(|node| Draining { node, end, request_id, validate_only }))
}

/// What the answering replica knows of who really answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It leads: this node holds the right, under this epoch, or none does.
    Holder(Option<(Name, u64)>),
    /// Another replica leads, or none.
    NotLeading,
}

/// An external address as the API shows who answers for it.
#[must_use]
pub fn announcement(cluster: &Cluster, target: &Target<'_>, observed: &Observed) -> pb::Announcement {
    let record = cluster.lb.board().of(target.address);
    let answered_for = target::is_answered_for(target.pool);
    let shown = pb::Announcement {
        address: target.address.to_string(),
        pool: target.pool.name.to_string(),
        services: target.services.iter().map(|service| reference(service)).collect(),
        interfaces: target.pool.announce_interfaces.clone(),
        bgp_only: target.pool.bgp_only,
        conditions: answered_for.then(|| condition(cluster, target, observed)).into_iter().collect(),
        candidates: match answered_for {
            true => operate::candidates(cluster, target).iter().map(ToString::to_string).collect(),
            false => Vec::new(),
        },
        ..pb::Announcement::default()
    };
    match record {
        None => shown,
        Some(record) => pb::Announcement {
            node: record.node.to_string(),
            epoch: record.epoch,
            previous_node: record.previous.as_ref().map(ToString::to_string).unwrap_or_default(),
            pinned: record.pinned,
            update_time: Some(show_time(record.since)),
            etag: record.meta.etag(),
            ..shown
        },
    }
}

/// Whether the address is answered for, by what was decided and by what is known.
fn condition(cluster: &Cluster, target: &Target<'_>, observed: &Observed) -> types::Condition {
    let announced = |status: types::ConditionStatus, reason: Option<Reason>, message: String, since| types::Condition {
        r#type: "Announced".to_owned(),
        status: status.into(),
        reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
        message,
        last_transition_time: since,
    };
    let Some(record) = cluster.lb.board().of(target.address) else {
        let refusal = explain::unanswered(cluster, target);
        return announced(types::ConditionStatus::False, Some(refusal.reason), refusal.message.clone(), None);
    };
    let since = Some(show_time(record.since));
    let Announcement { node, epoch, .. } = &**record;
    match observed {
        Observed::Holder(Some((holder, held))) if holder == node && held == epoch => {
            announced(types::ConditionStatus::True, None, format!("node {node} has the right to answer for it"), since)
        }
        Observed::Holder(Some((holder, _))) => {
            let message = format!("node {node} takes it over as soon as node {holder} has stopped answering");
            announced(types::ConditionStatus::False, Some(Reason::NotAnnounced), message, since)
        }
        Observed::Holder(None) => {
            let message = format!("node {node} has not asked for the right to answer lately");
            announced(types::ConditionStatus::False, Some(Reason::NotAnnounced), message, since)
        }
        Observed::NotLeading => {
            let message = format!("node {node} is to answer for it; whether it does, the replica knows that leads");
            announced(types::ConditionStatus::Unknown, None, message, since)
        }
    }
}

/// What changes do to announcements.
#[must_use]
pub fn announcement_impact(cluster: &Cluster, changes: &[Change]) -> Vec<types::Impact> {
    let board = cluster.lb.board();
    let impact = |kind: &str, name: String, action: types::ImpactAction, description: String| types::Impact {
        object: Some(object(kind, "", &name, "")),
        action: action.into(),
        description,
    };
    let one = |change: &Change| match change {
        Change::Announcement(address, Some(record)) => {
            let (action, description) = match board.of(*address) {
                None => (types::ImpactAction::Create, format!("node {} answers for it", record.node)),
                Some(old) if old.node != record.node => {
                    (types::ImpactAction::Update, format!("it moves from node {} to node {}", old.node, record.node))
                }
                Some(_) if record.pinned => (types::ImpactAction::Update, format!("it is pinned to node {}", record.node)),
                Some(_) => (types::ImpactAction::Update, format!("it is not pinned to node {} any more", record.node)),
            };
            Some(impact("Announcement", address.to_string(), action, description))
        }
        Change::Announcement(address, None) => {
            let description = "no node answers for it any more".to_owned();
            Some(impact("Announcement", address.to_string(), types::ImpactAction::Delete, description))
        }
        Change::Drain(node, record) => {
            let text = if record.is_some() { "it takes no announcements" } else { "it may answer for addresses again" };
            Some(impact("Node", node.to_string(), types::ImpactAction::Update, text.to_owned()))
        }
        _ => None,
    };
    changes.iter().filter_map(one).collect()
}

fn reference(service: &Service) -> types::ObjectRef {
    object("Service", service.key.namespace.as_str(), service.key.name.as_str(), &service.meta.uid.to_string())
}
