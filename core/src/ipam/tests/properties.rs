//! Random histories against a small model: nobody's address twice, the same answer for the same handle, explanations that come
//! true, and success whenever an address can be had.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Allocate { handle: u8, node: u8, count: usize, address: Option<u8> },
    Release(u8),
    Wait(u8),
    Sweep,
    DeleteNode(u8),
    RegisterNode(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let allocate = (0u8..40, 0u8..4, 1usize..4, prop::option::weighted(0.1, 0u8..48));
    prop_oneof![
        8 => allocate.prop_map(|(handle, node, count, address)| Op::Allocate { handle, node, count, address }),
        5 => (0u8..40).prop_map(Op::Release),
        2 => (0u8..60).prop_map(Op::Wait),
        1 => Just(Op::Sweep),
        1 => (0u8..3).prop_map(Op::DeleteNode),
        1 => (0u8..3).prop_map(Op::RegisterNode),
    ]
}

/// 48 pod addresses: /29 blocks, and an end too small for one.
fn world(strict: bool) -> World {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.1-10.0.0.9"]);
    let pool = pool::Draft {
        block_len_v4: Some(29),
        max_blocks_per_node: Some(3),
        strict_affinity: strict,
        ..draft("pod", Purpose::Pod, &["10.1.0.4-10.1.0.51"])
    };
    world.create(&pool);
    (0..3).for_each(|n| world.node(&format!("node-{n}")));
    world
}

/// Who holds what, as far as answers told.
#[derive(Default)]
struct Model {
    held: BTreeMap<u8, (u8, Vec<IpAddr>)>,
    released: BTreeMap<IpAddr, u64>,
}

impl Model {
    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.held.values().flat_map(|(_, addresses)| addresses.iter().copied()).collect()
    }

    /// How many addresses could be given without being named.
    fn free(&self, now: u64) -> usize {
        let resting = self.released.iter().filter(|(address, at)| !self.addresses().contains(address) && **at + 30 > now);
        48 - self.addresses().len() - resting.count()
    }
}

fn request(handle: u8, node: u8, count: usize, address: Option<u8>) -> allocate::Request {
    let on = if node == 3 { String::new() } else { format!("node-{node}") };
    let addresses = address.map(|n| ip(&format!("10.1.0.{}", 4 + n))).into_iter().collect();
    allocate::Request { count, addresses, ..pod(&format!("h{handle}"), &on) }
}

fn step(world: &mut World, model: &mut Model, op: &Op, strict: bool) {
    match *op {
        Op::Allocate { handle, node, count, address } => {
            let request = request(handle, node, count, address);
            let context = world.context();
            let explained = allocate::explain(&world.cluster, &request, context);
            let outcome = allocate::plan(&world.cluster, &request, context);
            assert_eq!(explained.outcome, outcome, "explanations come true");
            let now = world.seconds;
            match outcome {
                Ok(decision) => {
                    let answer = world.commit(decision);
                    let given: Vec<IpAddr> = answer.allocation.holdings.iter().map(|holding| holding.address).collect();
                    if let Some((_, before)) = model.held.get(&handle) {
                        assert!(answer.existing && *before == given);
                        return;
                    }
                    for address in &given {
                        assert!(!model.addresses().contains(address), "{address} twice");
                        let rested = model.released.get(address).is_none_or(|at| at + 30 <= now);
                        assert!(rested || !request.addresses.is_empty(), "{address} has not rested");
                    }
                    model.held.insert(handle, (node, given));
                }
                Err(refusal) => {
                    let exhausted = matches!(refusal.reason, Reason::PoolExhausted | Reason::BlockLimit);
                    assert!(strict || !exhausted || model.free(now) < count, "{} free, yet {refusal}", model.free(now));
                }
            }
        }
        Op::Release(handle) => {
            let released = world.release(&format!("h{handle}")).released;
            let known = model.held.remove(&handle).map(|(_, addresses)| addresses).unwrap_or_default();
            assert_eq!(released, known);
            model.released.extend(known.into_iter().map(|address| (address, world.seconds)));
        }
        Op::Wait(seconds) => world.wait(Duration::from_secs(seconds.into())),
        Op::Sweep => {
            let context = world.context();
            let decision = super::super::sweep::plan(&world.cluster.ipam, 100, context);
            world.commit(decision);
        }
        Op::DeleteNode(node) => delete_node(world, model, node),
        Op::RegisterNode(node) => world.node(&format!("node-{node}")),
    }
}

fn delete_node(world: &mut World, model: &mut Model, node: u8) {
    let context = world.context();
    let name: Name = format!("node-{node}").parse().unwrap();
    let has_pods = model.held.values().any(|(on, _)| *on == node);
    match node::delete(&world.cluster, &removal(&name, false), node::Extent::Step, context) {
        Ok(decision) => {
            assert!(!has_pods);
            world.commit(decision);
        }
        Err(refusal) => assert_eq!(refusal.reason, if has_pods { Reason::NodeInUse } else { Reason::NodeNotFound }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_histories_keep_every_promise(strict: bool, ops in prop::collection::vec(op(), 1..120)) {
        let (mut world, mut model) = (world(strict), Model::default());
        for op in &ops {
            let before = world.cluster.clone();
            step(&mut world, &mut model, op, strict);
            prop_assert!(audit::audit(&before).findings.is_empty(), "planning on a copy leaves the original alone");
            for range in ["10.1.0.0/24", "10.1.0.12-10.1.0.33", "10.1.0.16", "10.0.0.0/24"] {
                empty_blocks_are_those_that_a_scan_finds(&world.cluster.ipam, range.parse().unwrap());
            }
        }
    }
}

fn empty_blocks_are_those_that_a_scan_finds(view: &View, range: AddrRange) {
    let scanned = view.blocks_overlapping(range).filter(|block| view.count_held(AddrRange::of_net(block.cidr)) == 0);
    assert_eq!(view.empty_blocks(range).collect::<Vec<_>>(), scanned.collect::<Vec<_>>(), "{range}");
}
