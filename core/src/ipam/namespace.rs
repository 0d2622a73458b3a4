//! Decisions about namespaces. A namespace that other objects name exists without a record; a record adds labels and quotas.

use std::sync::Arc;

use super::decision::{Decision, Fields};
use super::record::{Change, Namespace, Quotas};
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::{Label, Labels};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// What a caller says about a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: Label,
    /// Labels.
    pub labels: Labels,
    /// Limits.
    pub quotas: Quotas,
}

/// Makes a namespace's record.
///
/// # Errors
/// `ALREADY_EXISTS`.
pub fn create(cluster: &Cluster, draft: &Draft, context: PlanContext) -> Result<Decision<Arc<Namespace>>, Refusal> {
    if cluster.ipam.namespace(&draft.name).is_some() {
        let message = format!("Namespace `{}` exists already. Update it, or choose another name.", draft.name);
        let refusal = Refusal::new(Reason::AlreadyExists, message).with("namespace", &draft.name);
        return Err(refusal.about("namespace", &draft.name));
    }
    Ok(put(made(draft, context)))
}

fn made(draft: &Draft, context: PlanContext) -> Namespace {
    let Draft { name, labels, quotas } = draft.clone();
    Namespace { name, meta: Meta::new(context.now, context.entropy, 0), labels, quotas }
}

fn put(namespace: Namespace) -> Decision<Arc<Namespace>> {
    let namespace = Arc::new(namespace);
    let changes = vec![Change::Namespace(namespace.name.clone(), Some(Arc::clone(&namespace)))];
    Decision { changes, reads: &[], answer: namespace }
}

/// A change of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The new values; the name says which namespace.
    pub draft: Draft,
    /// The fields to replace: `labels`, `quotas`.
    pub fields: Fields,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// Make the namespace when there is none.
    pub allow_missing: bool,
}

/// Changes a namespace. One that only other objects name gets its record.
///
/// # Errors
/// `NAMESPACE_NOT_FOUND`, `ETAG_MISMATCH`.
pub fn update(cluster: &Cluster, request: &Update, context: PlanContext) -> Result<Decision<Arc<Namespace>>, Refusal> {
    let Draft { name, labels, quotas } = &request.draft;
    let Some(old) = cluster.ipam.namespace(name) else {
        if request.etag.is_empty() && (request.allow_missing || in_use(cluster, name)) {
            return Ok(put(made(&request.draft, context)));
        }
        return Err(Refusal::missing(Reason::NamespaceNotFound, "namespace", name));
    };
    old.meta.check_etag("namespace", name.as_str(), &request.etag)?;
    let mut changed = Namespace::clone(old);
    changed.labels = request.fields.pick("labels", labels, &old.labels);
    changed.quotas = request.fields.pick("quotas", quotas, &old.quotas);
    if changed == **old {
        return Ok(Decision { changes: Vec::new(), reads: &[Domain::IpamPools], answer: Arc::clone(old) });
    }
    changed.meta = old.meta.changed(context.now);
    Ok(put(changed))
}

/// Whether pods or services are in the namespace.
#[must_use]
pub fn in_use(cluster: &Cluster, name: &Label) -> bool {
    cluster.ipam.allocations_in(name).next().is_some() || cluster.lb.services_in(name).next().is_some()
}

/// Deletes an empty namespace.
///
/// # Errors
/// `NAMESPACE_NOT_FOUND`, `ETAG_MISMATCH`, `NAMESPACE_IN_USE` with how much is in it.
pub fn delete(cluster: &Cluster, name: &Label, etag: &str) -> Result<Decision<()>, Refusal> {
    let pods = cluster.ipam.allocations_in(name).count();
    let services = cluster.lb.services_in(name).count();
    if pods + services > 0 {
        let message =
            format!("Namespace `{name}` is not empty: {pods} allocations and {services} services are in it. Delete those first.");
        let refusal = Refusal::new(Reason::NamespaceInUse, message).with("namespace", name).with("allocations", pods);
        return Err(refusal.with("services", services).about("namespace", name));
    }
    let old = cluster.ipam.namespace(name).ok_or_else(|| Refusal::missing(Reason::NamespaceNotFound, "namespace", name))?;
    old.meta.check_etag("namespace", name.as_str(), etag)?;
    let reads = &[Domain::IpamPools, Domain::IpamAllocations, Domain::LbServices];
    Ok(Decision { changes: vec![Change::Namespace(name.clone(), None)], reads, answer: () })
}
