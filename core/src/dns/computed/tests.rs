//! The Kubernetes DNS specification 1.1.0, line by line, as sets of records.

use super::super::fixture::{exposed, given, http, key, pod, port, public, put, service, set, settings, settings_with, shop, zone};
use super::*;
use crate::cluster::Change;
use crate::dns::fixture::Pod;
use crate::hash::Seed;
use crate::lb::TargetPort;

/// `name TYPE data` of every record of the source, the cluster's suffix left out.
fn lines(cluster: &Cluster, source: &Source) -> Vec<String> {
    let line = |record: &Record| {
        let rtype = record.data.record_type().map_or_else(|| "-".to_owned(), |rtype| rtype.to_string());
        format!("{} {rtype} {}", record.name, record.data).replace(".svc.cluster.local.", "").trim_end().to_owned()
    };
    let mut lines: Vec<String> = records(&settings(), cluster, source, None).iter().map(line).collect();
    lines.sort();
    lines
}

fn of(cluster: &Cluster, name: &str) -> Vec<String> {
    lines(cluster, &Source::Service(key(name)))
}

#[test]
fn a_virtual_ip_has_addresses_ports_and_a_reverse_name() {
    assert_eq!(
        of(&shop(), "shop/db"),
        [
            "172-27-0-7.db.shop A 172.27.0.7",
            "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.2.0.0.0.0.d.f.ip6.arpa. PTR db.shop",
            "3.0.28.172.in-addr.arpa. PTR db.shop",
            "7.0.27.172.in-addr.arpa. PTR 172-27-0-7.db.shop",
            "_http._tcp.db.shop SRV 0 100 80 db.shop",
            "db.shop -",
            "db.shop A 172.28.0.3",
            "db.shop AAAA fd00:28::3",
            "db.shop SRV 0 100 80 db.shop",
        ]
    );
}

#[test]
fn a_headless_service_has_its_ready_endpoints() {
    assert_eq!(
        of(&shop(), "shop/peers"),
        [
            "172-27-0-23.peers.shop A 172.27.0.23",
            "20.0.27.172.in-addr.arpa. PTR p0.peers.shop",
            "21.0.27.172.in-addr.arpa. PTR p1.peers.shop",
            "23.0.27.172.in-addr.arpa. PTR 172-27-0-23.peers.shop",
            "_http._tcp.peers.shop SRV 0 100 8080 172-27-0-23.peers.shop",
            "_http._tcp.peers.shop SRV 0 100 8080 p0.peers.shop",
            "_http._tcp.peers.shop SRV 0 100 8080 p1.peers.shop",
            "p0.peers.shop A 172.27.0.20",
            "p1.peers.shop A 172.27.0.21",
            "peers.shop A 172.27.0.20",
            "peers.shop A 172.27.0.21",
            "peers.shop A 172.27.0.23",
            "peers.shop SRV 0 100 8080 172-27-0-23.peers.shop",
            "peers.shop SRV 0 100 8080 p0.peers.shop",
            "peers.shop SRV 0 100 8080 p1.peers.shop",
        ]
    );
    assert_eq!(of(&shop(), "shop/none"), [""; 0]);
}

#[test]
fn endpoints_that_are_not_ready_are_named_only_where_that_is_wanted() {
    let mut cluster = shop();
    let mut peers = service("shop/peers", ServiceType::Headless, "app=peer", &[]);
    peers.spec.publish_not_ready = true;
    cluster.apply(&put(peers));
    assert!(of(&cluster, "shop/peers").contains(&"p2.peers.shop A 172.27.0.22".to_owned()));
}

#[test]
fn two_pods_of_one_host_name_share_it() {
    let mut cluster = shop();
    let twin = Pod { name: "shop/twin", addresses: &["172.27.0.30"], labels: "app=peer", host: "p0.peers", ready: true };
    cluster.apply(&pod(&twin));
    let lines = of(&cluster, "shop/peers");
    assert_eq!(lines.iter().filter(|line| line.starts_with("p0.peers.shop A")).count(), 2);
    assert_eq!(lines.iter().filter(|line| line.contains("_http._tcp.peers.shop") && line.contains(" p0.")).count(), 1);
}

#[test]
fn a_host_name_without_its_subdomain_is_not_published() {
    let mut cluster = shop();
    let other = Pod { name: "shop/other", addresses: &["172.27.0.31"], labels: "app=peer", host: "x.elsewhere", ready: true };
    cluster.apply(&pod(&other));
    let lines = of(&cluster, "shop/peers");
    assert!(lines.contains(&"172-27-0-31.peers.shop A 172.27.0.31".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("x.")));
}

#[test]
fn unnamed_ports_stand_at_the_service_and_every_protocol_has_its_label() {
    let mut cluster = shop();
    let mut dns = service("shop/dns", ServiceType::ClusterIp, "", &["172.28.0.53"]);
    let number = TargetPort::Number(53);
    dns.spec.ports = vec![
        port("dns", Protocol::Udp, 53, number.clone()),
        port("dns", Protocol::Tcp, 53, number.clone()),
        port("m3ua", Protocol::Sctp, 2905, number.clone()),
        port("", Protocol::Tcp, 9153, number),
    ];
    cluster.apply(&put(dns));
    let srv: Vec<String> = of(&cluster, "shop/dns").into_iter().filter(|line| line.contains(" SRV ")).collect();
    assert_eq!(
        srv,
        [
            "_dns._tcp.dns.shop SRV 0 100 53 dns.shop",
            "_dns._udp.dns.shop SRV 0 100 53 dns.shop",
            "_m3ua._sctp.dns.shop SRV 0 100 2905 dns.shop",
            "dns.shop SRV 0 100 2905 dns.shop",
            "dns.shop SRV 0 100 53 dns.shop",
            "dns.shop SRV 0 100 9153 dns.shop",
        ]
    );
}

#[test]
fn given_endpoints_are_named_too_and_a_port_that_is_missing_has_no_srv() {
    let mut cluster = shop();
    let mut legacy = service("shop/legacy", ServiceType::Headless, "", &[]);
    let mut portless = given("192.0.2.2", true);
    portless.ports = vec![None];
    legacy.spec.ports = vec![http()];
    legacy.spec.endpoints = vec![given("192.0.2.1", true), portless, given("192.0.2.3", false), given("2001:db8::", true)];
    cluster.apply(&put(legacy));
    let lines = of(&cluster, "shop/legacy");
    assert!(lines.contains(&"192-0-2-2.legacy.shop A 192.0.2.2".to_owned()));
    assert!(lines.contains(&"2001-db8--0.legacy.shop AAAA 2001:db8::".to_owned()));
    assert!(!lines.iter().any(|line| line.contains("192.0.2.3") || line.contains("SRV 0 100 80 192-0-2-2")), "{lines:?}");
}

#[test]
fn an_external_name_is_an_alias_and_an_address_is_none() {
    assert_eq!(of(&shop(), "shop/pay"), ["pay.shop CNAME pay.example.com."]);
    let mut cluster = shop();
    for bad in ["192.0.2.1", "2001:db8::1", "", "a..b"] {
        let mut alias = service("shop/pay", ServiceType::ExternalName, "", &[]);
        alias.spec.external_name = bad.to_owned();
        cluster.apply(&put(alias));
        assert_eq!(of(&cluster, "shop/pay"), [""; 0], "{bad}");
    }
}

#[test]
fn a_namespace_exists_as_soon_as_an_object_names_it() {
    let cluster = shop();
    assert_eq!(lines(&cluster, &Source::Namespace("bare".parse().unwrap())), ["bare -", "bare.pod.cluster.local. -"]);
    assert_eq!(lines(&cluster, &Source::Namespace("nobody".parse().unwrap())), [""; 0]);
}

#[test]
fn the_zones_follow_the_pools() {
    let apexes: Vec<String> = reverse_apexes(&shop()).iter().map(ToString::to_string).collect();
    let nibbles = "0.".repeat(20);
    assert_eq!(
        apexes,
        [format!("{nibbles}8.2.0.0.0.0.d.f.ip6.arpa."), "27.172.in-addr.arpa.".into(), "28.172.in-addr.arpa.".into()]
    );
    let lines = lines(&shop(), &Source::Zones);
    for line in ["cluster.local. NS ns.dns.cluster.local.", "dns-version.cluster.local. TXT \"1.1.0\""] {
        assert!(lines.contains(&line.to_owned()), "{lines:?}");
    }
}

#[test]
fn names_longer_than_dns_allows_are_left_out() {
    let zone: DomainName = format!("{}.{}", "y".repeat(60), "z".repeat(30)).parse().unwrap();
    let settings = Settings::new(zone, Seed(7)).unwrap();
    let mut cluster = shop();
    let long = "x".repeat(63);
    let name = format!("{long}/{long}");
    let mut deep = service(&name, ServiceType::ClusterIp, "", &["172.28.9.9"]);
    deep.spec.ports = vec![port(&"p".repeat(30), Protocol::Sctp, 1, TargetPort::Number(1))];
    cluster.apply(&put(deep));
    let records = records(&settings, &cluster, &Source::Service(key(&name)), None);
    let kinds: Vec<String> = records.iter().filter_map(|record| record.data.record_type()).map(|rtype| rtype.to_string()).collect();
    assert_eq!(kinds, ["PTR", "A", "SRV"], "the name of the port is too long, those of the service are not");
}

#[test]
fn pods_have_their_addresses_as_names_while_they_hold_them() {
    let mut cluster = shop();
    let both = Pod { name: "shop/both", addresses: &["172.27.0.50", "fd00:27::"], labels: "", host: "", ready: false };
    let change = pod(&both);
    let Change::Ipam(crate::ipam::Change::Allocation(uid, Some(record))) = &change else { panic!("it is one") };
    cluster.apply(&change);
    let source = Source::Pod(*uid);
    let names = ["172-27-0-50.shop.pod.cluster.local. A 172.27.0.50", "fd00-27--0.shop.pod.cluster.local. AAAA fd00:27::"];
    assert_eq!(lines(&cluster, &source), names);

    for pods in [PodRecords::Disabled, PodRecords::Insecure] {
        assert!(records(&settings_with(pods), &cluster, &source, None).is_empty(), "{pods:?}");
    }
    let disabled = settings_with(PodRecords::Disabled);
    assert_eq!(records(&disabled, &cluster, &Source::Namespace("shop".parse().unwrap()), None).len(), 1);

    let released = crate::ipam::Allocation { released: Some(crate::time::Timestamp(1)), ..(**record).clone() };
    cluster.apply(&Change::Ipam(crate::ipam::Change::Allocation(*uid, Some(Arc::new(released)))));
    assert_eq!(lines(&cluster, &source), [""; 0]);
}

fn outside(cluster: &Cluster, name: &str) -> Vec<String> {
    lines(cluster, &Source::External(key(name)))
}

#[test]
fn services_are_named_in_the_zones_of_operators_that_want_them() {
    let mut cluster = shop();
    for change in [public("apps.example"), zone("plain.example"), exposed("shop/web", &["192.0.2.7", "2001:db8::7"])] {
        cluster.apply(&change);
    }
    assert_eq!(
        outside(&cluster, "shop/web"),
        [
            "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR web.shop.apps.example.",
            "7.2.0.192.in-addr.arpa. PTR web.shop.apps.example.",
            "_http._tcp.web.shop.apps.example. SRV 0 100 80 web.shop.apps.example.",
            "web.shop.apps.example. -",
            "web.shop.apps.example. A 192.0.2.7",
            "web.shop.apps.example. AAAA 2001:db8::7",
            "web.shop.apps.example. SRV 0 100 80 web.shop.apps.example.",
        ]
    );
    // One without an external IP yet has its name, one that is for the inside only has none.
    cluster.apply(&exposed("shop/web", &[]));
    assert_eq!(outside(&cluster, "shop/web").iter().filter(|line| line.ends_with('-')).count(), 1);
    assert_eq!(outside(&cluster, "shop/db"), [""; 0]);
}

#[test]
fn what_an_operator_stores_takes_the_place_of_a_service() {
    for (there, hidden) in [
        (set("apps.example/web.shop/A", &["192.0.2.1"]), true),
        (set("apps.example/web.shop/CNAME", &["elsewhere.example."]), true),
        (set("apps.example/shop/NS", &["ns.elsewhere.example."]), true),
        (zone("shop.apps.example"), true),
        (set("apps.example/shop/TXT", &["about the shop"]), false),
        (set("apps.example/www.shop/A", &["192.0.2.1"]), false),
    ] {
        let mut cluster = shop();
        for change in [public("apps.example"), exposed("shop/web", &["192.0.2.7"]), there.clone()] {
            cluster.apply(&change);
        }
        assert_eq!(outside(&cluster, "shop/web").is_empty(), hidden, "{there:?}");
    }
}
