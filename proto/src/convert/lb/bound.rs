//! What goes with a type or a policy of a service and goes away with it, when an update of single fields changes that alone.
//!
//! As in Kubernetes: who patches the type of a LoadBalancer service to ClusterIP need not know everything that only the old type
//! could have. What the update speaks of itself is never dropped, so a contradiction in the request is still refused, and an
//! update without a mask says everything.

use polder_core::lb::Service;
use polder_core::net::{Family, parse_addr};

use crate::lb::v1 as pb;

/// The service `merged` from `current` and the fields under `paths`, without what its new type and policies have no place for.
pub(super) fn drop(current: &Service, mut merged: pb::Service, paths: &[String]) -> pb::Service {
    if let Some(spec) = &mut merged.spec {
        drop_with_type(spec, paths);
        drop_with_policies(spec, paths);
        drop_second_family(current, spec, paths);
    }
    merged
}

/// Whether the update speaks of the field: of it, of all of the specification, or of a part of it.
fn says(paths: &[String], field: &str) -> bool {
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let field = format!("spec.{field}");
    paths.iter().any(|path| within(path, &field) || within(&field, path))
}

fn drop_with_type(spec: &mut pb::ServiceSpec, paths: &[String]) {
    let outside = matches!(spec.r#type(), pb::ServiceType::LoadBalancer | pb::ServiceType::NodePort);
    if spec.r#type() != pb::ServiceType::LoadBalancer && !says(paths, "external") {
        spec.external = None;
    }
    if !outside && !says(paths, "external_traffic_policy") {
        spec.external_traffic_policy = pb::TrafficPolicy::Unspecified.into();
    }
    if spec.r#type() == pb::ServiceType::ExternalName {
        if !says(paths, "cluster_ips") {
            spec.cluster_ips.clear();
        }
        if !says(paths, "health_check") {
            spec.health_check = None;
        }
    } else if !says(paths, "external_name") {
        spec.external_name.clear();
    }
    if !matches!(spec.r#type(), pb::ServiceType::Unspecified | pb::ServiceType::ClusterIp) && !says(paths, "headless") {
        spec.headless = false;
    }
}

fn drop_with_policies(spec: &mut pb::ServiceSpec, paths: &[String]) {
    let local = spec.external_traffic_policy() == pb::TrafficPolicy::Local && spec.r#type() == pb::ServiceType::LoadBalancer;
    if !local && !says(paths, "health_check_port") {
        spec.health_check_port = 0;
    }
    if spec.session_affinity() != pb::SessionAffinity::ClientIp && !says(paths, "session_affinity_timeout_seconds") {
        spec.session_affinity_timeout_seconds = 0;
    }
}

/// A service that goes back to one family keeps its primary one, and the wishes in it.
fn drop_second_family(current: &Service, spec: &mut pb::ServiceSpec, paths: &[String]) {
    if spec.ip_family_policy() != pb::IpFamilyPolicy::SingleStack {
        return;
    }
    if !says(paths, "ip_families") {
        spec.ip_families.truncate(1);
    }
    let Some(primary) = current.primary() else { return };
    let keep = |wishes: &mut Vec<String>| {
        if wishes.len() > 1 {
            wishes.retain(|text| parse_addr(text).is_ok_and(|address| Family::of(address) == primary));
        }
    };
    if !says(paths, "cluster_ips") {
        keep(&mut spec.cluster_ips);
    }
    if let Some(external) = spec.external.as_mut().filter(|_| !says(paths, "external.addresses")) {
        keep(&mut external.addresses);
    }
}
