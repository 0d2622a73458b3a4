//! What must be true of zones and record sets in any state, whoever made it.

use std::sync::Arc;

use super::super::data::Data;
use super::super::record::RecordType;
use super::record::{RecordSet, Zone};
use super::rules::{beside_others, computed_around, in_view};
use crate::cluster::Cluster;
use crate::ipam::{Finding, Severity};
use crate::reason::Reason;

/// Every record set without its zone, or that cannot stand beside the others; and what operators should know: zones in the place of a
/// reverse zone that a later pool has made ours, zones in a view that there is not, and delegations to servers in the delegated part whose addresses are not there.
#[must_use]
pub fn audit(cluster: &Cluster) -> Vec<Finding> {
    let sets = cluster.dns.all_sets().flat_map(|set| [misplaced(cluster, set), unreachable(cluster, set)]).flatten();
    sets.chain(cluster.dns.zones().flat_map(|zone| [shadowing(cluster, zone), unseen(cluster, zone)]).flatten()).collect()
}

fn unseen(cluster: &Cluster, zone: &Arc<Zone>) -> Option<Finding> {
    let refusal = in_view(&cluster.dns, &zone.name).err()?;
    let message = format!("nobody sees it: there is no view `{}`", zone.name.view()?);
    Some(Finding::new(Severity::Error, refusal.reason, "", message).about("zones", &zone.name))
}

fn finding(severity: Severity, reason: Reason, set: &RecordSet, message: String) -> Finding {
    Finding::new(severity, reason, "", message).about("record-sets", &set.key)
}

fn misplaced(cluster: &Cluster, set: &Arc<RecordSet>) -> Option<Finding> {
    let zone = set.key.zone();
    if cluster.dns.zone(zone.as_str()).is_none() {
        return Some(finding(Severity::Error, Reason::ZoneNotFound, set, format!("there is no zone `{zone}`")));
    }
    let refusal = beside_others(&cluster.dns, &set.key).err()?;
    Some(finding(Severity::Error, refusal.reason, set, refusal.message.clone()))
}

fn unreachable(cluster: &Cluster, set: &Arc<RecordSet>) -> Option<Finding> {
    let has_address = |key: &super::RecordSetKey| {
        let mut there = cluster.dns.sets_at(key.zone(), key.owner());
        there.any(|set| matches!(set.key.rtype(), RecordType::A | RecordType::AAAA))
    };
    let within = |data: &&Data| data.glue().is_some_and(|host| host.is_under(set.key.domain()));
    let lost =
        set.data.iter().filter(|_| set.key.rtype() == RecordType::NS).filter(within).filter_map(Data::glue).find(|host| {
            let owner = super::Owner::of(host, set.key.zone()).ok();
            let key = owner.and_then(|owner| super::RecordSetKey::new(set.key.zone().clone(), owner, RecordType::A).ok());
            !key.is_some_and(|key| has_address(&key))
        })?;
    let message = format!("name server `{lost}` lies in the part that it answers for, and the zone has no address for it");
    Some(finding(Severity::Warning, Reason::RecordSetNotFound, set, message))
}

fn shadowing(cluster: &Cluster, zone: &Arc<Zone>) -> Option<Finding> {
    let reverse = computed_around(cluster, zone.name.domain())?;
    let message = format!("it is, or lies in, `{reverse}`, which is computed from the pools that there are now");
    Some(Finding::new(Severity::Warning, Reason::ZoneOverlap, "", message).about("zones", &zone.name))
}
