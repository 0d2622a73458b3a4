use polder_core::cluster::Cluster;
use polder_core::id::Entropy;
use polder_core::lb::{Condition, ConditionKind, ServiceSpec, ServiceType, TrafficPolicy, plan};
use polder_core::net::Family;
use polder_core::schema::PlanContext;
use polder_core::time::Timestamp;

use super::*;
use crate::types::v1::ConditionStatus;

const CONTEXT: PlanContext = PlanContext { now: Timestamp(1_700_000_000_123_456), entropy: Entropy(7) };

fn port(name: &str, number: u32) -> pb::ServicePort {
    pb::ServicePort { name: name.to_owned(), port: number, ..pb::ServicePort::default() }
}

fn web() -> pb::Service {
    pb::Service {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        spec: Some(pb::ServiceSpec {
            r#type: pb::ServiceType::LoadBalancer.into(),
            selector: [("app".to_owned(), "WS".to_owned())].into(),
            ports: vec![port("http", 80)],
            ..pb::ServiceSpec::default()
        }),
        ..pb::Service::default()
    }
}

fn create(service: pb::Service) -> Result<Creation, Refusal> {
    creation(pb::CreateServiceRequest { service: Some(service), ..pb::CreateServiceRequest::default() })
}

fn with(change: impl FnOnce(&mut pb::ServiceSpec)) -> pb::Service {
    let mut service = web();
    change(service.spec.as_mut().unwrap());
    service
}

/// The service as it would be stored in an empty cluster, and that cluster.
fn stored(service: pb::Service) -> (Cluster, Service) {
    let mut cluster = Cluster::default();
    let decision = plan::create(&cluster, create(service).unwrap().draft, Wishes::MayWait, CONTEXT).unwrap();
    decision.changes().for_each(|change| cluster.apply(&change.into()));
    (cluster, Service::clone(decision.after.as_ref().unwrap()))
}

#[test]
fn what_is_shown_can_be_sent_back_and_means_the_same() {
    let full = with(|spec| {
        spec.ports = vec![port("http", 80), pb::ServicePort { protocol: pb::Protocol::Udp.into(), ..port("dns", 53) }];
        let target = pb::target_port::Target::Name("web".to_owned());
        spec.ports[0].target_port = Some(pb::TargetPort { target: Some(target) });
        spec.cluster_ips = vec!["172.28.0.7".to_owned()];
        spec.ip_family_policy = pb::IpFamilyPolicy::PreferDualStack.into();
        spec.session_affinity = pb::SessionAffinity::ClientIp.into();
        spec.external_traffic_policy = pb::TrafficPolicy::Local.into();
        spec.health_check_port = 30_000;
        let http = pb::HttpHealthCheck { path: "/up?full".to_owned(), host: "web.example:8080".to_owned() };
        spec.health_check = Some(pb::HealthCheck {
            kind: Some(pb::health_check::Kind::Http(http)),
            healthy_threshold: 5,
            ..pb::HealthCheck::default()
        });
        spec.external = Some(pb::ExternalSpec {
            pools: vec!["external".to_owned()],
            sharing_key: "key".to_owned(),
            source_ranges: vec!["192.0.2.0/24".to_owned()],
            ..pb::ExternalSpec::default()
        });
    });
    let given = with(|spec| {
        spec.r#type = pb::ServiceType::ClusterIp.into();
        spec.headless = true;
        spec.selector.clear();
        spec.endpoints = vec![pb::Endpoint { address: "192.0.2.1".to_owned(), ready: true, ..pb::Endpoint::default() }];
    });
    let alias = with(|spec| {
        *spec = pb::ServiceSpec { r#type: pb::ServiceType::ExternalName.into(), ..pb::ServiceSpec::default() };
        spec.external_name = "DB.example.com.".to_owned();
    });
    let node_ports = with(|spec| spec.r#type = pb::ServiceType::NodePort.into());
    for asked in [web(), full, given, alias, node_ports] {
        let draft = create(asked.clone()).unwrap().draft;
        let (cluster, stored) = stored(asked);
        let shown = service(&cluster, &stored, "cluster.local");
        assert_eq!(create(shown).unwrap().draft, draft);
    }
}

#[test]
fn the_status_says_what_there_is_and_what_is_missing() {
    let (cluster, stored) = stored(web());
    let shown = service(&cluster, &stored, "cluster.local");
    assert_eq!(shown.status.as_ref().unwrap().dns_names, ["web.shop.svc.cluster.local"]);
    assert_eq!(shown.create_time, Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 }));
    let conditions = shown.status.unwrap().conditions;
    let told: Vec<_> = conditions.iter().map(|condition| (condition.r#type.as_str(), condition.reason.as_str())).collect();
    let wanted = [
        ("ClusterAddressAssigned", "NO_ELIGIBLE_POOL"),
        ("ExternalAddressAssigned", "NO_ELIGIBLE_POOL"),
        ("EndpointsReady", "NO_READY_ENDPOINTS"),
    ];
    assert_eq!(told, wanted);
    assert!(conditions.iter().all(|condition| condition.status() == ConditionStatus::False));
}

#[test]
fn a_disputed_address_is_a_condition_only_while_it_is_disputed() {
    let (cluster, mut stored) = stored(web());
    let told = |stored: &Service| {
        let conditions = service(&cluster, stored, "cluster.local").status.unwrap().conditions;
        conditions.into_iter().find(|condition| condition.r#type == "AddressUncontested")
    };
    assert_eq!(told(&stored), None);
    stored.conditions.push(Condition {
        kind: ConditionKind::AddressConflict,
        reason: Reason::AddressQuarantined,
        message: "00:15:5d:01:02:03 answers for 10.0.0.13 too".to_owned(),
        since: CONTEXT.now,
    });
    let disputed = told(&stored).unwrap();
    assert_eq!((disputed.status(), disputed.reason.as_str()), (ConditionStatus::False, "ADDRESS_QUARANTINED"));
}

#[test]
fn every_bad_field_is_named() {
    let bad = pb::Service {
        namespace: "Shop".to_owned(),
        name: "n".repeat(10 << 20),
        ..with(|spec| {
            spec.ports = vec![port("-", 0), port("b", 70_000)];
            spec.cluster_ips = vec!["10.0.0.300".to_owned()];
            spec.session_affinity = 9;
            spec.external = Some(pb::ExternalSpec { source_ranges: vec!["10/8".to_owned()], ..pb::ExternalSpec::default() });
        })
    };
    let refusal = create(bad).unwrap_err();
    let fields: Vec<_> = refusal.violations.iter().map(|violation| (violation.field.as_str(), violation.reason)).collect();
    let wanted = [
        ("service.namespace", Reason::NameMalformed),
        ("service.name", Reason::NameMalformed),
        ("service.spec.cluster_ips[0]", Reason::AddressMalformed),
        ("service.spec.external.source_ranges[0]", Reason::RangeMalformed),
        ("service.spec.ports[0].name", Reason::NameMalformed),
        ("service.spec.ports[0].port", Reason::PortMalformed),
        ("service.spec.ports[1].port", Reason::PortMalformed),
        ("service.spec.session_affinity", Reason::InvalidArgument),
    ];
    assert_eq!(fields, wanted);
    assert!(refusal.violations.iter().all(|violation| violation.description.len() < 300));
}

#[test]
fn a_health_check_has_usual_values_and_bounds() {
    let tcp = || pb::HealthCheck { kind: Some(pb::health_check::Kind::Tcp(pb::TcpHealthCheck {})), ..Default::default() };
    let read =
        |check: pb::HealthCheck| create(with(|spec| spec.health_check = Some(check))).unwrap().draft.spec.health_check.unwrap();
    let usual = read(tcp());
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    let said = pb::HealthCheck {
        interval: Some(seconds(10)),
        timeout: Some(seconds(2)),
        healthy_threshold: 2,
        unhealthy_threshold: 3,
        ..tcp()
    };
    assert_eq!((health_check(&usual), usual.port), (said, 0));
    let fast = read(pb::HealthCheck { interval: Some(seconds(1)), ..tcp() });
    assert_eq!(fast.timeout, fast.interval, "an answer comes before the next question");
    let http = read(pb::HealthCheck { kind: Some(pb::health_check::Kind::Http(Default::default())), ..tcp() });
    assert_eq!(http.probe, polder_core::lb::health::Probe::Http { path: "/".to_owned(), host: String::new() });
}

#[test]
fn what_contradicts_itself_is_refused() {
    let external = |external| move |spec: &mut pb::ServiceSpec| spec.external = Some(external);
    let text = |text: &str| vec![text.to_owned()];
    let cases: Vec<(&str, Reason, pb::Service)> = vec![
        ("service.spec", Reason::FieldRequired, pb::Service { spec: None, ..web() }),
        ("service.spec.ports", Reason::FieldRequired, with(|spec| spec.ports.clear())),
        ("service.spec.ports[0].name", Reason::FieldRequired, with(|spec| spec.ports = vec![port("", 1), port("b", 2)])),
        ("service.spec.ports[1].port", Reason::DuplicateValue, with(|spec| spec.ports = vec![port("a", 1), port("b", 1)])),
        (
            "service.spec.ports",
            Reason::CountOutOfBounds,
            with(|spec| spec.ports = (1..=251).map(|n| port(&format!("p{n}"), n)).collect()),
        ),
        ("service.spec.headless", Reason::ConflictingFields, with(|spec| spec.headless = true)),
        ("service.spec.external_name", Reason::ConflictingFields, with(|spec| spec.external_name = "a.b".to_owned())),
        ("service.spec.external_name", Reason::NameMalformed, with(|spec| spec.external_name = "10.0.0.1".to_owned())),
        (
            "service.spec.cluster_ips",
            Reason::DuplicateValue,
            with(|spec| spec.cluster_ips = vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]),
        ),
        (
            "service.spec.external.reservation",
            Reason::ConflictingFields,
            with(external(pb::ExternalSpec { reservation: "r".to_owned(), pools: text("p"), ..pb::ExternalSpec::default() })),
        ),
        (
            "service.spec.external",
            Reason::ConflictingFields,
            with(|spec| {
                spec.r#type = pb::ServiceType::ClusterIp.into();
                spec.external = Some(pb::ExternalSpec { sharing_key: "k".to_owned(), ..pb::ExternalSpec::default() });
            }),
        ),
        (
            "service.spec.endpoints[0].address",
            Reason::AddressMalformed,
            with(|spec| {
                spec.selector.clear();
                spec.endpoints = vec![pb::Endpoint { address: "127.0.0.1".to_owned(), ..pb::Endpoint::default() }];
            }),
        ),
    ];
    for (field, reason, service) in cases {
        let refusal = create(service).unwrap_err();
        let violation = &refusal.violations[0];
        assert_eq!((violation.field.as_str(), violation.reason), (field, reason), "{refusal}");
    }
}

#[test]
fn two_families_without_a_policy_mean_both() {
    let service = with(|spec| spec.cluster_ips = vec!["172.28.0.7".to_owned(), "fd00::7".to_owned()]);
    let spec = create(service).unwrap().draft.spec;
    assert_eq!(spec.family_policy, polder_core::lb::FamilyPolicy::RequireDualStack);
}

#[test]
fn a_mask_changes_what_it_names_and_is_judged_at_once() {
    let (_, stored) = stored(web());
    let change = |paths: &[&str], service: pb::Service| {
        let update_mask = Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        revision(pb::UpdateServiceRequest { service: Some(service), update_mask, ..pb::UpdateServiceRequest::default() })
    };
    let incoming = pb::Service { labels: [("a".to_owned(), "b".to_owned())].into(), ..with(|spec| spec.ports.clear()) };
    let draft = change(&["labels"], incoming.clone()).unwrap().draft(Some(&stored)).unwrap();
    assert_eq!((draft.labels.get("a"), draft.spec), (Some("b"), stored.spec.clone()));
    let refusal = change(&["spec.ports"], incoming.clone()).unwrap().draft(Some(&stored)).unwrap_err();
    assert_eq!(refusal.reason, Reason::FieldRequired);
    assert_eq!(change(&["spec.nothing"], incoming.clone()).unwrap_err().violations[0].field, "update_mask");
    assert_eq!(change(&[], incoming).unwrap_err().violations[0].field, "service.spec.ports");
}

/// The service after an update of the fields under `paths`, stored as `before` was.
fn patched(before: pb::Service, paths: &[&str], change: impl FnOnce(&mut pb::ServiceSpec)) -> Result<ServiceSpec, Refusal> {
    let (_, stored) = stored(before);
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = pb::UpdateServiceRequest { service: Some(with(change)), update_mask, ..pb::UpdateServiceRequest::default() };
    Ok(revision(request)?.draft(Some(&stored))?.spec)
}

#[test]
fn what_goes_with_a_type_or_a_policy_goes_away_with_it_unless_the_update_speaks_of_it() {
    let full = with(|spec| {
        spec.cluster_ips = vec!["172.28.0.7".to_owned(), "fd00::7".to_owned()];
        spec.ip_families = vec![1, 2];
        spec.session_affinity = pb::SessionAffinity::ClientIp.into();
        spec.external_traffic_policy = pb::TrafficPolicy::Local.into();
        spec.health_check_port = 30_000;
        spec.external = Some(pb::ExternalSpec {
            addresses: vec!["2001:db8::5".to_owned(), "192.0.2.5".to_owned()],
            sharing_key: "key".to_owned(),
            ..pb::ExternalSpec::default()
        });
    });
    let inside = |spec: &mut pb::ServiceSpec| spec.r#type = pb::ServiceType::ClusterIp.into();
    let spec = patched(full.clone(), &["spec.type"], inside).unwrap();
    assert_eq!((spec.external, spec.external_policy, spec.health_check_port), (Default::default(), TrafficPolicy::Cluster, 0));
    assert_eq!((spec.cluster_ips.len(), spec.families.len()), (2, 2));
    let spoken = patched(full.clone(), &["spec.type", "spec.external.sharing_key"], |spec| {
        inside(spec);
        spec.external = Some(pb::ExternalSpec { sharing_key: "new".to_owned(), ..pb::ExternalSpec::default() });
    });
    assert_eq!(spoken.unwrap_err().violations[0].field, "service.spec.external");

    let single = |spec: &mut pb::ServiceSpec| spec.ip_family_policy = pb::IpFamilyPolicy::SingleStack.into();
    let spec = patched(full.clone(), &["spec.ip_family_policy"], single).unwrap();
    let kept = (spec.families, spec.cluster_ips, spec.external.addresses);
    assert_eq!(kept, (vec![Family::V4], vec!["172.28.0.7".parse().unwrap()], vec!["192.0.2.5".parse().unwrap()]));
    let spoken = patched(full.clone(), &["spec.ip_family_policy", "spec.cluster_ips"], |spec| {
        single(spec);
        spec.cluster_ips = vec!["172.28.0.7".to_owned(), "fd00::7".to_owned()];
    });
    assert_eq!(spoken.unwrap_err().violations[0].field, "service.spec.cluster_ips");

    let none = |spec: &mut pb::ServiceSpec| spec.session_affinity = pb::SessionAffinity::None.into();
    assert_eq!(patched(full.clone(), &["spec.session_affinity"], none).unwrap().affinity, polder_core::lb::Affinity::None);
    let everywhere = |spec: &mut pb::ServiceSpec| spec.external_traffic_policy = pb::TrafficPolicy::Cluster.into();
    assert_eq!(patched(full.clone(), &["spec.external_traffic_policy"], everywhere).unwrap().health_check_port, 0);

    let alias = |spec: &mut pb::ServiceSpec| {
        (spec.r#type, spec.external_name) = (pb::ServiceType::ExternalName.into(), "db.example.com".to_owned());
        spec.selector.clear();
    };
    let spec = patched(full, &["spec.type", "spec.external_name", "spec.selector"], alias).unwrap();
    assert!(spec.cluster_ips.is_empty());
    let back = patched(with(alias), &["spec.type"], inside).unwrap();
    assert_eq!((back.service_type, back.external_name.as_str()), (ServiceType::ClusterIp, ""));
}

#[test]
fn a_wait_is_bounded() {
    let with = |seconds| {
        let wait = Some(prost_types::Duration { seconds, nanos: 0 });
        creation(pb::CreateServiceRequest { service: Some(web()), wait, ..Default::default() })
    };
    assert_eq!(with(300).unwrap().manner.wait, Some(Duration::from_secs(300)));
    assert_eq!(with(301).unwrap_err().reason, Reason::CountOutOfBounds);
    assert_eq!(with(-1).unwrap_err().reason, Reason::InvalidArgument);
}

#[test]
fn a_bad_address_of_an_endpoint_hides_no_other_bad_field() {
    let mut service = web();
    let spec = service.spec.as_mut().unwrap();
    spec.selector.clear();
    let (address, node, hostname) = ("10.0.0".to_owned(), "Node A".to_owned(), "_".to_owned());
    spec.endpoints = vec![pb::Endpoint { address, node, hostname, ..Default::default() }];
    let refusal = creation(pb::CreateServiceRequest { service: Some(service), ..Default::default() }).unwrap_err();
    let fields: Vec<&str> =
        refusal.violations.iter().filter_map(|bad| bad.field.strip_prefix("service.spec.endpoints[0].")).collect();
    assert_eq!(fields, ["address", "node", "hostname"]);
}
