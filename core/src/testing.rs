//! Records for tests: everything that a record must have, and as little as can be of what it may have. Whoever wants more says what
//! differs: `Node { zone, ..testing::node("node-a") }`. So a new field of a record is added here and nowhere else.
//!
//! Behind the feature `testing`, which only tests and benchmarks ask for. Text that does not parse is a panic, as in any test.

#![allow(clippy::unwrap_used, reason = "a test whose own text is wrong has failed")]

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::id::Uid;
use crate::ipam::pool::Draft;
use crate::ipam::{Allocation, Holding, Interface, Liveness, Node, Order, Owner, OwnerKind, Pool, Purpose};
use crate::meta::Meta;
use crate::net::{AddrRange, Labels};
use crate::time::Timestamp;

/// What a record has that was made at the beginning of time and never changed.
pub const META: Meta = Meta { uid: Uid(1), version: 1, created: Timestamp(1), updated: Timestamp(1) };

/// The network of pods; pod 0 would have its first address.
const PODS: Ipv4Addr = Ipv4Addr::new(172, 27, 0, 0);

/// The same under an identity.
#[must_use]
pub const fn meta(uid: u128) -> Meta {
    Meta { uid: Uid(uid), ..META }
}

/// Labels from pairs.
#[must_use]
pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
}

/// A pool with the defaults of its purpose, but for two: its lowest free address comes first, and at once after its release.
#[must_use]
pub fn pool(name: &str, purpose: Purpose, ranges: &[&str]) -> Pool {
    let ranges: Vec<AddrRange> = ranges.iter().map(|range| range.parse().unwrap()).collect();
    let usual = Draft::new(name.parse().unwrap(), purpose, []).pool(purpose, META);
    Pool { ranges, order: Order::Lowest, cooldown: Duration::ZERO, ..usual }
}

/// A node that lives, on no network.
#[must_use]
pub fn node(name: &str) -> Node {
    Node {
        name: name.parse().unwrap(),
        meta: META,
        labels: Labels::default(),
        zone: String::new(),
        interfaces: Vec::new(),
        agent_version: String::new(),
        routes: Vec::new(),
        tunnel_mac: String::new(),
        unschedulable: false,
        draining: false,
        excluded_from_external: false,
        operator_labels: Vec::new(),
        liveness: Liveness::Alive(Timestamp(1)),
        removing: None,
        number: 1,
    }
}

/// An interface of a node that is up.
#[must_use]
pub fn interface(name: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        mac: String::new(),
        mtu: 1500,
        gateways: Vec::new(),
        up: true,
    }
}

/// Pod `shop/pod-<number>`, ready, with the label `app=WS`, at an address of its number, on no node.
#[must_use]
pub fn pod(number: u32) -> Allocation {
    let name = format!("pod-{number}");
    Allocation {
        handle: name.as_str().into(),
        meta: meta(number.into()),
        holdings: vec![Holding { address: Ipv4Addr::from_bits(PODS.to_bits() + number).into(), block: None }],
        owner: owner("shop", &name),
        labels: labels(&[("app", "WS")]),
        ready: true,
        hostname: None,
        subdomain: None,
        named_ports: Vec::new(),
        released: None,
    }
}

/// A pod as an owner.
#[must_use]
pub fn owner(namespace: &str, name: &str) -> Owner {
    Owner {
        kind: OwnerKind::Pod,
        namespace: Some(namespace.parse().unwrap()),
        name: name.parse().unwrap(),
        node: None,
        interface: String::new(),
        container: String::new(),
        uid: String::new(),
    }
}

/// The same on a node.
#[must_use]
pub fn on(node: &str, pod: Allocation) -> Allocation {
    Allocation { owner: Owner { node: Some(node.parse().unwrap()), ..pod.owner }, ..pod }
}
