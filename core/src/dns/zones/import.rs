//! A zone as a zone file has it: what has to change so that the zone says what the file says, and nothing else.
//!
//! The whole result is judged before anything changes. When it takes more records than one transaction, it can be made in parts: the
//! zone first, then what goes, then what comes or changes. The rules hold between each two sets, so that they hold in between too.

use std::sync::Arc;

use super::super::master::ZoneFile;
use super::super::name::DomainName;
use super::super::settings::Settings;
use super::name::ZoneName;
use super::plan::{Decision, Move, SetDraft, ZoneDraft, changed_set, changed_zone, new_set, new_zone};
use super::record::{RecordSet, Zone, ZoneSpec};
use super::rules;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::Labels;
use crate::reason::{Refusal, Violations};
use crate::schema::PlanContext;

/// The most records that one part changes, and with the zone it is still one transaction.
pub const MOST_RECORDS: usize = 100;
/// The most bytes of records that one part changes: each is written once, and told by the journal as it was and as it is.
const MOST_BYTES: usize = 256 << 10;
/// What a record takes beside its data: key, identity, times.
const OVERHEAD: usize = 600;
/// The most faults that a refusal names.
const MOST_NAMED: usize = 20;

/// What an import comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its first part, which is all of it where there is one part.
    pub decision: Decision,
    /// How many parts there are, at least one.
    pub parts: usize,
    /// How many record sets come.
    pub created: usize,
    /// How many change.
    pub updated: usize,
    /// How many go.
    pub deleted: usize,
    /// How many are as the file says.
    pub unchanged: usize,
}

/// Decides what makes the zone that of the file. `domain` is the cluster's own. Faults are told of the field `field`.
///
/// # Errors
/// Those of [`create_zone`](super::plan::create_zone) for a zone that is not there, and every set that cannot stand beside the others.
pub fn import(
    cluster: &Cluster,
    domain: &DomainName,
    (name, file): (&ZoneName, &ZoneFile),
    field: &str,
    context: PlanContext,
) -> Result<Import, Refusal> {
    let zone = zone_of(cluster, domain, (name, file), context)?;
    let ttl = zone.record().map_or_else(|| ZoneSpec::default().ttl, |zone| zone.spec.ttl);
    let all = sets(cluster, (name, file), ttl, context);
    judge(cluster, &zone, &all, field)?;
    let count = |is: fn(&Move<RecordSet>) -> bool| all.iter().filter(|set| is(set)).count();
    let (created, deleted) = (count(|set| set.before.is_none()), count(|set| set.after.is_none()));
    let moving: Vec<Move<RecordSet>> = all.iter().filter(|set| set.moves()).cloned().collect();
    let (first, parts) = cut(&moving);
    Ok(Import {
        parts,
        created,
        deleted,
        updated: moving.len() - created - deleted,
        unchanged: all.len() - moving.len(),
        decision: Decision { zone: Some(zone), sets: moving.into_iter().take(first).collect() },
    })
}

/// The zone as the file has it. What the file says as it follows anyway is not said.
fn zone_of(
    cluster: &Cluster,
    domain: &DomainName,
    (name, file): (&ZoneName, &ZoneFile),
    context: PlanContext,
) -> Result<Move<Zone>, Refusal> {
    let before = cluster.dns.zone(name.as_str());
    let mut spec = before.map_or_else(ZoneSpec::default, |zone| zone.spec.clone());
    if before.is_none() {
        spec.ttl = file.ttl.unwrap_or(spec.ttl);
    }
    let usual = Settings::server_name_in(domain);
    if let Some(start) = &file.start {
        spec.primary = Some(start.primary.clone()).filter(|primary| *primary != usual);
        spec.mailbox = Some(start.mailbox.clone()).filter(|mailbox| Some(mailbox) != name.domain().child("hostmaster").as_ref());
        (spec.refresh, spec.retry, spec.expire) = (start.refresh, start.retry, start.expire);
        spec.negative_ttl = start.negative_ttl;
    }
    if !file.name_servers.is_empty() {
        let primary = spec.primary.as_ref().unwrap_or(&usual);
        let follows = file.name_servers.as_slice() == std::slice::from_ref(primary);
        spec.name_servers = if follows { Vec::new() } else { file.name_servers.clone() };
    }
    let labels = before.map_or_else(Labels::default, |zone| zone.labels.clone());
    let draft = ZoneDraft { name: name.clone(), labels, spec };
    match before {
        Some(before) => Ok(changed_zone(before, draft, context)),
        None => new_zone(cluster, domain, draft, Meta::new(context.now, context.entropy, 0)),
    }
}

/// What becomes of every set: those that go first, the others in their order.
fn sets(cluster: &Cluster, (name, file): (&ZoneName, &ZoneFile), usual: u32, context: PlanContext) -> Vec<Move<RecordSet>> {
    let gone = cluster.dns.sets(name).filter(|set| !file.sets.contains_key(&*set.key));
    let gone = gone.map(|set| Move { before: Some(Arc::clone(set)), after: None });
    let kept = file.sets.iter().zip(1..).map(|((key, said), nth)| {
        let before = cluster.dns.set(key);
        let ttl = said.ttl.filter(|seconds| *seconds != usual);
        let labels = before.map_or_else(Labels::default, |set| set.labels.clone());
        let draft = SetDraft { key: Arc::new(key.clone()), labels, ttl, data: said.data.as_slice().into() };
        match before {
            Some(before) => changed_set(before, draft, context),
            None => new_set(draft, Meta::new(context.now, context.entropy, nth)),
        }
    });
    gone.chain(kept).collect()
}

/// Whether everything that will be there can stand beside the rest.
fn judge(cluster: &Cluster, zone: &Move<Zone>, sets: &[Move<RecordSet>], field: &str) -> Result<(), Refusal> {
    let mut after = cluster.clone();
    let whole = Decision { zone: Some(zone.clone()), sets: sets.to_vec() };
    whole.changes().into_iter().for_each(|change| after.dns.apply(&change));
    let mut bad = Violations::new();
    for set in sets.iter().filter_map(|set| set.after.as_ref()) {
        if let Err(refusal) = rules::beside_others(&after.dns, &set.key) {
            bad.add(field, refusal.reason, refusal.message.clone());
        }
        if bad.count() >= MOST_NAMED {
            break;
        }
    }
    bad.finish(Some(()))
}

/// How many of the sets are in the first part, and how many parts there are.
fn cut(moving: &[Move<RecordSet>]) -> (usize, usize) {
    let size = |set: &Option<Arc<RecordSet>>| {
        set.as_ref().map_or(0, |set| OVERHEAD + set.data.iter().map(|data| data.to_wire().len()).sum::<usize>())
    };
    let (mut first, mut parts) = (moving.len(), 1);
    let (mut records, mut bytes) = (0, 0);
    for (at, set) in moving.iter().enumerate() {
        let more = size(&set.before) + 2 * size(&set.after);
        if records > 0 && (records == MOST_RECORDS || bytes + more > MOST_BYTES) {
            first = first.min(at);
            parts += 1;
            (records, bytes) = (0, 0);
        }
        (records, bytes) = (records + 1, bytes + more);
    }
    (first, parts)
}
