//! What a request does to a service: create, update, delete. Pure: a state and a request give a decision or a refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::{Addressed, State, address, same_wish};
use super::ask::{Ask, Side};
use super::immutable;
use super::record::{Change, Service, ServiceKey, ServiceSpec};
use super::rest;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::Labels;
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};
use crate::time::Timestamp;

/// The domains that a decision about services rests on: the services themselves, and pools, reservations and quotas.
pub const READS: [Domain; 2] = [Domain::LbServices, Domain::IpamPools];

/// What a caller may say about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Namespace and name.
    pub key: ServiceKey,
    /// Labels.
    pub labels: Labels,
    /// Free text for other programs.
    pub annotations: BTreeMap<String, String>,
    /// What is asked for.
    pub spec: ServiceSpec,
}

/// What becomes of a wish for a certain address, reservation or pool that cannot be met now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wishes {
    /// It is refused, and nothing changes.
    MetOrRefused,
    /// It waits: the service is stored with a condition, and keeps the addresses it had.
    MayWait,
}

/// What was decided about one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The service as it was; `None` when it is new.
    pub before: Option<Arc<Service>>,
    /// The service as it will be; `None` when it goes.
    pub after: Option<Arc<Service>>,
    /// What becomes of the records of addresses that are free, because it gives some up or gets some.
    rests: Vec<Change>,
}

impl Decision {
    /// That the service of this state becomes another.
    pub(super) fn new(cluster: &Cluster, before: Option<Arc<Service>>, after: Option<Arc<Service>>, now: Timestamp) -> Self {
        let rests = rest::changes(cluster, before.as_deref(), after.as_deref(), now);
        Self { before, after, rests }
    }

    /// The changes to commit, of which the service's comes first; none when everything is as it should be.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let service = self.after.as_ref().or(self.before.as_ref()).filter(|_| self.before != self.after);
        let service = service.map(|service| Change::Service(service.key.clone(), self.after.clone()));
        service.into_iter().chain(self.rests.iter().cloned())
    }
}

/// A new service together with its addresses.
///
/// # Errors
/// [`Reason::AlreadyExists`], [`Reason::QuotaExceeded`], and why a wish cannot be met.
pub fn create(cluster: &Cluster, draft: Draft, wishes: Wishes, ctx: PlanContext) -> Result<Decision, Refusal> {
    let key = &draft.key;
    if cluster.lb.service(key).is_some() {
        let message = format!("service `{key}` exists. Update it, or choose another name.");
        return Err(Refusal::new(Reason::AlreadyExists, message).with("service", key).about("service", key));
    }
    let limit = cluster.ipam.namespace(&key.namespace).and_then(|record| record.quotas.services);
    let count = cluster.lb.count_in(&key.namespace);
    if let Some(limit) = limit.filter(|limit| count >= *limit) {
        let message = format!("namespace `{}` has {count} of the {limit} services that its quota allows", key.namespace);
        let refusal = Refusal::new(Reason::QuotaExceeded, message).about("namespace", &key.namespace);
        return Err(refusal.with("namespace", &key.namespace).with("held", count).with("limit", limit));
    }
    let wish = Service {
        key: draft.key,
        meta: Meta::new(ctx.now, ctx.entropy, 0),
        labels: draft.labels,
        annotations: draft.annotations,
        spec: draft.spec,
        cluster: Vec::new(),
        external: Vec::new(),
        conditions: Vec::new(),
    };
    let service = decide(cluster, wish, None, wishes, ctx)?;
    Ok(Decision::new(cluster, None, Some(Arc::new(service)), ctx.now))
}

/// The service under a new specification. It keeps its addresses wherever that allows it.
///
/// # Errors
/// [`Reason::ServiceNotFound`], [`Reason::FieldImmutable`], and why a wish cannot be met.
pub fn update(cluster: &Cluster, draft: Draft, wishes: Wishes, ctx: PlanContext) -> Result<Decision, Refusal> {
    let before = find(cluster, &draft.key)?;
    immutable::check(before, &draft.spec)?;
    let wish = Service {
        key: draft.key,
        meta: before.meta,
        labels: draft.labels,
        annotations: draft.annotations,
        spec: draft.spec,
        cluster: before.cluster.clone(),
        external: before.external.clone(),
        conditions: before.conditions.clone(),
    };
    let service = decide(cluster, wish, Some(before), wishes, ctx)?;
    Ok(revised(cluster, before, service, ctx))
}

/// The end of a service; its addresses are free.
///
/// # Errors
/// [`Reason::ServiceNotFound`], [`Reason::EtagMismatch`].
pub fn delete(cluster: &Cluster, key: &ServiceKey, etag: &str, ctx: PlanContext) -> Result<Decision, Refusal> {
    let before = find(cluster, key)?;
    before.meta.check_etag("service", &key.to_string(), etag)?;
    Ok(Decision::new(cluster, Some(Arc::clone(before)), None, ctx.now))
}

/// The service with this key.
///
/// # Errors
/// [`Reason::ServiceNotFound`].
pub fn find<'a>(cluster: &'a Cluster, key: &ServiceKey) -> Result<&'a Arc<Service>, Refusal> {
    cluster.lb.service(key).ok_or_else(|| Refusal::missing(Reason::ServiceNotFound, "service", key))
}

/// The stored service in its new form, with a new version if anything is new.
pub(super) fn revised(cluster: &Cluster, before: &Arc<Service>, after: Service, ctx: PlanContext) -> Decision {
    let after = match after == **before {
        true => Arc::clone(before),
        false => Arc::new(Service { meta: before.meta.changed(ctx.now), ..after }),
    };
    Decision::new(cluster, Some(Arc::clone(before)), Some(after), ctx.now)
}

/// The service with its addresses, unless a wish is refused.
fn decide(
    cluster: &Cluster,
    wish: Service,
    before: Option<&Arc<Service>>,
    wishes: Wishes,
    ctx: PlanContext,
) -> Result<Service, Refusal> {
    let Addressed { service, failures, .. } = address(State::at(cluster, ctx.now), wish, before.map(AsRef::as_ref))?;
    let refused = |side: Side, refusal: &Refusal| {
        let ask = Ask { cluster, now: ctx.now, service: &service, side, settled: false, exhausted: None };
        wishes == Wishes::MetOrRefused
            && (ask.is_explicit() || refusal.reason == Reason::QuotaExceeded)
            && !before.is_some_and(|before| waits_already(side, before, ask.spec()))
    };
    match failures.into_iter().find(|(side, refusal)| refused(*side, refusal)) {
        Some((_, refusal)) => Err(refusal),
        None => Ok(service),
    }
}

/// Whether the stored service waits for this very wish: other things about it may change meanwhile.
fn waits_already(side: Side, before: &Service, after: &ServiceSpec) -> bool {
    let old = &before.spec;
    let families = (old.family_policy, &old.families) == (after.family_policy, &after.families);
    before.condition(side.condition()).is_some() && families && same_wish(side, old, after)
}
