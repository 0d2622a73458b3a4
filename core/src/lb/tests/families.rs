//! One family, two, or either.

use super::fixture::{Site, addr, key};
use super::*;
use crate::net::Family;

fn dual() -> Site {
    let mut site = Site::default();
    site.pool("service", Purpose::ClusterService, &["172.28.0.0/24", "fd00:28::/112"], |_| {});
    site.pool("external-v4", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |_| {});
    site.pool("external-v6", Purpose::ExternalService, &["2001:db8::10-2001:db8::1f"], |_| {});
    site
}

fn families(vips: &[Vip]) -> Vec<Family> {
    vips.iter().map(|vip| Family::of(vip.address)).collect()
}

#[test]
fn policies_mean_what_kubernetes_says() {
    let mut site = dual();
    let (v4, v6) = (Family::V4, Family::V6);
    for (name, policy, wish, got) in [
        ("n/a", FamilyPolicy::SingleStack, vec![], vec![v4]),
        ("n/b", FamilyPolicy::SingleStack, vec![v6], vec![v6]),
        ("n/c", FamilyPolicy::PreferDualStack, vec![], vec![v4, v6]),
        ("n/d", FamilyPolicy::RequireDualStack, vec![v6], vec![v6, v4]),
    ] {
        let service = site.create(name, |spec| (spec.family_policy, spec.families) = (policy, wish)).unwrap();
        assert_eq!((families(&service.cluster), families(&service.external)), (got.clone(), got), "{name}");
        assert!(service.conditions.is_empty(), "{name}");
    }
    site.check();
}

#[test]
fn both_or_none_where_both_are_required() {
    let mut site = Site::usual();
    let require = |spec: &mut ServiceSpec| spec.family_policy = FamilyPolicy::RequireDualStack;
    let waiting = site.create("n/a", require).unwrap();
    assert!(waiting.cluster.is_empty() && waiting.external.is_empty());
    assert_eq!(waiting.conditions.iter().map(|condition| condition.reason).collect::<Vec<_>>(), [Reason::NoEligiblePool; 2]);
    site.check();
    site.pool("more", Purpose::ClusterService, &["fd00:28::/112"], |_| {});
    site.heal();
    let half = site.get("n/a");
    assert_eq!((half.cluster.len(), half.external.len(), half.conditions.len()), (2, 0, 1));
    site.check();
}

#[test]
fn either_is_taken_and_the_second_comes_later() {
    let mut site = Site::usual();
    let prefer = |spec: &mut ServiceSpec| spec.family_policy = FamilyPolicy::PreferDualStack;
    let first = site.create("n/a", prefer).unwrap();
    assert_eq!((families(&first.cluster), first.conditions.len()), (vec![Family::V4], 0));
    assert!(site.heal().is_empty());
    site.pool("more", Purpose::ClusterService, &["fd00:28::/112"], |_| {});
    assert_eq!(site.heal(), ["n/a"]);
    let later = site.get("n/a");
    assert_eq!(families(&later.cluster), [Family::V4, Family::V6]);
    assert_eq!(later.cluster[0], first.cluster[0]);
    site.check();
}

#[test]
fn the_second_family_comes_and_goes_and_the_first_stays() {
    let mut site = dual();
    let first = site.create("n/a", |_| {}).unwrap();
    let both = site.update("n/a", |spec| spec.family_policy = FamilyPolicy::RequireDualStack).unwrap();
    assert_eq!((both.cluster.len(), &both.cluster[0], &both.external[0]), (2, &first.cluster[0], &first.external[0]));
    let single = site.update("n/a", |spec| spec.family_policy = FamilyPolicy::SingleStack).unwrap();
    assert_eq!((single.cluster, single.external), (first.cluster, first.external));
    let refusal = site.update("n/a", |spec| spec.families = vec![Family::V6]).unwrap_err();
    assert_eq!(refusal.reason, Reason::FieldImmutable);
    site.check();
}

#[test]
fn a_wish_decides_the_family_and_must_fit_it() {
    let mut site = dual();
    let service = site.create("n/a", |spec| spec.external.addresses = vec![addr("2001:db8::15")]).unwrap();
    assert_eq!((families(&service.cluster), families(&service.external)), (vec![Family::V6], vec![Family::V6]));
    let clash = |spec: &mut ServiceSpec| {
        spec.families = vec![Family::V4];
        spec.external.addresses = vec![addr("2001:db8::16")];
    };
    assert_eq!(site.create("n/b", clash).unwrap_err().reason, Reason::FamilyMismatch);
    site.wishes = Some(Wishes::MayWait);
    assert_eq!(site.create("n/b", clash).unwrap_err().reason, Reason::FamilyMismatch);
}

#[test]
fn a_cluster_of_one_family_gives_that_one() {
    let mut site = Site::default();
    site.pool("service", Purpose::ClusterService, &["fd00:28::/112"], |_| {});
    let service = site.create("n/a", |spec| spec.service_type = ServiceType::ClusterIp).unwrap();
    assert_eq!(families(&service.cluster), [Family::V6]);
}

#[test]
fn preferring_both_adds_the_second_family_and_ceasing_to_frees_it() {
    let mut site = dual();
    let to = |policy| move |spec: &mut ServiceSpec| spec.family_policy = policy;
    for primary in [Family::V4, Family::V6] {
        let name = format!("n/{}", if primary == Family::V4 { "a" } else { "b" });
        let single = site.create(&name, |spec| spec.families = vec![primary]).unwrap();
        let both = site.update(&name, to(FamilyPolicy::PreferDualStack)).unwrap();
        assert_eq!((both.cluster.len(), both.external.len()), (2, 2));
        assert_eq!(
            (&both.cluster[0], &both.external[0]),
            (&single.cluster[0], &single.external[0]),
            "the primary family comes first"
        );
        assert_eq!(site.update(&name, to(FamilyPolicy::RequireDualStack)).unwrap().external, both.external);
        assert_eq!(site.update(&name, to(FamilyPolicy::PreferDualStack)).unwrap().external, both.external);
        let back = site.update(&name, to(FamilyPolicy::SingleStack)).unwrap();
        assert_eq!((&back.cluster, &back.external), (&single.cluster, &single.external));
        assert_eq!(site.cluster.lb.holders(both.external[1].address).count(), 0);
        site.check();
    }
}

#[test]
fn a_preference_that_cannot_be_met_now_is_no_fault_and_a_demand_keeps_what_there_was() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    let prefers = site.update("n/a", |spec| spec.family_policy = FamilyPolicy::PreferDualStack).unwrap();
    assert_eq!((&prefers.external, prefers.conditions.len()), (&first.external, 0));
    let demands = site.update("n/a", |spec| spec.family_policy = FamilyPolicy::RequireDualStack).unwrap();
    assert_eq!((&demands.cluster, &demands.external, demands.conditions.len()), (&first.cluster, &first.external, 2));
    site.pool("more", Purpose::ExternalService, &["2001:db8::/120"], |_| {});
    assert_eq!(site.heal(), ["n/a"]);
    let half = site.get("n/a");
    assert_eq!((half.cluster.len(), half.external.len(), half.conditions.len()), (1, 2, 1));
    site.check();
}

#[test]
fn what_comes_first_outside_does_not_decide_the_primary_family() {
    let mut site = Site::default();
    site.pool("service", Purpose::ClusterService, &["172.28.0.1", "fd00:28::1"], |_| {});
    site.pool("external", Purpose::ExternalService, &["2001:db8::/120"], |_| {});
    let holder =
        |spec: &mut ServiceSpec| (spec.service_type, spec.family_policy) = (ServiceType::ClusterIp, FamilyPolicy::RequireDualStack);
    site.create("n/holder", holder).unwrap();
    let prefers = |spec: &mut ServiceSpec| spec.family_policy = FamilyPolicy::PreferDualStack;
    let service = site.create("n/a", prefers).unwrap();
    assert_eq!((families(&service.cluster), families(&service.external)), (vec![], vec![Family::V6]));
    let told = explain(&site.cluster, &key("n/a"), site.again().now).unwrap().outcome;
    assert_eq!(told.conditions, service.conditions);
    assert!(service.conditions[0].message.contains("no IPv4 cluster IP"), "{:?}", service.conditions);
    site.delete("n/holder", "").unwrap();
    assert_eq!(site.heal(), ["n/a"]);
    assert_eq!(families(&site.get("n/a").cluster), [Family::V4, Family::V6]);
    // A service of one family has that one on both sides.
    site.update("n/a", |spec| spec.family_policy = FamilyPolicy::SingleStack).unwrap();
    let refusal = site.update("n/a", |spec| spec.families = vec![Family::V6]).unwrap_err();
    assert_eq!(refusal.reason, Reason::FieldImmutable);
    site.check();
}
