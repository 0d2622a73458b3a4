//! Somebody outside Polder answers for an address that a service holds.
//!
//! The service keeps the address: clients know it, and the stranger may be a mistake of a minute. It says so, until the reports of
//! the nodes do not tell of it any more. A free address with a stranger behind it is given to nobody ([`super::space`]).

use super::record::{Condition, ConditionKind, Service};
use crate::cluster::Cluster;
use crate::ipam::neighbors::quarantine;
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// What is to be said about it; `None` when nobody disputes any of the service's addresses.
pub(super) fn conflict(cluster: &Cluster, service: &Service, now: Timestamp) -> Option<Refusal> {
    let disputed = service.vips().filter_map(|vip| {
        let pool = cluster.ipam.pool_of(vip.address)?;
        let stranger = quarantine(&cluster.ipam, pool, vip.address, now)?;
        Some(format!("{} answers for {} too (seen by node `{}`)", stranger.mac, vip.address, stranger.seen_by))
    });
    let disputed: Vec<String> = disputed.collect();
    if disputed.is_empty() {
        return None;
    }
    let message = format!(
        "{}. Take that host off the network, or set ignore_neighbors of the pool when it is known to be harmless.",
        disputed.join(", ")
    );
    Some(Refusal::new(Reason::AddressQuarantined, message))
}

/// Whether the service says something else about it than what is so.
pub(super) fn is_unsaid(cluster: &Cluster, service: &Service, now: Timestamp) -> bool {
    let said = service.condition(ConditionKind::AddressConflict).map(|condition: &Condition| condition.message.as_str());
    conflict(cluster, service, now).as_ref().map(|refusal| refusal.message.as_str()) != said
}
