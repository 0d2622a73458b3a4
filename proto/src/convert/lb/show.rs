//! Services, endpoints and explanations as the API shows them.

use polder_core::cluster::Cluster;
use polder_core::lb::announce::Target;
use polder_core::lb::announce::explain::unanswered;
use polder_core::lb::explain::{Check, Explanation, Step, Verdict};
use polder_core::lb::{
    Affinity, ConditionKind, Decision, Endpoint, External, FamilyPolicy, Protocol, Service, ServicePort, ServiceSpec, ServiceType,
    Side, TargetPort, TrafficPolicy, Trial, Vip, endpoints, is_foreign,
};
use polder_core::reason::Reason;

use super::super::common::{object, show_family, show_labels, show_time};
use super::health::health_check;
use crate::ipam::v1::PoolTrace;
use crate::lb::v1 as pb;
use crate::types::v1 as types;

/// A service with everything there is of it in this state. The cluster's domain is in no record.
#[must_use]
pub fn service(cluster: &Cluster, service: &Service, domain: &str) -> pb::Service {
    pb::Service { status: Some(status(cluster, service, domain)), ..asked(service) }
}

/// The service's name in the DNS (Kubernetes DNS specification 1.1.0, section 2.3).
#[must_use]
pub fn dns_name(service: &Service, domain: &str) -> String {
    format!("{}.{}.svc.{domain}", service.key.name, service.key.namespace)
}

/// A service without its status: what a caller could have sent, and its identity.
pub(super) fn asked(service: &Service) -> pb::Service {
    pb::Service {
        namespace: service.key.namespace.to_string(),
        name: service.key.name.to_string(),
        uid: service.meta.uid.to_string(),
        etag: service.meta.etag(),
        labels: show_labels(&service.labels),
        create_time: Some(show_time(service.meta.created)),
        update_time: Some(show_time(service.meta.updated)),
        annotations: service.annotations.clone(),
        spec: Some(spec(&service.spec)),
        status: None,
    }
}

fn spec(spec: &ServiceSpec) -> pb::ServiceSpec {
    let (session_affinity, session_affinity_timeout_seconds) = affinity(spec.affinity);
    let family_policy = match spec.family_policy {
        FamilyPolicy::SingleStack => pb::IpFamilyPolicy::SingleStack,
        FamilyPolicy::PreferDualStack => pb::IpFamilyPolicy::PreferDualStack,
        FamilyPolicy::RequireDualStack => pb::IpFamilyPolicy::RequireDualStack,
    };
    pb::ServiceSpec {
        r#type: service_type(spec).into(),
        headless: spec.service_type == ServiceType::Headless,
        selector: selector(spec),
        ports: spec.ports.iter().map(port).collect(),
        cluster_ips: spec.cluster_ips.iter().map(ToString::to_string).collect(),
        ip_families: spec.families.iter().map(|family| show_family(*family).into()).collect(),
        ip_family_policy: family_policy.into(),
        external: (spec.service_type == ServiceType::LoadBalancer).then(|| external(&spec.external)),
        session_affinity: session_affinity.into(),
        session_affinity_timeout_seconds,
        internal_traffic_policy: policy(spec.internal_policy).into(),
        external_traffic_policy: policy(spec.external_policy).into(),
        publish_not_ready_addresses: spec.publish_not_ready,
        external_name: spec.external_name.clone(),
        endpoints: spec.endpoints.iter().map(|given| endpoint(&spec.ports, given)).collect(),
        health_check_port: spec.health_check_port.into(),
        health_check: spec.health_check.as_ref().map(health_check),
    }
}

/// The kind of affinity, and its time-out in seconds.
pub(super) const fn affinity(affinity: Affinity) -> (pb::SessionAffinity, u32) {
    match affinity {
        Affinity::None => (pb::SessionAffinity::None, 0),
        Affinity::ClientIp { timeout } => (pb::SessionAffinity::ClientIp, timeout),
    }
}

pub(super) const fn policy(policy: TrafficPolicy) -> pb::TrafficPolicy {
    match policy {
        TrafficPolicy::Cluster => pb::TrafficPolicy::Cluster,
        TrafficPolicy::Local => pb::TrafficPolicy::Local,
    }
}

const fn service_type(spec: &ServiceSpec) -> pb::ServiceType {
    match spec.service_type {
        ServiceType::ClusterIp if spec.node_ports => pb::ServiceType::NodePort,
        ServiceType::ClusterIp | ServiceType::Headless => pb::ServiceType::ClusterIp,
        ServiceType::LoadBalancer => pb::ServiceType::LoadBalancer,
        ServiceType::ExternalName => pb::ServiceType::ExternalName,
    }
}

/// The selector as labels: the API takes no other form.
fn selector(spec: &ServiceSpec) -> std::collections::BTreeMap<String, String> {
    let pairs = spec.selector.requirements().iter().filter_map(polder_core::net::labels::Requirement::equality);
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn external(external: &External) -> pb::ExternalSpec {
    pb::ExternalSpec {
        addresses: external.addresses.iter().map(ToString::to_string).collect(),
        pools: external.pools.iter().map(ToString::to_string).collect(),
        reservation: external.reservation.as_ref().map(ToString::to_string).unwrap_or_default(),
        sharing_key: external.sharing_key.clone(),
        load_balancer_class: external.class.clone(),
        source_ranges: external.source_ranges.iter().map(ToString::to_string).collect(),
        allocate_node_ports: external.allocate_node_ports,
    }
}

const fn protocol(protocol: Protocol) -> pb::Protocol {
    match protocol {
        Protocol::Tcp => pb::Protocol::Tcp,
        Protocol::Udp => pb::Protocol::Udp,
        Protocol::Sctp => pb::Protocol::Sctp,
    }
}

pub(super) fn port(port: &ServicePort) -> pb::ServicePort {
    let target = match &port.target {
        TargetPort::Number(number) => pb::target_port::Target::Number((*number).into()),
        TargetPort::Name(name) => pb::target_port::Target::Name(name.to_string()),
    };
    pb::ServicePort {
        name: port.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        protocol: protocol(port.protocol).into(),
        port: port.port.into(),
        target_port: Some(pb::TargetPort { target: Some(target) }),
        app_protocol: port.app_protocol.clone(),
    }
}

/// An endpoint of a service with these ports.
#[must_use]
pub fn endpoint(ports: &[ServicePort], endpoint: &Endpoint) -> pb::Endpoint {
    let numbers = ports.iter().zip(&endpoint.ports).filter_map(|(port, number)| {
        Some(pb::EndpointPort {
            name: port.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            protocol: protocol(port.protocol).into(),
            port: (*number)?.into(),
        })
    });
    pb::Endpoint {
        address: endpoint.address.to_string(),
        ready: endpoint.ready,
        node: endpoint.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        zone: endpoint.zone.clone(),
        hostname: endpoint.hostname.as_ref().map(ToString::to_string).unwrap_or_default(),
        pod: endpoint.pod.split_once('/').map(|(namespace, name)| object("Pod", namespace, name, "")),
        ports: numbers.collect(),
    }
}

fn status(cluster: &Cluster, service: &Service, domain: &str) -> pb::ServiceStatus {
    let behind = endpoints(cluster, service);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let ready = behind.iter().filter(|endpoint| endpoint.ready).count();
    let vips = |vips: &[Vip]| vips.iter().map(|vip| virtual_address(cluster, service, vip)).collect();
    pb::ServiceStatus {
        cluster_vips: vips(&service.cluster),
        external_vips: vips(&service.external),
        conditions: conditions(service, ready > 0).into_iter().chain(announced(cluster, service)).collect(),
        ready_endpoints: count(ready),
        total_endpoints: count(behind.len()),
        dns_names: vec![dns_name(service, domain)],
    }
}

fn virtual_address(cluster: &Cluster, service: &Service, vip: &Vip) -> pb::VirtualAddress {
    let others = cluster.lb.holders(vip.address).filter(|holder| holder.key != service.key);
    pb::VirtualAddress {
        address: vip.address.to_string(),
        pool: vip.pool.to_string(),
        announcing_node: cluster.lb.board().of(vip.address).map(|record| record.node.to_string()).unwrap_or_default(),
        shared_with: others.map(|holder| reference(holder)).collect(),
    }
}

fn reference(service: &Service) -> types::ObjectRef {
    object("Service", service.key.namespace.as_str(), service.key.name.as_str(), &service.meta.uid.to_string())
}

/// Every condition that its type has, the happy ones too.
fn conditions(service: &Service, has_ready: bool) -> Vec<types::Condition> {
    let kinds = [
        (ConditionKind::ClusterAddresses, "ClusterAddressAssigned", Side::Cluster.belongs_to(service.spec.service_type)),
        (ConditionKind::ExternalAddresses, "ExternalAddressAssigned", Side::External.belongs_to(service.spec.service_type)),
        (ConditionKind::NodePorts, "NodePortsOffered", service.spec.node_ports),
        (ConditionKind::AddressConflict, "AddressUncontested", service.condition(ConditionKind::AddressConflict).is_some()),
    ];
    let happy = |name: &str, since| types::Condition {
        r#type: name.to_owned(),
        status: types::ConditionStatus::True.into(),
        reason: String::new(),
        message: String::new(),
        last_transition_time: Some(show_time(since)),
    };
    let judged = kinds.into_iter().filter(|(.., applies)| *applies).map(|(kind, name, _)| match service.condition(kind) {
        None => happy(name, service.meta.updated),
        Some(condition) => types::Condition {
            status: types::ConditionStatus::False.into(),
            reason: condition.reason.to_string(),
            message: condition.message.clone(),
            ..happy(name, condition.since)
        },
    });
    let ready = types::Condition { last_transition_time: None, ..happy("EndpointsReady", service.meta.updated) };
    let behind = match (service.spec.service_type, has_ready) {
        (ServiceType::ExternalName, _) => None,
        (_, true) => Some(ready),
        (_, false) => Some(types::Condition {
            status: types::ConditionStatus::False.into(),
            reason: Reason::NoReadyEndpoints.to_string(),
            message: "nothing that is ready stands behind the service".to_owned(),
            ..ready
        }),
    };
    judged.chain(behind).collect()
}

/// Whether nodes are to answer for all its external addresses; nothing where none shall.
fn announced(cluster: &Cluster, service: &Service) -> Option<types::Condition> {
    let targets = service.external.iter().filter_map(|vip| Target::at(cluster, vip.address).ok());
    let targets: Vec<_> = targets.filter(|_| !is_foreign(&service.spec)).collect();
    let condition = |status: types::ConditionStatus, reason: String, message: String, since| types::Condition {
        r#type: "Announced".to_owned(),
        status: status.into(),
        reason,
        message,
        last_transition_time: since,
    };
    let records = targets.iter().map(|target| cluster.lb.board().of(target.address).ok_or(target));
    match records.collect::<Result<Vec<_>, _>>() {
        Ok(records) => {
            let newest = records.iter().map(|record| record.since).max()?;
            Some(condition(types::ConditionStatus::True, String::new(), String::new(), Some(show_time(newest))))
        }
        Err(target) => {
            let refusal = unanswered(cluster, target);
            Some(condition(types::ConditionStatus::False, refusal.reason.to_string(), refusal.message.clone(), None))
        }
    }
}

/// What a decision does to its service.
#[must_use]
pub fn impact(decision: &Decision) -> Vec<types::Impact> {
    let (before, after) = (decision.before.as_deref(), decision.after.as_deref());
    let (action, service) = match (before, after) {
        (None, Some(after)) => (types::ImpactAction::Create, after),
        (Some(before), None) => (types::ImpactAction::Delete, before),
        (Some(before), Some(after)) if before != after => (types::ImpactAction::Update, after),
        _ => return Vec::new(),
    };
    let held = |service: Option<&Service>| service.map(|service| service.vips().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let (old, new) = (held(before), held(after));
    let list = |verb: &str, some: &[Vip], others: &[Vip]| {
        let moved = some.iter().filter(|vip| others.iter().all(|other| other.address != vip.address));
        let texts: Vec<String> = moved.map(|vip| format!("{} of pool `{}`", vip.address, vip.pool)).collect();
        (!texts.is_empty()).then(|| format!("{verb} {}", texts.join(", ")))
    };
    let lacks = after.into_iter().flat_map(|after| &after.conditions).filter(|told| told.kind != ConditionKind::AddressConflict);
    let waits = lacks.map(|condition| format!("waits: {}", condition.message));
    let parts: Vec<String> = list("gets", &new, &old).into_iter().chain(list("gives up", &old, &new)).chain(waits).collect();
    vec![types::Impact { object: Some(reference(service)), action: action.into(), description: parts.join("; ") }]
}

/// Why a service is as it is: its steps, and the pools that were asked.
#[must_use]
pub fn explanation(service: &Service, explanation: &Explanation) -> (Vec<pb::ExplainStep>, Vec<PoolTrace>) {
    let steps = explanation.steps.iter().map(|step| show_step(service, step)).collect();
    (steps, explanation.trials.iter().map(|(_, trial)| trace(trial)).collect())
}

fn show_step(service: &Service, step: &Step) -> pb::ExplainStep {
    let (status, reason) = match step.verdict {
        Verdict::Well => (types::ConditionStatus::True, String::new()),
        Verdict::Bad(reason) => (types::ConditionStatus::False, reason.to_string()),
        Verdict::Unknown => (types::ConditionStatus::Unknown, String::new()),
    };
    let objects = match step.check {
        Check::Address => service.vips().map(|vip| object("Pool", "", vip.pool.as_str(), "")).collect(),
        Check::Nodes | Check::Announcement | Check::Bgp => {
            service.external.iter().map(|vip| object("Announcement", "", &vip.address.to_string(), "")).collect()
        }
        Check::Type | Check::Class | Check::Families | Check::Pools | Check::Endpoints => vec![reference(service)],
    };
    pb::ExplainStep { step: step.check.to_string(), status: status.into(), reason, message: step.message.clone(), objects }
}

fn trace(trial: &Trial) -> PoolTrace {
    let refusal = trial.outcome.as_ref().err();
    PoolTrace {
        pool: trial.pool.to_string(),
        eligible: refusal.is_none_or(|refusal| refusal.reason == Reason::PoolExhausted),
        reason: refusal.map(|refusal| refusal.reason.to_string()).unwrap_or_default(),
        message: refusal.map(|refusal| refusal.message.clone()).unwrap_or_default(),
        family: show_family(trial.family).into(),
        free: None,
        address: trial.outcome.as_ref().ok().map(ToString::to_string).unwrap_or_default(),
        steps: Vec::new(),
    }
}
