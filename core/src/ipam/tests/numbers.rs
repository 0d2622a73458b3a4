//! Every node has a small number of its own.

use super::node::number::MOST;
use super::*;
use crate::ipam::{Fields, Node};

fn number(world: &World, name: &str) -> u16 {
    world.cluster.ipam.node(&name.parse().unwrap()).unwrap().number
}

/// As a node lies in a store that was written before there were numbers.
fn forget_number(world: &mut World, name: &str) {
    let stored = world.cluster.ipam.node(&name.parse().unwrap()).unwrap();
    let old = Node { number: 0, ..Node::clone(stored) };
    apply(&mut world.cluster, &[Change::Node(old.name.clone(), Some(Arc::new(old)))]);
}

fn registered(world: &mut World, name: &str) -> Result<u16, Reason> {
    let context = world.context();
    let decision = node::register(&world.cluster, &registration(name), context);
    decision.map(|decision| world.commit(decision).number).map_err(|refusal| refusal.reason)
}

#[test]
fn a_node_keeps_its_number_and_a_new_one_gets_the_lowest_that_is_free() {
    let mut world = World::usual();
    world.node("node-c");
    assert_eq!(["node-a", "node-b", "node-c"].map(|name| number(&world, name)), [1, 2, 3]);
    let context = world.context();
    let gone = node::delete(&world.cluster, &removal(&"node-a".parse().unwrap(), false), node::Extent::Step, context).unwrap();
    world.commit(gone);
    assert_eq!(registered(&mut world, "node-b"), Ok(2));
    assert_eq!(registered(&mut world, "node-d"), Ok(1));
}

#[test]
fn a_node_from_before_there_were_numbers_gets_one_with_its_next_change() {
    let mut world = World::usual();
    forget_number(&mut world, "node-a");
    forget_number(&mut world, "node-b");
    assert_eq!(registered(&mut world, "node-b"), Ok(1));
    let context = world.context();
    let fields = Fields::new(["zone".to_owned()]);
    let update = node::Update { fields, ..node::Update::drain("node-a".parse().unwrap(), String::new(), false) };
    let changed = node::update(&world.cluster, &update, context).unwrap();
    assert_eq!(world.commit(changed).number, 2);
}

#[test]
fn there_are_as_many_nodes_as_numbers() {
    let mut world = World::default();
    world.pool("node", Purpose::Node, &["10.0.0.0/16"]);
    world.node("first");
    let first = Arc::clone(world.cluster.ipam.node(&"first".parse().unwrap()).unwrap());
    for number in 2..=MOST {
        let other = Node { name: format!("node-{number}").parse().unwrap(), number, ..Node::clone(&first) };
        apply(&mut world.cluster, &[Change::Node(other.name.clone(), Some(Arc::new(other)))]);
    }
    assert_eq!(registered(&mut world, "one-more"), Err(Reason::NodeLimit));
    assert_eq!(registered(&mut world, "first"), Ok(1));
    forget_number(&mut world, "node-7");
    assert_eq!(registered(&mut world, "one-more"), Ok(7));
    let context = world.context();
    let drained =
        node::update(&world.cluster, &node::Update::drain("node-7".parse().unwrap(), String::new(), true), context).unwrap();
    assert_eq!((drained.answer.draining, drained.answer.number), (true, 0), "an old node can be drained all the same");
}
