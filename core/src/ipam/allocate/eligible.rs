//! Which pools may serve an owner, in which order, and which addresses of a pool may be given at all.

use std::net::IpAddr;
use std::sync::Arc;

use super::request::Request;
use crate::ipam::avoid::avoided;
use crate::ipam::neighbors::quarantine;
use crate::ipam::record::{Pool, PoolState, Purpose};
use crate::ipam::view::View;
use crate::net::range::number;
use crate::net::{AddrRange, Family, Labels, Name};
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// Why a pool is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ineligible {
    /// It has another purpose.
    Purpose(Purpose),
    /// It gives nothing new.
    State(PoolState),
    /// It gives only to those who name it.
    ExplicitOnly,
    /// Its node selectors do not match the owner's node.
    Node,
    /// It does not serve the owner's namespace.
    Namespace,
    /// Its owner selectors do not match the owner's labels.
    Owner,
    /// It has no address of the family.
    Family,
    /// The address that is asked for by name lies elsewhere.
    Elsewhere,
}

impl Ineligible {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::State(PoolState::Draining) => Reason::PoolDraining,
            Self::State(PoolState::Disabled) => Reason::PoolDisabled,
            Self::Family => Reason::FamilyMismatch,
            Self::Elsewhere => Reason::AddressNotInPool,
            Self::Namespace => Reason::NamespaceNotAllowed,
            Self::State(PoolState::Enabled) | Self::Purpose(_) | Self::ExplicitOnly | Self::Node | Self::Owner => {
                Reason::NoEligiblePool
            }
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Purpose(Purpose::Node) => "it is for nodes",
            Self::Purpose(Purpose::Pod) => "it is for pods",
            Self::Purpose(Purpose::ClusterService) => "it is for cluster IPs of services",
            Self::Purpose(Purpose::ExternalService) => "it is for external IPs of services",
            Self::State(PoolState::Draining) => "it is draining: it keeps what it has and gives nothing new",
            Self::State(PoolState::Disabled | PoolState::Enabled) => "it is disabled",
            Self::ExplicitOnly => "it gives only to those who name it (explicit_only)",
            Self::Node => "its node selectors do not match the node's labels",
            Self::Namespace => "it does not serve this namespace",
            Self::Owner => "its owner selectors do not match the owner's labels",
            Self::Family => "it has no addresses of this family",
            Self::Elsewhere => "the address asked for does not lie in it",
        }
    }
}

/// A pool, and why it is not asked.
pub(super) type Judged<'a> = (&'a Arc<Pool>, Option<Ineligible>);

/// Every pool that the request could be served from, in the order of asking, each with why it is not asked.
///
/// Pools named in the request are asked in the order of the request, whatever their selectors say. Else those that select the
/// owner: the lower priority number first, 0 last, ties by name.
///
/// # Errors
/// [`Reason::PoolNotFound`] for a named pool that does not exist.
pub(super) fn pools<'a>(view: &'a View, request: &Request) -> Result<Vec<Judged<'a>>, Refusal> {
    if !request.pools.is_empty() {
        let named = request.pools.iter().map(|name| {
            let pool = view.pool(name).ok_or_else(|| Refusal::missing(Reason::PoolNotFound, "pool", name))?;
            Ok((pool, unfit(pool, request)))
        });
        return named.collect();
    }
    let facts = Facts::of(view, request);
    let mut pools: Vec<_> = view.pools().map(|pool| (pool, unfit(pool, request).or_else(|| facts.unselected(pool)))).collect();
    pools.sort_by_key(|(pool, _)| (pool.priority == 0, pool.priority));
    Ok(pools)
}

/// Why a pool cannot serve the request even when it is named.
pub(super) fn unfit(pool: &Pool, request: &Request) -> Option<Ineligible> {
    if pool.purpose != request.purpose() {
        return Some(Ineligible::Purpose(pool.purpose));
    }
    (pool.state != PoolState::Enabled).then_some(Ineligible::State(pool.state))
}

/// What pools' selectors look at.
struct Facts<'a> {
    request: &'a Request,
    node: Labels,
    namespace: Option<Labels>,
}

impl<'a> Facts<'a> {
    fn of(view: &View, request: &'a Request) -> Self {
        let node = request.owner.node.as_ref().and_then(|name| view.node(name)).map(|node| node.labels.clone());
        let asks = view.pools().any(|pool| !pool.selectors.namespace_labels.is_empty());
        let namespace = request.owner.namespace.as_ref().filter(|_| asks).map(|name| view.namespace_labels(name));
        Self { request, node: request.node_labels.clone().or(node).unwrap_or_default(), namespace }
    }

    fn unselected(&self, pool: &Pool) -> Option<Ineligible> {
        let selectors = &pool.selectors;
        if !pool.auto_assign {
            return Some(Ineligible::ExplicitOnly);
        }
        if !selectors.nodes.matches(&self.node) {
            return Some(Ineligible::Node);
        }
        if !selectors.serves(self.request.owner.namespace.as_ref(), self.namespace.as_ref()) {
            return Some(Ineligible::Namespace);
        }
        (!selectors.objects.matches(&self.request.labels)).then_some(Ineligible::Owner)
    }
}

/// What keeps an address of a pool from being chosen. Addresses asked for by name are not subject to it.
#[derive(Clone, Copy)]
pub(super) struct Barriers<'a> {
    pub(super) view: &'a View,
    pub(super) pool: &'a Pool,
    pub(super) now: Timestamp,
    /// Chosen already for the same request.
    pub(super) taken: &'a [IpAddr],
}

impl Barriers<'_> {
    /// `None` when the address may be given; else the next address worth a look, if there is one.
    pub(super) fn past(&self, address: IpAddr, range: AddrRange) -> Option<Option<IpAddr>> {
        if let Some(until) = self.reserved_until(address) {
            return Some(next(until));
        }
        let kept = avoided(self.pool, address, range).is_some() || self.taken.contains(&address);
        (kept || quarantine(self.view, self.pool, address, self.now).is_some()).then(|| next(address))
    }

    fn reserved_until(&self, address: IpAddr) -> Option<IpAddr> {
        let reservation = self.view.reservation_of(address)?;
        let running = reservation.expires.is_none_or(|expires| expires > self.now);
        let here = reservation.ranges.iter().find(|range| range.contains(address))?;
        running.then(|| here.end())
    }
}

/// The address after this one.
pub(super) fn next(address: IpAddr) -> Option<IpAddr> {
    let family = Family::of(address);
    let after = number(address).checked_add(1)?;
    (family == Family::V6 || after <= u128::from(u32::MAX)).then(|| family.address(after))
}

/// The families of which the pools have addresses.
pub(super) fn families<'a>(pools: impl Iterator<Item = &'a Arc<Pool>> + Clone) -> Vec<Family> {
    let has = |family| pools.clone().any(|pool| pool.ranges.iter().any(|range| range.family() == family));
    [Family::V4, Family::V6].into_iter().filter(|family| has(*family)).collect()
}

/// The names, joined for a sentence.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(Name::as_str).collect::<Vec<_>>().join(", ")
}
