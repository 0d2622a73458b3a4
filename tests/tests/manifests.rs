//! `polder apply -f` and `polder delete -f`: what is taken, what is told, what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::tool::{Finished, dig, polder};
use polder_tests::{Shape, Site, eventually};
use serde_json::Value;

/// Every kind of Kubernetes' that Polder takes, in several documents and in a list, the last one first.
const KUBERNETES: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: one, namespace: team, labels: {app: peers}, annotations: {a: b}}
  spec:
    hostname: first
    subdomain: peers
    containers: [{name: c, image: example/c, ports: [{name: http, containerPort: 8080, hostPort: 80, hostIP: 127.0.0.1}]}]
  status: {conditions: [{type: Ready, status: 'True'}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: two, namespace: team, labels: {app: peers}}
  spec: {nodeSelector: {a: b}, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
  status: {conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-x, namespace: team, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv4
ports: [{name: sql, port: 5432, appProtocol: postgres}]
endpoints:
- {addresses: [198.51.100.7], hints: {forZones: [{name: a}]}}
- {addresses: [198.51.100.8], conditions: {ready: false, serving: true}}
---
---
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: team}
spec: {ports: [{name: sql, port: 5432, tragetPort: 99}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: team}
spec: {clusterIP: None, selector: {app: peers}, externalIPs: [192.0.2.9], ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: team, labels: {tier: gold}}
spec: {finalizers: [kubernetes]}
";

/// What of it cannot be carried over.
const NOTES: [&str; 11] = [
    "namespace/team: spec.finalizers ",
    "service/legacy: spec.ports[0].tragetPort ",
    "service/peers: spec.externalIPs ",
    "service/peers: spec.ports[0].nodePort ",
    "endpointslice/legacy: ports[0].appProtocol ",
    "endpointslice/legacy: endpoints[0].hints ",
    "pod/one: metadata.annotations ",
    "pod/one: spec.containers[0].{image} ",
    "pod/one: spec.containers[0].ports[0].hostIP ",
    "pod/one: spec.containers[0].ports[0].hostPort ",
    "pod/two: spec.nodeSelector ",
];

fn apply(site: &Site, manifest: &str) -> Finished {
    site.polder_reading(&["apply", "-f", "-"], manifest)
}

#[test]
fn manifests_are_carried_over_and_what_cannot_be_is_said() {
    let site = Site::start(Shape::Embedded);
    let network = "apiVersion: polder.dev/v1\nkind: ComputeNetwork\nspec: {nodeRange: [10.0.0.10]}\n";
    assert_eq!(apply(&site, network).ok(), "computenetwork created\n");
    kubernetes_objects_are_taken(&site);
    files_folders_and_dry_runs(&site);
    what_is_wrong_changes_nothing(&site);
    manifests_are_deleted_in_reverse(&site);
}

fn kubernetes_objects_are_taken(site: &Site) {
    let applied = apply(site, KUBERNETES);
    let done = ["namespace/team created", "service/legacy created", "service/peers created", "endpointslice/legacy configured"];
    let lines: Vec<&str> = applied.out.lines().collect();
    assert_eq!(lines, [&done[..], &["pod/one created", "pod/two created"]].concat(), "in the order of need: {applied:?}");
    let notes: Vec<&str> = applied.err.lines().collect();
    assert_eq!(notes.len(), NOTES.len(), "{notes:#?}");
    for wanted in NOTES {
        let told = format!("note: {wanted}is not carried over: ");
        assert!(notes.iter().any(|note| note.starts_with(&told)), "`{told}` is not in {notes:#?}");
    }
    let again = apply(site, KUBERNETES).ok();
    assert!(again.lines().count() == 6 && again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let converted = polder(&[], &["convert", "-f", "-"], KUBERNETES);
    assert_eq!(converted.err.lines().count(), NOTES.len(), "the same is lost: {converted:?}");
    let again = apply(site, &converted.ok());
    assert_eq!(again.err, "", "nothing is lost twice");
    assert!(again.out.lines().count() == 6 && again.out.lines().all(|line| line.ends_with(" unchanged")), "{again:?}");

    let endpoints = |name: &str| site.polder(&["get", "endpoints", name, "-n", "team", "--no-headers"]).ok();
    let given: Vec<String> = endpoints("legacy").split_whitespace().map(str::to_owned).collect();
    assert_eq!(given, ["legacy", "198.51.100.7:5432", "198.51.100.8:5432"]);
    let pods = site.polder(&["get", "pods", "-n", "team", "-o", "json"]).ok();
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let held = |name: &str| {
        let pod = pods["allocations"].as_array().unwrap().iter().find(|pod| pod["owner"]["name"] == name).unwrap();
        pod["addresses"][0]["address"].as_str().unwrap().to_owned()
    };
    let found: Vec<String> = endpoints("peers").split_whitespace().map(str::to_owned).collect();
    assert_eq!(found, ["peers".to_owned(), format!("{}:8080", held("one")), format!("{}:8080", held("two"))]);
    eventually("the pod has its own name", || {
        let got = dig(&site.dns()[0], &["first.peers.team.svc.cluster.local"]);
        if got == [held("one")] { Ok(()) } else { Err(format!("{got:?}")) }
    });
    let namespaces = site.polder(&["get", "ns", "team", "-o", "wide"]).ok();
    assert!(namespaces.contains("tier=gold"), "{namespaces}");

    let ready = KUBERNETES.replace("'False'", "'True'");
    let changed = apply(site, &ready).ok();
    let changes: Vec<&str> = changed.lines().filter(|line| !line.ends_with(" unchanged")).collect();
    assert_eq!(changes, ["pod/two configured"]);
    assert!(endpoints("peers").contains("<none>"), "both are ready");
}

fn files_folders_and_dry_runs(site: &Site) {
    let folder = site.folder().join("manifests");
    std::fs::create_dir(&folder).unwrap();
    let namespace = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    let (one, two) = (folder.join("1.yaml"), folder.join("2.json"));
    std::fs::write(&one, namespace("one")).unwrap();
    std::fs::write(&two, r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "two"}}"#).unwrap();
    std::fs::write(folder.join("notes.txt"), "no manifest").unwrap();
    let arguments = ["apply", "-f", folder.to_str().unwrap(), "-f", "-"];
    let dry = site.polder_reading(&[&arguments[..], &["--dry-run"]].concat(), &namespace("three")).ok();
    let created = |more: &str| ["one", "two", "three"].map(|name| format!("namespace/{name} created{more}\n")).concat();
    assert_eq!(dry, created(" (dry run)"));
    assert!(!site.polder(&["get", "namespaces"]).ok().contains("three"), "nothing has changed");
    assert_eq!(site.polder_reading(&arguments, &namespace("three")).ok(), created(""));
    let deleted = site
        .polder_reading(&["delete", "-f", one.to_str().unwrap(), "-f", two.to_str().unwrap(), "-f", "-"], &namespace("three"))
        .ok();
    assert_eq!(deleted, "namespace/three deleted\nnamespace/two deleted\nnamespace/one deleted\n");
}

fn what_is_wrong_changes_nothing(site: &Site) {
    // The objects alone: the store's revision moves with every word of a name server.
    let namespaces =
        || serde_json::from_str::<Value>(&site.polder(&["get", "namespaces", "-o", "json"]).ok()).unwrap()["namespaces"].clone();
    let before = namespaces();
    let good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: good}\n---\n";
    for (bad, part) in [
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
            "document 2: kind: `v1 ConfigMap` is not a kind that polder applies",
        ),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n", "`apps/v1 Deployment` is not a kind"),
        ("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret}]\n", "document 2, item 1: kind: `v1 Secret`"),
        ("apiVersion: v1\nkind: List\nitems: {a: b}\n", "document 2: items: is a list"),
        ("apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: x}\nspec: {rangs: []}\n", "document 2: spec: "),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{name: x}]}\n", "spec.ports[0].port"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: x, labels: {a: 1}}\n", "document 2: spec: "),
        ("apiVersion: polder.dev/v1\nkind: Endpoints\nmetadata: {name: x}\nspec: {ports: []}\n", "spec.ports: is not a field"),
        ("kind: Pod\n", "apiVersion and kind are required"),
        ("a: [\n", "document 2"),
    ] {
        let refused = apply(site, &format!("{good}{bad}"));
        assert!(refused.code == 2 && refused.out.is_empty() && refused.err.contains(part), "{part}: {refused:?}");
    }
    let nothing = apply(site, "# only a comment\n");
    assert!(nothing.code == 2 && nothing.err.contains("there is no document in -"), "{nothing:?}");
    let absent = site.polder(&["apply", "-f", "nowhere.yaml"]);
    assert!(absent.code == 1 && absent.err.contains("nowhere.yaml cannot be read"), "{absent:?}");
    assert_eq!(namespaces(), before);
}

fn manifests_are_deleted_in_reverse(site: &Site) {
    let deleted = site.polder_reading(&["delete", "-f", "-"], KUBERNETES);
    let lines: Vec<&str> = deleted.out.lines().collect();
    assert_eq!(
        lines,
        ["pod/two deleted", "pod/one deleted", "service/peers deleted", "service/legacy deleted", "namespace/team deleted"]
    );
    assert_eq!(deleted.err, "note: endpointslice/legacy: given endpoints go with their service\n");
    let again = site.polder_reading(&["delete", "-f", "-"], KUBERNETES).ok();
    assert!(again.lines().count() == 5 && again.lines().all(|line| line.ends_with(" not found")), "{again}");
}

#[test]
fn pools_and_reservations_of_calico_are_taken() {
    let site = Site::start(Shape::Embedded);
    let calico = "apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: printers}\nspec: {reservedCIDRs: [10.48.0.0/30]}\n---\n\
                  apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: blue}\nspec: {cidr: 10.48.0.0/24, blockSize: 28, \
                  nodeSelector: \"rack == 'a' || rack == 'b'\", ipipMode: Always}\n";
    let applied = apply(&site, calico);
    assert!(applied.out.contains("pool/blue created") && applied.out.contains("reservation/printers created"), "{applied:?}");
    assert!(applied.err.contains("note: pool/blue: spec.ipipMode"), "{applied:?}");
    for again in [apply(&site, calico), apply(&site, &polder(&[], &["convert", "-f", "-"], calico).ok())] {
        assert_eq!(again.out, "pool/blue unchanged\nreservation/printers unchanged\n", "{again:?}");
    }
    let addresses = "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: nodes}\n\
                     spec: {purpose: POOL_PURPOSE_NODE, ranges: [192.0.2.0/28]}\n";
    let _ = apply(&site, addresses).ok();
    let nodes = "apiVersion: polder.dev/v1\nkind: Node\nmetadata: {name: a, labels: {rack: a}}\n---\n\
                 apiVersion: polder.dev/v1\nkind: Node\nmetadata: {name: c, labels: {rack: c}}\n";
    let _ = apply(&site, nodes).ok();
    let pod = |name: &str, node: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{nodeName: {node}, containers: [{{name: c}}]}}\n")
    };
    let _ = apply(&site, &pod("in", "a")).ok();
    let held = site.polder(&["get", "pods", "--no-headers"]).ok();
    assert!(held.contains("10.48.0.4"), "the first address that is not reserved: {held}");
    let refused = apply(&site, &pod("out", "c"));
    assert!(refused.code == 5 && refused.err.contains("NO_ELIGIBLE_POOL"), "no pool selects that node: {refused:?}");
}
