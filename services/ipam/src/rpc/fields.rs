//! The fields of objects that filters may ask for.

use std::borrow::Cow;
use std::sync::Arc;

use polder_core::filter::{Demand, Filter};
use polder_core::ipam::view::Term;
use polder_core::ipam::{Allocation, Namespace, Node, OwnerKind, Pool, PoolState, Purpose, Reservation, View};
use polder_core::net::{Label, Labels};

use crate::page::{Fields, label};

fn text(value: impl ToString) -> Vec<Cow<'static, str>> {
    vec![Cow::Owned(value.to_string())]
}

fn word(value: &str) -> Vec<Cow<'_, str>> {
    vec![Cow::Borrowed(value)]
}

/// A namespace, stored or only named by other objects.
pub(crate) struct NamespaceOf {
    pub(crate) name: Label,
    pub(crate) record: Option<Arc<Namespace>>,
    pub(crate) labels: Labels,
}

impl Fields for NamespaceOf {
    const KNOWN: &'static [&'static str] = &["name", "labels.*"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match field {
            "name" => word(self.name.as_str()),
            field => label(&self.labels, field),
        }
    }
}

/// A pool.
pub(crate) struct PoolOf(pub(crate) Arc<Pool>);

impl Fields for PoolOf {
    const KNOWN: &'static [&'static str] = &["name", "purpose", "state", "priority", "labels.*"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match field {
            "name" => word(self.0.name.as_str()),
            "purpose" => word(match self.0.purpose {
                Purpose::Node => "NODE",
                Purpose::Pod => "POD",
                Purpose::ClusterService => "CLUSTER_SERVICE",
                Purpose::ExternalService => "EXTERNAL_SERVICE",
            }),
            "state" => word(match self.0.state {
                PoolState::Enabled => "ENABLED",
                PoolState::Draining => "DRAINING",
                PoolState::Disabled => "DISABLED",
            }),
            "priority" => text(self.0.priority),
            field => label(&self.0.labels, field),
        }
    }
}

/// A reservation.
pub(crate) struct ReservationOf(pub(crate) Arc<Reservation>);

impl Fields for ReservationOf {
    const KNOWN: &'static [&'static str] = &["name", "owner", "system", "labels.*"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match field {
            "name" => word(self.0.name.as_str()),
            "owner" => word(&self.0.owner),
            "system" => text(self.0.system),
            field => label(&self.0.labels, field),
        }
    }
}

/// A node.
pub(crate) struct NodeOf(pub(crate) Arc<Node>);

impl Fields for NodeOf {
    const KNOWN: &'static [&'static str] = &["name", "zone", "draining", "unschedulable", "agent_version", "labels.*"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        match field {
            "name" => word(self.0.name.as_str()),
            "zone" => word(&self.0.zone),
            "draining" => text(self.0.draining),
            "unschedulable" => text(self.0.unschedulable),
            "agent_version" => word(&self.0.agent_version),
            field => label(&self.0.labels, field),
        }
    }
}

/// An allocation, with the view that knows the pools of its addresses.
pub(crate) struct AllocationOf<'v> {
    pub(crate) view: &'v View,
    pub(crate) record: Arc<Allocation>,
}

impl AllocationOf<'_> {
    /// What a filter demands, as groups of terms for [`View::walk`]: everything that passes satisfies one term of every group.
    /// Fields without an index are left out. A value that no allocation can have leaves its group without terms, so that nothing
    /// is found.
    pub(crate) fn terms(filter: &Filter) -> Vec<Vec<Term>> {
        let group = |demand: Demand<'_>| {
            let term = match demand.field {
                "uid" => |value: &str| value.parse().ok().map(Term::Uid),
                "handle" => |value: &str| Some(Term::Handle(value.into())),
                "address" => |value: &str| value.parse().ok().map(Term::Address),
                "namespace" => |value: &str| value.parse().ok().map(Term::Namespace),
                "node" => |value: &str| value.parse().ok().map(Term::Node),
                "pool" => |value: &str| value.parse().ok().map(Term::Pool),
                _ => return None,
            };
            Some(demand.values.into_iter().filter_map(term).collect())
        };
        filter.demands().into_iter().filter_map(group).collect()
    }
}

impl Fields for AllocationOf<'_> {
    const KNOWN: &'static [&'static str] =
        &["handle", "uid", "kind", "namespace", "name", "node", "address", "pool", "ready", "labels.*"];

    fn values<'a>(&'a self, field: &str) -> Vec<Cow<'a, str>> {
        let owner = &self.record.owner;
        let addresses = self.record.holdings.iter().map(|holding| holding.address);
        match field {
            "handle" => word(&self.record.handle),
            "uid" => text(self.record.meta.uid),
            "kind" => word(match owner.kind {
                OwnerKind::Pod => "POD",
                OwnerKind::Node => "NODE",
                OwnerKind::Other => "OTHER",
            }),
            "namespace" => owner.namespace.iter().map(|name| Cow::Borrowed(name.as_str())).collect(),
            "name" => word(owner.name.as_str()),
            "node" => owner.node.iter().map(|name| Cow::Borrowed(name.as_str())).collect(),
            "address" => addresses.map(|address| Cow::Owned(address.to_string())).collect(),
            "pool" => {
                addresses.filter_map(|address| self.view.pool_of(address)).map(|pool| Cow::Owned(pool.name.to_string())).collect()
            }
            "ready" => text(self.record.ready),
            field => label(&self.record.labels, field),
        }
    }
}

#[cfg(test)]
mod tests;
