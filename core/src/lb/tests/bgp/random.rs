//! Routes of random clusters, against the words of the rules taken one address at a time.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::ipam::{Pool, PoolState, Purpose};
use crate::lb::{Service, TrafficPolicy, Vip};
use crate::net::{AddrRange, Family};

const RANGES: [&str; 4] = ["10.0.0.3-10.0.0.29", "10.0.0.64/26", "10.0.1.5", "2001:db8::3-2001:db8::1f"];

#[derive(Debug, Clone)]
struct Plan {
    pools: Vec<(u8, bool)>,
    services: Vec<(u8, u8, bool, u8)>,
    node: (u8, bool, u8),
    peer: (bool, u8),
    advertisements: Vec<(Wish, u8, u8)>,
    pods: Vec<(bool, bool)>,
}

/// What an advertisement chooses: pools, nodes and services by one digit each, lengths, whether it is for the peer.
#[derive(Debug, Clone, Copy)]
struct Wish {
    pools: u8,
    nodes: u8,
    services: u8,
    v4: u8,
    v6: u8,
    here: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    (0u8..5, 0u8..3, 0u8..3, 20u8..=32, 110u8..=128, prop::bool::weighted(0.8))
        .prop_map(|(pools, nodes, services, v4, v6, here)| Wish { pools, nodes, services, v4, v6, here })
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec((0u8..3, any::<bool>()), RANGES.len()),
        prop::collection::vec((0u8..4, 0u8..40, any::<bool>(), 0u8..2), 0..20),
        (0u8..3, prop::bool::weighted(0.1), 0u8..3),
        (any::<bool>(), 0u8..3),
        prop::collection::vec((wish(), 0u8..3, 0u8..4), 0..5),
        prop::collection::vec((any::<bool>(), any::<bool>()), 0..3),
    )
        .prop_map(|(pools, services, node, peer, advertisements, pods)| Plan {
            pools,
            services,
            node,
            peer,
            advertisements,
            pods,
        })
}

/// No selector, one of label `l` with that number, or one that nothing has.
fn chooses(number: u8) -> AnyOf {
    match number {
        0 => AnyOf::default(),
        number => either(&[&format!("l={number}")]),
    }
}

fn build(plan: &Plan) -> (Site, Node, Arc<BgpPeer>) {
    let mut site = Site::default();
    for (number, ((state, labelled), range)) in plan.pools.iter().zip(RANGES).enumerate() {
        site.pool(&format!("p{number}"), Purpose::ExternalService, &[range], |pool| {
            pool.state = [PoolState::Enabled, PoolState::Draining, PoolState::Disabled][usize::from(*state)];
            pool.labels = if *labelled { labels(&[("l", "1")]) } else { Labels::default() };
        });
    }
    let (label, draining, _) = plan.node;
    let node = site.node("a", &[("l", &label.to_string())], |node| node.draining = draining);
    for (number, (here, ready)) in plan.pods.iter().enumerate() {
        site.put(pod(u8::try_from(number).unwrap() + 1, if *here { "a" } else { "b" }, *ready));
    }
    // A template that was addressed as services are; its copies hold what the plan says.
    let mut template = Site::usual().create("shop/web", |_| {}).unwrap();
    template.cluster.clear();
    for (number, (pool, place, local, label)) in plan.services.iter().enumerate() {
        let range: AddrRange = RANGES[usize::from(*pool)].parse().unwrap();
        let address = range.nth(u128::from(*place) % range.len()).unwrap();
        let mut service = template.clone();
        service.key.name = format!("s{number}").parse().unwrap();
        service.labels = labels(&[("l", &label.to_string())]);
        service.external = vec![Vip { address, pool: format!("p{pool}").parse().unwrap() }];
        service.spec.families = vec![Family::V4];
        service.spec.external_policy = if *local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
        site.cluster.lb.apply(&crate::lb::Change::Service(service.key.clone(), Some(service.into())));
    }
    let (internal, nodes) = plan.peer;
    let peer = site
        .peer("tor", "10.9.9.9", |spec| {
            spec.nodes = chooses(nodes);
            spec.peer_asn = if internal { spec.local_asn } else { Asn::new(7).unwrap() };
        })
        .unwrap();
    for (number, (wish, preference, community)) in plan.advertisements.iter().enumerate() {
        let mut spec = spec();
        match wish.pools {
            0 => {}
            4 => spec.pool_selectors = either(&["l=1"]),
            pool => spec.pools = vec![format!("p{pool}").parse().unwrap()],
        }
        (spec.nodes, spec.services) = (chooses(wish.nodes), chooses(wish.services));
        (spec.length_v4, spec.length_v6) = (wish.v4, wish.v6);
        spec.peers = if wish.here { Vec::new() } else { vec!["other".parse().unwrap()] };
        spec.local_pref = u32::from(*preference).try_into().ok();
        spec.communities = vec![Community::Standard(u32::from(*community))];
        let made = BgpAdvertisement { name: format!("a{number}").parse().unwrap(), meta: META, labels: Labels::default(), spec };
        site.cluster.lb.apply(&BgpAdvertisement::change(made.name.clone(), Some(made.into())));
    }
    (site, node, peer)
}

/// Whether this advertisement makes the node tell the peer of the service's address.
fn tells(site: &Site, (node, peer): (&Node, &BgpPeer), made: &BgpAdvertisement, service: &Service) -> Option<Arc<Pool>> {
    let pool = site.cluster.ipam.pools().find(|pool| pool.name == service.external[0].pool)?;
    let spec = &made.spec;
    let pool_chosen = match (spec.pools.first(), spec.pool_selectors.is_empty()) {
        (None, true) => true,
        (Some(name), _) => *name == pool.name,
        (None, false) => pool.labels.get("l") == Some("1"),
    };
    let local = service.spec.external_policy == TrafficPolicy::Local;
    let ready = site
        .cluster
        .ipam
        .allocations_in(&service.key.namespace)
        .any(|pod| pod.ready && (!local || pod.owner.node.as_ref() == Some(&node.name)));
    let yes = pool_chosen
        && pool.state != PoolState::Disabled
        && ready
        && !node.draining
        && (spec.peers.is_empty() || spec.peers.contains(&peer.name))
        && [&spec.nodes, &peer.spec.nodes].iter().all(|nodes| nodes.matches(&node.labels))
        && spec.services.matches(&service.labels);
    yes.then(|| Arc::clone(pool))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn routes_cover_what_they_must_and_nothing_outside_the_pools(plan in plan()) {
        let (site, node, peer) = build(&plan);
        let routes = routes(&site.cluster, &node, &peer);
        prop_assert!(routes.windows(2).all(|pair| pair[0].prefix < pair[1].prefix), "sorted, none twice");
        let mut reasons = Vec::new();
        for service in site.cluster.lb.services() {
            let address: IpAddr = service.external[0].address;
            for made in site.cluster.lb.bgp_advertisements() {
                let Some(pool) = tells(&site, (&node, &peer), made, service) else { continue };
                let length = made.spec.length(Family::of(address));
                let covering: Vec<_> = routes.iter().filter(|route| route.prefix.contains(&address)).collect();
                let own = covering.iter().filter(|route| made.spec.communities.iter().all(|one| route.communities.contains(one)));
                prop_assert!(own.clone().any(|route| route.prefix.prefix_len() >= length), "{address} for {}", made.name);
                reasons.push((address, pool));
            }
        }
        for route in &routes {
            let whole = AddrRange::of_net(route.prefix);
            prop_assert!(route.communities.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(peer.is_internal() || route.local_pref.is_none());
            let why = reasons.iter().find(|(address, _)| route.prefix.contains(address));
            let Some((_, pool)) = why else { return Err(TestCaseError::fail(format!("{} has no reason", route.prefix))) };
            prop_assert!(pool.ranges.iter().any(|range| range.covers(&whole)), "{} leaves its pool", route.prefix);
        }
    }
}
