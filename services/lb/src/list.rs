//! What List and Watch requests choose: fields for filters, and pages.

use std::borrow::Cow;
use std::net::IpAddr;

use polder_core::cluster::Cluster;
use polder_core::filter::Filter;
use polder_core::lb::announce::Target;
use polder_core::lb::{Endpoint, Service, ServiceKey, ServiceType, endpoints, plan};
use polder_core::net::{Label, Selector};
use polder_core::reason::{Refusal, Violations};
use polder_proto::convert::common::{optional, parsed, selector};
use polder_proto::convert::lb::announcement::{self, Observed};
use polder_proto::convert::{lb as convert, page};
use polder_proto::lb::v1 as pb;

/// The fields of a service that a filter may ask for.
const SERVICE_FIELDS: [&str; 11] =
    ["namespace", "name", "uid", "type", "labels.*", "selector", "cluster_ip", "external_ip", "pool", "sharing_key", "condition"];

/// The fields of an endpoint that a filter may ask for.
const ENDPOINT_FIELDS: [&str; 6] = ["address", "ready", "node", "zone", "hostname", "pod"];

/// Reads a filter over services.
pub(crate) fn service_filter(text: &str, bad: &mut Violations) -> Filter {
    bad.take("filter", Filter::parse(text, &SERVICE_FIELDS)).unwrap_or_default()
}

/// Whether a service passes a filter.
pub(crate) fn passes(filter: &Filter, service: &Service) -> bool {
    filter.matches(|field| service_values(service, field))
}

fn service_values<'a>(service: &'a Service, field: &str) -> Vec<Cow<'a, str>> {
    let one = |text: &'a str| vec![Cow::Borrowed(text)];
    let each = |items: &mut dyn Iterator<Item = String>| items.map(Cow::Owned).collect();
    match field {
        "namespace" => one(service.key.namespace.as_str()),
        "name" => one(service.key.name.as_str()),
        "uid" => each(&mut std::iter::once(service.meta.uid.to_string())),
        "type" => one(type_text(service)),
        "selector" => each(&mut std::iter::once(service.spec.selector.to_string())),
        "cluster_ip" => each(&mut service.cluster.iter().map(|vip| vip.address.to_string())),
        "external_ip" => each(&mut service.external.iter().map(|vip| vip.address.to_string())),
        "pool" => service.vips().map(|vip| Cow::Borrowed(vip.pool.as_str())).collect(),
        "sharing_key" => one(&service.spec.external.sharing_key),
        "condition" => service.conditions.iter().map(|condition| Cow::Borrowed(condition.reason.as_str())).collect(),
        label => label.strip_prefix("labels.").and_then(|key| service.labels.get(key)).map(Cow::Borrowed).into_iter().collect(),
    }
}

const fn type_text(service: &Service) -> &'static str {
    match service.spec.service_type {
        ServiceType::ClusterIp if service.spec.node_ports => "NODE_PORT",
        ServiceType::ClusterIp => "CLUSTER_IP",
        ServiceType::Headless => "HEADLESS",
        ServiceType::LoadBalancer => "LOAD_BALANCER",
        ServiceType::ExternalName => "EXTERNAL_NAME",
    }
}

/// A request for a page of services.
pub(crate) struct ServicePage {
    size: usize,
    after: Option<ServiceKey>,
    filter: Filter,
    namespace: Option<Label>,
    selector: Selector,
}

impl ServicePage {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub(crate) fn read(request: &pb::ListServicesRequest) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let after = page::after::<2>(&request.page_token, &mut bad);
        let after = after.and_then(|[namespace, name]| {
            let namespace = page::part(&namespace, &mut bad);
            let name = page::part(&name, &mut bad);
            Some(ServiceKey { namespace: namespace?, name: name? })
        });
        let read = Self {
            size: page::size(request.page_size, &mut bad),
            after,
            filter: service_filter(&request.filter, &mut bad),
            namespace: optional(&request.namespace, "namespace", &mut bad),
            selector: selector(request.selector.as_ref(), "selector", &mut bad),
        };
        bad.finish(Some(read))
    }

    /// The page, and the token of the next one.
    pub(crate) fn of(&self, cluster: &Cluster, domain: &str) -> (Vec<pb::Service>, String) {
        let chosen = |service: &&std::sync::Arc<Service>| {
            self.namespace.as_ref().is_none_or(|namespace| service.key.namespace == *namespace)
                && self.selector.matches(&service.labels)
                && passes(&self.filter, service)
        };
        let mut rest = cluster.lb.services_after(self.after.as_ref()).filter(chosen);
        let page: Vec<_> = rest.by_ref().take(self.size).collect();
        let last = rest.next().and_then(|_| page.last());
        let token = last.map(|last| page::token(&[last.key.namespace.as_str(), last.key.name.as_str()]));
        (page.into_iter().map(|service| convert::service(cluster, service, domain)).collect(), token.unwrap_or_default())
    }
}

/// The fields of an announcement that a filter may ask for.
const ANNOUNCEMENT_FIELDS: [&str; 7] = ["address", "pool", "node", "previous_node", "pinned", "bgp_only", "service"];

/// A request for a page of announcements.
pub(crate) struct AnnouncementPage {
    size: usize,
    after: Option<IpAddr>,
    filter: Filter,
}

impl AnnouncementPage {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field.
    pub(crate) fn read(request: &pb::ListAnnouncementsRequest) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let after = page::after::<1>(&request.page_token, &mut bad);
        let read = Self {
            size: page::size(request.page_size, &mut bad),
            after: after.and_then(|[address]| page::part(&address, &mut bad)),
            filter: bad.take("filter", Filter::parse(&request.filter, &ANNOUNCEMENT_FIELDS)).unwrap_or_default(),
        };
        bad.finish(Some(read))
    }

    /// The page, and the token of the next one. `observed` says who really answers for an address.
    pub(crate) fn of(&self, cluster: &Cluster, observed: impl Fn(IpAddr) -> Observed) -> (Vec<pb::Announcement>, String) {
        let later = cluster.lb.held_after(self.after);
        let targets = later.filter_map(|address| Target::held(cluster, address));
        let mut rest = targets.filter(|target| self.filter.matches(|field| announcement_values(cluster, target, field)));
        let page: Vec<_> = rest.by_ref().take(self.size).collect();
        let token = rest.next().and_then(|_| page.last()).map(|last| page::token(&[&last.address.to_string()]));
        let shown = page.iter().map(|target| announcement::announcement(cluster, target, &observed(target.address))).collect();
        (shown, token.unwrap_or_default())
    }
}

fn announcement_values<'a>(cluster: &'a Cluster, target: &Target<'a>, field: &str) -> Vec<Cow<'a, str>> {
    let record = cluster.lb.board().of(target.address);
    let truth = |is: bool| vec![Cow::Borrowed(if is { "true" } else { "false" })];
    match field {
        "address" => vec![Cow::Owned(target.address.to_string())],
        "pool" => vec![Cow::Borrowed(target.pool.name.as_str())],
        "node" => record.map(|record| Cow::Borrowed(record.node.as_str())).into_iter().collect(),
        "previous_node" => {
            let previous = record.and_then(|record| record.previous.as_ref());
            previous.map(|node| Cow::Borrowed(node.as_str())).into_iter().collect()
        }
        "pinned" => truth(record.is_some_and(|record| record.pinned)),
        "bgp_only" => truth(target.pool.bgp_only),
        _ => target.services.iter().map(|service| Cow::Owned(service.key.to_string())).collect(),
    }
}

/// A page of the endpoints of one service, and the token of the next one.
///
/// # Errors
/// Every bad field; [`Reason::ServiceNotFound`](polder_core::reason::Reason::ServiceNotFound).
pub(crate) fn endpoint_page(cluster: &Cluster, request: &pb::ListEndpointsRequest) -> Result<(Vec<pb::Endpoint>, String), Refusal> {
    let mut bad = Violations::new();
    let namespace = parsed(&request.namespace, "namespace", &mut bad);
    let name = parsed(&request.service, "service", &mut bad);
    let size = page::size(request.page_size, &mut bad);
    let after = page::after::<1>(&request.page_token, &mut bad);
    let after: Option<IpAddr> = after.and_then(|[address]| page::part(&address, &mut bad));
    let filter = bad.take("filter", Filter::parse(&request.filter, &ENDPOINT_FIELDS));
    let key = namespace.zip(name).map(|(namespace, name)| ServiceKey { namespace, name });
    let (key, filter) = bad.finish(key.zip(filter))?;
    let service = plan::find(cluster, &key)?;
    let mut all = endpoints(cluster, service);
    all.sort_unstable_by_key(|endpoint| endpoint.address);
    let chosen = |endpoint: &&Endpoint| {
        after.is_none_or(|after| endpoint.address > after) && filter.matches(|field| endpoint_values(endpoint, field))
    };
    let mut rest = all.iter().filter(chosen);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let token = rest.next().and_then(|_| page.last()).map(|last| page::token(&[&last.address.to_string()]));
    let shown = page.into_iter().map(|endpoint| convert::endpoint(&service.spec.ports, endpoint)).collect();
    Ok((shown, token.unwrap_or_default()))
}

fn endpoint_values<'a>(endpoint: &'a Endpoint, field: &str) -> Vec<Cow<'a, str>> {
    match field {
        "address" => vec![Cow::Owned(endpoint.address.to_string())],
        "ready" => vec![Cow::Borrowed(if endpoint.ready { "true" } else { "false" })],
        "node" => endpoint.node.iter().map(|node| Cow::Borrowed(node.as_str())).collect(),
        "zone" => vec![Cow::Borrowed(endpoint.zone.as_str())],
        "hostname" => endpoint.hostname.iter().map(|name| Cow::Borrowed(name.as_str())).collect(),
        _ => vec![Cow::Borrowed(endpoint.pod.as_str())],
    }
}
