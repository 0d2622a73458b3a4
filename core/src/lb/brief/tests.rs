use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::lb::{Change, External, View};
use crate::net::Label;

fn sorted(keys: impl Iterator<Item = ServiceKey>) -> Vec<ServiceKey> {
    let mut keys: Vec<ServiceKey> = keys.collect();
    keys.sort();
    keys
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,20}[a-z0-9])?"
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn port() -> impl Strategy<Value = ServicePort> {
    let target =
        prop_oneof![any::<u16>().prop_map(TargetPort::Number), text().prop_map(|name| TargetPort::Name(name.parse().unwrap()))];
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    (prop::option::of(text()), protocol, any::<u16>(), target).prop_map(|(name, protocol, port, target)| {
        let name = name.map(|name| name.parse().unwrap());
        ServicePort { name, protocol, port, target, app_protocol: String::new() }
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let ports = prop::collection::vec(prop::option::of(any::<u16>()), 0..3);
    (address(), any::<bool>(), prop::option::of(text()), ports).prop_map(|(address, ready, hostname, ports)| {
        let hostname = hostname.map(|name| name.parse().unwrap());
        Endpoint { address, ready, node: None, zone: String::new(), hostname, pod: String::new(), ports }
    })
}

fn vips() -> impl Strategy<Value = Vec<Vip>> {
    let vip = (address(), text()).prop_map(|(address, pool)| Vip { address, pool: pool.parse().unwrap() });
    prop::collection::vec(vip, 0..3)
}

/// A service that has nothing but what names follow from.
fn service() -> impl Strategy<Value = Service> {
    use ServiceType::{ClusterIp, ExternalName, Headless, LoadBalancer};
    let kind = prop_oneof![Just(ClusterIp), Just(Headless), Just(LoadBalancer), Just(ExternalName)];
    let selector = prop_oneof![Just(""), Just("app=a"), Just("app=a,tier in (x,y),!gone,z!=1")];
    let families = prop::collection::vec(prop_oneof![Just(Family::V4), Just(Family::V6)], 0..3);
    let spec = (kind, selector, prop::collection::vec(port(), 0..3), families, any::<bool>(), ".{0,300}");
    let rest = (prop::collection::vec(endpoint(), 0..3), vips(), vips(), text());
    (spec, rest).prop_map(|((service_type, selector, ports, families, publish_not_ready, external_name), rest)| {
        let (endpoints, cluster, external, name) = rest;
        let selector = selector.parse().unwrap();
        let spec = ServiceSpec {
            service_type,
            selector,
            ports,
            families,
            publish_not_ready,
            external_name,
            endpoints,
            ..Default::default()
        };
        let key = ServiceKey { namespace: "shop".parse().unwrap(), name: name.parse().unwrap() };
        Service {
            key,
            meta: META,
            labels: Labels::default(),
            annotations: [].into(),
            spec,
            cluster,
            external,
            conditions: Vec::new(),
        }
    })
}

proptest! {
    #[test]
    fn what_names_follow_from_comes_back_and_nothing_else(service in service()) {
        prop_assert_eq!(Brief::of(&service).service(&service.key), Some(service.clone()));
        let mut more = service.clone();
        more.labels = Labels::new([("a".to_owned(), "b".to_owned())]).unwrap();
        more.annotations = [("a".to_owned(), "b".to_owned())].into();
        more.spec.external = External { sharing_key: "key".to_owned(), ..External::default() };
        prop_assert_eq!(Brief::of(&more), Brief::of(&service));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let key = ServiceKey { namespace: "shop".parse().unwrap(), name: "web".parse().unwrap() };
        _ = Brief(bytes.into()).service(&key);
    }

    #[test]
    fn a_view_of_briefs_tells_what_a_view_of_services_tells(services in prop::collection::vec((service(), any::<bool>()), 0..12)) {
        let (mut whole, mut brief) = (View::default(), View::default());
        let labels = Labels::new([("app".to_owned(), "a".to_owned()), ("tier".to_owned(), "x".to_owned())]).unwrap();
        let namespace = "shop".parse().unwrap();
        for (service, there) in services {
            let key = service.key.clone();
            let there = there.then_some(service);
            brief.apply(&Change::Brief(key.clone(), there.as_ref().map(Brief::of)));
            whole.apply(&Change::Service(key.clone(), there.map(Arc::new)));
            prop_assert_eq!(brief.named(&key), whole.named(&key));
            prop_assert_eq!(sorted(brief.keys()), sorted(whole.keys()));
            prop_assert_eq!(sorted(brief.keys_in(&namespace)), sorted(whole.keys_in(&namespace)));
            prop_assert_eq!(sorted(brief.keys_selecting(&namespace, &labels)), sorted(whole.keys_selecting(&namespace, &labels)));
            for service in whole.services() {
                let found = brief.brief(&service.key).unwrap();
                prop_assert_eq!(found.service_type(), Some(service.spec.service_type));
                prop_assert!(found.cluster().eq(service.cluster.iter().map(|vip| vip.address)));
                prop_assert_eq!(found.to_brief(), Brief::of(service));
                let ports = service.spec.ports.iter().map(|port| (port.name.as_ref().map(Label::as_str), port.protocol, port.port));
                prop_assert!(found.ports().eq(ports));
                for vip in &service.cluster {
                    let holds = |other: &&Arc<Service>| other.cluster.iter().any(|held| held.address == vip.address);
                    let holders = whole.services().filter(holds).map(|service| service.key.clone());
                    let mut found = sorted(brief.briefs_at(vip.address).filter_map(BriefRef::key));
                    found.dedup();
                    prop_assert_eq!(found, sorted(holders));
                }
            }
            let again = whole.services().fold(View::default(), |mut view, service| {
                view.apply(&Change::Brief(service.key.clone(), Some(Brief::of(service))));
                view
            });
            prop_assert_eq!((brief.briefs().count(), &brief), (whole.services().count(), &again));
        }
    }
}
