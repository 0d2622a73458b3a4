//! The two-tier example from the README, in the three shapes: what an operator sees, through kill -9 and back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::tool::{dig, dig_raw, grpcurl, run};
use polder_tests::{Shape, Site, eventually};
use serde_json::Value;

#[test]
fn all_in_one_on_the_embedded_store() {
    scenario(Shape::Embedded);
}

#[test]
fn all_in_one_on_etcd() {
    scenario(Shape::Etcd);
}

#[test]
fn split_processes_on_etcd_with_two_replicas_each() {
    scenario(Shape::Split);
}

/// What the example was given: these stay through everything that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assigned {
    web: String,
    web_external: String,
    db: String,
}

fn scenario(shape: Shape) {
    let mut site = Site::start(shape);
    let example = polder_tests::site::repository("examples/two-tier.yaml");
    let example = example.to_str().unwrap();
    let applied = site.polder(&["apply", "-f", example]).ok();
    assert!(applied.contains("service/web created") && applied.contains("service/db created"), "{applied}");

    let again = site.polder(&["apply", "-f", example]).ok();
    assert!(again.contains("service/web unchanged") && !again.contains("created"), "{again}");

    let assigned = services_are_shown_as_kubectl_does(&site);
    names_answer(&site, &assigned);
    endpoints_follow_pods(&site, &assigned);
    other_clients_work(&site, &assigned);

    let before = everything(&site);
    site.crash_and_restart();
    let after = eventually("the state is back", || {
        let now = everything(&site);
        if now == before { Ok(now) } else { Err(format!("{now:#?}\nbefore: {before:#?}")) }
    });
    assert_eq!(after, before);
    assert_eq!(services_are_shown_as_kubectl_does(&site), assigned);
    names_answer(&site, &assigned);
    site.drain();
}

fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn services_are_shown_as_kubectl_does(site: &Site) -> Assigned {
    let table = eventually("both services are listed", || {
        let table = rows(&site.polder(&["get", "services", "-n", "shop"]).ok());
        if table.len() == 3 { Ok(table) } else { Err(format!("{table:?}")) }
    });
    assert_eq!(table[0], ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]);
    let (db, web) = (&table[1], &table[2]);
    assert_eq!((db[0].as_str(), db[1].as_str(), db[3].as_str(), db[4].as_str()), ("db", "ClusterIP", "<none>", "5432/TCP"));
    assert_eq!((web[0].as_str(), web[1].as_str(), web[4].as_str()), ("web", "LoadBalancer", "80/TCP"));
    assert!(web[2].starts_with("172.28.") && db[2].starts_with("172.28."), "{table:?}");
    for reserved in ["172.28.0.0", "172.28.0.1", "172.28.0.10"] {
        assert!(web[2] != reserved && db[2] != reserved, "{table:?}");
    }
    assert!(web[3].parse::<std::net::Ipv4Addr>().is_ok(), "{table:?}");
    Assigned { web: web[2].clone(), web_external: web[3].clone(), db: db[2].clone() }
}

fn reverse(address: &str) -> String {
    let mut parts: Vec<&str> = address.split('.').collect();
    parts.reverse();
    format!("{}.in-addr.arpa", parts.join("."))
}

fn names_answer(site: &Site, assigned: &Assigned) {
    for server in site.dns() {
        let answers = |question: &[&str], wanted: &[&str]| {
            eventually(&format!("{question:?} at {server}"), || {
                let got = dig(&server, question);
                if got == wanted { Ok(()) } else { Err(format!("{got:?}, wanted {wanted:?}")) }
            });
        };
        answers(&["db.shop.svc.cluster.local"], &[&assigned.db]);
        answers(&["web.shop.svc.cluster.local"], &[&assigned.web]);
        answers(&["+tcp", "web.shop.svc.cluster.local"], &[&assigned.web]);
        answers(&["WEB.Shop.svc.cluster.LOCAL"], &[&assigned.web]);
        answers(&["-x", &assigned.web], &["web.shop.svc.cluster.local."]);
        answers(&["PTR", &reverse(&assigned.db)], &["db.shop.svc.cluster.local."]);
        answers(&["AAAA", "web.shop.svc.cluster.local"], &[]);
        let srv = dig(&server, &["SRV", "_http._tcp.web.shop.svc.cluster.local"]);
        assert!(srv.len() == 1 && srv[0].ends_with(" 80 web.shop.svc.cluster.local."), "{srv:?}");

        let missing = dig_raw(&server, &["nope.shop.svc.cluster.local"]).ok();
        assert!(missing.contains("status: NXDOMAIN") && missing.contains("SOA"), "{missing}");
        let no_data = dig_raw(&server, &["AAAA", "web.shop.svc.cluster.local"]).ok();
        assert!(no_data.contains("status: NOERROR") && no_data.contains("ANSWER: 0") && no_data.contains("SOA"), "{no_data}");
    }
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["-o", "json"]);
    let out = site.polder(&all).ok();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// The ready endpoints of `shop/web`, by address.
fn web_endpoints(site: &Site) -> Vec<String> {
    let table = rows(&site.polder(&["get", "endpoints", "web", "-n", "shop", "--no-headers"]).ok());
    let text = table.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> = text
        .split([' ', ','])
        .filter(|word| word.starts_with("172.27."))
        .map(|word| word.split(':').next().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

fn wait_for_endpoints(site: &Site, what: &str, good: impl Fn(&[String]) -> bool) -> Vec<String> {
    eventually(what, || {
        let endpoints = web_endpoints(site);
        if good(&endpoints) { Ok(endpoints) } else { Err(format!("{endpoints:?}")) }
    })
}

fn endpoints_follow_pods(site: &Site, assigned: &Assigned) {
    let both = wait_for_endpoints(site, "two endpoints", |found| found.len() == 2);
    let _ = site.polder(&["delete", "pod", "web-2", "-n", "shop"]).ok();
    let one = wait_for_endpoints(site, "the deleted pod leaves", |found| found.len() == 1);
    assert!(both.contains(&one[0]), "{one:?} of {both:?}");

    let pod = site.folder().join("web-3.yaml");
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-3\n  namespace: shop\n  labels: {app: WS}\nspec:\n  nodeName: node-a\n  \
                containers:\n  - name: web\n    image: example/web\n    ports:\n    - {name: http, containerPort: 8080}\n";
    std::fs::write(&pod, text).unwrap();
    let _ = site.polder(&["apply", "-f", pod.to_str().unwrap()]).ok();
    let joined = wait_for_endpoints(site, "the new pod joins", |found| found.len() == 2);
    assert!(joined.contains(&one[0]), "{joined:?}");
    assert_eq!(&services_are_shown_as_kubectl_does(site), assigned, "virtual IPs stay");

    let gone = both.iter().find(|address| **address != one[0]).unwrap();
    let resolved = rows(&site.polder(&["dig", "web.shop"]).ok());
    let wanted = ["web.shop.svc.cluster.local.", "5", "A", assigned.web.as_str()];
    assert!(resolved.iter().any(|row| row == &wanted), "{resolved:?}");
    let who = site.polder(&["who", &joined[0]]).ok();
    assert!(who.contains("shop/web-"), "{who}");
    let history = site.polder(&["history", gone]).ok();
    assert!(history.contains("web-2"), "{history}");
}

fn other_clients_work(site: &Site, assigned: &Assigned) {
    let ipam = site.grpc("ipam").remove(0);
    let list = grpcurl(&["-plaintext", &ipam, "list"]).ok();
    for service in ["polder.ipam.v1.PoolService", "polder.ipam.v1.AllocationService", "grpc.health.v1.Health"] {
        assert!(list.contains(service), "{list}");
    }
    let health = grpcurl(&["-plaintext", &ipam, "grpc.health.v1.Health/Check"]).ok();
    assert!(health.contains("SERVING"), "{health}");
    let request = format!(r#"{{"address": "{}"}}"#, assigned.web);
    let lookup = grpcurl(&["-plaintext", "-d", &request, &ipam, "polder.ipam.v1.AllocationService/LookupAddress"]).ok();
    assert!(lookup.contains("\"web\"") || lookup.contains("shop/web"), "{lookup}");
    let unknown = grpcurl(&["-plaintext", "-d", r#"{"name": "nope"}"#, &ipam, "polder.ipam.v1.PoolService/GetPool"]);
    assert!(unknown.code != 0 && unknown.err.contains("NotFound") && unknown.err.contains("POOL_NOT_FOUND"), "{unknown:?}");

    let rest = run("curl", &["-fsS", &format!("http://{}/v1/namespaces/shop/services/web", site.http())]).ok();
    assert!(rest.contains(&assigned.web_external), "{rest}");
    let metrics = run("curl", &["-fsS", &format!("http://{}/metrics", site.metrics())]).ok();
    assert!(metrics.contains("polder_build_info") && metrics.contains("rpc_server_duration_seconds"), "{metrics}");
    // In every shape, and once for each service that the process runs.
    assert!(metrics.contains(r#"polder_ledger_batches_total{service="ipam",outcome="committed"}"#), "{metrics}");
    // Every replica reads and follows the store; which of them commits is up to its callers.
    for call in ["range", "watch"] {
        let calls = format!(r#"polder_store_call_duration_seconds_count{{call="{call}"}} "#);
        let calls = metrics.lines().find_map(|line| line.strip_prefix(calls.as_str())).map(|count| count.parse::<u64>().unwrap());
        assert!(calls.is_some_and(|count| count > 0), "{call}: {metrics}");
    }
    let held =
        metrics.lines().find_map(|line| line.strip_prefix(r#"polder_ipam_pool_addresses_in_use{pool="external",family="ipv4"} "#));
    assert_eq!(held, Some("1.0"), "{metrics}");
    assert_eq!(metrics.matches("# TYPE polder_store_call_duration_seconds histogram").count(), 1, "{metrics}");
    let openapi = run("curl", &["-fsS", &format!("http://{}/openapi.json", site.http())]).ok();
    let openapi: Value = serde_json::from_str(&openapi).unwrap();
    assert!(openapi["paths"]["/v1/pools"]["get"].is_object(), "the pools are in the OpenAPI document");
}

/// Everything that must survive a crash, as the API gives it.
fn everything(site: &Site) -> Value {
    let mut all = serde_json::Map::new();
    for kind in ["pools", "nodes", "namespaces"] {
        all.insert(kind.to_owned(), objects_alone(json(site, &["get", kind])));
    }
    for kind in ["services", "allocations"] {
        all.insert(kind.to_owned(), objects_alone(json(site, &["get", kind, "-n", "shop"])));
    }
    all.insert("endpoints".to_owned(), web_endpoints(site).into());
    Value::Object(all)
}

/// The store's revision moves when anything is written; it is no part of the objects. How fast a pool fills is read again some time
/// after a start.
fn objects_alone(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove("revision");
    }
    let pools = value.get_mut("pools").and_then(Value::as_array_mut).into_iter().flatten();
    for usage in pools.filter_map(|pool| pool["usage"].as_object_mut()) {
        usage.remove("forecast");
    }
    value
}
