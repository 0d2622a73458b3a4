//! What an update keeps, changes and refuses.

use super::fixture::{Site, addr, port};
use super::*;

#[test]
fn addresses_outlive_every_change_that_allows_it() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    let ported = site.update("n/a", |spec| spec.ports = vec![port(Protocol::Udp, 53)]).unwrap();
    assert_eq!((&ported.cluster, &ported.external, ported.meta.version), (&first.cluster, &first.external, 2));
    let inside = site.update("n/a", |spec| spec.service_type = ServiceType::ClusterIp).unwrap();
    assert_eq!((&inside.cluster, inside.external.len()), (&first.cluster, 0));
    let outside = site.update("n/a", |spec| spec.service_type = ServiceType::LoadBalancer).unwrap();
    assert_eq!((&outside.cluster, &outside.external), (&first.cluster, &first.external));
    let alias = site.update("n/a", |spec| spec.service_type = ServiceType::ExternalName).unwrap();
    assert_eq!(alias.vips().count(), 0);
    let back = site.update("n/a", |spec| spec.service_type = ServiceType::ClusterIp).unwrap();
    assert_eq!(back.cluster.len(), 1);
    site.check();
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let mut site = Site::usual();
    let first = site.create("n/a", |_| {}).unwrap();
    assert_eq!(site.update("n/a", |_| {}).unwrap(), first);
}

#[test]
fn what_makes_another_service_of_it_is_refused_field_by_field() {
    let mut site = Site::usual();
    site.create("n/a", |_| {}).unwrap();
    let refusal = site.update("n/a", |spec| {
        spec.cluster_ips = vec![addr("172.28.0.99")];
        spec.external.class = "other.example/lb".to_owned();
    });
    let refusal = refusal.unwrap_err();
    let fields: Vec<_> = refusal.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!((refusal.reason, refusal.violations.len()), (Reason::FieldImmutable, 2), "{fields:?}");
    let headless = site.update("n/a", |spec| spec.service_type = ServiceType::Headless).unwrap_err();
    assert_eq!(headless.reason, Reason::FieldImmutable);
    let same = site.get("n/a").cluster[0].address;
    site.update("n/a", |spec| spec.cluster_ips = vec![same]).unwrap();
}

#[test]
fn a_wish_met_long_ago_is_not_judged_again() {
    let mut site = Site::usual();
    let named = |spec: &mut ServiceSpec| spec.external.pools = vec!["external".parse().unwrap()];
    let first = site.create("n/a", named).unwrap();
    site.drop_pool("external");
    site.pool("renamed", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |_| {});
    assert_eq!(site.heal(), ["n/a"]);
    let updated = site.update("n/a", |spec| spec.publish_not_ready = true).unwrap();
    assert_eq!((updated.external[0].address, updated.external[0].pool.as_str()), (first.external[0].address, "renamed"));
    assert!(updated.conditions.is_empty());
    site.check();
}

#[test]
fn a_waiting_service_keeps_the_time_since_when_it_waits() {
    let mut site = Site::default();
    let first = site.create("n/a", |_| {}).unwrap();
    assert_eq!(first.conditions.len(), 2);
    let later = site.update("n/a", |spec| spec.publish_not_ready = true).unwrap();
    assert_eq!(later.conditions, first.conditions);
}
