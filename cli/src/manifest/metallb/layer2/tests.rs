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
