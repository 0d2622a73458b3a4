//! What a request does to zones and record sets. Pure: a state and a request give a decision or a refusal.
//!
//! Pools belong to others: what becomes of them afterwards is not refused there. A pool that makes a reverse zone ours in the place of
//! one that is stored is told by the [audit](super::audit()).

use std::sync::Arc;

use super::super::data::Data;
use super::super::name::DomainName;
use super::name::{RecordSetKey, ZoneName};
use super::record::{Change, RecordSet, Zone, ZoneSpec};
use super::rules;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::Labels;
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// The domains that a decision about zones rests on: their own, and the pools, from which reverse zones follow.
pub const READS: [Domain; 2] = [Domain::DnsZones, Domain::IpamPools];

/// What becomes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move<T> {
    /// The record as it was; `None` when it is new.
    pub before: Option<Arc<T>>,
    /// The record as it will be; `None` when it goes.
    pub after: Option<Arc<T>>,
}

impl<T: PartialEq> Move<T> {
    fn of(before: Option<&Arc<T>>, after: Option<T>) -> Self {
        Self { before: before.cloned(), after: after.map(Arc::new) }
    }

    fn stays(record: &Arc<T>) -> Self {
        Self { before: Some(Arc::clone(record)), after: Some(Arc::clone(record)) }
    }

    /// Whether anything changes.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.before != self.after
    }

    /// The record as it will be, else as it was.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<T>> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// About a zone.
    pub zone: Option<Move<Zone>>,
    /// About record sets.
    pub sets: Vec<Move<RecordSet>>,
}

impl Decision {
    fn of_zone(zone: Move<Zone>) -> Self {
        Self { zone: Some(zone), sets: Vec::new() }
    }

    fn of_set(set: Move<RecordSet>) -> Self {
        Self { zone: None, sets: vec![set] }
    }

    /// The changes to commit, in order; none when everything is as it should be.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let zone = self.zone.iter().filter(|zone| zone.moves());
        let zone = zone.filter_map(|zone| Some(Change::Zone(zone.record()?.name.clone(), zone.after.clone())));
        let sets = self.sets.iter().filter(|set| set.moves());
        zone.chain(sets.filter_map(|set| Some(Change::RecordSet(Arc::clone(&set.record()?.key), set.after.clone())))).collect()
    }
}

/// What a caller may say about a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneDraft {
    /// Its name.
    pub name: ZoneName,
    /// Labels.
    pub labels: Labels,
    /// What is asked for.
    pub spec: ZoneSpec,
}

/// What a caller may say about a record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDraft {
    /// The zone, the name in it, the type.
    pub key: Arc<RecordSetKey>,
    /// Labels.
    pub labels: Labels,
    /// The time to live in seconds; `None`: the zone's.
    pub ttl: Option<u32>,
    /// The data, sorted.
    pub data: Arc<[Data]>,
}

/// The zone with this name.
///
/// # Errors
/// [`Reason::ZoneNotFound`].
pub fn zone<'a>(cluster: &'a Cluster, name: &ZoneName) -> Result<&'a Arc<Zone>, Refusal> {
    cluster.dns.zone(name.as_str()).ok_or_else(|| {
        let message = format!(
            "There is no stored zone `{name}`. `polder get zones` lists what there is; the records of computed zones follow from the \
             cluster and cannot be changed."
        );
        Refusal::new(Reason::ZoneNotFound, message).with("zone", name).about("zone", name)
    })
}

/// The record set with this key.
///
/// # Errors
/// [`Reason::ZoneNotFound`], [`Reason::RecordSetNotFound`].
pub fn set<'a>(cluster: &'a Cluster, key: &RecordSetKey) -> Result<&'a Arc<RecordSet>, Refusal> {
    zone(cluster, key.zone())?;
    cluster.dns.set(key).ok_or_else(|| {
        let message = format!("Record set `{key}` does not exist. `polder get recordsets {}` lists those of its zone.", key.zone());
        Refusal::new(Reason::RecordSetNotFound, message).with("record_set", key).about("record-set", key)
    })
}

fn exists(kind: &str, name: impl std::fmt::Display) -> Refusal {
    let message = format!("{kind} `{name}` exists. Update it, or choose another name.");
    Refusal::new(Reason::AlreadyExists, message).with(kind, &name).about(kind, name)
}

/// A new zone. `domain` is the cluster's own.
///
/// # Errors
/// [`Reason::AlreadyExists`], [`Reason::ViewNotFound`], [`Reason::ZoneOverlap`].
pub fn create_zone(cluster: &Cluster, domain: &DomainName, draft: ZoneDraft, context: PlanContext) -> Result<Decision, Refusal> {
    new_zone(cluster, domain, draft, Meta::new(context.now, context.entropy, 0)).map(Decision::of_zone)
}

pub(super) fn new_zone(cluster: &Cluster, domain: &DomainName, draft: ZoneDraft, meta: Meta) -> Result<Move<Zone>, Refusal> {
    let ZoneDraft { name, labels, spec } = draft;
    if cluster.dns.zone(name.as_str()).is_some() {
        return Err(exists("zone", name));
    }
    rules::in_view(&cluster.dns, &name)?;
    rules::beside_computed(cluster, domain, &name)?;
    rules::beside_outer(&cluster.dns, &name)?;
    Ok(Move::of(None, Some(Zone { name, meta, labels, spec })))
}

/// The zone as the draft says.
///
/// # Errors
/// [`Reason::ZoneNotFound`].
pub fn update_zone(cluster: &Cluster, draft: ZoneDraft, context: PlanContext) -> Result<Decision, Refusal> {
    let before = zone(cluster, &draft.name)?;
    Ok(Decision::of_zone(changed_zone(before, draft, context)))
}

pub(super) fn changed_zone(before: &Arc<Zone>, draft: ZoneDraft, context: PlanContext) -> Move<Zone> {
    let ZoneDraft { name, labels, spec } = draft;
    let after = Zone { name, meta: before.meta, labels, spec };
    if after == **before {
        return Move::stays(before);
    }
    Move::of(Some(before), Some(Zone { meta: before.meta.changed(context.now), ..after }))
}

/// The end of a zone, with `force` together with its record sets.
///
/// # Errors
/// [`Reason::ZoneNotFound`], [`Reason::EtagMismatch`], [`Reason::ZoneNotEmpty`].
pub fn delete_zone(cluster: &Cluster, name: &ZoneName, etag: &str, force: bool) -> Result<Decision, Refusal> {
    let before = zone(cluster, name)?;
    before.meta.check_etag("zone", name.as_str(), etag)?;
    if !force {
        rules::empty(&cluster.dns, name)?;
    }
    let sets = cluster.dns.sets(name).map(|set| Move::of(Some(set), None)).collect();
    Ok(Decision { zone: Some(Move::of(Some(before), None)), sets })
}

/// A new record set.
///
/// # Errors
/// [`Reason::ZoneNotFound`], [`Reason::AlreadyExists`], [`Reason::CnameConflict`], [`Reason::NameDelegated`].
pub fn create_set(cluster: &Cluster, draft: SetDraft, context: PlanContext) -> Result<Decision, Refusal> {
    zone(cluster, draft.key.zone())?;
    if cluster.dns.set(&draft.key).is_some() {
        return Err(exists("record set", &draft.key));
    }
    rules::beside_others(&cluster.dns, &draft.key)?;
    rules::hides_nothing(&cluster.dns, &draft.key)?;
    Ok(Decision::of_set(new_set(draft, Meta::new(context.now, context.entropy, 0))))
}

pub(super) fn new_set(draft: SetDraft, meta: Meta) -> Move<RecordSet> {
    let SetDraft { key, labels, ttl, data } = draft;
    Move::of(None, Some(RecordSet { key, meta, labels, ttl, data }))
}

/// The record set as the draft says.
///
/// # Errors
/// [`Reason::ZoneNotFound`], [`Reason::RecordSetNotFound`].
pub fn update_set(cluster: &Cluster, draft: SetDraft, context: PlanContext) -> Result<Decision, Refusal> {
    let before = set(cluster, &draft.key)?;
    Ok(Decision::of_set(changed_set(before, draft, context)))
}

pub(super) fn changed_set(before: &Arc<RecordSet>, draft: SetDraft, context: PlanContext) -> Move<RecordSet> {
    let SetDraft { key, labels, ttl, data } = draft;
    let after = RecordSet { key, meta: before.meta, labels, ttl, data };
    if after == **before {
        return Move::stays(before);
    }
    Move::of(Some(before), Some(RecordSet { meta: before.meta.changed(context.now), ..after }))
}

/// The end of a record set.
///
/// # Errors
/// [`Reason::ZoneNotFound`], [`Reason::RecordSetNotFound`], [`Reason::EtagMismatch`].
pub fn delete_set(cluster: &Cluster, key: &RecordSetKey, etag: &str) -> Result<Decision, Refusal> {
    let before = set(cluster, key)?;
    before.meta.check_etag("record set", &key.to_string(), etag)?;
    Ok(Decision::of_set(Move::of(Some(before), None)))
}
