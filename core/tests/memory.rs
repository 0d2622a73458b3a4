//! What a name server takes of memory for each service, counted to the byte: it holds as many as there are in the cluster.
//!
//! The bounds are a little above what it was when they were set. Whoever needs more raises them, and says what for.

#![allow(clippy::unwrap_used, reason = "a test ends where its expectation does")]
#![expect(unsafe_code, reason = "an allocator is an unsafe trait")]

#[path = "memory/counting.rs"]
mod counting;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::dns::{Heads, Seed, Settings, Snapshot};
use polder_core::id::{Revision, Uid};
use polder_core::lb::{Brief, Change, Protocol, Service, ServiceKey, ServicePort, ServiceSpec, TargetPort, Vip};
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::time::Timestamp;

use counting::Counting;

const SERVICES: u32 = 10_000;
/// Bytes for the state of each service.
const STATE: usize = 145;
/// Bytes for the names of each: its own, that of a port, the one between, and that of its address follow from it, and only what is above
/// them is kept.
const NAMES: usize = 10;
/// Bytes for the names of each at most while they are made.
const MADE: usize = 20;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// What `make` gives, how many bytes of it there are for each service, and how many there were at most while it was made.
fn weighed<T>(make: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = ALLOCATOR.live();
    ALLOCATOR.most();
    let made = make();
    let each = |bytes: usize| (bytes - before) / SERVICES as usize;
    (made, each(ALLOCATOR.live()), each(ALLOCATOR.most()))
}

/// A ClusterIP service with a selector and one port that has a name.
fn service(number: u32) -> Service {
    let meta = Meta { uid: Uid(number.into()), version: 1, created: Timestamp(1), updated: Timestamp(1) };
    let name = Some("http".parse().unwrap());
    let port =
        ServicePort { name, protocol: Protocol::Tcp, port: 80, target: TargetPort::Number(8080), app_protocol: String::new() };
    let selector = format!("app=app-{number},tier=front").parse().unwrap();
    let address = IpAddr::from(Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 0).to_bits() + number));
    Service {
        key: ServiceKey { namespace: "shop".parse().unwrap(), name: format!("app-{number}").parse().unwrap() },
        meta,
        labels: Labels::default(),
        annotations: [].into(),
        spec: ServiceSpec { selector, ports: vec![port], ..ServiceSpec::default() },
        cluster: vec![Vip { address, pool: "service".parse().unwrap() }],
        external: Vec::new(),
        conditions: Vec::new(),
    }
}

#[test]
fn a_service_takes_little_of_a_name_server() {
    let (cluster, state, _) = weighed(|| {
        let mut cluster = Cluster::default();
        for service in (0..SERVICES).map(service) {
            cluster.apply(&Change::Brief(service.key.clone(), Some(Brief::of(&service))).into());
        }
        cluster
    });
    let settings = Arc::new(Settings::new("cluster.local".parse().unwrap(), Seed(7)).unwrap());
    let (names, kept, most) = weighed(|| Snapshot::build(settings, &cluster, Heads::at(Revision(1))));
    assert!(names.len() > 4 * SERVICES as usize);
    let told = format!("{state} bytes of state, {kept} bytes of names and at most {most} while they are made, for each service");
    println!("{told}");
    assert!(state <= STATE && kept <= NAMES && most <= MADE, "{told}");
}
