//! Calico's documents as intents.

use serde_json::json;

use crate::manifest::{Intent, Kind, read};

fn one(text: &str) -> Intent {
    let mut intents = read("calico.yaml", text).unwrap().intents;
    assert_eq!(intents.len(), 1);
    intents.remove(0)
}

#[test]
fn a_pool_keeps_its_blocks_its_selectors_and_its_state() {
    let pool = one(
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: rack-a, labels: {team: blue}}\nspec:\n  cidr: 10.48.0.0/16\n  \
                    blockSize: 28\n  disabled: true\n  nodeSelector: rack == 'a' || rack == 'b'\n  namespaceSelector: all()\n  \
                    ipipMode: Always\n  vxlanMode: Never\n  natOutgoing: true\n  allowedUses: [Workload, Tunnel]\n",
    );
    assert_eq!((pool.kind, pool.name.as_str()), (Kind::Pool, "rack-a"));
    let expected = json!({
        "name": "rack-a", "labels": {"team": "blue"}, "description": "imported from Calico",
        "purpose": "POOL_PURPOSE_POD", "state": "POOL_STATE_DRAINING", "ranges": ["10.48.0.0/16"], "blockPrefixLengthV4": 28,
        "nodeSelectors": [{"expression": "rack=a"}, {"expression": "rack=b"}], "namespaceSelectors": [],
    });
    assert_eq!(json!(pool.object), expected);
    let noted = |word: &str| pool.notes.iter().any(|note| note.contains(word));
    assert!(noted("Tunnel") && noted("ipipMode") && noted("natOutgoing") && !noted("vxlanMode"), "{:?}", pool.notes);
}

#[test]
fn a_pool_for_load_balancers_is_external_and_manual_means_by_name() {
    let pool = one(
        "apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: lb}\nspec:\n  cidr: fd00:10::/112\n  blockSize: 122\n  \
                    allowedUses: [LoadBalancer]\n  assignmentMode: Manual\n  later: true\n",
    );
    assert_eq!(pool.object["purpose"], "POOL_PURPOSE_EXTERNAL_SERVICE");
    assert_eq!((&pool.object["explicitOnly"], pool.object.get("blockPrefixLengthV6")), (&json!(true), None));
    assert!(pool.notes.iter().any(|note| note.contains("spec.later")), "{:?}", pool.notes);
}

#[test]
fn a_reservation_keeps_its_ranges() {
    let kept = one("apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: printers}\nspec:\n  \
                    reservedCIDRs: [10.48.0.5, 10.48.1.0/28]\n");
    assert_eq!((kept.kind, &kept.object["ranges"]), (Kind::Reservation, &json!(["10.48.0.5", "10.48.1.0/28"])));
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    for (spec, field) in [
        ("{}", "spec.cidr"),
        ("{cidr: 10.0.0.0/24, allowedUses: [Tunnel]}", "spec.allowedUses"),
        ("{cidr: 10.0.0.0/24, allowedUses: [Workload, LoadBalancer]}", "spec.allowedUses"),
        ("{cidr: 10.0.0.0/24, allowedUses: [Pods]}", "spec.allowedUses"),
        ("{cidr: 10.0.0.0/24, nodeSelector: \"name contains 'x'\"}", "spec.nodeSelector"),
    ] {
        let text = format!("apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{name: p}}\nspec: {spec}\n");
        let why = read("calico.yaml", &text).unwrap_err().text();
        assert!(why.contains(field), "{spec}: {why}");
    }
    let other = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\n";
    assert!(read("calico.yaml", other).unwrap_err().text().contains("NetworkPolicy"));
}
