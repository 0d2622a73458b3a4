//! The operator's tool against a running Polder: what every verb shows, in every form, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_proto::dynamic::descriptors;
use polder_tests::site::repository;
use polder_tests::tool::{Finished, polder};
use polder_tests::{Shape, Site, eventually};
use serde_json::Value;

/// A service that cannot have what it asks for: the address is `shop/web`'s.
const PENDING: &str = "
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {type: LoadBalancer, loadBalancerIP: 10.0.0.13, selector: {app: API}, ports: [{port: 443}]}
";

#[test]
fn the_tool_shows_what_is_and_says_why() {
    let site = Site::start(Shape::Embedded);
    let example = repository("examples/two-tier.yaml");
    let _ = site.polder(&["apply", "-f", example.to_str().unwrap()]).ok();
    let _ = site.polder_reading(&["apply", "-f", "-"], PENDING).ok();
    eventually("the names are there", || {
        let asked = site.polder(&["get", "records", "api.shop.svc.cluster.local"]);
        if asked.code == 0 { Ok(()) } else { Err(format!("{asked:?}")) }
    });
    every_kind_has_every_form(&site);
    one_object_and_some_objects(&site);
    what_is_not_there_is_said(&site);
    why_tells_the_decision(&site);
    any_address_has_an_answer(&site);
    the_name_server_is_asked_itself(&site);
    refusals_say_what_and_end_with_their_code(&site);
    the_server_is_where_one_says(&site);
    let checked = site.polder(&["check"]).ok();
    assert!(checked.starts_with('✔') && checked.contains("nothing is wrong"), "{checked}");
    let fixed = site.polder(&["check", "--fix"]);
    let well = fixed.out.contains("nothing is wrong") && fixed.err == "0 records repaired\n";
    assert!(fixed.code == 0 && well, "{fixed:?}");
    let checked = json(site.polder(&["check", "-o", "json"]).ok());
    assert!(checked["checked"].as_str().unwrap().parse::<u32>().unwrap() > 10 && checked["findings"].is_null(), "{checked}");
    assert_eq!(site.polder(&["health"]).ok(), "ready\n");
    nodes_are_drained_and_pools_renamed(&site);
    a_deleted_pod_stays_in_the_history(&site);
}

fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The cells of a table. Headers of several words are written with one space, columns are apart by three.
fn cells(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()).collect()
}

#[track_caller]
fn fails(finished: Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.code, code, "{finished:?}");
    for part in parts {
        assert!(finished.err.contains(part), "`{part}` is not in {finished:?}");
    }
    assert_eq!(finished.out, "", "a failure is told on standard error");
}

/// A kind, where its objects stand in the JSON, the header of its table, and the objects by name.
type Shown = (&'static str, &'static str, &'static str, &'static [&'static str]);

const KINDS: [Shown; 8] = [
    (
        "pools",
        "pools",
        "NAME PURPOSE RANGES USED FREE TOTAL STATE AGE",
        &["pool/external", "pool/node", "pool/pod", "pool/service"],
    ),
    ("nodes", "nodes", "NAME STATE ADDRESSES BLOCKS PODS AGE", &["node/node-a", "node/node-b"]),
    ("namespaces", "namespaces", "NAME PODS SERVICES AGE", &["namespace/shop"]),
    ("reservations", "reservations", "NAME RANGES OWNER AGE", &["reservation/cluster-api", "reservation/cluster-dns"]),
    (
        "pods",
        "allocations",
        "NAMESPACE OWNER KIND ADDRESSES NODE READY AGE",
        &["allocation/web-1", "allocation/web-2", "allocation/db-1"],
    ),
    ("services", "services", "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE", &["service/api", "service/db", "service/web"]),
    ("endpoints", "services", "NAME ENDPOINTS NOT READY", &["endpoints/api", "endpoints/db", "endpoints/web"]),
    ("network", "", "INTERFACE NODE RANGE EXTERNAL RANGE POD SUBNET SERVICE SUBNET", &["computenetwork"]),
];

fn every_kind_has_every_form(site: &Site) {
    for (kind, items, header, names) in KINDS {
        let get = |more: &[&str]| site.polder(&[&["get", kind, "-n", "shop"], more].concat()).ok();
        let table = cells(&get(&[]));
        assert_eq!((table[0].join(" ").as_str(), table.len()), (header, names.len() + 1), "{kind}");
        let bare = cells(&get(&["--no-headers"]));
        let first = |rows: &[Vec<String>]| rows.iter().map(|row| row[..2].to_vec()).collect::<Vec<_>>();
        assert_eq!(first(&bare), first(&table[1..]), "{kind}");

        let wide = cells(&get(&["-o", "wide"]));
        assert!(wide[0].starts_with(&table[0]) && wide.len() == table.len(), "{kind}: {wide:?}");
        assert!(wide.iter().all(|row| row.len() == wide[0].len()), "every cell says something: {wide:?}");

        let by_name = get(&["-o", "name"]);
        assert_eq!(by_name.lines().collect::<Vec<_>>(), names, "{kind}");
        let data = json(get(&["-o", "json"]));
        if items.is_empty() {
            assert_eq!(data["network"]["interface"], "port3", "{data}");
        } else {
            assert_eq!(data[items].as_array().map(Vec::len), Some(names.len()), "{kind}: {data}");
        }
        let yaml: Value = serde_yaml_ng::from_str(&get(&["-o", "yaml"])).unwrap();
        assert_eq!(yaml, data, "{kind}: both are the same");
    }
    let records = cells(&site.polder(&["get", "records"]).ok());
    assert_eq!(records[0], ["NAME", "TTL", "TYPE", "DATA"]);
    assert!(
        records
            .iter()
            .any(|row| row == &["_http._tcp.web.shop.svc.cluster.local.", "5", "SRV", "0 100 80 web.shop.svc.cluster.local."])
    );
    let names = site.polder(&["get", "records", "-o", "name"]).ok();
    assert_eq!(names.lines().count() + 1, records.len(), "{names}");
    assert_eq!(
        json(site.polder(&["get", "records", "-o", "json"]).ok())["records"].as_array().map(Vec::len),
        Some(records.len() - 1)
    );
}

fn one_object_and_some_objects(site: &Site) {
    let web = json(site.polder(&["get", "service", "web", "-n", "shop", "-o", "json"]).ok());
    assert_eq!((web["services"].as_array().unwrap().len(), &web["services"][0]["name"]), (1, &Value::from("web")));
    let everywhere = cells(&site.polder(&["get", "svc", "-A"]).ok());
    assert_eq!((everywhere[0][0].as_str(), everywhere[1][0].as_str()), ("NAMESPACE", "shop"));
    let endpoints = cells(&site.polder(&["get", "ep", "-A"]).ok());
    assert_eq!((endpoints[0][0].as_str(), endpoints[1][0].as_str()), ("NAMESPACE", "shop"));
    let front = site.polder(&["get", "pods", "-n", "shop", "--filter", "labels.app = WS", "-o", "name"]).ok();
    assert_eq!(front, "allocation/web-1\nallocation/web-2\n");
    let one = site.polder(&["get", "endpoints", "-n", "shop", "--filter", "name = db", "-o", "name"]).ok();
    assert_eq!(one, "endpoints/db\n");
    let of_name = cells(&site.polder(&["get", "records", "DB.shop.svc.cluster.local", "--no-headers"]).ok());
    assert_eq!(of_name.iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["A", "SRV"]);
}

fn what_is_not_there_is_said(site: &Site) {
    for (kind, shown, reason) in [
        ("pool", "pool `nope`", "POOL_NOT_FOUND"),
        ("node", "node `nope`", "NODE_NOT_FOUND"),
        ("namespace", "namespace `nope`", "NAMESPACE_NOT_FOUND"),
        ("reservation", "reservation `nope`", "RESERVATION_NOT_FOUND"),
        ("pod", "allocation `shop/nope`", "ALLOCATION_NOT_FOUND"),
        ("service", "service `shop/nope`", "SERVICE_NOT_FOUND"),
        ("endpoints", "service `shop/nope`", "SERVICE_NOT_FOUND"),
        ("records", "record `nope`", "RECORD_SET_NOT_FOUND"),
    ] {
        fails(site.polder(&["get", kind, "nope", "-n", "shop"]), 3, &[shown, &format!("polder explain {reason}")]);
        let data = site.polder(&["get", kind, "nope", "-n", "shop", "-o", "json"]);
        assert_eq!(json(data.err)["details"][0]["reason"], reason, "{kind}");
    }
    for kind in ["pod", "service", "pool", "namespace", "node", "reservation"] {
        fails(site.polder(&["delete", kind, "nope", "-n", "shop"]), 3, &["nope", "_NOT_FOUND"]);
    }
    let none = site.polder(&["get", "pods", "-n", "void", "--no-headers"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "No objects found.\n"));
    fails(site.polder(&["get", "network", "nope"]), 2, &["has no name"]);
    fails(site.polder(&["get", "bananas"]), 2, &["`bananas` is not a kind; there are pools, nodes"]);
}

fn why_tells_the_decision(site: &Site) {
    // Nobody answers for its external address, since there are no agents; once names are served the rest is well.
    let web = eventually("the name is served", || {
        let why = site.polder(&["why", "shop/web"]);
        if why.out.contains("✔ dns: web.shop.svc.cluster.local answers with") { Ok(why) } else { Err(format!("{why:?}")) }
    });
    assert_eq!((web.code, web.err.as_str()), (1, ""));
    let web = web.out;
    let bad: Vec<&str> = web.lines().filter(|line| line.starts_with('✖')).collect();
    assert!(
        web.starts_with("shop/web\n") && bad.len() == 1 && bad[0].starts_with("✖ nodes: no node answers for 10.0.0.13"),
        "{web}"
    );
    let address = serde_json::from_str::<Value>(&site.polder(&["get", "svc", "web", "-n", "shop", "-o", "json"]).ok()).unwrap();
    let address = address["services"][0]["status"]["clusterVips"][0]["address"].as_str().unwrap().to_owned();
    for part in [
        "LoadBalancer",
        "from pool `service`",
        "it holds 10.0.0.13 from pool `external`",
        "app=WS matches 2 endpoints, 2 ready",
        &format!("✔ resolver: the name server answers web.shop.svc.cluster.local with {address}\n"),
    ] {
        assert!(web.contains(part), "{web}");
    }
    assert_eq!(site.polder(&["why", "service", "shop/web"]).out, web);
    assert!(site.polder(&["why", "svc", "shop/db"]).ok().contains("app=DB matches 1 endpoint, 1 ready"));

    let pending = site.polder(&["why", "shop/api"]);
    assert_eq!((pending.code, pending.err.as_str()), (1, ""), "the answer is no, and it is the answer");
    for part in
        ["✔ address: cluster IP", "✖ address: 10.0.0.13 is held by service `shop/web`", "(ADDRESS_IN_USE)", "(NO_READY_ENDPOINTS)"]
    {
        assert!(pending.out.contains(part), "{}", pending.out);
    }
    let tries: Vec<&str> = pending.out.lines().filter(|line| line.starts_with("try:   ")).collect();
    assert_eq!(
        tries,
        [
            "try:   polder who 10.0.0.13; polder explain ADDRESS_IN_USE",
            "try:   polder get pods -n shop; polder explain NO_READY_ENDPOINTS"
        ],
        "{}",
        pending.out
    );
    assert_eq!(site.polder(&["why", "service", "api", "-n", "shop"]).out, pending.out);
    let data = site.polder(&["why", "shop/api", "-o", "json"]);
    assert_eq!(data.code, 1, "in every form");
    let reasons: Vec<Value> = json(data.out)["steps"].as_array().unwrap().iter().map(|step| step["reason"].clone()).collect();
    assert!(reasons.contains(&"ADDRESS_IN_USE".into()), "{reasons:?}");
    a_wish_is_met_by_itself_once_it_can_be(site);
    let row = site.polder(&["get", "svc", "api", "-n", "shop", "-o", "wide", "--no-headers"]).ok();
    assert!(row.contains("<pending>") && row.contains("ADDRESS_IN_USE"), "{row}");

    fails(site.polder(&["why", "shop/nope"]), 3, &["service `shop/nope` does not exist"]);
    fails(site.polder(&["why", "pod", "shop/web-1"]), 2, &["`why` knows services and names, not `pod`"]);
}

fn a_wish_is_met_by_itself_once_it_can_be(site: &Site) {
    let far = PENDING.replace("name: api", "name: far").replace("10.0.0.13", "203.0.113.9");
    assert_eq!(site.polder_reading(&["apply", "-f", "-"], &far).ok(), "service/far created\n");
    let why = site.polder(&["why", "shop/far"]);
    assert!(why.code == 1 && why.out.contains("ADDRESS_NOT_IN_POOL") && why.out.contains("203.0.113.9"), "{why:?}");
    let pool = "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: far}\n\
                spec: {purpose: POOL_PURPOSE_EXTERNAL_SERVICE, ranges: [203.0.113.8/29]}\n";
    let _ = site.polder_reading(&["apply", "-f", "-"], pool).ok();
    eventually("it gets its address without being touched", || {
        // The service has no pods, which is a failed step of its own.
        let why = site.polder(&["why", "shop/far"]);
        if why.out.contains("it holds 203.0.113.9 from pool `far`") { Ok(()) } else { Err(format!("{why:?}")) }
    });
    for object in [["service", "far"], ["pool", "far"]] {
        let _ = site.polder(&[&["delete", "-n", "shop"][..], &object].concat()).ok();
    }
}

fn any_address_has_an_answer(site: &Site) {
    let pods = json(site.polder(&["get", "pods", "-n", "shop", "-o", "json"]).ok());
    let pod = &pods["allocations"][0];
    let (address, since) = (pod["addresses"][0]["address"].as_str().unwrap(), pod["createTime"].as_str().unwrap());
    for (address, standing, parts) in [
        (address, "allocated", &["shop/web-1", "node-a", "pod/shop/web-1", since][..]),
        ("10.0.0.13", "service", &["shop/web", "external"]),
        ("10.0.0.10", "allocated", &["node-a"]),
        ("172.28.0.10", "reserved", &["cluster-dns"]),
        ("172.27.9.9", "free", &["pool         pod"]),
        ("192.0.2.1", "outside", &["lies in no pool"]),
    ] {
        let who = site.polder(&["who", address]).ok();
        assert!(who.starts_with(&format!("{address}  {standing} · ")), "{who}");
        assert!(parts.iter().all(|part| who.contains(part)), "{who}");
        let data = json(site.polder(&["who", address, "-o", "json"]).ok());
        assert_eq!(data["standing"], format!("ADDRESS_STANDING_{}", standing.to_uppercase()));
    }
    let then = site.polder(&["who", address, "--at", since]).ok();
    assert!(then.contains("shop/web-1"), "{then}");
    fails(site.polder(&["who", address, "--at", "2000-01-01T00:00:00Z"]), 5, &["does not reach back", "RESUME_TOKEN_COMPACTED"]);
    fails(site.polder(&["who", address, "--at", "yesterday"]), 2, &["rfc3339"]);
    for verb in ["who", "history"] {
        fails(
            site.polder(&[verb, "10.0.0.300"]),
            2,
            &["error: address: `10.0.0.300` is not an IP address", "why:", "ADDRESS_MALFORMED"],
        );
    }
    assert_eq!(site.polder(&["history", "192.0.2.1"]).ok(), "Nothing is recorded of 192.0.2.1.\n");
}

fn the_name_server_is_asked_itself(site: &Site) {
    let vip = json(site.polder(&["get", "svc", "db", "-n", "shop", "-o", "json"]).ok());
    let vip = vip["services"][0]["status"]["clusterVips"][0]["address"].as_str().unwrap().to_owned();
    let short = site.polder(&["dig", "db.shop"]).ok();
    assert!(short.starts_with(";; db.shop.svc.cluster.local. A NOERROR: ") && short.contains(&format!("A   {vip}\n")), "{short}");
    let srv = site.polder(&["dig", "_http._tcp.web.shop.svc.cluster.local", "srv"]).ok();
    assert!(srv.contains("SRV   0 100 80 web.shop.svc.cluster.local."), "{srv}");
    let reverse: Vec<&str> = vip.rsplit('.').collect();
    let reverse = site.polder(&["dig", &format!("{}.in-addr.arpa", reverse.join(".")), "PTR"]).ok();
    assert!(reverse.contains("PTR   db.shop.svc.cluster.local."), "{reverse}");
    let missing = site.polder(&["dig", "nope.shop.svc.cluster.local"]).ok();
    assert!(missing.contains("NXDOMAIN") && missing.contains("SOA"), "{missing}");
    let data = json(site.polder(&["dig", "db.shop", "-o", "json"]).ok());
    assert_eq!((&data["rcode"], &data["answers"][0]["data"]), (&"NOERROR".into(), &vip.into()));
    let why = site.polder(&["why", "name", "db.shop"]).ok();
    let steps: Vec<&str> = why.lines().filter_map(|line| line.strip_prefix("✔ ")?.split(':').next()).collect();
    assert_eq!((why.lines().next(), steps), (Some("db.shop.svc.cluster.local. A"), vec!["zone", "type"]), "{why}");
    let said = [
        "namespace `shop` has no service `nope` (SERVICE_NOT_FOUND)",
        "try:   polder get services -A; polder explain SERVICE_NOT_FOUND",
    ];
    fails(site.polder(&["why", "name", "nope.shop.svc.cluster.local"]), 1, &said);
    let outside = "✖ upstream: no upstream is asked for such names: REFUSED";
    fails(site.polder(&["why", "name", "www.example.com.", "aaaa"]), 1, &[outside]);
    fails(site.polder(&["dig", "db.shop", "--client", "nowhere"]), 2, &["ADDRESS_MALFORMED"]);
    fails(site.polder(&["dig", "db.shop", "BANANA"]), 2, &["`BANANA` is not a record type", "RECORD_MALFORMED"]);
    for (seen, told) in [("top", "queries since "), ("failures", "failures since it started")] {
        let text = site.polder(&["dns", seen]).ok();
        assert!(text.starts_with("The server ") && text.contains(told), "{text}");
        assert!(json(site.polder(&["dns", seen, "-o", "json"]).ok())["server"].is_string());
        fails(site.polder(&["dns", seen, "--limit", "501"]), 2, &["error: limit: 501 is no number of them", "COUNT_OUT_OF_BOUNDS"]);
    }
}

fn refusals_say_what_and_end_with_their_code(site: &Site) {
    fails(
        site.polder(&["delete", "pool", "pod"]),
        5,
        &["Pool `pod` cannot be deleted", "held by pod shop/web-1", "polder explain POOL_IN_USE"],
    );
    fails(site.polder(&["get", "pods", "--filter", "nope = 1"]), 2, &["there is no field `nope`", "FILTER_MALFORMED"]);
    let pool = |name: &str, ranges: &str| {
        format!(
            "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {{name: {name}}}\nspec: {{purpose: POOL_PURPOSE_POD, ranges: [{ranges}]}}\n"
        )
    };
    let overlapping = site.polder_reading(&["apply", "-f", "-"], &pool("more", "172.27.5.0/24"));
    fails(overlapping, 5, &["pool/more is refused", "172.27.0.0/16", "POOL_OVERLAP"]);
    let wrong = site.polder_reading(&["apply", "-f", "-"], &pool("More", "banana, 10.0.9.9-10.0.9.1"));
    fails(wrong, 2, &["pool.name", "pool.ranges[0]", "pool.ranges[1]", "NAME_MALFORMED", "RANGE_MALFORMED", "RANGE_REVERSED"]);
    let data = site.polder(&["delete", "pool", "pod", "-o", "json"]);
    let status = json(data.err);
    assert_eq!((data.code, &status["code"], &status["details"][0]["reason"]), (5, &9.into(), &"POOL_IN_USE".into()));
    for arguments in [&["frobnicate"][..], &["get"], &["apply"], &["get", "pods", "-o", "banana"], &["delete", "network", "x"]]
        .into_iter()
        .chain([
            &["apply", "-f", "-", "--wait", "soon"][..],
            &["apply", "-f", "-", "--wait", "6m"],
            &["apply", "--wait", "--dry-run", "-f", "-"],
        ])
    {
        assert_eq!(site.polder(arguments).code, 2, "{arguments:?}");
    }
}

fn the_server_is_where_one_says(site: &Site) {
    let (here, nowhere) = (format!("http://{}", site.grpc("ipam")[0]), "http://127.0.0.1:1");
    let get = ["get", "nodes", "-o", "name"];
    let nodes = "node/node-a\nnode/node-b\n";
    assert_eq!(polder(&[("POLDER_SERVER", &here)], &get, "").ok(), nodes);
    assert_eq!(polder(&[], &[&get[..], &["--server", &here]].concat(), "").ok(), nodes);
    assert_eq!(polder(&[("POLDER_SERVER", nowhere)], &[&["--server", &here][..], &get].concat(), "").ok(), nodes, "the flag wins");
    assert_eq!(polder(&[("POLDER_SERVER", &format!("{nowhere},{here}"))], &get, "").ok(), nodes, "one after the other");
    let own = [("POLDER_SERVER", nowhere), ("POLDER_IPAM", here.as_str())];
    assert_eq!(polder(&own, &get, "").ok(), nodes, "a service of its own address");
    fails(polder(&own, &["get", "services"], ""), 6, &[nowhere]);
    fails(polder(&[("POLDER_SERVER", nowhere)], &get, ""), 6, &[nowhere, "POLDER_SERVER say where to look"]);
    fails(polder(&[("POLDER_SERVER", "banana")], &get, ""), 2, &["`banana` cannot be linked to"]);
}

fn nodes_are_drained_and_pools_renamed(site: &Site) {
    let drained = site.polder(&["drain", "node-b"]).ok();
    assert!(drained.starts_with("node/node-b is draining") && drained.contains("allocations are still on it"), "{drained}");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec: {nodeName: node-b, containers: [{name: c}]}\n";
    fails(site.polder_reading(&["apply", "-f", "-"], pod), 5, &["NODE_DRAINING"]);
    assert_eq!(site.polder(&["drain", "node-b", "--end"]).ok(), "node/node-b takes new pods again\n");

    let pool =
        "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: old}\nspec: {purpose: POOL_PURPOSE_POD, ranges: [10.77.0.0/24]}\n";
    let _ = site.polder_reading(&["apply", "-f", "-"], pool).ok();
    assert_eq!(site.polder(&["rename", "pool", "old", "new"]).ok(), "pool/old is pool/new now\n");
    assert!(site.polder(&["who", "10.77.0.9"]).ok().contains("of pool new is free"));
    fails(site.polder(&["rename", "pool", "pod", "racks"]), 2, &["compute network", "FIELD_IMMUTABLE"]);
    fails(site.polder(&["rename", "node", "a", "b"]), 2, &["`rename` knows pools"]);
    fails(site.polder(&["move", "pod", "10.0.0.13"]), 2, &["`move` knows announcements, not `pod`"]);
    assert_eq!(site.polder(&["delete", "pool", "new"]).ok(), "pool/new deleted\n");
}

fn a_deleted_pod_stays_in_the_history(site: &Site) {
    let pods = json(site.polder(&["get", "pod", "web-2", "-n", "shop", "-o", "json"]).ok());
    let address = pods["allocations"][0]["addresses"][0]["address"].as_str().unwrap();
    assert_eq!(site.polder(&["delete", "pod", "web-2", "-n", "shop"]).ok(), "pod/web-2 deleted\n");
    let history = cells(&site.polder(&["history", address]).ok());
    assert_eq!(history[0], ["TIME", "STANDING", "WHAT", "ACTOR"]);
    let what: Vec<&str> = history[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(what, ["pod shop/web-2 lost it", "pod shop/web-2 got it"], "the newest first");
    let data = json(site.polder(&["history", address, "-o", "json"]).ok());
    assert_eq!(data["events"].as_array().map(Vec::len), Some(2));
    let got = data["events"][1]["time"].as_str().unwrap();
    let then = site.polder(&["who", address, "--at", got]).ok();
    assert!(then.contains("held by      shop/web-2"), "{then}");
    let now = site.polder(&["who", address]).ok();
    assert!(now.contains("cooling") && now.contains("released by pod shop/web-2"), "{now}");
}

#[test]
fn every_reason_is_explained_and_a_slip_gets_suggestions() {
    let reasons = descriptors().get_enum_by_name("polder.type.v1.ErrorReason").unwrap();
    let known: Vec<String> =
        reasons.values().skip(1).map(|value| value.name().trim_start_matches("ERROR_REASON_").to_owned()).collect();
    assert!(known.len() > 80, "{known:?}");
    for reason in &known {
        let entry = polder(&[], &["explain", reason], "").ok();
        assert!(entry.starts_with(&format!("{reason} (")) && entry.contains("\n  Fix: "), "{entry}");
    }
    let small = polder(&[], &["explain", "pool-overlap"], "").ok();
    assert!(small.starts_with("POOL_OVERLAP (FAILED_PRECONDITION)\n"), "{small}");
    fails(polder(&[], &["explain", "POOL_OVERLAPS"], ""), 2, &["`POOL_OVERLAPS` is not a reason code; did you mean POOL_OVERLAP"]);
    fails(polder(&[], &["explain", "exhausted"], ""), 2, &["did you mean POOL_EXHAUSTED"]);
    fails(polder(&[], &["explain", "banana"], ""), 2, &["`banana` is not a reason code"]);
}
