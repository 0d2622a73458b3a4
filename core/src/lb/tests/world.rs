//! Random worlds: services of every kind, pools that are cut anew, namespaces, reservations, strangers on the network, and time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::fixture::{META, Site, addr, any_of, key, port};
use super::*;
use crate::ipam::{self, Answer, Neighbors, Order, PoolState, Quotas};
use crate::net::{Family, Labels, Name};
use crate::reason::Refusal;
use crate::time::Timestamp;

/// How many pieces the outside network is cut into; half of them are IPv6.
pub(super) const PIECES: usize = 8;
/// Addresses of a piece.
const SIZE: u8 = 3;

/// One pool as it shall be.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    state: PoolState,
    order: Order,
    cooldown: u64,
    priority: u32,
    auto_assign: bool,
    share: bool,
    only_namespace: bool,
    only_labelled: bool,
}

/// What a service asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    service_type: ServiceType,
    sharing: u8,
    ports: u8,
    local: bool,
    front: bool,
    policy: FamilyPolicy,
    families: Vec<Family>,
    cluster_ip: Option<u8>,
    external: Option<u8>,
    pools: Vec<u8>,
    reservation: bool,
    foreign: bool,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Create {
        name: u8,
        wish: Wish,
        may_wait: bool,
    },
    Update {
        name: u8,
        wish: Wish,
        may_wait: bool,
    },
    Delete {
        name: u8,
    },
    /// Cuts the pools anew: which pool has each piece (none above 2), and what the pools are like.
    Pools {
        pieces: Vec<u8>,
        shapes: Vec<Shape>,
        service: u8,
    },
    Reserve {
        from: u8,
        there: bool,
    },
    Quota {
        namespace: u8,
        external: Option<u64>,
    },
    Stranger {
        piece: usize,
        place: u8,
        there: bool,
    },
    Wait {
        seconds: u64,
    },
    Heal,
}

fn shape() -> impl Strategy<Value = Shape> {
    let states = prop_oneof![6 => Just(PoolState::Enabled), 1 => Just(PoolState::Draining), 1 => Just(PoolState::Disabled)];
    let orders = prop_oneof![Just(Order::Lowest), Just(Order::LongestFree)];
    let flags = (prop::bool::weighted(0.8), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (states, orders, 0u64..20, 0u32..3, flags).prop_map(|(state, order, cooldown, priority, flags)| {
        let (auto_assign, share, only_namespace, only_labelled) = flags;
        Shape { state, order, cooldown, priority, auto_assign, share, only_namespace, only_labelled }
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let types = prop_oneof![
        1 => Just(ServiceType::ClusterIp),
        8 => Just(ServiceType::LoadBalancer),
        1 => Just(ServiceType::Headless),
        1 => Just(ServiceType::ExternalName),
    ];
    let policies = prop_oneof![
        3 => Just(FamilyPolicy::SingleStack),
        1 => Just(FamilyPolicy::PreferDualStack),
        1 => Just(FamilyPolicy::RequireDualStack),
    ];
    let families = prop_oneof![3 => Just(vec![]), 1 => Just(vec![Family::V4]), 1 => Just(vec![Family::V6])];
    let what = (types, 0u8..3, 1u8..8, prop::bool::weighted(0.3), any::<bool>());
    let named = (
        prop::option::weighted(0.1, 0u8..10),
        prop::option::weighted(0.2, 0u8..(PIECES as u8 * SIZE)),
        prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(0u8..4, 1..3)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
    );
    (what, policies, families, named).prop_map(|((service_type, sharing, ports, local, front), policy, families, named)| {
        let (cluster_ip, external, pools, reservation, foreign) = named;
        Wish { service_type, sharing, ports, local, front, policy, families, cluster_ip, external, pools, reservation, foreign }
    })
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u8..14, wish(), any::<bool>()).prop_map(|(name, wish, may_wait)| Op::Create { name, wish, may_wait }),
        5 => (0u8..14, wish(), any::<bool>()).prop_map(|(name, wish, may_wait)| Op::Update { name, wish, may_wait }),
        3 => (0u8..14).prop_map(|name| Op::Delete { name }),
        2 => pools(),
        1 => (0u8..6, any::<bool>()).prop_map(|(from, there)| Op::Reserve { from, there }),
        1 => (0u8..3, prop::option::of(0u64..4)).prop_map(|(namespace, external)| Op::Quota { namespace, external }),
        1 => (0..PIECES, 0u8..SIZE, any::<bool>()).prop_map(|(piece, place, there)| Op::Stranger { piece, place, there }),
        2 => (1u64..30).prop_map(|seconds| Op::Wait { seconds }),
        2 => Just(Op::Heal),
    ]
}

/// Pools cut in some way.
pub(super) fn pools() -> impl Strategy<Value = Op> {
    (prop::collection::vec(0u8..5, PIECES), prop::collection::vec(shape(), 3), 2u8..16)
        .prop_map(|(pieces, shapes, service)| Op::Pools { pieces, shapes, service })
}

pub(super) fn name(number: u8) -> String {
    format!("ns{}/s{number}", number % 3)
}

/// The address at a place of the outside network.
fn outside(piece: usize, place: u8) -> String {
    let number = u8::try_from(piece).unwrap() * SIZE + place;
    if piece < PIECES / 2 { format!("10.0.0.{number}") } else { format!("2001:db8::{number:x}") }
}

impl Wish {
    pub(super) fn write(&self, spec: &mut ServiceSpec) {
        let alias = self.service_type == ServiceType::ExternalName;
        *spec = ServiceSpec {
            service_type: self.service_type,
            ports: (0..3).filter(|bit| self.ports & (1 << bit) != 0).map(|bit| port(Protocol::Tcp, 80 + bit)).collect(),
            selector: if self.front { "app=front" } else { "app=back" }.parse().unwrap(),
            family_policy: self.policy,
            families: self.families.clone(),
            external_name: if alias { "db.example.com".to_owned() } else { String::new() },
            ..ServiceSpec::default()
        };
        if Side::Cluster.belongs_to(self.service_type) {
            spec.cluster_ips = self.cluster_ip.map(|last| addr(&format!("172.28.0.{last}"))).into_iter().collect();
        }
        if self.service_type != ServiceType::LoadBalancer {
            return;
        }
        if self.local {
            spec.external_policy = TrafficPolicy::Local;
        }
        let external = &mut spec.external;
        external.sharing_key = if self.sharing == 0 { String::new() } else { format!("key{}", self.sharing) };
        external.class = if self.foreign { "other.example/lb".to_owned() } else { String::new() };
        if self.reservation {
            external.reservation = Some("kept".parse().unwrap());
            return;
        }
        external.addresses = self.external.map(|at| addr(&outside(usize::from(at / SIZE), at % SIZE))).into_iter().collect();
        external.pools = self.pools.iter().map(|pool| format!("pool{pool}").parse().unwrap()).collect();
    }
}

/// Takes a step. Pools are always followed by a healing, as an audit demands.
pub(super) fn step(site: &mut Site, op: &Op) -> Result<(), Refusal> {
    let wishes = |may_wait: bool| Some(if may_wait { Wishes::MayWait } else { Wishes::MetOrRefused });
    match op {
        Op::Create { name: number, wish, may_wait } => {
            site.wishes = wishes(*may_wait);
            let labels = [("tier", if wish.front { "gold" } else { "lead" })];
            site.create_labelled(&name(*number), &labels, |spec| wish.write(spec)).map(drop)
        }
        Op::Update { name: number, wish, may_wait } => {
            site.wishes = wishes(*may_wait);
            let known = site.cluster.lb.service(&key(&name(*number))).is_some();
            if known { site.update(&name(*number), |spec| wish.write(spec)).map(drop) } else { Ok(()) }
        }
        Op::Delete { name: number } => site.delete(&name(*number), ""),
        Op::Pools { pieces, shapes, service } => {
            cut(site, pieces, shapes, *service);
            Ok(())
        }
        Op::Reserve { from, there } => {
            let range = format!("10.0.0.{from}-10.0.0.{}", from + 1);
            if *there {
                site.reserve("kept", &range, "")
            } else {
                site.put(ipam::Change::Reservation("kept".parse().unwrap(), None))
            }
            Ok(())
        }
        Op::Quota { namespace, external } => {
            let quotas = Quotas { external_addresses: *external, ..Quotas::default() };
            site.namespace(&format!("ns{namespace}"), &[], quotas);
            Ok(())
        }
        Op::Stranger { piece, place, there } => {
            site.put(report(&outside(*piece, *place), *there));
            Ok(())
        }
        Op::Wait { seconds } => {
            for _ in 0..*seconds {
                site.ctx();
            }
            Ok(())
        }
        Op::Heal => Ok(()),
    }
}

/// What a node says about who answers for an address.
pub(super) fn report(address: &str, there: bool) -> ipam::Change {
    let node: Name = "node-a".parse().unwrap();
    let answer = Answer { address: addr(address), mac: "00:15:5d:01:02:03".parse().unwrap() };
    let report = Neighbors { node: node.clone(), uid: META.uid, reported: Timestamp(0), answers: vec![answer] };
    ipam::Change::Neighbors(node, there.then(|| Arc::new(report)))
}

fn cut(site: &mut Site, pieces: &[u8], shapes: &[Shape], service: u8) {
    for number in 0..3 {
        site.drop_pool(&format!("pool{number}"));
    }
    for (number, shape) in shapes.iter().enumerate() {
        let mine = pieces.iter().enumerate().filter(|(_, pool)| usize::from(**pool) == number);
        let ranges: Vec<String> = mine.map(|(piece, _)| format!("{}-{}", outside(piece, 0), outside(piece, SIZE - 1))).collect();
        if ranges.is_empty() {
            continue;
        }
        let ranges: Vec<&str> = ranges.iter().map(String::as_str).collect();
        site.pool(&format!("pool{number}"), Purpose::ExternalService, &ranges, |pool| {
            (pool.state, pool.order, pool.cooldown) = (shape.state, shape.order, Duration::from_secs(shape.cooldown));
            (pool.priority, pool.auto_assign, pool.share_across_namespaces) = (shape.priority, shape.auto_assign, shape.share);
            if shape.only_namespace {
                pool.selectors.namespaces = vec!["ns1".parse().unwrap()];
            }
            if shape.only_labelled {
                pool.selectors.objects = any_of("tier=gold");
            }
            pool.labels = Labels::default();
        });
    }
    let (v4, v6) = (format!("172.28.0.0-172.28.0.{service}"), format!("fd00::-fd00::{service:x}"));
    site.pool("service", Purpose::ClusterService, &[&v4, &v6], |pool| {
        pool.cooldown = Duration::from_secs(u64::from(service % 3) * 4)
    });
}
