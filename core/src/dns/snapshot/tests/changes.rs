//! Changes of everything that names follow from, at random.

use proptest::prelude::*;

use super::super::super::fixture::{
    Pod, drop_service, exposed, pod, pool, port, public, put, ready, service, set, set_key, view, views, zone,
};
use super::super::super::zones::Change as ZoneChange;
use crate::cluster::Change;
use crate::ipam::{Change as IpamChange, Purpose};
use crate::lb::{Protocol, ServiceType, TargetPort};

fn namespaces() -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![Just("shop"), Just("yard")]
}

fn change_service() -> impl Strategy<Value = Change> {
    let service_type = prop_oneof![
        Just(ServiceType::ClusterIp),
        Just(ServiceType::Headless),
        Just(ServiceType::LoadBalancer),
        Just(ServiceType::ExternalName)
    ];
    (namespaces(), 0..5_u8, service_type, 0..3_u8, any::<bool>(), (0..8_u8, 0..6_u8)).prop_map(
        |(namespace, name, service_type, label, publish, (vips, ports))| {
            let vips: &[String] = &match vips {
                0 => vec![],
                1 => vec![format!("172.28.1.{name}"), format!("fd00:28::{name}")],
                2 => vec![format!("172.28.1.{name}"), format!("172.28.2.{name}")],
                // Several services have these, and so have pods.
                3 => vec!["172.28.1.99".to_owned()],
                4 => vec!["172.27.0.1".to_owned()],
                _ => vec![format!("172.28.1.{name}")],
            };
            let vips: Vec<&str> = vips.iter().map(String::as_str).collect();
            let mut made = service(&format!("{namespace}/s{name}"), service_type, &format!("app=a{label}"), &vips);
            let long = "x".repeat(63);
            let more = [("", 80), ("http", 81), ("dns", 53), (&long, 7), ("", 53)];
            let more = more.into_iter().take(ports.into()).enumerate();
            made.spec.ports.extend(more.map(|(nth, (name, number))| {
                let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp][nth % 3];
                port(name, protocol, number, TargetPort::Number(number))
            }));
            made.spec.external_name = format!("s{label}.shop.svc.cluster.local");
            made.spec.publish_not_ready = publish;
            put(made)
        },
    )
}

pub(super) fn arbitrary_change() -> impl Strategy<Value = Change> {
    let namespaces = namespaces();
    let drop_one = (namespaces.clone(), 0..5_u8).prop_map(|(namespace, name)| drop_service(&format!("{namespace}/s{name}")));
    let change_pod = (namespaces.clone(), 0..6_u8, 0..6_u8, 0..3_u8, 0..4_u8, any::<bool>()).prop_map(
        |(namespace, name, at, label, host, ready)| {
            let v4 = format!("172.27.0.{at}");
            let v6 = format!("fd00:27::{at}");
            let host = if host == 0 { String::new() } else { format!("h{host}.s{name}") };
            pod(&Pod {
                name: &format!("{namespace}/p{name}"),
                addresses: &[&v4, &v6],
                labels: &format!("app=a{label}"),
                host: &host,
                ready,
            })
        },
    );
    let drop_pod =
        (namespaces, 0..6_u8).prop_map(|(namespace, name)| match ready(&format!("{namespace}/p{name}"), "10.0.0.1", "") {
            Change::Ipam(IpamChange::Allocation(uid, _)) => Change::Ipam(IpamChange::Allocation(uid, None)),
            other => other,
        });
    let pools = (0..3_u8).prop_map(|n| pool("service", Purpose::ClusterService, &[&format!("172.{}.0.0/16", 28 + n)]));
    let zones = prop_oneof![
        Just("x.example"),
        Just("shop.x.example"),
        Just("x.example@v0"),
        Just("shop.x.example@v1"),
        Just("172.in-addr.arpa")
    ];
    let change_zone = (zones, 0..3_u8).prop_map(|(name, what)| match what {
        0 => Change::Dns(ZoneChange::Zone(name.parse().unwrap(), None)),
        1 => zone(name),
        _ => public(name),
    });
    let change_exposed = (0..5_u8, 0..3_u8).prop_map(|(name, vip)| exposed(&format!("shop/s{name}"), &[&format!("192.0.2.{vip}")]));
    let reverse_owners = prop_oneof![Just("1.1.28/PTR"), Just("x.1.1.28/PTR"), Just("99.1.28/TXT"), Just("28/PTR")];
    let change_reverse = (reverse_owners, any::<bool>()).prop_map(|(owner, there)| {
        let path = format!("172.in-addr.arpa/{owner}");
        let data = if owner.ends_with("PTR") { "host.example." } else { "text" };
        if there { set(&path, &[data]) } else { Change::Dns(ZoneChange::RecordSet(set_key(&path), None)) }
    });
    let owners = prop_oneof![Just("s1.shop/A"), Just("s2.shop/A"), Just("shop/NS"), Just("s1.yard/A"), Just("s1/A")];
    let set_zones = prop_oneof![Just("x.example"), Just("x.example@v0")];
    let change_set = (set_zones, owners, any::<bool>()).prop_map(|(zone, owner, there)| {
        let (path, data) = (format!("{zone}/{owner}"), if owner.ends_with("NS") { "ns.other.example." } else { "192.0.2.99" });
        if there { set(&path, &[data]) } else { Change::Dns(ZoneChange::RecordSet(set_key(&path), None)) }
    });
    let spaces = prop_oneof![Just(""), Just("shop"), Just("yard")];
    let change_views = (spaces.clone(), spaces).prop_map(|(of, seen)| {
        views(vec![
            view("v0", "172.27.0.0/30 10.0.0.1/32", of, seen),
            view("v1", "172.27.0.0/16", if of == "shop" { "yard" } else { "" }, ""),
        ])
    });
    let outside = prop_oneof![2 => change_zone, 3 => change_exposed, 2 => change_set, 2 => change_reverse, 1 => change_views];
    prop_oneof![3 => outside, 4 => change_service(), 2 => drop_one, 6 => change_pod, 2 => drop_pod, 1 => pools]
}
