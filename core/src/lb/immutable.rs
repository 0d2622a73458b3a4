//! What an update of a service may not change: that would be another service under the old name.

use super::ask::Side;
use super::record::{Service, ServiceSpec, ServiceType};
use crate::net::Family;
use crate::reason::{Reason, Refusal, Violations};

/// Whether `after` may replace the specification of `before`.
///
/// A service that becomes an ExternalName gives up everything, so nothing of it is fixed.
///
/// # Errors
/// [`Reason::FieldImmutable`], with every field concerned.
pub(super) fn check(before: &Service, after: &ServiceSpec) -> Result<(), Refusal> {
    let mut bad = Violations::new();
    let (from, to) = (before.spec.service_type, after.service_type);
    let named = |service_type| service_type == ServiceType::ExternalName;
    if named(from) || named(to) {
        return Ok(());
    }
    let headless = |service_type| service_type == ServiceType::Headless;
    if headless(from) != headless(to) {
        let text = "a service cannot become headless or cease to be; delete it and create it again";
        bad.add("service.spec.type", Reason::FieldImmutable, text);
    }
    let families = before.primary().zip(after.families.first().copied());
    if let Some((old, new)) = families.filter(|(old, new)| old != new) {
        let text = format!("the primary family is {old} and cannot become {new}; delete the service and create it again");
        bad.add("service.spec.ip_families", Reason::FieldImmutable, text);
    }
    for address in &after.cluster_ips {
        let held = before.cluster.iter().find(|vip| Family::of(vip.address) == Family::of(*address));
        if let Some(held) = held.filter(|held| held.address != *address && Side::Cluster.belongs_to(to)) {
            let text =
                format!("the cluster IP is {} and cannot become {address}; delete the service and create it again", held.address);
            bad.add("service.spec.cluster_ips", Reason::FieldImmutable, text);
        }
    }
    let balanced = from == ServiceType::LoadBalancer && to == ServiceType::LoadBalancer;
    if balanced && before.spec.external.class != after.external.class {
        let text = "the class is fixed once the service is a LoadBalancer; change its type, or delete it and create it again";
        bad.add("service.spec.external.load_balancer_class", Reason::FieldImmutable, text);
    }
    bad.finish(Some(()))
}
