//! What a specification must be, whatever the state of the cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::health::check_health;
use super::record::{Endpoint, External, FamilyPolicy, ServicePort, ServiceSpec, ServiceType, TrafficPolicy};
use crate::net::{Family, Labels};
use crate::reason::{Reason, Violations, shown};

/// The most ports of one service.
pub const MOST_PORTS: usize = 250;
/// The most given endpoints of one service.
pub const MOST_ENDPOINTS: usize = 1000;
/// The most pools, and source ranges, that one service may name.
pub const MOST_NAMED: usize = 64;
/// The most bytes of a sharing key, a class, an application protocol.
pub const MOST_TEXT: usize = 253;

/// Notes everything in `spec` that can never be right, under the field names of the API below `at`.
pub fn check_spec(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    check_type(spec, at, bad);
    check_ports(&spec.ports, spec.service_type, at, bad);
    check_families(spec, at, bad);
    check_external(spec, at, bad);
    check_endpoints(spec, at, bad);
    check_health(spec, at, bad);
}

fn check_type(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    let conflict =
        |bad: &mut Violations, field: &str, text: &str| bad.add(format!("{at}.{field}"), Reason::ConflictingFields, text);
    let alias = spec.service_type == ServiceType::ExternalName;
    match (alias, spec.external_name.is_empty()) {
        (true, true) => {
            bad.add(format!("{at}.external_name"), Reason::FieldRequired, "an ExternalName service needs the name outside")
        }
        (false, false) => conflict(bad, "external_name", "only a service of type EXTERNAL_NAME has a name outside"),
        (true, false) | (false, true) => {}
    }
    if alias && !spec.selector.is_empty() {
        conflict(bad, "selector", "an ExternalName service has no pods behind it; take the selector away");
    }
    let addressed = matches!(spec.service_type, ServiceType::ClusterIp | ServiceType::LoadBalancer);
    if !addressed && !spec.cluster_ips.is_empty() {
        conflict(bad, "cluster_ips", "a service of this type has no cluster IP; take the wish away, or change the type");
    }
    if spec.service_type != ServiceType::LoadBalancer && spec.external != External::default() {
        conflict(bad, "external", "only a service of type LOAD_BALANCER has an outside; take this away, or change the type");
    }
    let (balanced, local) = (spec.service_type == ServiceType::LoadBalancer, spec.external_policy == TrafficPolicy::Local);
    if local && !balanced && !spec.node_ports {
        let text = "only a service with an outside says where traffic from there may go; take this away, or change the type";
        conflict(bad, "external_traffic_policy", text);
    }
    if spec.health_check_port != 0 && !(balanced && local) {
        let text = "the health check port goes with type LOAD_BALANCER and external traffic policy LOCAL only";
        conflict(bad, "health_check_port", text);
    }
}

fn check_ports(ports: &[ServicePort], service_type: ServiceType, at: &str, bad: &mut Violations) {
    let field = format!("{at}.ports");
    let needed = matches!(service_type, ServiceType::ClusterIp | ServiceType::LoadBalancer);
    if ports.is_empty() && needed {
        bad.add(&field, Reason::FieldRequired, "a service with a virtual IP needs at least one port");
    }
    if ports.len() > MOST_PORTS {
        bad.add(&field, Reason::CountOutOfBounds, format!("{} ports are too many; a service may have {MOST_PORTS}", ports.len()));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (nth, port) in ports.iter().enumerate().take(MOST_PORTS) {
        match &port.name {
            None if ports.len() > 1 => {
                bad.add(format!("{field}[{nth}].name"), Reason::FieldRequired, "each of several ports needs a name");
            }
            Some(name) if !names.insert(name) => {
                bad.add(format!("{field}[{nth}].name"), Reason::DuplicateValue, format!("another port is named `{name}` too"));
            }
            _ => {}
        }
        if !numbers.insert((port.protocol, port.port)) {
            let text = format!("{} port {} is there already", port.protocol.as_str(), port.port);
            bad.add(format!("{field}[{nth}].port"), Reason::DuplicateValue, text);
        }
        check_text(&port.app_protocol, &format!("{field}[{nth}].app_protocol"), bad);
    }
}

fn check_families(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    let addresses = |addresses: &[IpAddr]| addresses.iter().map(|address| Family::of(*address)).collect::<Vec<_>>();
    let lists = [
        ("ip_families", spec.families.clone()),
        ("cluster_ips", addresses(&spec.cluster_ips)),
        ("external.addresses", addresses(&spec.external.addresses)),
    ];
    for (field, families) in lists {
        let distinct: BTreeSet<_> = families.iter().collect();
        if distinct.len() < families.len() {
            bad.add(format!("{at}.{field}"), Reason::DuplicateValue, "at most one of each family can be given");
        } else if families.len() > 1 && spec.family_policy == FamilyPolicy::SingleStack {
            let text = "a SINGLE_STACK service has one family; give one, or change the policy";
            bad.add(format!("{at}.{field}"), Reason::ConflictingFields, text);
        }
    }
}

fn check_external(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    let external = &spec.external;
    if external.reservation.is_some() && !(external.addresses.is_empty() && external.pools.is_empty()) {
        let text = "a reservation says already which addresses; take the other wishes away, or the reservation";
        bad.add(format!("{at}.external.reservation"), Reason::ConflictingFields, text);
    }
    for (field, count) in [("pools", external.pools.len()), ("source_ranges", external.source_ranges.len())] {
        if count > MOST_NAMED {
            let text = format!("{count} are too many; at most {MOST_NAMED} can be given");
            bad.add(format!("{at}.external.{field}"), Reason::CountOutOfBounds, text);
        }
    }
    let mut named = BTreeSet::new();
    for (nth, pool) in external.pools.iter().enumerate().take(MOST_NAMED) {
        if !named.insert(pool) {
            bad.add(format!("{at}.external.pools[{nth}]"), Reason::DuplicateValue, format!("pool `{pool}` is there already"));
        }
    }
    check_text(&external.sharing_key, &format!("{at}.external.sharing_key"), bad);
    let field = format!("{at}.external.load_balancer_class");
    match external.class.len() > MOST_TEXT {
        true => check_text(&external.class, &field, bad),
        false => check_class(&external.class, field, bad),
    }
}

/// A class is written as the key of a label, as Kubernetes has it.
fn check_class(class: &str, field: String, bad: &mut Violations) {
    if !class.is_empty() && Labels::new([(class.to_owned(), String::new())]).is_err() {
        let text = format!("`{}` is no class: it is written as the key of a label, such as example.com/lb", shown(class));
        bad.add(field, Reason::LabelMalformed, text);
    }
}

fn check_endpoints(spec: &ServiceSpec, at: &str, bad: &mut Violations) {
    let field = format!("{at}.endpoints");
    if !spec.endpoints.is_empty() && (!spec.selector.is_empty() || spec.service_type == ServiceType::ExternalName) {
        let text = "only a service without selector has its endpoints given; take them away, or the selector";
        bad.add(&field, Reason::ConflictingFields, text);
    }
    if spec.endpoints.len() > MOST_ENDPOINTS {
        let text = format!("{} endpoints are too many; a service may have {MOST_ENDPOINTS}", spec.endpoints.len());
        bad.add(&field, Reason::CountOutOfBounds, text);
    }
    let mut seen = BTreeSet::new();
    for (nth, Endpoint { address, zone, .. }) in spec.endpoints.iter().enumerate().take(MOST_ENDPOINTS) {
        if !seen.insert(address) {
            bad.add(format!("{field}[{nth}].address"), Reason::DuplicateValue, format!("{address} is there already"));
        }
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            let text = format!("{address} cannot stand behind a service: give the address of a host");
            bad.add(format!("{field}[{nth}].address"), Reason::AddressMalformed, text);
        }
        check_text(zone, &format!("{field}[{nth}].zone"), bad);
    }
}

fn check_text(text: &str, field: &str, bad: &mut Violations) {
    if text.len() > MOST_TEXT {
        bad.add(field, Reason::FieldTooLong, format!("{} bytes are too long; at most {MOST_TEXT} are taken", text.len()));
    } else if text.chars().any(char::is_control) {
        bad.add(field, Reason::InvalidArgument, "control characters are not taken");
    }
}
