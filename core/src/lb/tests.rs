//! Decisions about services, on small hand-made clusters and on random ones.

mod announcing;
mod behind;
mod bgp;
mod conflicts;
mod dataplane;
mod families;
mod fixture;
mod healing;
mod indexes;
mod orders;
mod pool_edits;
mod promises;
mod random;
mod resting;
mod retyping;
mod sharing;
mod simulated;
mod updates;
mod wishes;
mod world;

use self::fixture::{Site, addr};
use super::*;
use crate::ipam::Purpose;
use crate::reason::Reason;

#[test]
fn a_load_balancer_gets_both_addresses_in_one_decision() {
    let mut site = Site::usual();
    let web = site.create("shop/web", |_| {}).unwrap();
    assert_eq!(web.cluster, [Vip { address: addr("172.28.0.2"), pool: "service".parse().unwrap() }]);
    assert_eq!(web.external, [Vip { address: addr("10.0.0.13"), pool: "external".parse().unwrap() }]);
    assert!(web.conditions.is_empty());
    site.check();
}

#[test]
fn reserved_addresses_are_jumped_over_and_refused_by_name() {
    let mut site = Site::usual();
    site.reserve("cluster-api", "172.28.0.2-172.28.0.9", "cluster API");
    let first = site.create("shop/a", |_| {}).unwrap();
    assert_eq!(first.cluster[0].address, addr("172.28.0.10"));
    let refusal = site.create("shop/b", |spec| spec.cluster_ips = vec![addr("172.28.0.5")]).unwrap_err();
    assert_eq!(refusal.reason, Reason::AddressReserved);
    assert!(refusal.message.contains("cluster API"), "{refusal}");
}

#[test]
fn names_are_unique_and_deleting_frees_the_addresses() {
    let mut site = Site::usual();
    let web = site.create("shop/web", |_| {}).unwrap();
    assert_eq!(site.create("shop/web", |_| {}).unwrap_err().reason, Reason::AlreadyExists);
    assert_eq!(site.delete("shop/web", "stale").unwrap_err().reason, Reason::EtagMismatch);
    site.delete("shop/web", &web.meta.etag()).unwrap();
    assert_eq!(site.delete("shop/web", "").unwrap_err().reason, Reason::ServiceNotFound);
    let again = site.create("shop/other", |_| {}).unwrap();
    assert_eq!((again.cluster, again.external), (web.cluster, web.external));
}

#[test]
fn types_have_the_addresses_that_belong_to_them() {
    let mut site = Site::usual();
    for (name, service_type, cluster, external) in [
        ("shop/inside", ServiceType::ClusterIp, 1, 0),
        ("shop/headless", ServiceType::Headless, 0, 0),
        ("shop/outside", ServiceType::LoadBalancer, 1, 1),
        ("shop/alias", ServiceType::ExternalName, 0, 0),
    ] {
        let service = site.create(name, |spec| spec.service_type = service_type).unwrap();
        assert_eq!((service.cluster.len(), service.external.len()), (cluster, external), "{name}");
        assert!(service.conditions.is_empty(), "{name}");
    }
    let foreign = site.create("shop/foreign", |spec| spec.external.class = "other.example/lb".to_owned()).unwrap();
    assert_eq!((foreign.cluster.len(), foreign.external.len()), (1, 0));
    assert_eq!(foreign.conditions[0].reason, Reason::LoadBalancerClassForeign);
    let ports = |spec: &mut ServiceSpec| (spec.service_type, spec.node_ports) = (ServiceType::ClusterIp, true);
    assert_eq!(site.create("shop/ports", ports).unwrap().conditions[0].reason, Reason::TypeNotOffered);
    site.check();
}

#[test]
fn a_pool_of_65536_is_used_to_the_last_address_and_found_full() {
    let mut site = Site::default();
    site.pool("big", Purpose::ClusterService, &["10.64.0.0/16"], |_| {});
    let create = |site: &mut Site, name: &str| site.create(name, |spec| spec.service_type = ServiceType::ClusterIp).unwrap();
    let first = create(&mut site, "n/s0");
    for number in 1..65_535 {
        let mut service = first.clone();
        service.key.name = format!("s{number}").parse().unwrap();
        service.cluster[0].address = nth(number);
        site.cluster.lb.apply(&Change::Service(service.key.clone(), Some(service.into())));
    }
    assert_eq!(create(&mut site, "n/last").cluster[0].address, nth(65_535));
    let late = create(&mut site, "n/late");
    assert_eq!(late.conditions[0].reason, Reason::PoolExhausted);
    site.delete("n/s40000", "").unwrap();
    assert_eq!(site.heal(), ["n/late"]);
    assert_eq!(site.get("n/late").cluster[0].address, nth(40_000));
}

#[test]
fn services_come_by_namespace_and_name_from_any_place_on() {
    let mut site = Site::usual();
    for name in ["b/a", "a/b", "a/a", "c/z"] {
        site.create(name, |_| {}).unwrap();
    }
    let after = |key: Option<&str>| {
        let key = key.map(fixture::key);
        site.cluster.lb.services_after(key.as_ref()).map(|service| service.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(after(None), ["a/a", "a/b", "b/a", "c/z"]);
    assert_eq!(after(Some("a/a")), ["a/b", "b/a", "c/z"]);
    assert_eq!(after(Some("a/zz")), ["b/a", "c/z"]);
    assert_eq!(after(Some("aa/0")), ["b/a", "c/z"]);
    assert!(after(Some("c/z")).is_empty());
}

/// The address that many places after the first of the big pool.
fn nth(number: u32) -> std::net::IpAddr {
    std::net::IpAddr::from((0x0A40_0000 + number).to_be_bytes())
}
