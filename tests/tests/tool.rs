//! The command line tool against real processes: every kind in every form, the questions, the exit codes, the ways to say where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::process::Command;

use polder_core::reason::Reason;
use polder_tests::process::{Process, binary};
use polder_tests::tool::{Finished, dig, run};
use polder_tests::{Shape, Site, eventually};
use serde_json::Value;

fn two_tier(shape: Shape) -> Site {
    let site = Site::start(shape);
    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    eventually("the endpoints are there", || {
        let shown = site.polder(&["get", "endpoints", "web", "-n", "shop", "--no-headers"]).ok();
        if shown.matches(":8080").count() == 2 { Ok(()) } else { Err(shown) }
    });
    site
}

/// Applies a manifest from standard input.
fn apply(site: &Site, manifest: &str) -> Finished {
    let path = site.folder().join("applied.yaml");
    std::fs::write(&path, manifest).unwrap();
    let script = format!("exec '{}' --server '{}' apply -f - <'{}'", binary("polder").display(), site.urls("ipam"), path.display());
    run("bash", &["-c", &script])
}

/// A kind, the key of its list, a column that only the wide form has, and words of its rows.
const KINDS: [(&str, &str, &str, &[&str]); 7] = [
    ("pools", "pools", "PRIORITY", &["external", "172.27.0.0/16"]),
    ("nodes", "nodes", "ZONE", &["node-a", "node-b"]),
    ("namespaces", "namespaces", "", &["shop"]),
    ("reservations", "reservations", "", &["172.28.0.10"]),
    ("allocations", "allocations", "HANDLE", &["web-1", "web-2", "db-1"]),
    ("services", "services", "SELECTOR", &["web", "db"]),
    ("endpoints", "services", "", &["web", ":5432"]),
];

#[test]
fn every_kind_has_every_form() {
    let site = two_tier(Shape::Embedded);
    for (kind, key, wide_column, words) in KINDS {
        let get = |more: &[&str]| site.polder(&[&["get", kind, "-n", "shop"], more].concat()).ok();
        let (table, wide) = (get(&[]), get(&["-o", "wide"]));
        assert!(words.iter().all(|word| table.contains(word) && wide.contains(word)), "{table}\n{wide}");
        if !wide_column.is_empty() {
            assert!(wide.contains(wide_column) && !table.contains(wide_column), "{kind}:\n{table}\n{wide}");
        }
        let bare = get(&["--no-headers"]);
        assert_eq!(bare.lines().count() + 1, table.lines().count(), "{table}\n{bare}");
        assert_eq!(table.lines().nth(1).map(words_of), bare.lines().next().map(words_of), "{table}\n{bare}");
        let json: Value = serde_json::from_str(&get(&["-o", "json"])).unwrap();
        assert!(json[key].as_array().is_some_and(|items| !items.is_empty()), "{json}");
        assert!(get(&["-o", "yaml"]).contains(&format!("{key}:\n")), "{kind}");
    }
    let one = site.polder(&["get", "service", "web", "-n", "shop", "-o", "name"]).ok();
    assert_eq!(one, "service/web\n");
    let everywhere = site.polder(&["get", "services", "-A"]).ok();
    assert!(everywhere.starts_with("NAMESPACE") && everywhere.contains("shop"), "{everywhere}");
    let records = site.polder(&["get", "records"]).ok();
    assert!(records.contains("web.shop.svc.cluster.local.") && records.contains("SRV"), "{records}");
    let network = site.polder(&["get", "network"]).ok();
    assert!(network.contains("10.0.0.13-10.0.0.20") && network.contains("172.28.0.0/16"), "{network}");
}

/// The words of a row but the last: an age moves on between two calls.
fn words_of(line: &str) -> Vec<String> {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    words.pop();
    words
}

#[test]
fn why_tells_what_is_well_and_what_is_not() {
    let site = two_tier(Shape::Embedded);
    let web = site.polder(&["why", "shop/web"]).ok();
    assert!(web.contains("✔ address") && web.contains("10.0.0.13") && web.contains("2 ready") && !web.contains('✖'), "{web}");
    assert_eq!(site.polder(&["why", "service", "shop/web"]).ok(), web);
    let steps: Value = serde_json::from_str(&site.polder(&["why", "shop/web", "-o", "json"]).ok()).unwrap();
    assert!(steps["steps"].as_array().is_some_and(|steps| steps.len() >= 4), "{steps}");

    // A wish of a manifest that cannot be met now is stored with its reason, and met by itself once it can be.
    let far = "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: shop}\nspec:\n  type: LoadBalancer\n  \
               loadBalancerIP: 203.0.113.9\n  ports: [{port: 80}]\n";
    let applied = apply(&site, far).ok();
    assert!(applied.contains("service/far created"), "{applied}");
    let why = site.polder(&["why", "shop/far"]);
    assert!(why.code == 1 && why.err.contains('✖') && why.err.contains("ADDRESS_NOT_IN_POOL"), "{why:?}");
    assert!(why.err.contains("203.0.113.9"), "{why:?}");
    let pool = "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: far}\nspec: {purpose: POOL_PURPOSE_EXTERNAL_SERVICE, ranges: [203.0.113.8/29]}\n";
    let _ = apply(&site, pool).ok();
    eventually("it gets its address without being touched", || {
        let why = site.polder(&["why", "shop/far"]);
        // The service has no pods, which is a failed step of its own.
        let all = format!("{}{}", why.out, why.err);
        if all.contains("it holds 203.0.113.9 from pool `far`") { Ok(()) } else { Err(all) }
    });

    let unknown = site.polder(&["why", "shop/nope"]);
    assert!(unknown.code == 3 && unknown.err.contains("SERVICE_NOT_FOUND"), "{unknown:?}");
}

#[test]
fn the_other_questions_are_answered() {
    let site = two_tier(Shape::Etcd);
    let check = site.polder(&["check"]).ok();
    assert!(check.contains("nothing is wrong"), "{check}");
    for (address, words) in [
        ("172.28.0.10", &["reserved", "cluster DNS"][..]),
        ("10.0.0.13", &["shop/web"]),
        ("172.27.200.1", &["free"]),
        ("192.0.2.1", &["outside"]),
        ("10.0.0.10", &["node-a"]),
    ] {
        let who = site.polder(&["who", address]).ok();
        assert!(words.iter().all(|word| who.contains(word)), "{who}");
    }
    let pod = site.polder(&["get", "pods", "-n", "shop", "-o", "json"]).ok();
    let pod: Value = serde_json::from_str(&pod).unwrap();
    let held = pod["allocations"][0]["addresses"][0]["address"].as_str().unwrap();
    assert!(site.polder(&["who", held]).ok().contains("node-"), "{held}");
    // Who has it now, who had it then, and that somebody had it.
    let owner = pod["allocations"][0]["owner"]["name"].as_str().unwrap();
    let events: Value = serde_json::from_str(&site.polder(&["history", held, "-o", "json"]).ok()).unwrap();
    let got = events["events"][0]["time"].as_str().unwrap();
    let _ = site.polder(&["delete", "pod", owner, "-n", "shop"]).ok();
    let now = site.polder(&["who", held]).ok();
    assert!(now.contains("cooling") && now.contains(&format!("released by pod shop/{owner}")), "{now}");
    let then = site.polder(&["who", held, "--at", got]).ok();
    assert!(then.contains(&format!("shop/{owner}")), "{then}");
    let history = site.polder(&["history", held]).ok();
    assert!(history.contains("got it") && history.contains("lost it"), "{history}");

    let dug = site.polder(&["dig", "_http._tcp.web.shop.svc.cluster.local", "srv"]).ok();
    assert!(dug.contains("SRV") && dug.contains("web.shop.svc.cluster.local."), "{dug}");
    assert_eq!(site.polder(&["health"]).code, 0);
}

#[test]
fn every_reason_is_explained_without_a_server() {
    let explain = |reason: &str| run(binary("polder"), &["--server", "http://127.0.0.1:1", "explain", reason]);
    for reason in Reason::ALL {
        let text = explain(reason.as_str()).ok();
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with(reason.as_str())), "{text}");
        assert!(text.contains("Fix:"), "{text}");
    }
    assert_eq!(explain("pool_overlap").ok(), explain("POOL_OVERLAP").ok());
    let unknown = explain("POOL_OVERLOP");
    assert!(unknown.code != 0 && unknown.err.contains("POOL_OVERLAP"), "{unknown:?}");
}

#[test]
fn exit_codes_tell_what_kind_of_failure_it_was() {
    let site = two_tier(Shape::Embedded);
    for (arguments, code, word) in [
        (&["get", "unicorns"][..], 2, "is not a kind"),
        (&["get", "pool", "nope"], 1, "does not exist"),
        (&["who", "10.0.0.300"], 2, "ADDRESS_MALFORMED"),
        (&["delete", "pool", "nope"], 3, "POOL_NOT_FOUND"),
        (&["delete", "pool", "external"], 5, "10.0.0.13"),
        (&["delete", "node", "node-a"], 5, "NODE_IN_USE"),
        (&["get", "nodes", "--filter", "colour = red"], 2, "FILTER_MALFORMED"),
        (&["apply", "-f", "/nonexistent.yaml"], 1, "/nonexistent.yaml"),
        (&["--ipam-server", "http://127.0.0.1:1", "get", "pools"], 6, "127.0.0.1:1"),
    ] {
        let finished = site.polder(arguments);
        assert!(finished.code == code && finished.err.contains(word), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn manifests_of_kubernetes_are_taken_and_nothing_is_dropped_in_silence() {
    let site = two_tier(Shape::Embedded);
    let many = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: data, labels: {team: blue}}}
- apiVersion: v1
  kind: Service
  metadata: {name: outside, namespace: data}
  spec: {ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: outside-1, namespace: data, labels: {kubernetes.io/service-name: outside}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints: [{addresses: [198.51.100.7], conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: slow, namespace: data}
spec: {clusterIP: None, selector: {app: slow}, ports: [{port: 80}], publishNotReadyAddresses: true, trafficDistribution: PreferClose}
"#;
    let applied = apply(&site, many);
    for word in ["namespace/data created", "service/outside created", "service/slow created"] {
        assert!(applied.out.contains(word), "{word} in {applied:?}");
    }
    let note = applied.err.lines().find(|line| line.contains("trafficDistribution"));
    assert!(note.is_some_and(|note| note.starts_with("note:") && note.contains("slow")), "{applied:?}");
    assert!(apply(&site, many).ok().contains("service/outside unchanged"));
    let endpoints = site.polder(&["get", "endpoints", "outside", "-n", "data"]).ok();
    assert!(endpoints.contains("198.51.100.7:5432"), "{endpoints}");

    let unknown = "apiVersion: v1\nkind: Namespace\nmetadata: {name: later}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    let refused = apply(&site, unknown);
    assert!(refused.code == 2 && refused.err.contains("Deployment"), "{refused:?}");
    assert!(!site.polder(&["get", "namespaces"]).ok().contains("later"), "nothing of it was applied");
    let dry = site.folder().join("dry.yaml");
    std::fs::write(&dry, "apiVersion: v1\nkind: Namespace\nmetadata: {name: dry}\n").unwrap();
    let _ = site.polder(&["apply", "--dry-run", "-f", dry.to_str().unwrap()]).ok();
    assert!(!site.polder(&["get", "namespaces"]).ok().contains("dry"));
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
    assert!(apply(&site, calico).out.contains("pool/blue unchanged"));
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

#[test]
fn up_is_told_where_to_listen_by_flags_and_by_variables() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("state");
    let variables: Vec<(&str, String)> = vec![
        ("POLDER_DATA_DIR", data.display().to_string()),
        ("POLDER_GRPC_LISTEN", "127.0.0.1:0".to_owned()),
        ("POLDER_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
        ("POLDER_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
        ("POLDER_DNS_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let process = Process::start_with(folder.path(), "up", "polder", &["up".to_owned()], &variables);
    let printed = eventually("it says where it is", || {
        Some(process.log()).filter(|log| log.contains("Polder is up")).ok_or_else(String::new)
    });
    for kind in ["grpc", "http", "dns", "metrics"] {
        let address = process.address(kind);
        assert!(!address.ends_with(":0") && printed.contains(&address), "{kind} {address} in {printed}");
    }
    assert!(data.is_dir(), "the state is where the variable says");
    assert!(run("curl", &["-fsS", &format!("http://{}/", process.address("http"))]).ok().contains("<title>Polder</title>"));
    assert_eq!(dig(&process.address("dns"), &["TXT", "dns-version.cluster.local"]), ["\"1.1.0\""]);
    let server = format!("http://{}", process.address("grpc"));
    let by_variable = Command::new(binary("polder")).args(["get", "pools"]).env("POLDER_SERVER", &server).output().unwrap();
    let by_flag = run(binary("polder"), &["--server", &server, "get", "pools"]);
    assert_eq!(Finished::from(by_variable).ok(), by_flag.ok());

    let dumped = Command::new(binary("polder"))
        .args(["up", "--dump-config", "--dns-listen", "127.0.0.1:5301", "--store", "etcd://127.0.0.1:2379"])
        .envs(variables.iter().map(|(name, value)| (name, value.as_str())))
        .output()
        .unwrap();
    let dumped = Finished::from(dumped).ok();
    for line in ["store = \"etcd://127.0.0.1:2379\"", "127.0.0.1:5301", "grpc_listen = \"127.0.0.1:0\"", "state\""] {
        assert!(dumped.contains(line), "flags win over variables, variables over defaults; {line} in {dumped}");
    }
}
