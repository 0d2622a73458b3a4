//! Which pools a service may take addresses from, in which order, and why not from the others.

use std::cmp::Reverse;
use std::sync::Arc;

use super::ask::Ask;
use super::record::Service;
use crate::cluster::Cluster;
use crate::ipam::{Pool, PoolState};
use crate::reason::{Reason, Refusal};

/// Whether the pool's selectors, where it has any, all select the service.
///
/// # Errors
/// [`Reason::NamespaceNotAllowed`] and [`Reason::NoEligiblePool`].
pub(super) fn check_selected(cluster: &Cluster, pool: &Pool, service: &Service) -> Result<(), Refusal> {
    let namespace = &service.key.namespace;
    let selectors = &pool.selectors;
    if !selectors.serves(Some(namespace), Some(&cluster.ipam.namespace_labels(namespace))) {
        let message = format!("pool `{}` is not for services of namespace `{namespace}`", pool.name);
        return Err(Refusal::new(Reason::NamespaceNotAllowed, message).with("pool", &pool.name).with("namespace", namespace));
    }
    if !selectors.objects.matches(&service.labels) {
        let wanted = selectors.objects.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let message =
            format!("pool `{}` is only for services with labels {wanted}, and `{}` has not got them", pool.name, service.key);
        return Err(Refusal::new(Reason::NoEligiblePool, message).with("pool", &pool.name).with("selector", wanted));
    }
    Ok(())
}

/// Whether the pool gives new addresses.
///
/// # Errors
/// [`Reason::PoolDraining`] and [`Reason::PoolDisabled`].
pub(super) fn check_open(pool: &Pool) -> Result<(), Refusal> {
    let (reason, state) = match pool.state {
        PoolState::Enabled => return Ok(()),
        PoolState::Draining => (Reason::PoolDraining, "is draining"),
        PoolState::Disabled => (Reason::PoolDisabled, "is disabled"),
    };
    let message = format!("pool `{}` {state} and gives no new addresses", pool.name);
    Err(Refusal::new(reason, message).with("pool", &pool.name).about("pool", &pool.name))
}

/// Whether the pool may serve a service that does not name it.
fn check_unnamed(ask: &Ask<'_>, pool: &Pool) -> Result<(), Refusal> {
    check_open(pool)?;
    if !pool.auto_assign {
        let message = format!("pool `{}` serves only services that name it", pool.name);
        return Err(Refusal::new(Reason::NoEligiblePool, message).with("pool", &pool.name));
    }
    check_selected(ask.cluster, pool, ask.service)
}

/// A pool of the right purpose, and whether the service may use it without naming it.
pub(super) struct Candidate<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) eligible: Result<(), Refusal>,
}

/// Every pool of the right purpose in the order in which they are asked: pools whose selectors match, then pools without
/// selectors; the lower priority number first and 0 last; ties by name. Pools that may not be used come where they would.
pub(super) fn candidates<'a>(ask: &Ask<'a>) -> Vec<Candidate<'a>> {
    let purpose = ask.side.purpose();
    let pools = ask.cluster.ipam.pools().filter(|pool| pool.purpose == purpose);
    let mut candidates: Vec<Candidate<'a>> = pools.map(|pool| Candidate { pool, eligible: check_unnamed(ask, pool) }).collect();
    // The pools come by name and the sort is stable. Subtracting one makes 0 the greatest number.
    candidates.sort_by_key(|candidate| (Reverse(is_pinned(candidate.pool)), candidate.pool.priority.wrapping_sub(1)));
    candidates
}

/// Whether the pool says for whom it is.
fn is_pinned(pool: &Pool) -> bool {
    let selectors = &pool.selectors;
    !(selectors.namespaces.is_empty() && selectors.namespace_labels.is_empty() && selectors.objects.is_empty())
}
