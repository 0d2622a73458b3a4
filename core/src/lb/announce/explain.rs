//! Why nobody answers for an address, and the steps about it when a service is explained.

use std::sync::Arc;

use super::operate;
use super::target::{Target, is_answered_for};
use crate::cluster::Cluster;
use crate::ipam::Node;
use crate::lb::Service;
use crate::lb::address::is_foreign;
use crate::lb::explain::{Check, Step, Verdict};
use crate::reason::{Obstacle, Reason, Refusal};

/// The most nodes whose reasons are told one by one.
const MOST_TOLD: usize = 5;

/// Why no node answers for the target: what is in the way at every node, where there are nodes.
#[must_use]
pub fn unanswered(cluster: &Cluster, target: &Target<'_>) -> Refusal {
    let refusals: Vec<_> =
        cluster.ipam.nodes().filter_map(|node| operate::check(cluster, target, node).err().map(|why| (node, why))).collect();
    let nodes = cluster.ipam.nodes().count();
    let able = nodes - refusals.len();
    let message = match (nodes, able) {
        (0, _) => format!("no node answers for {}: no node is registered", target.address),
        (_, 0) => {
            let told = |(node, why): &(&Arc<Node>, Refusal)| {
                let said = why.message.split_once(": ").map_or(why.message.as_str(), |(_, reason)| reason);
                format!("node `{}`: {said}", node.name)
            };
            let told: Vec<_> = refusals.iter().take(MOST_TOLD).map(told).collect();
            let rest = match refusals.len().saturating_sub(MOST_TOLD) {
                0 => String::new(),
                rest => format!("; and so on for {rest} more"),
            };
            format!("no node answers for {}: {}{rest}", target.address, told.join("; "))
        }
        (_, able) => format!(
            "no node answers for {} yet: {able} of {nodes} nodes could, and none of them asks for the right to. Its agent has to run, \
             and to reach the replica that leads.",
            target.address
        ),
    };
    let refusal = Refusal::new(Reason::NotAnnounced, message).with("address", target.address);
    refusals.into_iter().take(MOST_TOLD).fold(refusal, |refusal, (node, why)| {
        let subject = format!("nodes/{}", node.name);
        refusal.blocked_by(Obstacle { reason: why.reason, subject, description: why.message.clone() })
    })
}

/// The steps of a service's explanation about the nodes that could answer for its external addresses, and those that do.
pub(in crate::lb) fn steps(cluster: &Cluster, service: &Service) -> Vec<Step> {
    if is_foreign(&service.spec) {
        return Vec::new();
    }
    service.external.iter().filter_map(|vip| Target::held(cluster, vip.address)).flat_map(|target| of(cluster, &target)).collect()
}

fn of(cluster: &Cluster, target: &Target<'_>) -> [Step; 2] {
    let address = target.address;
    let step = |check, verdict, message| Step { check, verdict, message };
    if !is_answered_for(target.pool) {
        let (verdict, why) = match target.pool.bgp_only {
            true => (Verdict::Well, "is advertised by BGP only, no node answers for it"),
            false => (Verdict::Bad(Reason::PoolDisabled), "is not announced, its pool is disabled"),
        };
        let message = format!("{address} {why} (pool `{}`)", target.pool.name);
        return [step(Check::Nodes, Verdict::Well, "any node".to_owned()), step(Check::Announcement, verdict, message)];
    }
    let record = cluster.lb.board().of(address);
    let able = operate::candidates(cluster, target).len() + usize::from(record.is_some());
    match record {
        Some(record) => [
            step(Check::Nodes, Verdict::Well, format!("{able} nodes could answer for {address}")),
            step(
                Check::Announcement,
                Verdict::Well,
                format!("{address}: node {} answers for it (epoch {})", record.node, record.epoch),
            ),
        ],
        None => {
            let why = unanswered(cluster, target);
            match able {
                0 => [
                    step(Check::Nodes, Verdict::Bad(why.reason), why.message.clone()),
                    step(Check::Announcement, Verdict::Unknown, format!("{address}: it waits for a node")),
                ],
                able => [
                    step(Check::Nodes, Verdict::Well, format!("{able} nodes could answer for {address}")),
                    step(Check::Announcement, Verdict::Bad(why.reason), why.message.clone()),
                ],
            }
        }
    }
}
