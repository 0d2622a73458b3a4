//! A service with its addresses as they should be now: the one function behind create, update, reassignment and explanation.

use super::ask::{Ask, Exhausted, Side};
use super::assign::{Assigned, assign};
use super::choose::Trial;
use super::conflict::conflict;
use super::families::Wanted;
use super::record::{Condition, ConditionKind, Service, ServiceSpec, ServiceType};
use crate::cluster::Cluster;
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// The class that names Polder; so does an empty one.
pub const CLASS: &str = "polder.dev/lb";

/// Whether the service leaves its outside to somebody else.
#[must_use]
pub fn is_foreign(spec: &ServiceSpec) -> bool {
    let class = spec.external.class.as_str();
    spec.service_type == ServiceType::LoadBalancer && !class.is_empty() && class != CLASS
}

/// What a decision rests on.
#[derive(Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) now: Timestamp,
    /// What other services of the same run have found out.
    pub(super) exhausted: Option<&'a Exhausted>,
}

impl<'a> State<'a> {
    pub(super) const fn at(cluster: &'a Cluster, now: Timestamp) -> Self {
        Self { cluster, now, exhausted: None }
    }
}

/// A service with its addresses decided.
pub(super) struct Addressed {
    pub(super) service: Service,
    /// What a side has not got, and why.
    pub(super) failures: Vec<(Side, Refusal)>,
    /// Every pool that was asked.
    pub(super) trials: Vec<(Side, Trial)>,
}

/// Decides both sides of `wish`, which holds what the service holds now; `before` is the service as it is stored.
///
/// # Errors
/// [`Reason::FamilyMismatch`] when the wishes contradict each other.
pub(super) fn address(state: State<'_>, wish: Service, before: Option<&Service>) -> Result<Addressed, Refusal> {
    let State { cluster, now, exhausted } = state;
    let mut addressed = Addressed { service: wish, failures: Vec::new(), trials: Vec::new() };
    let old_conditions = std::mem::take(&mut addressed.service.conditions);
    let mut unhappy = Vec::new();
    for side in [Side::Cluster, Side::External] {
        let service = &addressed.service;
        if !side.belongs_to(service.spec.service_type) {
            put(&mut addressed.service, side, Vec::new());
            continue;
        }
        if side == Side::External && is_foreign(&service.spec) {
            unhappy.push((ConditionKind::ExternalAddresses, foreign(service)));
            put(&mut addressed.service, side, Vec::new());
            continue;
        }
        let wanted = Wanted::of(cluster, service);
        wanted.check_wishes(&service.spec)?;
        let settled = before.is_some_and(|before| is_settled(side, before, &service.spec));
        let Assigned { vips, failure, trials } = assign(&Ask { cluster, now, service, side, settled, exhausted }, &wanted);
        if let Some(refusal) = failure {
            unhappy.push((side.condition(), refusal.clone()));
            addressed.failures.push((side, refusal));
        }
        addressed.trials.extend(trials.into_iter().map(|trial| (side, trial)));
        put(&mut addressed.service, side, vips);
    }
    if addressed.service.spec.node_ports {
        let message = "ports on the nodes are not offered; use type LoadBalancer to be reached from outside";
        unhappy.push((ConditionKind::NodePorts, Refusal::new(Reason::TypeNotOffered, message)));
    }
    let disputed = conflict(cluster, &addressed.service, now).map(|refusal| (ConditionKind::AddressConflict, refusal));
    unhappy.extend(disputed);
    let conditions = unhappy.into_iter().map(|(kind, refusal)| condition(kind, &refusal, &old_conditions, now));
    addressed.service.conditions = conditions.collect();
    Ok(addressed)
}

fn put(service: &mut Service, side: Side, vips: Vec<super::Vip>) {
    match side {
        Side::Cluster => service.cluster = vips,
        Side::External => service.external = vips,
    }
}

/// Whether the stored service has what it wishes for on this side, and the wish stays the same.
fn is_settled(side: Side, before: &Service, after: &ServiceSpec) -> bool {
    same_wish(side, &before.spec, after) && !side.held(before).is_empty() && before.condition(side.condition()).is_none()
}

/// Whether two specifications name the same addresses, pools and reservation on this side.
pub(super) fn same_wish(side: Side, one: &ServiceSpec, two: &ServiceSpec) -> bool {
    let (this, that) = (&one.external, &two.external);
    match side {
        Side::Cluster => one.cluster_ips == two.cluster_ips,
        Side::External => (&this.addresses, &this.pools, &this.reservation) == (&that.addresses, &that.pools, &that.reservation),
    }
}

fn foreign(service: &Service) -> Refusal {
    let class = &service.spec.external.class;
    let message = format!("class `{class}` asks for another load balancer; Polder leaves the outside of this service to it");
    Refusal::new(Reason::LoadBalancerClassForeign, message)
}

/// The condition that says so, and since when: a service that goes on lacking the same thing for the same reason keeps its time.
fn condition(kind: ConditionKind, refusal: &Refusal, old: &[Condition], now: Timestamp) -> Condition {
    let same = old.iter().find(|old| old.kind == kind && old.reason == refusal.reason);
    let since = same.map_or(now, |old| old.since);
    Condition { kind, reason: refusal.reason, message: refusal.message.clone(), since }
}
