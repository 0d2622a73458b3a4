use super::*;

fn way(nodes: &[&str], interfaces: &[&str]) -> Way {
    Way {
        nodes: nodes.iter().map(|text| text.parse().unwrap()).collect(),
        interfaces: interfaces.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn united(ways: &[Way]) -> (Way, bool) {
    unite(ways.iter())
}

#[test]
fn what_differs_in_one_thing_unites_exactly() {
    let (a, b) = (way(&["r=a"], &["eth0"]), way(&["r=b"], &["eth0"]));
    assert_eq!(united(&[a.clone(), b]), (way(&["r=a", "r=b"], &["eth0"]), true));
    assert_eq!(united(&[a.clone(), way(&["r=a"], &["eth1"])]), (way(&["r=a"], &["eth0", "eth1"]), true));
    assert_eq!(united(std::slice::from_ref(&a)), (a.clone(), true));
    assert_eq!(united(&[a.clone(), a.clone()]), (a, true));
    let (this, that) = (way(&["r=a", "r=b"], &["eth0"]), way(&["r=b", "r=a"], &["eth1"]));
    assert_eq!(united(&[this, that]), (way(&["r=a", "r=b"], &["eth0", "eth1"]), true), "the order says nothing");
}

#[test]
fn what_lets_more_takes_in_what_lets_less() {
    let (narrow, all) = (way(&["r=a"], &["eth0"]), way(&[], &[]));
    assert_eq!(united(&[narrow.clone(), all.clone()]), (all.clone(), true));
    assert_eq!(united(&[all.clone(), narrow.clone()]), (all, true));
    let wide = way(&[], &["eth0", "eth1"]);
    assert_eq!(united(&[narrow.clone(), wide.clone(), narrow]), (wide, true));
}

#[test]
fn pairs_of_nodes_and_interfaces_cannot_be_said() {
    let pairs = [way(&["r=a"], &["eth0"]), way(&["r=b"], &["eth1"])];
    assert_eq!(united(&pairs), (way(&["r=a", "r=b"], &["eth0", "eth1"]), false));
    let crossed = [way(&[], &["eth0"]), way(&["r=b"], &[])];
    assert_eq!(united(&crossed), (way(&[], &[]), false));
    let three = [way(&["r=a"], &["eth0"]), way(&["r=b"], &["eth0"]), way(&["r=b"], &["eth1"])];
    assert!(!united(&three).1);
}

/// Every node and interface that the ways let, in a world with one more of each than anybody names.
fn lets(ways: &[Way]) -> std::collections::BTreeSet<(usize, usize)> {
    let (nodes, interfaces) = (["r=0", "r=1", ""], ["e0", "e1", "e2"]);
    let one = |way: &Way, node: usize, interface: usize| {
        let node = way.nodes.is_empty() || way.nodes.iter().any(|selector| selector.to_string() == nodes[node]);
        node && (way.interfaces.is_empty() || way.interfaces.iter().any(|name| name == interfaces[interface]))
    };
    let all = (0..3).flat_map(|node| (0..3).map(move |interface| (node, interface)));
    all.filter(|(node, interface)| ways.iter().any(|way| one(way, *node, *interface))).collect()
}

#[test]
fn exact_is_exact_and_the_rest_only_lets_more() {
    let part = |bits: usize, of: [&'static str; 2]| -> Vec<&'static str> {
        of.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, name)| name).collect()
    };
    let every: Vec<Way> = (0..16).map(|bits| way(&part(bits, ["r=0", "r=1"]), &part(bits >> 2, ["e0", "e1"]))).collect();
    let mut inexact = 0;
    for one in &every {
        for two in &every {
            for three in &every {
                let ways = [one.clone(), two.clone(), three.clone()];
                let (together, exact) = united(&ways);
                let (wanted, got) = (lets(&ways), lets(std::slice::from_ref(&together)));
                assert!(got.is_superset(&wanted), "{ways:?} as {together:?}");
                assert!(!exact || got == wanted, "{ways:?} as {together:?}");
                inexact += usize::from(!exact);
            }
        }
    }
    assert!(inexact > 0 && inexact < 2048, "most can be said: {inexact}");
}
