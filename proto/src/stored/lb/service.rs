//! A service in its stored form.

use std::time::Duration;

use polder_core::lb::health::{HealthCheck, Probe};
use polder_core::lb::{
    Affinity, Condition, ConditionKind, Endpoint, External, FamilyPolicy, Protocol, Rest, Service, ServiceKey, ServicePort,
    ServiceSpec, ServiceType, TargetPort, TrafficPolicy, Vip,
};
use polder_core::net::Family;
use polder_core::reason::Reason;
use polder_core::time::Timestamp;

use crate::state::v1 as pb;
use crate::stored::fields::{
    read_address, read_each, read_labels, read_meta, read_optional, read_port, read_prefix, read_text, write_address, write_meta,
    write_optional, write_prefix,
};

pub(super) fn write(service: &Service, version: u32) -> pb::Service {
    let vip = |vip: &Vip| pb::Vip { address: write_address(vip.address), pool: vip.pool.to_string() };
    pb::Service {
        version,
        meta: Some(write_meta(&service.meta)),
        labels: service.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        annotations: service.annotations.clone(),
        spec: Some(write_spec(&service.spec)),
        cluster: service.cluster.iter().map(vip).collect(),
        external: service.external.iter().map(vip).collect(),
        conditions: service.conditions.iter().map(write_condition).collect(),
    }
}

pub(super) fn read(key: ServiceKey, stored: pb::Service) -> Result<Service, String> {
    let vip = |vip: pb::Vip| Ok(Vip { address: read_address(&vip.address)?, pool: read_text(&vip.pool)? });
    Ok(Service {
        key,
        meta: read_meta(stored.meta)?,
        labels: read_labels(stored.labels)?,
        annotations: stored.annotations,
        spec: read_spec(stored.spec.ok_or("it has no specification")?)?,
        cluster: read_each(stored.cluster, vip)?,
        external: read_each(stored.external, vip)?,
        conditions: read_each(stored.conditions, read_condition)?,
    })
}

pub(super) fn write_rest(rest: &Rest, version: u32) -> pb::Rest {
    let ServiceKey { namespace, name } = &rest.holder;
    pb::Rest { version, since: rest.since.0, namespace: namespace.to_string(), name: name.to_string() }
}

pub(super) fn read_rest(stored: &pb::Rest) -> Result<Rest, String> {
    let holder = ServiceKey { namespace: read_text(&stored.namespace)?, name: read_text(&stored.name)? };
    Ok(Rest { since: Timestamp(stored.since), holder })
}

fn write_spec(spec: &ServiceSpec) -> pb::ServiceSpec {
    let external = &spec.external;
    pb::ServiceSpec {
        r#type: write_type(spec).into(),
        selector: spec.selector.to_string(),
        ports: spec.ports.iter().map(write_port).collect(),
        cluster_ips: spec.cluster_ips.iter().copied().map(write_address).collect(),
        families: spec.families.iter().map(|family| write_family(*family).into()).collect(),
        family_policy: write_policy(spec.family_policy).into(),
        external_addresses: external.addresses.iter().copied().map(write_address).collect(),
        external_pools: external.pools.iter().map(ToString::to_string).collect(),
        external_reservation: write_optional(external.reservation.as_ref()),
        sharing_key: external.sharing_key.clone(),
        load_balancer_class: external.class.clone(),
        source_ranges: external.source_ranges.iter().map(write_prefix).collect(),
        affinity_timeout_seconds: match spec.affinity {
            Affinity::None => 0,
            Affinity::ClientIp { timeout } => timeout,
        },
        internal_local: spec.internal_policy == TrafficPolicy::Local,
        external_local: spec.external_policy == TrafficPolicy::Local,
        publish_not_ready: spec.publish_not_ready,
        external_name: spec.external_name.clone(),
        endpoints: spec.endpoints.iter().map(write_endpoint).collect(),
        health_check_port: spec.health_check_port.into(),
        allocate_node_ports: external.allocate_node_ports,
        health_check: spec.health_check.as_ref().map(write_health),
    }
}

fn read_spec(stored: pb::ServiceSpec) -> Result<ServiceSpec, String> {
    let (service_type, node_ports) = read_type(stored.r#type())?;
    let policy = |local| if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
    let family_policy = read_policy(stored.family_policy());
    Ok(ServiceSpec {
        service_type,
        node_ports,
        selector: read_text(&stored.selector)?,
        families: read_each(stored.families().collect::<Vec<_>>(), read_family)?,
        ports: read_each(stored.ports, read_service_port)?,
        cluster_ips: read_each(&stored.cluster_ips, |bytes| read_address(bytes))?,
        family_policy,
        external: External {
            addresses: read_each(&stored.external_addresses, |bytes| read_address(bytes))?,
            pools: read_each(&stored.external_pools, |name| read_text(name))?,
            reservation: read_optional(&stored.external_reservation)?,
            sharing_key: stored.sharing_key,
            class: stored.load_balancer_class,
            source_ranges: read_each(&stored.source_ranges, |bytes| read_prefix(bytes))?,
            allocate_node_ports: stored.allocate_node_ports,
        },
        affinity: match stored.affinity_timeout_seconds {
            0 => Affinity::None,
            timeout => Affinity::ClientIp { timeout },
        },
        internal_policy: policy(stored.internal_local),
        external_policy: policy(stored.external_local),
        publish_not_ready: stored.publish_not_ready,
        external_name: stored.external_name,
        endpoints: read_each(stored.endpoints, read_endpoint)?,
        health_check_port: read_port(stored.health_check_port)?,
        health_check: stored.health_check.map(read_health).transpose()?,
    })
}

fn write_health(check: &HealthCheck) -> pb::HealthCheck {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (http, path, host) = match &check.probe {
        Probe::Tcp => (false, String::new(), String::new()),
        Probe::Http { path, host } => (true, path.clone(), host.clone()),
    };
    pb::HealthCheck {
        http,
        path,
        host,
        port: check.port.into(),
        interval: micros(check.interval),
        timeout: micros(check.timeout),
        healthy: check.healthy,
        unhealthy: check.unhealthy,
    }
}

fn read_health(stored: pb::HealthCheck) -> Result<HealthCheck, String> {
    Ok(HealthCheck {
        probe: if stored.http { Probe::Http { path: stored.path, host: stored.host } } else { Probe::Tcp },
        port: read_port(stored.port)?,
        interval: Duration::from_micros(stored.interval),
        timeout: Duration::from_micros(stored.timeout),
        healthy: stored.healthy,
        unhealthy: stored.unhealthy,
    })
}

const fn write_type(spec: &ServiceSpec) -> pb::ServiceType {
    match spec.service_type {
        ServiceType::ClusterIp if spec.node_ports => pb::ServiceType::NodePort,
        ServiceType::ClusterIp => pb::ServiceType::ClusterIp,
        ServiceType::Headless => pb::ServiceType::Headless,
        ServiceType::LoadBalancer => pb::ServiceType::LoadBalancer,
        ServiceType::ExternalName => pb::ServiceType::ExternalName,
    }
}

fn read_type(stored: pb::ServiceType) -> Result<(ServiceType, bool), String> {
    match stored {
        pb::ServiceType::ClusterIp => Ok((ServiceType::ClusterIp, false)),
        pb::ServiceType::NodePort => Ok((ServiceType::ClusterIp, true)),
        pb::ServiceType::Headless => Ok((ServiceType::Headless, false)),
        pb::ServiceType::LoadBalancer => Ok((ServiceType::LoadBalancer, false)),
        pb::ServiceType::ExternalName => Ok((ServiceType::ExternalName, false)),
        pb::ServiceType::Unspecified => Err("it has no known type".to_owned()),
    }
}

const fn write_family(family: Family) -> pb::Family {
    match family {
        Family::V4 => pb::Family::Ipv4,
        Family::V6 => pb::Family::Ipv6,
    }
}

fn read_family(stored: pb::Family) -> Result<Family, String> {
    match stored {
        pb::Family::Ipv4 => Ok(Family::V4),
        pb::Family::Ipv6 => Ok(Family::V6),
        pb::Family::Unspecified => Err("a family is not known".to_owned()),
    }
}

const fn write_policy(policy: FamilyPolicy) -> pb::FamilyPolicy {
    match policy {
        FamilyPolicy::SingleStack => pb::FamilyPolicy::Unspecified,
        FamilyPolicy::PreferDualStack => pb::FamilyPolicy::PreferDualStack,
        FamilyPolicy::RequireDualStack => pb::FamilyPolicy::RequireDualStack,
    }
}

const fn read_policy(stored: pb::FamilyPolicy) -> FamilyPolicy {
    match stored {
        pb::FamilyPolicy::Unspecified => FamilyPolicy::SingleStack,
        pb::FamilyPolicy::PreferDualStack => FamilyPolicy::PreferDualStack,
        pb::FamilyPolicy::RequireDualStack => FamilyPolicy::RequireDualStack,
    }
}

fn write_port(port: &ServicePort) -> pb::ServicePort {
    let (target_number, target_name) = match &port.target {
        TargetPort::Number(number) => (u32::from(*number), String::new()),
        TargetPort::Name(name) => (0, name.to_string()),
    };
    let protocol = match port.protocol {
        Protocol::Tcp => pb::Protocol::Unspecified,
        Protocol::Udp => pb::Protocol::Udp,
        Protocol::Sctp => pb::Protocol::Sctp,
    };
    pb::ServicePort {
        name: write_optional(port.name.as_ref()),
        protocol: protocol.into(),
        port: port.port.into(),
        target_number,
        target_name,
        app_protocol: port.app_protocol.clone(),
    }
}

fn read_service_port(stored: pb::ServicePort) -> Result<ServicePort, String> {
    Ok(ServicePort {
        name: read_optional(&stored.name)?,
        protocol: match stored.protocol() {
            pb::Protocol::Unspecified => Protocol::Tcp,
            pb::Protocol::Udp => Protocol::Udp,
            pb::Protocol::Sctp => Protocol::Sctp,
        },
        port: read_port(stored.port)?,
        target: match stored.target_number {
            0 => TargetPort::Name(read_text(&stored.target_name)?),
            number => TargetPort::Number(read_port(number)?),
        },
        app_protocol: stored.app_protocol,
    })
}

fn write_endpoint(endpoint: &Endpoint) -> pb::Endpoint {
    pb::Endpoint {
        address: write_address(endpoint.address),
        not_ready: !endpoint.ready,
        node: write_optional(endpoint.node.as_ref()),
        zone: endpoint.zone.clone(),
        hostname: write_optional(endpoint.hostname.as_ref()),
        ports: endpoint.ports.iter().map(|port| port.unwrap_or(0).into()).collect(),
    }
}

fn read_endpoint(stored: pb::Endpoint) -> Result<Endpoint, String> {
    Ok(Endpoint {
        address: read_address(&stored.address)?,
        ready: !stored.not_ready,
        node: read_optional(&stored.node)?,
        zone: stored.zone,
        hostname: read_optional(&stored.hostname)?,
        pod: String::new(),
        ports: read_each(stored.ports, |port| Ok(Some(read_port(port)?).filter(|port| *port != 0)))?,
    })
}

fn write_condition(condition: &Condition) -> pb::ServiceCondition {
    let kind = match condition.kind {
        ConditionKind::ClusterAddresses => pb::ServiceConditionKind::ClusterAddresses,
        ConditionKind::ExternalAddresses => pb::ServiceConditionKind::ExternalAddresses,
        ConditionKind::NodePorts => pb::ServiceConditionKind::NodePorts,
        ConditionKind::AddressConflict => pb::ServiceConditionKind::AddressConflict,
    };
    pb::ServiceCondition {
        kind: kind.into(),
        reason: condition.reason.number().unsigned_abs(),
        message: condition.message.clone(),
        since: condition.since.0,
    }
}

fn read_condition(stored: pb::ServiceCondition) -> Result<Condition, String> {
    let kind = match stored.kind() {
        pb::ServiceConditionKind::ClusterAddresses => ConditionKind::ClusterAddresses,
        pb::ServiceConditionKind::ExternalAddresses => ConditionKind::ExternalAddresses,
        pb::ServiceConditionKind::NodePorts => ConditionKind::NodePorts,
        pb::ServiceConditionKind::AddressConflict => ConditionKind::AddressConflict,
        pb::ServiceConditionKind::Unspecified => return Err("a condition is not known".to_owned()),
    };
    let reason = Reason::ALL.iter().copied().find(|reason| reason.number().unsigned_abs() == stored.reason);
    let reason = reason.ok_or_else(|| format!("reason {} is not known", stored.reason))?;
    Ok(Condition { kind, reason, message: stored.message, since: Timestamp(stored.since) })
}
