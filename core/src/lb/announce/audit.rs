//! What must be true of announcements in any state. That a node should not answer any more is no fault: the next turn moves it.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::ipam::{Finding, Severity};
use crate::reason::Reason;

/// Epochs that were never given, or given twice.
pub(in crate::lb) fn audit(cluster: &Cluster) -> Vec<Finding> {
    let board = cluster.lb.board();
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    let mut wrong = |address: std::net::IpAddr, message: String| {
        findings.push(Finding::new(Severity::Error, Reason::Internal, "", message).about("announcements", address));
    };
    for record in board.announcements() {
        let epoch = record.epoch;
        if epoch > board.epoch() {
            wrong(
                record.address,
                format!("{} is announced under epoch {epoch}, and the newest ever given is {}", record.address, board.epoch()),
            );
        }
        if let Some(other) = seen.insert(epoch, record.address) {
            wrong(record.address, format!("{} and {other} are announced under the same epoch {epoch}", record.address));
        }
    }
    findings
}
