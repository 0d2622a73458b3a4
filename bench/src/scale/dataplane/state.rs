//! Services, pods and nodes as records, put into a store before anybody looks at it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use polder_core::cluster::Change;
use polder_core::id::Uid;
use polder_core::ipam::{self, Allocation, AnyOf, Holding, Node, Owner, Purpose};
use polder_core::lb::bgp::{AdvertisementSpec, Asn, BgpAdvertisement, BgpPeer, PeerSpec, Router};
use polder_core::lb::{self, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, ServiceType, TargetPort, Vip};
use polder_core::meta::Meta;
use polder_core::net::{Label, Labels, Name};
use polder_core::schema::Schema;
use polder_core::testing;
use polder_core::time::Timestamp;
use polder_proto::stored::Stored;
use polder_runtime::tasks::Failure;
use polder_store::{Commit, Outcome, Store, Write};

/// Everything is in one namespace.
pub(super) const NAMESPACE: &str = "shop";
const PODS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 0);
const SERVICES: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 0);
/// Writes of one transaction.
const BATCH: usize = 120;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) services: u32,
    pub(super) pods: u32,
    pub(super) nodes: u16,
    /// Routers that every node advertises the external address of every service to. Without any, services have none.
    pub(super) routers: u8,
}

fn after(first: Ipv4Addr, number: u32) -> IpAddr {
    Ipv4Addr::from_bits(first.to_bits() + number).into()
}

fn meta(number: u32) -> Meta {
    Meta { uid: Uid(u128::from(number) + 1), version: 1, created: Timestamp(1), updated: Timestamp(1) }
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> Result<Labels, Failure> {
    Ok(Labels::new(pairs.map(|(key, value)| (key.to_owned(), value)))?)
}

impl State {
    /// The name of a node, and its uid.
    pub(super) fn node(number: u16) -> (String, Uid) {
        (format!("node-{number}"), meta(number.into()).uid)
    }

    /// A pod: as many behind each service, and spread over all nodes. It has a label that no service selects, too.
    pub(super) fn pod(&self, number: u32, ready: bool) -> Result<Allocation, Failure> {
        let app = number % self.services;
        let node = u16::try_from(number % u32::from(self.nodes))?;
        let owner = testing::owner(NAMESPACE, &format!("pod-{number}"));
        Ok(Allocation {
            handle: format!("pod-{number}/eth0").into(),
            meta: meta(number),
            holdings: vec![Holding { address: after(PODS, number), block: None }],
            owner: Owner { node: Some(Self::node(node).0.parse()?), interface: "eth0".to_owned(), ..owner },
            labels: labels([("app", format!("app-{app}")), ("tier", "front".to_owned()), ("hash", format!("h{app}"))])?,
            ready,
            ..testing::pod(number)
        })
    }

    pub(super) fn key(number: u32) -> Result<ServiceKey, Failure> {
        Ok(ServiceKey { namespace: NAMESPACE.parse()?, name: format!("app-{number}").parse()? })
    }

    fn service(&self, number: u32) -> Result<Service, Failure> {
        let port = ServicePort {
            name: Some("http".parse()?),
            protocol: Protocol::Tcp,
            port: 80,
            target: TargetPort::Number(8080),
            app_protocol: String::new(),
        };
        let selector = format!("app=app-{number},tier=front").parse()?;
        Ok(Service {
            key: Self::key(number)?,
            meta: meta(number),
            labels: Labels::default(),
            annotations: [].into(),
            spec: ServiceSpec {
                service_type: if self.routers > 0 { ServiceType::LoadBalancer } else { ServiceType::ClusterIp },
                selector,
                ports: vec![port],
                ..ServiceSpec::default()
            },
            cluster: vec![Vip { address: after(SERVICES, number), pool: "service".parse()? }],
            external: match self.routers {
                0 => Vec::new(),
                _ => vec![Vip { address: after(EXTERNAL, number), pool: "external".parse()? }],
            },
            conditions: Vec::new(),
        })
    }

    fn changes(&self) -> impl Iterator<Item = Result<Change, Failure>> {
        let pools = [
            ("pod", Purpose::Pod, "10.0.0.0/9"),
            ("service", Purpose::ClusterService, "172.16.0.0/12"),
            ("external", Purpose::ExternalService, "192.168.0.0/16"),
        ];
        let pools = pools.into_iter().map(|(name, purpose, range)| {
            let name: Name = name.parse()?;
            let mut draft = ipam::pool::Draft::new(name.clone(), purpose, [range.parse()?]);
            draft.bgp_only = purpose == Purpose::ExternalService;
            Ok(ipam::Change::Pool(name, Some(Arc::new(draft.pool(purpose, meta(0))))).into())
        });
        let nodes = (0..self.nodes).map(|number| {
            let (name, uid) = Self::node(number);
            let meta = Meta { uid, ..meta(0) };
            let zone = format!("rack-{}", number % 8);
            let node = Node { meta, zone, number: number + 1, ..testing::node(&name) };
            Ok(ipam::Change::Node(node.name.clone(), Some(Arc::new(node))).into())
        });
        let pods = (0..self.pods).map(|number| {
            let pod = self.pod(number, true)?;
            Ok(ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod))).into())
        });
        let services = (0..self.services).map(|number| {
            let service = self.service(number)?;
            Ok(lb::Change::Service(service.key.clone(), Some(Arc::new(service))).into())
        });
        pools.chain(nodes).chain(pods).chain(services).chain(self.routers())
    }

    fn routers(&self) -> impl Iterator<Item = Result<Change, Failure>> {
        let peers = (0..self.routers).map(|number| {
            let name: Label = format!("router-{number}").parse()?;
            let spec = PeerSpec {
                router: Router::Address([192, 0, 2, number].into()),
                peer_asn: Asn::new(64_513)?,
                local_asn: Asn::new(64_512)?,
                port: 179,
                source: None,
                router_id: None,
                hold: 90,
                keepalive: None,
                multihop: false,
                graceful_restart: true,
                nodes: AnyOf::default(),
                bfd: None,
            };
            let peer = BgpPeer { name: name.clone(), meta: meta(number.into()), labels: Labels::default(), spec, password: None };
            Ok(lb::Change::BgpPeer(name, Some(Arc::new(peer))).into())
        });
        let everything = (self.routers > 0).then(|| {
            let name: Label = "everything".parse()?;
            let spec = AdvertisementSpec {
                pools: Vec::new(),
                pool_selectors: AnyOf::default(),
                services: AnyOf::default(),
                nodes: AnyOf::default(),
                peers: Vec::new(),
                length_v4: 32,
                length_v6: 128,
                local_pref: None,
                communities: vec!["64512:100".parse()?],
            };
            let made = BgpAdvertisement { name: name.clone(), meta: meta(0), labels: Labels::default(), spec };
            Ok(lb::Change::BgpAdvertisement(name, Some(Arc::new(made))).into())
        });
        peers.chain(everything)
    }

    /// Puts it all into a store that nobody reads yet.
    pub(super) async fn fill(&self, store: &Store) -> Result<(), Failure> {
        let changes: Vec<Change> = self.changes().collect::<Result<_, _>>()?;
        for batch in changes.chunks(BATCH) {
            let stored = batch.iter().map(Stored::encode);
            let writes = stored.map(|write| Write::put(write.key, write.value.unwrap_or_default())).collect();
            match store.commit(Commit { guards: Vec::new(), writes }).await? {
                Outcome::Committed { .. } => {}
                Outcome::Conflict { .. } => return Err("a commit without guards had a conflict".into()),
            }
        }
        Ok(())
    }
}
