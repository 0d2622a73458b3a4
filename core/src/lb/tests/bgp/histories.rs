//! Random histories of decisions: what was accepted leaves nothing wrong, and no prefix with two preferences.

use std::collections::BTreeMap;

use ipnet::IpNet;
use proptest::prelude::*;

use super::super::fixture::port;
use super::*;
use crate::cluster::Cluster;
use crate::ipam::Purpose;

/// One step of a history. Names, selectors, routers and pools are digits.
#[derive(Debug, Clone)]
enum Op {
    Peer { name: u8, router: u8, internal: bool, nodes: u8 },
    EndPeer { name: u8 },
    Advertisement { name: u8, pool: u8, peers: Vec<u8>, nodes: u8, services: u8, length: u8, preference: u8 },
    EndAdvertisement { name: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let peers = prop::collection::vec(0u8..3, 0..3);
    prop_oneof![
        3 => (0u8..3, 0u8..3, any::<bool>(), 0u8..4)
            .prop_map(|(name, router, internal, nodes)| Op::Peer { name, router, internal, nodes }),
        1 => (0u8..3).prop_map(|name| Op::EndPeer { name }),
        6 => (0u8..5, 0u8..4, peers, 0u8..4, 0u8..3, 29u8..=32, 0u8..3).prop_map(
            |(name, pool, peers, nodes, services, length, preference)| {
                Op::Advertisement { name, pool, peers, nodes, services, length, preference }
            }
        ),
        1 => (0u8..5).prop_map(|name| Op::EndAdvertisement { name }),
    ]
}

/// No selector, or one that some of the nodes and services match.
fn chooses(number: u8) -> AnyOf {
    match number {
        0 => AnyOf::default(),
        3 => either(&["l=1", "l=2"]),
        number => either(&[&format!("l={number}")]),
    }
}

/// Two nodes, two pools with services of both labels in them, all of them alive.
fn start() -> Site {
    let mut site = Site::usual();
    site.pool("second", Purpose::ExternalService, &["10.1.0.0/29"], |_| {});
    for (number, label) in [(1, "1"), (2, "2")] {
        site.node(&format!("n{number}"), &[("l", label)], |_| {});
        site.put(pod(number, &format!("n{number}"), true));
    }
    for number in 0..8u8 {
        let pool = if number < 5 { "external" } else { "second" };
        let label = (number % 3).to_string();
        let named = |spec: &mut crate::lb::ServiceSpec| spec.external.pools = vec![pool.parse().unwrap()];
        site.create_labelled(&format!("shop/s{number}"), &[("l", &label)], named).unwrap();
    }
    for (number, label) in [(81, "1"), (82, "2")] {
        let sharing = |spec: &mut crate::lb::ServiceSpec| {
            spec.ports = vec![port(crate::lb::Protocol::Tcp, number)];
            spec.external.sharing_key = "shared".to_owned();
            spec.external.addresses = vec!["10.0.0.20".parse().unwrap()];
        };
        site.create_labelled(&format!("shop/shared-{number}"), &[("l", label)], sharing).unwrap();
    }
    site
}

fn step(site: &mut Site, op: &Op) -> Result<(), Refusal> {
    let name = |prefix: &str, number: u8| -> crate::net::Label { format!("{prefix}{number}").parse().unwrap() };
    match op {
        Op::Peer { name: number, router, internal, nodes } => {
            let known = site.cluster.lb.bgp_peer(&name("p", *number)).is_some();
            let mut spec = peer_spec(&format!("10.9.0.{router}"), if *internal { 64_512 } else { 7 });
            spec.nodes = chooses(*nodes);
            match known {
                true => site.change_peer(name("p", *number).as_str(), |draft| draft.spec = spec).map(drop),
                false => site.peer(name("p", *number).as_str(), "10.9.0.1", |given| *given = spec).map(drop),
            }
        }
        Op::EndPeer { name: number } => site.end_peer(name("p", *number).as_str(), "").map(drop),
        Op::Advertisement { name: number, pool, peers, nodes, services, length, preference } => {
            let mut wish = spec();
            match pool {
                1 => wish.pools = vec!["external".parse().unwrap()],
                2 => wish.pools = vec!["second".parse().unwrap()],
                _ => {}
            }
            wish.peers = peers.iter().map(|number| name("p", *number)).collect();
            // The edge refuses aggregates of certain services.
            let length = if *services == 0 { *length } else { 32 };
            (wish.nodes, wish.services, wish.length_v4) = (chooses(*nodes), chooses(*services), length);
            wish.local_pref = u32::from(*preference).try_into().ok();
            let known = site.cluster.lb.bgp_advertisement(&name("a", *number)).is_some();
            match known {
                true => site.change_advertisement(name("a", *number).as_str(), |spec| *spec = wish).map(drop),
                false => site.advertise(name("a", *number).as_str(), |spec| *spec = wish).map(drop),
            }
        }
        Op::EndAdvertisement { name: number } => {
            let decision = BgpAdvertisement::delete(&site.cluster, &name("a", *number), "");
            site.settle(decision).map(drop)
        }
    }
}

/// The state with one advertisement only.
fn alone(cluster: &Cluster, name: &crate::net::Label) -> Cluster {
    let mut cluster = cluster.clone();
    let others: Vec<_> = cluster.lb.bgp_advertisements().map(|one| one.name.clone()).filter(|other| other != name).collect();
    others.into_iter().for_each(|other| cluster.lb.apply(&BgpAdvertisement::change(other, None)));
    cluster
}

/// No two advertisements give one prefix to one peer from one node with different preferences; each is asked alone.
fn check_preferences(site: &Site) -> Result<(), TestCaseError> {
    let alone: Vec<Cluster> = site.cluster.lb.bgp_advertisements().map(|made| alone(&site.cluster, &made.name)).collect();
    for (node, peer) in
        site.cluster.ipam.nodes().flat_map(|node| sessions(&site.cluster, node).into_iter().map(move |peer| (node, peer)))
    {
        let mut said: BTreeMap<IpNet, _> = BTreeMap::new();
        for route in alone.iter().flat_map(|cluster| routes(cluster, node, &peer)) {
            let first = *said.entry(route.prefix).or_insert(route.local_pref);
            prop_assert_eq!(first, route.local_pref, "{} to {} from {}", route.prefix, peer.name, node.name);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_accepted_leaves_nothing_wrong(ops in prop::collection::vec(op(), 1..40)) {
        let mut site = start();
        for op in ops {
            let before = site.cluster.lb.clone();
            if step(&mut site, &op).is_err() {
                prop_assert_eq!(&before, &site.cluster.lb);
                continue;
            }
            prop_assert_eq!(crate::lb::audit(&site.cluster), []);
            check_preferences(&site)?;
            for made in site.cluster.lb.bgp_advertisements() {
                let said = conditions::of_advertisement(&site.cluster, made);
                prop_assert!(said[0].standing == conditions::Standing::Well, "{said:?}");
            }
            for node in site.cluster.ipam.nodes() {
                let mut routers: Vec<_> = sessions(&site.cluster, node).iter().map(|peer| peer.spec.router.to_string()).collect();
                let count = routers.len();
                routers.sort_unstable();
                routers.dedup();
                prop_assert_eq!(routers.len(), count, "one router is one session of a node");
            }
        }
    }
}
