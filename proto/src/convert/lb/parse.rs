//! A service as a caller asks for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use polder_core::lb::check::check_spec;
use polder_core::lb::{
    Affinity, Draft, Endpoint, External, FamilyPolicy, Protocol, ServiceKey, ServicePort, ServiceSpec, ServiceType, TargetPort,
    TrafficPolicy,
};
use polder_core::net::labels::Requirement;
use polder_core::net::{Family, Labels, Name, Selector, parse_addr, parse_net};
use polder_core::reason::{Malformed, Reason, Violations, shown};

use super::super::common::{MOST_LABELS, known, labels, optional, parsed, port};
use super::health;
use crate::lb::v1 as pb;
use crate::types::v1::AddressFamily;

/// The most bytes of all annotations together, as Kubernetes has it.
const MOST_ANNOTATIONS: usize = 256 << 10;
/// How long a client keeps its endpoint when the caller does not say, in seconds.
const USUAL_AFFINITY: u32 = 10_800;
const MOST_AFFINITY: u32 = 86_400;
const SPEC: &str = "service.spec";

pub(super) fn key(namespace: &str, name: &str, at: &str, bad: &mut Violations) -> Option<ServiceKey> {
    let namespace = parsed(namespace, format!("{at}namespace"), bad);
    let name = parsed(name, format!("{at}name"), bad);
    Some(ServiceKey { namespace: namespace?, name: name? })
}

/// Everything that a caller may say about a service.
pub(super) fn draft(service: pb::Service, bad: &mut Violations) -> Option<Draft> {
    let key = key(&service.namespace, &service.name, "service.", bad);
    let labels = labels(service.labels, "service.labels", bad);
    check_annotations(&service.annotations, bad);
    let annotations = service.annotations;
    let Some(spec) = service.spec else {
        bad.add(SPEC, Reason::FieldRequired, "a service needs a specification");
        return None;
    };
    let spec = spec_of(spec, bad);
    check_whole(&spec, bad);
    Some(Draft { key: key?, labels, annotations, spec })
}

/// Notes what is wrong with a specification as a whole, but for what follows only from holes where fields did not parse.
fn check_whole(spec: &ServiceSpec, bad: &mut Violations) {
    if ["type", "ip_family_policy", "external_traffic_policy"].iter().any(|field| bad.names(&format!("{SPEC}.{field}"))) {
        return;
    }
    let mut more = Violations::new();
    check_spec(spec, SPEC, &mut more);
    bad.absorb(more, |noted, violation| {
        let field = violation.field.as_str();
        let of_ports = field.strip_suffix(".health_check.port").is_some_and(|_| noted.names(&format!("{SPEC}.ports")));
        !of_ports && !noted.names(part_of(field))
    });
}

/// The part of a specification that a field belongs to: `service.spec.ports` for `service.spec.ports[0].name`.
fn part_of(field: &str) -> &str {
    let steps = if field.starts_with("service.spec.external.") { 4 } else { 3 };
    let end = field.match_indices('.').nth(steps - 1).map_or(field.len(), |(end, _)| end);
    let part = field.get(..end).unwrap_or(field);
    part.split('[').next().unwrap_or(part)
}

fn check_annotations(annotations: &BTreeMap<String, String>, bad: &mut Violations) {
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MOST_ANNOTATIONS {
        let text = format!("{bytes} bytes of annotations are too many; at most {MOST_ANNOTATIONS} are taken");
        bad.add("service.annotations", Reason::FieldTooLong, text);
    }
    let keys = annotations.keys().map(|key| (key.clone(), String::new()));
    bad.take("service.annotations", Labels::new(keys));
}

fn spec_of(spec: pb::ServiceSpec, bad: &mut Violations) -> ServiceSpec {
    let service_type = known(spec.r#type, &format!("{SPEC}.type"), bad);
    if spec.headless && !matches!(service_type, pb::ServiceType::Unspecified | pb::ServiceType::ClusterIp) {
        bad.add(format!("{SPEC}.headless"), Reason::ConflictingFields, "only a service of type CLUSTER_IP can be headless");
    }
    let families = spec.ip_families.iter().enumerate().filter_map(|(nth, number)| family(*number, nth, bad)).collect::<Vec<_>>();
    let cluster_ips = addresses(&spec.cluster_ips, "cluster_ips", bad);
    let external = external(spec.external.unwrap_or_default(), bad);
    let two = [families.len(), cluster_ips.len(), external.addresses.len()].into_iter().any(|count| count > 1);
    let ports: Vec<ServicePort> = spec.ports.into_iter().enumerate().filter_map(|(nth, port)| port_of(port, nth, bad)).collect();
    ServiceSpec {
        service_type: match service_type {
            pb::ServiceType::LoadBalancer => ServiceType::LoadBalancer,
            pb::ServiceType::ExternalName => ServiceType::ExternalName,
            pb::ServiceType::Unspecified | pb::ServiceType::ClusterIp if spec.headless => ServiceType::Headless,
            pb::ServiceType::Unspecified | pb::ServiceType::ClusterIp | pb::ServiceType::NodePort => ServiceType::ClusterIp,
        },
        node_ports: service_type == pb::ServiceType::NodePort,
        selector: selector(&spec.selector, bad),
        cluster_ips,
        families,
        family_policy: match known(spec.ip_family_policy, &format!("{SPEC}.ip_family_policy"), bad) {
            pb::IpFamilyPolicy::Unspecified if two => FamilyPolicy::RequireDualStack,
            pb::IpFamilyPolicy::Unspecified | pb::IpFamilyPolicy::SingleStack => FamilyPolicy::SingleStack,
            pb::IpFamilyPolicy::PreferDualStack => FamilyPolicy::PreferDualStack,
            pb::IpFamilyPolicy::RequireDualStack => FamilyPolicy::RequireDualStack,
        },
        external,
        affinity: affinity(spec.session_affinity, spec.session_affinity_timeout_seconds, bad),
        internal_policy: policy(spec.internal_traffic_policy, "internal_traffic_policy", bad),
        external_policy: policy(spec.external_traffic_policy, "external_traffic_policy", bad),
        publish_not_ready: spec.publish_not_ready_addresses,
        external_name: outside_name(&spec.external_name, bad),
        endpoints: spec.endpoints.into_iter().enumerate().filter_map(|(nth, one)| endpoint(one, nth, &ports, bad)).collect(),
        ports,
        health_check_port: match spec.health_check_port {
            0 => 0,
            number => port(number, format!("{SPEC}.health_check_port"), bad).unwrap_or(0),
        },
        health_check: spec.health_check.and_then(|check| health::read(check, &format!("{SPEC}.health_check"), bad)),
    }
}

fn family(number: i32, nth: usize, bad: &mut Violations) -> Option<Family> {
    let field = format!("{SPEC}.ip_families[{nth}]");
    if number == i32::from(AddressFamily::Unspecified) {
        bad.add(field, Reason::FieldRequired, "say ADDRESS_FAMILY_IPV4 or ADDRESS_FAMILY_IPV6");
        return None;
    }
    match known(number, &field, bad) {
        AddressFamily::Ipv4 => Some(Family::V4),
        AddressFamily::Ipv6 => Some(Family::V6),
        AddressFamily::Unspecified => None,
    }
}

fn addresses(texts: &[String], field: &str, bad: &mut Violations) -> Vec<IpAddr> {
    let parse = |(nth, text): (usize, &String)| bad.take(format!("{SPEC}.{field}[{nth}]"), parse_addr(text));
    // More than one per family is refused anyway.
    texts.iter().enumerate().take(8).filter_map(parse).collect()
}

fn selector(labels: &BTreeMap<String, String>, bad: &mut Violations) -> Selector {
    let field = format!("{SPEC}.selector");
    if labels.len() > MOST_LABELS {
        bad.add(field, Reason::CountOutOfBounds, format!("{} labels are too many; at most {MOST_LABELS} are taken", labels.len()));
        return Selector::default();
    }
    let requirements = labels.iter().map(|(key, value)| Requirement::new(key, "In", std::slice::from_ref(value)));
    bad.take(field, requirements.collect::<Result<Vec<_>, _>>()).map(Selector::new).unwrap_or_default()
}

fn external(external: pb::ExternalSpec, bad: &mut Violations) -> External {
    let at = |field: &str| format!("{SPEC}.external.{field}");
    External {
        addresses: addresses(&external.addresses, "external.addresses", bad),
        pools: numbered(external.pools, at("pools")).filter_map(|(field, text)| parsed::<Name>(&text, field, bad)).collect(),
        reservation: optional(&external.reservation, at("reservation"), bad),
        sharing_key: external.sharing_key,
        class: external.load_balancer_class,
        source_ranges: numbered(external.source_ranges, at("source_ranges"))
            .filter_map(|(field, text)| bad.take(field, parse_net(&text)))
            .map(|(net, _)| net)
            .collect(),
        allocate_node_ports: external.allocate_node_ports,
    }
}

/// Each item with the path of its field.
fn numbered(texts: Vec<String>, field: String) -> impl Iterator<Item = (String, String)> {
    texts.into_iter().enumerate().map(move |(nth, text)| (format!("{field}[{nth}]"), text))
}

fn affinity(number: i32, timeout: u32, bad: &mut Violations) -> Affinity {
    match known(number, &format!("{SPEC}.session_affinity"), bad) {
        _ if timeout > MOST_AFFINITY => {
            let text = format!("{timeout} seconds are too long; at most {MOST_AFFINITY} are taken");
            bad.add(format!("{SPEC}.session_affinity_timeout_seconds"), Reason::CountOutOfBounds, text);
            Affinity::None
        }
        pb::SessionAffinity::Unspecified | pb::SessionAffinity::None => {
            if timeout != 0 {
                let text = "only session affinity CLIENT_IP has a timeout; take it away, or ask for that affinity";
                bad.add(format!("{SPEC}.session_affinity_timeout_seconds"), Reason::ConflictingFields, text);
            }
            Affinity::None
        }
        pb::SessionAffinity::ClientIp => Affinity::ClientIp { timeout: if timeout == 0 { USUAL_AFFINITY } else { timeout } },
    }
}

fn policy(number: i32, field: &str, bad: &mut Violations) -> TrafficPolicy {
    match known(number, &format!("{SPEC}.{field}"), bad) {
        pb::TrafficPolicy::Unspecified | pb::TrafficPolicy::Cluster => TrafficPolicy::Cluster,
        pb::TrafficPolicy::Local => TrafficPolicy::Local,
    }
}

/// A DNS name, with or without its final dot, and no address.
fn outside_name(text: &str, bad: &mut Violations) -> String {
    let name = text.strip_suffix('.').unwrap_or(text);
    let malformed = |why: &str| Malformed::new(Reason::NameMalformed, format!("`{}` {why}", shown(text)));
    let parsed = match name {
        "" => return String::new(),
        name if name.parse::<IpAddr>().is_ok() => Err(malformed("is an address; an alias needs a name. Give endpoints instead.")),
        name => name.to_ascii_lowercase().parse::<Name>().map_err(|_| malformed("is not a DNS name, such as db.example.com")),
    };
    bad.take(format!("{SPEC}.external_name"), parsed).map(|name| name.to_string()).unwrap_or_default()
}

fn protocol(number: i32, field: &str, bad: &mut Violations) -> Protocol {
    match known(number, field, bad) {
        pb::Protocol::Unspecified | pb::Protocol::Tcp => Protocol::Tcp,
        pb::Protocol::Udp => Protocol::Udp,
        pb::Protocol::Sctp => Protocol::Sctp,
    }
}

fn port_of(given: pb::ServicePort, nth: usize, bad: &mut Violations) -> Option<ServicePort> {
    let at = format!("{SPEC}.ports[{nth}]");
    let name = optional(&given.name, format!("{at}.name"), bad);
    let protocol = protocol(given.protocol, &format!("{at}.protocol"), bad);
    let number = port(given.port, format!("{at}.port"), bad);
    let target = match given.target_port.and_then(|target| target.target) {
        None => number.map(TargetPort::Number),
        Some(pb::target_port::Target::Number(number)) => {
            port(number, format!("{at}.target_port.number"), bad).map(TargetPort::Number)
        }
        Some(pb::target_port::Target::Name(name)) => parsed(&name, format!("{at}.target_port.name"), bad).map(TargetPort::Name),
    };
    Some(ServicePort { name, protocol, port: number?, target: target?, app_protocol: given.app_protocol })
}

/// A given endpoint. Its ports are told by name and protocol; without any it has the target ports of the service.
fn endpoint(given: pb::Endpoint, nth: usize, ports: &[ServicePort], bad: &mut Violations) -> Option<Endpoint> {
    let at = format!("{SPEC}.endpoints[{nth}]");
    let address = bad.take(format!("{at}.address"), parse_addr(&given.address));
    if given.pod.is_some() {
        bad.add(format!("{at}.pod"), Reason::ConflictingFields, "a given endpoint is no pod; take this away, or give a selector");
    }
    let numbers = match given.ports.is_empty() {
        true => ports.iter().map(|port| usual_target(port, &at, bad)).collect(),
        false => ports.iter().map(|port| given_target(&given.ports, port, &at, bad)).collect(),
    };
    for (place, one) in given.ports.iter().enumerate() {
        let protocol = protocol(one.protocol, &format!("{at}.ports[{place}].protocol"), bad);
        let known = ports.iter().any(|port| name_of(port) == one.name && port.protocol == protocol);
        if !known && !bad.names(&format!("{SPEC}.ports")) {
            let text = format!("the service has no {} port named `{}`", protocol.as_str(), shown(&one.name));
            bad.add(format!("{at}.ports[{place}]"), Reason::PortMalformed, text);
        }
    }
    // All of it is read before a bad address ends it.
    let node = optional(&given.node, format!("{at}.node"), bad);
    let hostname = optional(&given.hostname, format!("{at}.hostname"), bad);
    let (ready, zone, pod, ports) = (given.ready, given.zone, String::new(), numbers);
    address.map(|address| Endpoint { address, ready, node, zone, hostname, pod, ports })
}

fn name_of(port: &ServicePort) -> &str {
    port.name.as_ref().map_or("", |name| name.as_str())
}

/// The number of a target port; given endpoints have no named ones.
fn usual_target(port: &ServicePort, at: &str, bad: &mut Violations) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let text =
                format!("port {} goes to the port named `{name}`, which a given endpoint has not; say its number here", port.port);
            bad.add(format!("{at}.ports"), Reason::FieldRequired, text);
            None
        }
    }
}

fn given_target(given: &[pb::EndpointPort], wanted: &ServicePort, at: &str, bad: &mut Violations) -> Option<u16> {
    let place = given.iter().position(|one| {
        let same = match pb::Protocol::try_from(one.protocol) {
            Ok(pb::Protocol::Unspecified | pb::Protocol::Tcp) => wanted.protocol == Protocol::Tcp,
            Ok(pb::Protocol::Udp) => wanted.protocol == Protocol::Udp,
            Ok(pb::Protocol::Sctp) => wanted.protocol == Protocol::Sctp,
            Err(_) => false,
        };
        same && one.name == name_of(wanted)
    })?;
    port(given.get(place)?.port, format!("{at}.ports[{place}].port"), bad)
}
