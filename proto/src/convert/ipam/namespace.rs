//! Namespaces.

use polder_core::cluster::Cluster;
use polder_core::ipam::namespace::{Draft, Update};
use polder_core::ipam::{Namespace, Quotas};
use polder_core::net::Label;
use polder_core::reason::{Refusal, Violations};

use super::Mutation;
use super::values::fields;
use crate::convert::common::{labels, parsed, show_labels, show_time};
use crate::ipam::v1 as pb;

/// Reads a request for a new namespace.
///
/// # Errors
/// The refusal that names every bad field.
pub fn create(request: &pb::CreateNamespaceRequest) -> Result<Mutation<Draft>, Refusal> {
    let mut bad = Violations::new();
    let draft = draft(&request.namespace.clone().unwrap_or_default(), &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, draft, bad)
}

/// Reads a request for a changed namespace.
///
/// # Errors
/// The refusal that names every bad field.
pub fn update(request: &pb::UpdateNamespaceRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let namespace = request.namespace.clone().unwrap_or_default();
    let fields = fields(request.update_mask.as_ref(), &["labels", "quotas"], &mut bad);
    let draft = draft(&namespace, &mut bad);
    let (etag, allow_missing) = (namespace.etag, request.allow_missing);
    let wish = draft.map(|draft| Update { draft, fields, etag, allow_missing });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request to delete a namespace: its name and etag.
///
/// # Errors
/// The refusal that names every bad field.
pub fn delete(request: &pb::DeleteNamespaceRequest) -> Result<Mutation<(Label, String)>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, name.map(|name| (name, request.etag.clone())), bad)
}

fn draft(namespace: &pb::Namespace, bad: &mut Violations) -> Option<Draft> {
    let labels = labels(namespace.labels.clone(), "namespace.labels", bad);
    let quotas = namespace.quotas.unwrap_or_default();
    let quotas =
        Quotas { pod_addresses: quotas.pod_addresses, external_addresses: quotas.external_addresses, services: quotas.services };
    Some(Draft { name: parsed(&namespace.name, "namespace.name", bad)?, labels, quotas })
}

/// A namespace with how much is in it; one that has no record is shown by its name and labels.
#[must_use]
pub fn show(cluster: &Cluster, name: &Label, record: Option<&Namespace>) -> pb::Namespace {
    let quotas = record.map(|record| pb::NamespaceQuotas {
        pod_addresses: record.quotas.pod_addresses,
        external_addresses: record.quotas.external_addresses,
        services: record.quotas.services,
    });
    pb::Namespace {
        name: name.to_string(),
        uid: record.map(|record| record.meta.uid.to_string()).unwrap_or_default(),
        etag: record.map(|record| record.meta.etag()).unwrap_or_default(),
        labels: show_labels(&cluster.ipam.namespace_labels(name)),
        create_time: record.map(|record| show_time(record.meta.created)),
        update_time: record.map(|record| show_time(record.meta.updated)),
        quotas,
        usage: Some(pb::NamespaceUsage {
            pod_addresses: cluster.ipam.pod_addresses(name),
            external_addresses: cluster.lb.external_count_in(name),
            services: cluster.lb.count_in(name),
        }),
    }
}
