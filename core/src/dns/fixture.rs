//! Clusters for tests, small and readable.

use std::net::IpAddr;
use std::sync::Arc;

use super::data::Data;
use super::resolver::{Resolver, Spec};
use super::serial::Heads;
use super::settings::{PodRecords, Settings};
use super::snapshot::Snapshot;
use super::views::View;
use super::zones::{Change as ZoneChange, RecordSet, RecordSetKey, Zone, ZoneName, ZoneSpec};
use crate::cluster::{Change, Cluster};
use crate::hash::Seed;
use crate::id::{Revision, Uid};
use crate::ipam::{Allocation, Change as IpamChange, Holding, Pool, Purpose};
use crate::lb::{
    Brief, Change as LbChange, Endpoint, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, ServiceType, TargetPort, Vip,
};
use crate::meta::Meta;
use crate::net::{Labels, Selector};
use crate::testing;
use crate::time::Timestamp;

pub(super) const META: Meta = Meta { uid: Uid(0), version: 1, created: Timestamp(0), updated: Timestamp(0) };

pub(super) fn settings() -> Arc<Settings> {
    let mut settings = Settings::new("cluster.local".parse().unwrap(), Seed(7)).unwrap();
    settings.servers = vec!["172.28.0.10".parse().unwrap()];
    Arc::new(settings)
}

/// The usual settings with these names of pods.
pub(super) fn settings_with(pods: PodRecords) -> Settings {
    let mut settings = Settings::clone(&settings());
    settings.pods = pods;
    settings
}

pub(super) fn snapshot(cluster: &Cluster, revision: u64) -> Snapshot {
    Snapshot::build(settings(), cluster, Heads::at(Revision(revision)))
}

/// A pod: `shop/web-1`, its addresses, its labels as a selector writes them, and `host.subdomain`.
pub(super) struct Pod<'a> {
    pub(super) name: &'a str,
    pub(super) addresses: &'a [&'a str],
    pub(super) labels: &'a str,
    pub(super) host: &'a str,
    pub(super) ready: bool,
}

pub(super) fn split(name: &str) -> (&str, &str) {
    name.split_once(['/', '.']).unwrap()
}

pub(super) fn pod(pod: &Pod<'_>) -> Change {
    let (namespace, name) = split(pod.name);
    let uid = Uid(pod.name.bytes().fold(1, |sum: u128, byte| sum.wrapping_mul(131) + u128::from(byte)));
    let pairs = pod.labels.split(',').filter_map(|pair| pair.split_once('='));
    let host = pod.host.split_once('.');
    let record = Allocation {
        handle: pod.name.into(),
        meta: Meta { uid, ..META },
        holdings: pod.addresses.iter().map(|text| Holding { address: text.parse().unwrap(), block: None }).collect(),
        owner: testing::owner(namespace, name),
        labels: Labels::new(pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))).unwrap(),
        ready: pod.ready,
        hostname: host.map(|(host, _)| host.parse().unwrap()),
        subdomain: host.map(|(_, subdomain)| subdomain.parse().unwrap()),
        named_ports: vec![("http".parse().unwrap(), 8080)],
        ..testing::pod(0)
    };
    Change::Ipam(IpamChange::Allocation(uid, Some(Arc::new(record))))
}

/// A ready pod without host name.
pub(super) fn ready(name: &str, address: &str, labels: &str) -> Change {
    pod(&Pod { name, addresses: &[address], labels, host: "", ready: true })
}

/// One port by its name; an empty one has none.
pub(super) fn port(name: &str, protocol: Protocol, port: u16, target: TargetPort) -> ServicePort {
    let name = (!name.is_empty()).then(|| name.parse().unwrap());
    ServicePort { name, protocol, port, target, app_protocol: String::new() }
}

pub(super) fn http() -> ServicePort {
    port("http", Protocol::Tcp, 80, TargetPort::Name("http".parse().unwrap()))
}

pub(super) fn key(name: &str) -> ServiceKey {
    let (namespace, name) = split(name);
    ServiceKey { namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
}

/// A service with one port named http.
pub(super) fn service(name: &str, service_type: ServiceType, selector: &str, vips: &[&str]) -> Service {
    let selector: Selector = if selector.is_empty() { Selector::default() } else { selector.parse().unwrap() };
    let spec = ServiceSpec { service_type, selector, ports: vec![http()], ..ServiceSpec::default() };
    let vip = |text: &&str| Vip { address: text.parse().unwrap(), pool: "service".parse().unwrap() };
    Service {
        key: key(name),
        meta: META,
        labels: Labels::default(),
        annotations: std::collections::BTreeMap::new(),
        spec,
        cluster: vips.iter().map(vip).collect(),
        external: Vec::new(),
        conditions: Vec::new(),
    }
}

pub(super) fn given(address: &str, ready: bool) -> Endpoint {
    let address: IpAddr = address.parse().unwrap();
    Endpoint { address, ready, node: None, zone: String::new(), hostname: None, pod: String::new(), ports: vec![Some(80)] }
}

/// As a name server has it.
pub(super) fn put(service: Service) -> Change {
    Change::Lb(LbChange::Brief(service.key.clone(), Some(Brief::of(&service))))
}

pub(super) fn drop_service(name: &str) -> Change {
    Change::Lb(LbChange::Brief(key(name), None))
}

/// A zone with the usual values.
pub(super) fn zone(name: &str) -> Change {
    let name: ZoneName = name.parse().unwrap();
    let record = Zone { name: name.clone(), meta: META, labels: Labels::default(), spec: ZoneSpec::default() };
    Change::Dns(ZoneChange::Zone(name, Some(Arc::new(record))))
}

/// A zone that has the names of services.
pub(super) fn public(name: &str) -> Change {
    let Change::Dns(ZoneChange::Zone(name, Some(zone))) = zone(name) else { panic!("it is one") };
    let spec = ZoneSpec { publish_services: true, ..zone.spec.clone() };
    Change::Dns(ZoneChange::Zone(name, Some(Arc::new(Zone { spec, ..Zone::clone(&zone) }))))
}

/// A LoadBalancer service with external IPs.
pub(super) fn exposed(name: &str, vips: &[&str]) -> Change {
    let outside = service(name, ServiceType::LoadBalancer, "", vips);
    put(Service { external: outside.cluster.clone(), ..outside })
}

/// The key of a set, as paths have it: `example.com/www/A`.
pub(super) fn set_key(path: &str) -> Arc<RecordSetKey> {
    let mut parts = path.split('/').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    let (zone, owner, rtype) = (part().parse().unwrap(), part().parse().unwrap(), part().parse().unwrap());
    Arc::new(RecordSetKey::new(zone, owner, rtype).unwrap())
}

/// A record set without a time to live of its own.
pub(super) fn set(path: &str, data: &[&str]) -> Change {
    let key = set_key(path);
    let read = |text: &&str| Data::read(key.rtype(), text, key.zone().domain()).unwrap();
    let mut data: Vec<Data> = data.iter().map(read).collect();
    data.sort_unstable();
    let record = RecordSet { key: Arc::clone(&key), meta: META, labels: Labels::default(), ttl: None, data: data.into() };
    Change::Dns(ZoneChange::RecordSet(key, Some(Arc::new(record))))
}

pub(super) fn pool(name: &str, purpose: Purpose, ranges: &[&str]) -> Change {
    let record = Pool { meta: META, ..testing::pool(name, purpose, ranges) };
    Change::Ipam(IpamChange::Pool(record.name.clone(), Some(Arc::new(record))))
}

/// The two-tier application, a headless service with its pods, an alias, and the default pools.
pub(super) fn shop() -> Cluster {
    let mut alias = service("shop/pay", ServiceType::ExternalName, "", &[]);
    alias.spec.external_name = "Pay.example.com".to_owned();
    let mut inner = service("shop/store", ServiceType::ExternalName, "", &[]);
    inner.spec.external_name = "db.shop.svc.cluster.local.".to_owned();
    let peer = |name, address, ready| {
        pod(&Pod { name, addresses: &[address], labels: "app=peer", host: &format!("{}.peers", &name[5..]), ready })
    };
    let changes = [
        pool("pod", Purpose::Pod, &["172.27.0.0/16"]),
        pool("service", Purpose::ClusterService, &["172.28.0.0/16", "fd00:28::/112"]),
        ready("shop/web-1", "172.27.0.5", "app=WS"),
        ready("shop/web-2", "172.27.0.6", "app=WS"),
        ready("shop/db-1", "172.27.0.7", "app=DB"),
        peer("shop/p0", "172.27.0.20", true),
        peer("shop/p1", "172.27.0.21", true),
        peer("shop/p2", "172.27.0.22", false),
        ready("shop/p3", "172.27.0.23", "app=peer"),
        put(service("shop/web", ServiceType::LoadBalancer, "app=WS", &["172.28.0.2"])),
        put(service("shop/db", ServiceType::ClusterIp, "app=DB", &["172.28.0.3", "fd00:28::3"])),
        put(service("shop/peers", ServiceType::Headless, "app=peer", &[])),
        put(service("shop/none", ServiceType::Headless, "app=nobody", &[])),
        put(service("shop/waiting", ServiceType::ClusterIp, "app=WS", &[])),
        put(alias),
        put(inner),
        ready("bare/pod", "172.27.0.40", ""),
    ];
    let mut cluster = Cluster::default();
    changes.iter().for_each(|change| cluster.apply(change));
    cluster
}

/// A view: its clients, and the namespaces that it sees, separated by blanks.
pub(super) fn view(name: &str, clients: &str, client_namespaces: &str, visible: &str) -> View {
    let labels = |text: &str| text.split_whitespace().map(|label| label.parse().unwrap()).collect();
    View {
        name: name.parse().unwrap(),
        clients: clients.split_whitespace().map(|network| network.parse().unwrap()).collect(),
        client_namespaces: labels(client_namespaces),
        visible_namespaces: labels(visible),
    }
}

/// The resolver's settings with these views.
pub(super) fn views(views: Vec<View>) -> Change {
    let spec = Spec { views, ..Spec::default() };
    Change::Dns(ZoneChange::Resolver(Some(Arc::new(Resolver { meta: META, spec }))))
}
