use std::collections::BTreeMap;
use std::time::Duration;

use polder_core::id::Uid;
use polder_core::lb::health::{HealthCheck, Probe};
use polder_core::lb::*;
use polder_core::meta::Meta;
use polder_core::net::{Family, Labels};
use polder_core::reason::Reason;
use polder_core::time::Timestamp;

use super::*;

/// A service with every field set.
fn full() -> Service {
    let port = |name: &str, protocol, port, target| ServicePort {
        name: Some(name.parse().unwrap()),
        protocol,
        port,
        target,
        app_protocol: "http".to_owned(),
    };
    let vip = |address: &str, pool: &str| Vip { address: address.parse().unwrap(), pool: pool.parse().unwrap() };
    Service {
        key: ServiceKey { namespace: "shop".parse().unwrap(), name: "web".parse().unwrap() },
        meta: Meta {
            uid: Uid(0x0102),
            version: 3,
            created: Timestamp(1_700_000_000_000_000),
            updated: Timestamp(1_700_000_000_000_001),
        },
        labels: Labels::new([("app".to_owned(), "WS".to_owned())]).unwrap(),
        annotations: BTreeMap::from([("note".to_owned(), "ä".to_owned())]),
        spec: ServiceSpec {
            service_type: ServiceType::LoadBalancer,
            node_ports: false,
            selector: "app=WS,tier in (a,b)".parse().unwrap(),
            ports: vec![
                port("http", Protocol::Tcp, 80, TargetPort::Number(8080)),
                port("dns", Protocol::Udp, 53, TargetPort::Name("dns".parse().unwrap())),
                port("sctp", Protocol::Sctp, 99, TargetPort::Number(99)),
            ],
            cluster_ips: vec!["172.28.0.9".parse().unwrap()],
            families: vec![Family::V4, Family::V6],
            family_policy: FamilyPolicy::RequireDualStack,
            external: External {
                addresses: vec!["2001:db8::5".parse().unwrap()],
                pools: vec!["external".parse().unwrap()],
                reservation: Some("kept".parse().unwrap()),
                sharing_key: "key".to_owned(),
                class: "polder.dev/lb".to_owned(),
                source_ranges: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
                allocate_node_ports: Some(false),
            },
            affinity: Affinity::ClientIp { timeout: 10_800 },
            internal_policy: TrafficPolicy::Local,
            external_policy: TrafficPolicy::Local,
            publish_not_ready: true,
            external_name: "db.example.com".to_owned(),
            endpoints: vec![Endpoint {
                address: "192.0.2.7".parse().unwrap(),
                ready: false,
                node: Some("node-a".parse().unwrap()),
                zone: "z1".to_owned(),
                hostname: Some("db-0".parse().unwrap()),
                pod: String::new(),
                ports: vec![Some(8080), None, Some(99)],
            }],
            health_check_port: 30_000,
            health_check: None,
        },
        cluster: vec![vip("172.28.0.9", "service")],
        external: vec![vip("2001:db8::5", "external")],
        conditions: vec![Condition {
            kind: ConditionKind::ExternalAddresses,
            reason: Reason::PoolExhausted,
            message: "full".to_owned(),
            since: Timestamp(1_700_000_000_000_002),
        }],
    }
}

fn put(service: &Service) -> Change {
    Change::Service(service.key.clone(), Some(Arc::new(service.clone())))
}

fn again(change: &Change) -> Result<Option<Change>, Corrupt> {
    let write = encode(change);
    let key = String::from_utf8(write.key).unwrap();
    decode(key.strip_prefix(PREFIX).unwrap(), write.value.as_deref())
}

#[test]
fn every_field_comes_back() {
    let full = full();
    assert_eq!(again(&put(&full)).unwrap(), Some(put(&full)));
    let types = [ServiceType::ClusterIp, ServiceType::Headless, ServiceType::ExternalName];
    for (service_type, node_ports) in types.map(|one| (one, false)).into_iter().chain([(ServiceType::ClusterIp, true)]) {
        let mut service = full.clone();
        (service.spec.service_type, service.spec.node_ports) = (service_type, node_ports);
        assert_eq!(again(&put(&service)).unwrap(), Some(put(&service)));
    }
    for kind in [
        ConditionKind::ClusterAddresses,
        ConditionKind::ExternalAddresses,
        ConditionKind::NodePorts,
        ConditionKind::AddressConflict,
    ] {
        let mut service = full.clone();
        service.conditions[0].kind = kind;
        assert_eq!(again(&put(&service)).unwrap(), Some(put(&service)));
    }
    let bare = Service { spec: ServiceSpec::default(), conditions: Vec::new(), ..full };
    assert_eq!(again(&put(&bare)).unwrap(), Some(put(&bare)));
    let gone = Change::Service(bare.key, None);
    assert_eq!(again(&gone).unwrap(), Some(gone));
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let write = encode(&put(&full()));
    assert_eq!(write.key, b"/polder/lb/services/shop/web");
    let hex: String = write.value.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden_v1.hex").trim());
    assert_eq!(before(&View::default(), &put(&full())), None);
    let mut view = View::default();
    view.apply(&put(&full()));
    assert_eq!(before(&view, &Change::Service(full().key, None)), encode(&put(&full())).value);
}

#[test]
fn health_checks_come_back_and_keep_their_bytes() {
    let http = Probe::Http { path: "/up".to_owned(), host: "a.example".to_owned() };
    for (probe, bytes) in [
        (http, "080112032f75701a09612e6578616d706c6520a01f28c096b10230a0c21e38024003"),
        (Probe::Tcp, "20a01f28c096b10230a0c21e38024003"),
    ] {
        let mut service = full();
        let (interval, timeout) = (Duration::from_secs(5), Duration::from_millis(500));
        service.spec.health_check = Some(HealthCheck { probe, port: 4000, interval, timeout, healthy: 2, unhealthy: 3 });
        assert_eq!(again(&put(&service)).unwrap(), Some(put(&service)));
        let stored = service::write(&service, VERSION).spec.unwrap().health_check.unwrap();
        let hex: String = stored.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, bytes);
    }
}

#[test]
fn an_address_that_was_given_up_comes_back_and_keeps_its_bytes() {
    let rest = Rest { since: Timestamp(1_700_000_000_000_000), holder: full().key };
    for (address, key) in [("10.0.0.13", "/polder/lb/resting/10.0.0.13"), ("2001:db8::5", "/polder/lb/resting/2001:db8::5")] {
        let put = Change::Rest(address.parse().unwrap(), Some(Arc::new(rest.clone())));
        let write = encode(&put);
        assert_eq!(write.key, key.as_bytes());
        let hex: String = write.value.as_ref().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0801108080f9c0c1c482031a0473686f702203776562");
        assert_eq!(again(&put), Ok(Some(put.clone())));
        let mut view = View::default();
        view.apply(&put);
        let gone = Change::Rest(address.parse().unwrap(), None);
        assert_eq!((before(&view, &gone), before(&View::default(), &gone)), (write.value, None));
        assert_eq!(again(&gone), Ok(Some(gone)));
    }
    let newer = pb::Rest { version: 2, since: 1, namespace: "n".to_owned(), name: "s".to_owned() }.encode_to_vec();
    for (key, value) in
        [("resting/10.0.0", &[][..]), ("resting/FD00::1", &[8, 1]), ("resting/10.0.0.1", &newer), ("resting/10.0.0.1", &[8, 1])]
    {
        assert_eq!(decode(key, Some(value)).unwrap_err().key, format!("{PREFIX}{key}"));
    }
}

#[test]
fn what_cannot_be_read_is_named_and_what_is_no_record_is_passed_over() {
    for other in ["head/services", "journal/0001", "later/10.0.0.13"] {
        assert_eq!(decode(other, Some(b"x")), Ok(None));
    }
    let newer = pb::Service { version: 2, ..service::write(&full(), VERSION) }.encode_to_vec();
    let nothing = pb::Service { version: 1, ..pb::Service::default() }.encode_to_vec();
    for (key, value) in
        [("services/shop", &[][..]), ("services/Shop/web", &[]), ("services/shop/web", &newer), ("services/shop/web", &nothing)]
    {
        let corrupt = decode(key, Some(value)).unwrap_err();
        assert_eq!(corrupt.key, format!("{PREFIX}{key}"));
    }
    assert!(decode("services/shop/web", Some(b"\xff\xff\xff")).is_err());
}

#[test]
fn announcements_come_back_and_their_bytes_stay_what_they_are() {
    let record = announce::Announcement {
        address: "10.0.0.13".parse().unwrap(),
        meta: Meta { uid: Uid(0x0304), version: 2, created: Timestamp(1), updated: Timestamp(2) },
        node: "node-b".parse().unwrap(),
        epoch: 7,
        previous: Some("node-a".parse().unwrap()),
        pinned: true,
        since: Timestamp(3),
    };
    let drain = announce::Drain { node: "node-a".parse().unwrap(), since: Timestamp(4) };
    let put = [
        (
            Change::Announcement(record.address, Some(Arc::new(record.clone()))),
            "announcements/10.0.0.13",
            "080112180a10000000000000000000000000000003041002180120021a066e6f64652d6220072a066e6f64652d6130013803",
        ),
        (Change::Drain(drain.node.clone(), Some(Arc::new(drain.clone()))), "drains/node-a", "08011004"),
        (Change::Epoch(7), "epoch", "08011007"),
    ];
    let mut view = View::default();
    for (change, key, golden) in &put {
        let write = encode(change);
        let hex: String = write.value.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((write.key, hex.as_str()), (format!("{PREFIX}{key}").into_bytes(), *golden));
        assert_eq!(again(change).unwrap().as_ref(), Some(change));
        assert_eq!(before(&view, change), None);
        view.apply(change);
        assert_eq!(before(&view, change), write.value);
    }
    for gone in [Change::Announcement(record.address, None), Change::Drain(drain.node, None)] {
        assert_eq!(again(&gone).unwrap(), Some(gone.clone()));
    }
    let two_keys = decode("announcements/10.0.0.013", Some(&encode(&put[0].0).value.unwrap()));
    assert!(two_keys.is_err() && decode("announcements/fd00::0:1", Some(b"")).is_err());
}
