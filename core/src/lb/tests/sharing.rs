//! When two services may stand under one external address.

use super::fixture::{Site, addr, port};
use super::*;

fn keyed(key: &str, protocol: Protocol, number: u16) -> impl FnOnce(&mut ServiceSpec) {
    let (key, ports) = (key.to_owned(), vec![port(protocol, number)]);
    move |spec| {
        spec.external.sharing_key = key;
        spec.ports = ports;
    }
}

fn at(address: &'static str, with: impl FnOnce(&mut ServiceSpec)) -> impl FnOnce(&mut ServiceSpec) {
    move |spec| {
        with(spec);
        spec.external.addresses = vec![addr(address)];
    }
}

#[test]
fn one_key_and_different_ports_share_an_address_without_asking_for_it() {
    let mut site = Site::usual();
    let tcp = site.create("shop/tcp", keyed("dns", Protocol::Tcp, 53)).unwrap();
    let udp = site.create("shop/udp", keyed("dns", Protocol::Udp, 53)).unwrap();
    assert_eq!(tcp.external, udp.external);
    let other = site.create("shop/again", keyed("dns", Protocol::Udp, 53)).unwrap();
    assert_ne!(other.external, tcp.external);
    site.check();
}

#[test]
fn every_rule_has_its_reason() {
    let mut site = Site::usual();
    let local = |spec: &mut ServiceSpec| spec.external_policy = TrafficPolicy::Local;
    site.create("shop/one", at("10.0.0.15", keyed("k", Protocol::Tcp, 80))).unwrap();
    site.create("shop/plain", at("10.0.0.16", |_| {})).unwrap();
    let mut refused = |name: &str, with: Box<dyn FnOnce(&mut ServiceSpec)>| site.create(name, with).unwrap_err().reason;
    assert_eq!(refused("shop/x", Box::new(at("10.0.0.15", |_| {}))), Reason::AddressInUse);
    assert_eq!(refused("shop/x", Box::new(at("10.0.0.15", keyed("j", Protocol::Udp, 80)))), Reason::SharingKeyMismatch);
    assert_eq!(refused("shop/x", Box::new(at("10.0.0.16", keyed("k", Protocol::Udp, 80)))), Reason::SharingKeyMismatch);
    assert_eq!(refused("shop/x", Box::new(at("10.0.0.15", keyed("k", Protocol::Tcp, 80)))), Reason::SharingPortConflict);
    assert_eq!(refused("bank/x", Box::new(at("10.0.0.15", keyed("k", Protocol::Udp, 80)))), Reason::SharingNamespaceNotAllowed);
    let localised = at("10.0.0.15", move |spec: &mut ServiceSpec| {
        keyed("k", Protocol::Udp, 80)(spec);
        local(spec);
    });
    assert_eq!(refused("shop/x", Box::new(localised)), Reason::SharingBackendMismatch);
    site.check();
}

#[test]
fn local_services_share_only_with_the_same_selector() {
    let mut site = Site::usual();
    let local = |number: u16, selector: &'static str| {
        move |spec: &mut ServiceSpec| {
            keyed("k", Protocol::Tcp, number)(spec);
            spec.external_policy = TrafficPolicy::Local;
            spec.selector = selector.parse().unwrap();
        }
    };
    let first = site.create("shop/a", local(80, "app=WS")).unwrap();
    assert_eq!(site.create("shop/b", local(443, "app=WS")).unwrap().external, first.external);
    assert_ne!(site.create("shop/c", local(8443, "app=DB")).unwrap().external, first.external);
    site.check();
}

#[test]
fn a_pool_may_let_namespaces_share() {
    let mut site = Site::usual();
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |pool| pool.share_across_namespaces = true);
    let first = site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    assert_eq!(site.create("bank/b", keyed("k", Protocol::Tcp, 443)).unwrap().external, first.external);
    site.check();
}

#[test]
fn a_key_changed_away_from_the_sharers_frees_the_address() {
    let mut site = Site::usual();
    let first = site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    site.create("shop/b", keyed("k", Protocol::Tcp, 443)).unwrap();
    let moved = site.update("shop/b", |spec| spec.external.sharing_key = "other".to_owned()).unwrap();
    assert_eq!((moved.external.len(), moved.external == first.external), (1, false));
    let alone = site.update("shop/a", |spec| spec.external.sharing_key.clear()).unwrap();
    assert_eq!(alone.external, first.external);
    site.check();
}

#[test]
fn cluster_ips_are_never_shared() {
    let mut site = Site::usual();
    let first = site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    let wish = first.cluster[0].address;
    let refusal = site.create("shop/b", |spec| {
        keyed("k", Protocol::Tcp, 443)(spec);
        spec.cluster_ips = vec![wish];
    });
    assert_eq!(refusal.unwrap_err().reason, Reason::AddressInUse);
}

#[test]
fn a_sole_owner_changes_key_and_backend_in_place_and_a_sharer_moves() {
    let mut site = Site::usual();
    let first = site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    let local = |spec: &mut ServiceSpec| {
        spec.external.sharing_key = "other".to_owned();
        spec.external_policy = TrafficPolicy::Local;
        spec.selector = "app=DB".parse().unwrap();
    };
    assert_eq!(site.update("shop/a", local).unwrap().external, first.external);
    let sharer = |spec: &mut ServiceSpec| {
        local(spec);
        spec.ports = vec![port(Protocol::Tcp, 443)];
    };
    assert_eq!(site.create("shop/b", sharer).unwrap().external, first.external);
    // The same change beside a sharer: the address is left to the other, and another one comes in the same decision.
    let moved = site.update("shop/b", |spec| spec.selector = "app=WS".parse().unwrap()).unwrap();
    assert_eq!((moved.external[0].address, moved.conditions.len()), (addr("10.0.0.14"), 0));
    assert_eq!(site.get("shop/a").external, first.external);
    // A port that another has too moves as well.
    let back = site.update("shop/b", |spec| spec.selector = "app=DB".parse().unwrap()).unwrap();
    assert_eq!(back.external[0].address, addr("10.0.0.14"), "what it holds and may hold it keeps");
    site.check();
}

#[test]
fn with_its_last_port_an_address_is_free_of_its_key() {
    let mut site = Site::usual();
    site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    site.create("shop/b", keyed("k", Protocol::Tcp, 443)).unwrap();
    let newcomer = |site: &mut Site| site.create("shop/c", at("10.0.0.13", keyed("new", Protocol::Tcp, 80)));
    site.delete("shop/a", "").unwrap();
    assert_eq!(newcomer(&mut site).unwrap_err().reason, Reason::SharingKeyMismatch);
    site.delete("shop/b", "").unwrap();
    assert_eq!(newcomer(&mut site).unwrap().external[0].address, addr("10.0.0.13"));
    site.check();
}

#[test]
fn a_pool_that_ceases_to_let_namespaces_share_takes_nothing_and_lets_nobody_join() {
    let mut site = Site::usual();
    let pool = |site: &mut Site, share| {
        let with = |pool: &mut crate::ipam::Pool| pool.share_across_namespaces = share;
        site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], with);
    };
    pool(&mut site, true);
    let first = site.create("shop/a", keyed("k", Protocol::Tcp, 80)).unwrap();
    let other = site.create("bank/b", keyed("k", Protocol::Tcp, 443)).unwrap();
    assert_eq!(other.external, first.external);
    pool(&mut site, false);
    assert!(site.heal().is_empty());
    assert_eq!(site.update("bank/b", |spec| spec.publish_not_ready = true).unwrap().external, first.external);
    site.check();
    assert_ne!(site.create("bank/c", keyed("k", Protocol::Tcp, 8443)).unwrap().external, first.external);
    site.check();
}

#[test]
fn what_may_not_be_asked_for_by_name_is_not_joined_in_silence_either() {
    let mut site = Site::usual();
    site.reserve("vip", "10.0.0.13", "somebody");
    let reserved = |number: u16| {
        move |spec: &mut ServiceSpec| {
            keyed("k", Protocol::Tcp, number)(spec);
            spec.external.reservation = Some("vip".parse().unwrap());
        }
    };
    assert_eq!(site.create("shop/a", reserved(80)).unwrap().external[0].address, addr("10.0.0.13"));
    assert_eq!(site.create("shop/b", keyed("k", Protocol::Tcp, 443)).unwrap().external[0].address, addr("10.0.0.14"));
    assert_eq!(site.create("shop/c", reserved(8443)).unwrap().external[0].address, addr("10.0.0.13"));
    site.check();
}
