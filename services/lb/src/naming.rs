//! The step of an explanation that looks at names: what a service's name answers with, and whether name servers are that far.

use polder_core::id::Revision;
use polder_core::lb::{Service, ServiceType};
use polder_proto::convert::lb::dns_name;
use polder_proto::lb::v1 as pb;
use polder_proto::types::v1::ConditionStatus;

/// The step, from how far name servers say they are. `newest` is the revision of the newest change.
pub(crate) fn step(service: &Service, domain: &str, servers: &[pb::DnsProgress], newest: Revision) -> pb::ExplainStep {
    let name = dns_name(service, domain);
    let told = |status: ConditionStatus, message: String| pb::ExplainStep {
        step: "dns".to_owned(),
        status: status.into(),
        reason: String::new(),
        message,
        objects: Vec::new(),
    };
    let answers = match service.spec.service_type {
        ServiceType::ExternalName => format!("{name} is an alias of {}", service.spec.external_name),
        ServiceType::Headless => format!("{name} answers with the ready endpoints"),
        ServiceType::ClusterIp | ServiceType::LoadBalancer if service.cluster.is_empty() => {
            return told(ConditionStatus::Unknown, format!("{name} has nothing to answer with: it waits for a cluster IP"));
        }
        ServiceType::ClusterIp | ServiceType::LoadBalancer => {
            let vips: Vec<_> = service.cluster.iter().map(|vip| vip.address.to_string()).collect();
            format!("{name} answers with {}", vips.join(", "))
        }
    };
    let behind = servers.iter().find(|server| !server.error.is_empty() || server.serving_revision < newest.0);
    match (servers.len(), behind) {
        (0, _) => told(ConditionStatus::Unknown, format!("{answers}; no name server says how far it is")),
        (count, None) => {
            told(ConditionStatus::True, format!("{answers}, at {count} name server{}", if count == 1 { "" } else { "s" }))
        }
        (_, Some(unknown)) if !unknown.error.is_empty() => {
            told(ConditionStatus::Unknown, format!("{answers}; name server {}: {}", unknown.server, unknown.error))
        }
        (_, Some(late)) => {
            let at = late.serving_revision;
            told(ConditionStatus::Unknown, format!("{answers}; name server {} is at revision {at} of {newest}", late.server))
        }
    }
}

#[cfg(test)]
mod tests {
    use polder_core::id::Uid;
    use polder_core::lb::{ServiceKey, ServiceSpec, Vip};
    use polder_core::meta::Meta;
    use polder_core::net::Labels;
    use polder_core::time::Timestamp;

    use super::*;

    fn service(service_type: ServiceType, vips: &[&str]) -> Service {
        let vip = |text: &&str| Vip { address: text.parse().unwrap(), pool: "service".parse().unwrap() };
        Service {
            key: ServiceKey { namespace: "shop".parse().unwrap(), name: "web".parse().unwrap() },
            meta: Meta { uid: Uid(1), version: 1, created: Timestamp(1), updated: Timestamp(1) },
            labels: Labels::default(),
            annotations: [].into(),
            spec: ServiceSpec { service_type, external_name: "db.example.com".to_owned(), ..ServiceSpec::default() },
            cluster: vips.iter().map(vip).collect(),
            external: Vec::new(),
            conditions: Vec::new(),
        }
    }

    #[test]
    fn a_name_is_well_when_every_server_is_that_far() {
        let server = |name: &str, serving_revision| pb::DnsProgress {
            server: name.to_owned(),
            serving_revision,
            ..pb::DnsProgress::default()
        };
        let told = |service_type, vips: &[&str], servers: &[pb::DnsProgress]| {
            let step = step(&service(service_type, vips), "cluster.local", servers, Revision(7));
            (step.status(), step.message)
        };
        let (far, late) = (server("dns-1", 7), server("dns-2", 5));
        let well = (ConditionStatus::True, "web.shop.svc.cluster.local answers with 172.28.0.2, at 1 name server".to_owned());
        assert_eq!(told(ServiceType::ClusterIp, &["172.28.0.2"], std::slice::from_ref(&far)), well);
        let (status, text) = told(ServiceType::ClusterIp, &["172.28.0.2"], &[far, late]);
        assert!(status == ConditionStatus::Unknown && text.ends_with("; name server dns-2 is at revision 5 of 7"), "{text}");
        let unread = pb::DnsProgress { error: "it cannot be read".to_owned(), ..server("dns-3", 0) };
        let (status, text) = told(ServiceType::ClusterIp, &["172.28.0.2"], &[unread]);
        assert!(status == ConditionStatus::Unknown && text.ends_with("; name server dns-3: it cannot be read"), "{text}");
        assert_eq!(told(ServiceType::LoadBalancer, &[], &[]).0, ConditionStatus::Unknown);
        assert!(told(ServiceType::Headless, &[], &[]).1.ends_with("no name server says how far it is"));
        assert!(told(ServiceType::ExternalName, &[], &[]).1.contains("is an alias of db.example.com"));
    }
}
