//! Every change of type: what it keeps, what it frees, and which ones there are not.

use std::collections::BTreeSet;

use super::fixture::Site;
use super::*;

/// The types of the API: a NodePort service is a ClusterIP service with a wish that is kept and not offered.
const TYPES: [(ServiceType, bool); 5] = [
    (ServiceType::ClusterIp, false),
    (ServiceType::ClusterIp, true),
    (ServiceType::Headless, false),
    (ServiceType::LoadBalancer, false),
    (ServiceType::ExternalName, false),
];

/// What becomes of the addresses of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// There are none, before and after.
    None,
    /// It keeps them.
    Kept,
    /// It gets some.
    New,
    /// It gives them up.
    Freed,
}

fn fate(before: &[Vip], after: &[Vip]) -> Fate {
    match (before.is_empty(), after.is_empty()) {
        (true, true) => Fate::None,
        (true, false) => Fate::New,
        (false, true) => Fate::Freed,
        (false, false) => {
            assert_eq!(before, after, "an address was exchanged");
            Fate::Kept
        }
    }
}

/// The fates of cluster and external addresses; `None` where the change is refused.
fn expected(from: (ServiceType, bool), to: (ServiceType, bool)) -> Option<(Fate, Fate)> {
    use ServiceType::{ClusterIp, ExternalName, Headless, LoadBalancer};
    Some(match (from.0, to.0) {
        (Headless, Headless | ExternalName) | (ExternalName, ExternalName | Headless) => (Fate::None, Fate::None),
        (Headless, ClusterIp | LoadBalancer) | (ClusterIp | LoadBalancer, Headless) => return None,
        (ExternalName, ClusterIp) => (Fate::New, Fate::None),
        (ExternalName, LoadBalancer) => (Fate::New, Fate::New),
        (ClusterIp, ClusterIp) => (Fate::Kept, Fate::None),
        (ClusterIp, LoadBalancer) => (Fate::Kept, Fate::New),
        (ClusterIp, ExternalName) => (Fate::Freed, Fate::None),
        (LoadBalancer, ClusterIp) => (Fate::Kept, Fate::Freed),
        (LoadBalancer, LoadBalancer) => (Fate::Kept, Fate::Kept),
        (LoadBalancer, ExternalName) => (Fate::Freed, Fate::Freed),
    })
}

#[test]
fn every_pair_of_types_keeps_and_frees_exactly_what_it_should() {
    for from in TYPES {
        for to in TYPES {
            for policy in [FamilyPolicy::SingleStack, FamilyPolicy::RequireDualStack] {
                retype(from, to, policy);
            }
        }
    }
}

fn retype(from: (ServiceType, bool), to: (ServiceType, bool), policy: FamilyPolicy) {
    let mut site = Site::usual();
    site.pool("service-v6", Purpose::ClusterService, &["fd00:28::/120"], |_| {});
    site.pool("external-v6", Purpose::ExternalService, &["2001:db8::/120"], |_| {});
    // Its neighbors hold the addresses around it.
    for name in ["n/a", "n/z"] {
        site.create(name, |_| {}).unwrap();
    }
    let with = |(service_type, node_ports): (ServiceType, bool)| {
        move |spec: &mut ServiceSpec| {
            (spec.service_type, spec.node_ports, spec.family_policy) = (service_type, node_ports, policy);
        }
    };
    let before = site.create("n/m", with(from)).unwrap();
    let pair = format!("{from:?} to {to:?}, {policy:?}");
    let Some(expected) = expected(from, to) else {
        let lb = site.cluster.lb.clone();
        assert_eq!(site.update("n/m", with(to)).unwrap_err().reason, Reason::FieldImmutable, "{pair}");
        assert_eq!(site.cluster.lb, lb, "{pair}");
        return;
    };
    let after = site.update("n/m", with(to)).unwrap();
    assert_eq!((fate(&before.cluster, &after.cluster), fate(&before.external, &after.external)), expected, "{pair}");
    let held: BTreeSet<_> = site.cluster.lb.held_after(None).collect();
    let by_services: BTreeSet<_> = site.cluster.lb.services().flat_map(|service| service.vips()).map(|vip| vip.address).collect();
    assert_eq!(held, by_services, "{pair}");
    let kinds: Vec<_> = after.conditions.iter().map(|condition| condition.kind).collect();
    assert_eq!(kinds, if to.1 { vec![ConditionKind::NodePorts] } else { vec![] }, "{pair}");
    site.check();
}

#[test]
fn a_foreign_class_gives_up_the_outside_and_the_way_back_gets_another() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    site.update("n/a", |spec| spec.service_type = ServiceType::ClusterIp).unwrap();
    let foreign = |spec: &mut ServiceSpec| {
        spec.service_type = ServiceType::LoadBalancer;
        spec.external.class = "other.example/lb".to_owned();
    };
    let other = site.update("n/a", foreign).unwrap();
    assert_eq!((&other.cluster, other.external.len()), (&first.cluster, 0));
    assert_eq!(other.conditions[0].reason, Reason::LoadBalancerClassForeign);
    let back = site.update("n/a", |spec| spec.external.class.clear()).unwrap_err();
    assert_eq!(back.reason, Reason::FieldImmutable);
    site.check();
}
