//! What nodes report, and how long somebody waits for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use polder_core::id::{Revision, Uid};
use polder_core::lb::bgp::SessionReport;
use polder_core::net::{Label, Mac, Name, parse_addr};
use polder_core::reason::{Reason, Refusal, Violations};

use super::super::common::{optional, parsed};
use super::super::ipam::values::time;
use crate::lb::v1 as pb;

/// The most findings, observations and sessions of one report.
const MOST: usize = 100;
/// The most characters that are kept of what a node cannot program.
const MOST_TEXT: usize = 1000;
/// The most characters that are kept of why a session ended.
const MOST_ERROR: usize = 200;
/// The longest wait for a change to come everywhere.
pub const MOST_WAIT: Duration = Duration::from_secs(300);

/// A report of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The node.
    pub node: Name,
    /// Its identity.
    pub uid: Uid,
    /// Counts the messages of the stream.
    pub sequence: u64,
    /// What its kernel has in full.
    pub programmed: Revision,
    /// What it cannot program, in words; empty when all is well.
    pub error: String,
    /// Addresses that it has probed and that nobody answers for.
    pub unanswered: Vec<IpAddr>,
    /// Addresses of Polder's that a stranger answers for, with the stranger's hardware address where it was seen.
    pub foreign: Vec<(IpAddr, Option<Mac>)>,
    /// Its BGP sessions, all of them.
    pub sessions: Vec<SessionReport>,
}

/// Reads a report.
///
/// # Errors
/// Every bad field.
pub fn report(request: &pb::ReportDataplaneRequest) -> Result<Report, Refusal> {
    let mut bad = Violations::new();
    let node = parsed(&request.node, "node", &mut bad);
    let uid = parsed(&request.node_uid, "node_uid", &mut bad);
    let counts = [
        ("findings", request.findings.len()),
        ("observations", request.observations.len()),
        ("bgp_sessions", request.bgp_sessions.len()),
    ];
    for (field, count) in counts {
        if count > MOST {
            bad.add(field, Reason::CountOutOfBounds, format!("{count} are too many; at most {MOST} are taken"));
        }
    }
    let (mut unanswered, mut foreign) = (Vec::new(), Vec::new());
    for (nth, seen) in request.observations.iter().enumerate().take(MOST) {
        let address = bad.take(format!("observations[{nth}].address"), parse_addr(&seen.address));
        let mac: Option<Mac> = optional(&seen.mac, format!("observations[{nth}].mac"), &mut bad);
        match (seen.kind(), address) {
            (pb::ObservationKind::Unspecified, _) => {
                bad.add(format!("observations[{nth}].kind"), Reason::FieldRequired, "say what was seen");
            }
            (pb::ObservationKind::NoAnswer, Some(address)) => unanswered.push(address),
            (pb::ObservationKind::ForeignAnswer, Some(address)) => foreign.push((address, mac)),
            (_, None) => {}
        }
    }
    let sessions = sessions(&request.bgp_sessions, &mut bad);
    let error = request.findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ");
    let error = one_line(&error, MOST_TEXT);
    let (sequence, programmed) = (request.sequence, Revision(request.programmed_revision));
    bad.finish(node.zip(uid).map(|(node, uid)| Report { node, uid, sequence, programmed, error, unanswered, foreign, sessions }))
}

/// The beginning of a text of the node's, or of its kernel's, as one line. A report is not refused for it: it is what went wrong.
fn one_line(text: &str, most: usize) -> String {
    text.chars().take(most).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn sessions(given: &[pb::BgpSessionStatus], bad: &mut Violations) -> Vec<SessionReport> {
    let mut known = BTreeSet::new();
    let one = |(nth, status): (usize, &pb::BgpSessionStatus)| {
        let at = |field: &str| format!("bgp_sessions[{nth}].{field}");
        let peer: Option<Label> = parsed(&status.peer, at("peer"), bad);
        if let Some(twice) = peer.as_ref().filter(|peer| !known.insert((*peer).clone())) {
            bad.add(at("peer"), Reason::ConflictingFields, format!("`{twice}` is named twice; a node has one session with a peer"));
        }
        let state = bad.take(at("state"), status.state.parse());
        let since = time(status.since.as_ref(), &at("since"), bad);
        Some(SessionReport {
            peer: peer?,
            state: state?,
            since,
            advertised: status.advertised_prefixes,
            last_error: one_line(&status.last_error, MOST_ERROR),
        })
    };
    given.iter().enumerate().take(MOST).filter_map(one).collect()
}

/// Reads how long to wait; `None`: not at all.
pub fn wait(wait: Option<prost_types::Duration>, bad: &mut Violations) -> Option<Duration> {
    let wait = wait?;
    match Duration::try_from(wait) {
        Ok(wait) if wait <= MOST_WAIT => Some(wait),
        Ok(wait) => {
            let text = format!("{} s is too long; at most {} s can be waited", wait.as_secs(), MOST_WAIT.as_secs());
            bad.add("wait", Reason::CountOutOfBounds, text);
            None
        }
        Err(_) => {
            bad.add("wait", Reason::InvalidArgument, "a wait cannot be negative");
            None
        }
    }
}

/// Reads a question how far a revision has come.
///
/// # Errors
/// Every bad field.
pub fn question(request: &pb::GetConvergenceRequest) -> Result<(Revision, Option<Duration>), Refusal> {
    let mut bad = Violations::new();
    let wait = wait(request.wait, &mut bad);
    bad.finish(Some((Revision(request.revision), wait)))
}

/// The question how far a revision has come, as one replica asks another.
#[must_use]
pub fn ask(revision: Revision, wait: Duration) -> pb::GetConvergenceRequest {
    pb::GetConvergenceRequest { revision: revision.0, wait: prost_types::Duration::try_from(wait).ok() }
}
