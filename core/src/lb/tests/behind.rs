//! Endpoints follow the allocations.

use std::net::IpAddr;
use std::sync::Arc;

use super::fixture::{Site, addr, port};
use super::*;
use crate::id::Uid;
use crate::ipam::{self, Allocation, Holding};
use crate::net::Family;
use crate::testing;
use crate::time::Timestamp;

fn pod(number: u8, app: &str) -> Allocation {
    let addresses: [IpAddr; 2] = [IpAddr::from([172, 27, 0, number]), format!("fd00:27::{number:x}").parse().unwrap()];
    Allocation {
        holdings: addresses.map(|address| Holding { address, block: None }).to_vec(),
        labels: testing::labels(&[("app", app)]),
        hostname: Some(format!("host-{number}").parse().unwrap()),
        subdomain: Some("web".parse().unwrap()),
        named_ports: vec![("http".parse().unwrap(), 8000 + u16::from(number))],
        ..testing::on("node-a", testing::pod(number.into()))
    }
}

fn put(site: &mut Site, pod: Allocation) {
    site.put(ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod))));
}

fn ask(site: &Site, name: &str) -> Vec<Endpoint> {
    endpoints(&site.cluster, &site.get(name))
}

#[test]
fn matching_pods_stand_behind_a_service_while_they_hold_their_addresses() {
    let mut site = Site::usual();
    for (number, app) in [(2, "WS"), (1, "WS"), (3, "DB")] {
        put(&mut site, pod(number, app));
    }
    site.create("shop/web", |spec| spec.ports[0].target = TargetPort::Name("http".parse().unwrap())).unwrap();
    site.create("bank/web", |_| {}).unwrap();
    let found = ask(&site, "shop/web");
    assert_eq!(found.iter().map(|endpoint| endpoint.address).collect::<Vec<_>>(), [addr("172.27.0.1"), addr("172.27.0.2")]);
    assert_eq!((&found[0].ports, found[0].hostname.as_ref().unwrap().as_str()), (&vec![Some(8001)], "host-1"));
    assert_eq!(found[0].pod, "shop/pod-1");
    assert!(ask(&site, "bank/web").is_empty());
    put(&mut site, Allocation { released: Some(Timestamp(9)), ..pod(1, "WS") });
    put(&mut site, Allocation { ready: false, ..pod(2, "WS") });
    let left: Vec<_> = ask(&site, "shop/web").into_iter().map(|endpoint| (endpoint.address, endpoint.ready)).collect();
    assert_eq!(left, [(addr("172.27.0.2"), false)]);
    site.update("shop/web", |spec| spec.publish_not_ready = true).unwrap();
    assert!(ask(&site, "shop/web")[0].ready);
}

#[test]
fn endpoints_have_the_families_of_their_service() {
    let mut site = Site::usual();
    put(&mut site, pod(1, "WS"));
    let headless = |families: Vec<Family>| {
        move |spec: &mut ServiceSpec| (spec.service_type, spec.families) = (ServiceType::Headless, families)
    };
    site.create("shop/any", headless(vec![])).unwrap();
    site.create("shop/six", headless(vec![Family::V6])).unwrap();
    site.create("shop/four", |_| {}).unwrap();
    assert_eq!(ask(&site, "shop/any").len(), 2);
    assert_eq!(ask(&site, "shop/six")[0].address, addr("fd00:27::1"));
    assert_eq!(ask(&site, "shop/four")[0].address, addr("172.27.0.1"));
    assert_eq!(ask(&site, "shop/any")[0].hostname, None);
}

#[test]
fn a_service_without_selector_has_what_it_was_given() {
    let mut site = Site::usual();
    put(&mut site, pod(1, "WS"));
    let given = Endpoint {
        address: addr("192.0.2.9"),
        ready: true,
        node: None,
        zone: String::new(),
        hostname: None,
        pod: String::new(),
        ports: vec![Some(3306)],
    };
    let with = |spec: &mut ServiceSpec| {
        spec.selector = Default::default();
        spec.ports = vec![port(Protocol::Tcp, 3306)];
        spec.endpoints = vec![given.clone()];
    };
    site.create("shop/db", with).unwrap();
    assert_eq!(ask(&site, "shop/db"), [given]);
}

#[test]
fn a_change_touches_the_services_that_look_different_after_it() {
    let mut site = Site::usual();
    put(&mut site, pod(1, "WS"));
    for name in ["shop/web", "shop/sharer"] {
        let number = if name == "shop/web" { 80 } else { 443 };
        let with = |spec: &mut ServiceSpec| {
            spec.external.sharing_key = "k".to_owned();
            spec.ports = vec![port(Protocol::Tcp, number)];
        };
        site.create(name, with).unwrap();
    }
    site.create("shop/db", |spec| spec.selector = "app=DB".parse().unwrap()).unwrap();
    site.create("bank/web", |_| {}).unwrap();
    let touched = |change: crate::cluster::Change| {
        let mut services = std::collections::BTreeSet::new();
        touched(&site.cluster, &change, &mut services);
        services.into_iter().map(|key| key.to_string()).collect::<Vec<_>>()
    };
    let relabelled = pod(1, "DB");
    let change = ipam::Change::Allocation(relabelled.meta.uid, Some(Arc::new(relabelled)));
    assert_eq!(touched(change.into()), ["shop/db", "shop/sharer", "shop/web"]);
    assert_eq!(touched(ipam::Change::Allocation(Uid(1), None).into()), ["shop/sharer", "shop/web"]);
    assert_eq!(touched(Change::Service(fixture::key("shop/web"), None).into()), ["shop/sharer", "shop/web"]);
}
