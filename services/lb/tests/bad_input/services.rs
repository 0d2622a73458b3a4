//! Services: made, changed, ended.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, bad, good, list, pairs, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

const SPEC: &str = "service.spec";

fn f(field: &str) -> String {
    format!("{SPEC}.{field}")
}

fn balanced(name: &str) -> Json {
    let spec = json!({
        "type": "SERVICE_TYPE_LOAD_BALANCER",
        "selector": {"app": "WS"},
        "ports": [{"name": "http", "port": 80}],
        "healthCheck": {"http": {"path": "/up", "host": "web.example"}, "interval": "10s"},
    });
    json!({"namespace": "shop", "name": name, "labels": {"app": "web"}, "spec": spec})
}

/// A service without selector, whose endpoint is given.
fn given() -> Json {
    let spec = json!({
        "ports": [{"name": "db", "port": 3306}],
        "endpoints": [{"address": "198.51.100.9", "ready": true, "ports": [{"name": "db", "port": 3306}]}],
    });
    json!({"namespace": "shop", "name": "given", "spec": spec})
}

/// What is wrong with any LoadBalancer service by itself.
fn service() -> Vec<Row> {
    let long = json!({"a": "x".repeat(256 << 10)});
    [
        labels("service.labels"),
        vec![
            bad("service", Json::Null, Reason::FieldRequired),
            bad(SPEC, Json::Null, Reason::FieldRequired),
            bad("service.annotations", json!({"a b": "x"}), Reason::LabelMalformed),
            bad("service.annotations", long, Reason::FieldTooLong),
            good("service.labels", pairs(100, &text("x"))),
            good(f("selector"), pairs(100, &text("x"))),
            good("service.annotations", json!({"example.com/a": "ä\n"})),
        ],
        spec(),
        ports_of_service(),
        outside(),
        health(),
    ]
    .concat()
}

fn spec() -> Vec<Row> {
    let wish = |address: &str| json!([address]);
    let first = f("cluster_ips[0]");
    [
        ["type", "ip_family_policy", "session_affinity", "internal_traffic_policy", "external_traffic_policy"]
            .iter()
            .flat_map(|field| enums(&f(field)))
            .collect(),
        labels(&f("selector")),
        wishes(&f("cluster_ips"), &first, wish),
        vec![
            bad(f("headless"), true, Reason::ConflictingFields),
            bad(f("cluster_ips"), json!(["172.28.0.8", "172.28.0.9"]), Reason::DuplicateValue),
            bad(f("ip_families"), json!([0]), Reason::FieldRequired).naming(f("ip_families[0]")),
            bad(f("ip_families"), json!([9]), Reason::InvalidArgument).naming(f("ip_families[0]")),
            bad(f("ip_families"), json!([1, 1]), Reason::DuplicateValue),
            bad(f("session_affinity_timeout_seconds"), 5, Reason::ConflictingFields),
            bad(f("session_affinity_timeout_seconds"), 86_401, Reason::CountOutOfBounds),
            bad(f("external_name"), "db.example.com", Reason::ConflictingFields),
            bad(f("health_check_port"), 65_536, Reason::PortMalformed),
            bad(f("health_check_port"), 30_000, Reason::ConflictingFields),
            bad(f("endpoints"), json!([{"address": "198.51.100.9"}]), Reason::ConflictingFields),
        ],
    ]
    .concat()
}

fn ports_of_service() -> Vec<Row> {
    let port = |field: &str| f(&format!("ports[0].{field}"));
    let many = |count: u32| Json::from((1..=count).map(|at| json!({"name": format!("p{at}"), "port": at})).collect::<Vec<_>>());
    let two = |one: Json, two: Json| json!([one, two]);
    [
        labels_of_dns(&port("name")),
        enums(&port("protocol")),
        ports(&port("port"), true),
        ports(&port("target_port.number"), true),
        labels_of_dns(&port("target_port.name")),
        texts(&port("app_protocol"), 253),
        vec![
            bad(f("ports"), json!([]), Reason::FieldRequired),
            bad(f("ports"), many(251), Reason::CountOutOfBounds),
            good(f("ports"), many(250)),
            bad(f("ports"), two(json!({"port": 1}), json!({"name": "b", "port": 2})), Reason::FieldRequired).naming(port("name")),
            bad(f("ports"), two(json!({"name": "a", "port": 1}), json!({"name": "a", "port": 2})), Reason::DuplicateValue)
                .naming(f("ports[1].name")),
            bad(f("ports"), two(json!({"name": "a", "port": 1}), json!({"name": "b", "port": 1})), Reason::DuplicateValue)
                .naming(f("ports[1].port")),
            good(f("ports"), two(json!({"name": "a", "port": 1}), json!({"name": "b", "port": 1, "protocol": 2}))),
        ],
    ]
    .concat()
}

fn outside() -> Vec<Row> {
    let e = |field: &str| f(&format!("external.{field}"));
    let one = |text: &str| json!([text]);
    let many = |count: usize| Json::from((0..count).map(|at| format!("n{at}")).collect::<Vec<_>>());
    let ranges = ["x", "", "10.0.0.0/33", "fd00::/129", "10.0.0.0-10.0.0.9", "10.0.0.1\u{0}/8"];
    let first = e("source_ranges[0]");
    let ranges = ranges.map(|range| bad(e("source_ranges"), one(range), Reason::RangeMalformed).naming(first.as_str()));
    [
        wishes(&e("addresses"), &e("addresses[0]"), one),
        names_in(&e("pools"), &e("pools[0]"), one),
        names_in(&e("reservation"), &e("reservation"), |name| name.into()),
        texts(&e("sharing_key"), 253),
        ranges.into(),
        ["-", "a b", "/a", "a/", "a/b/c", "ä", "\u{0}", &"x".repeat(64)]
            .map(|class| bad(e("load_balancer_class"), class, Reason::LabelMalformed))
            .into(),
        vec![
            bad(e("load_balancer_class"), "x".repeat(254), Reason::FieldTooLong),
            bad(e("addresses"), json!(["10.0.0.14", "10.0.0.15"]), Reason::DuplicateValue),
            bad(e("pools"), json!(["a", "b", "a"]), Reason::DuplicateValue).naming(e("pools[2]")),
            bad(e("pools"), many(65), Reason::CountOutOfBounds),
            bad(e("source_ranges"), json!(vec!["10.0.0.0/8"; 65]), Reason::CountOutOfBounds),
            good(e("source_ranges"), json!(vec!["10.0.0.0/8"; 64])),
            refused(e("addresses"), one("192.0.2.1"), Code::AlreadyExists, Reason::AddressInUse),
            refused(e("addresses"), one("10.0.0.20"), Code::FailedPrecondition, Reason::AddressReserved),
            refused(e("addresses"), one("203.0.113.9"), Code::InvalidArgument, Reason::AddressNotInPool),
            refused(e("pools"), one("nobody"), Code::NotFound, Reason::PoolNotFound),
            refused(e("pools"), one("service"), Code::FailedPrecondition, Reason::NoEligiblePool),
            refused(e("pools"), one("full"), Code::ResourceExhausted, Reason::PoolExhausted),
            refused(e("reservation"), "nobody", Code::NotFound, Reason::ReservationNotFound),
            good(e("reservation"), "kept"),
        ],
    ]
    .concat()
}

fn health() -> Vec<Row> {
    let h = |field: &str| f(&format!("health_check.{field}"));
    let times = |field: &str, wrong: &[&str]| -> Vec<Row> {
        wrong.iter().map(|time| bad(h(field), *time, Reason::CountOutOfBounds)).collect()
    };
    let thresholds = ["healthy_threshold", "unhealthy_threshold"].into_iter().flat_map(|field| {
        [bad(h(field), 11, Reason::CountOutOfBounds), bad(h(field), u32::MAX, Reason::CountOutOfBounds), good(h(field), 10)]
    });
    let paths = ["up", "/a b", "/ä", "/\u{0}", "/a#b", "http://x/"].map(|path| bad(h("http.path"), path, Reason::InvalidArgument));
    let hosts = ["a b", "ä", "a/b", "u@h", "a?b", "\r\n"].map(|host| bad(h("http.host"), host, Reason::InvalidArgument));
    [
        ports(&h("port"), false),
        times("interval", &["0s", "0.999s", "300.000000001s", "-1s", "-0.000000001s"]),
        times("timeout", &["0s", "0.099s", "10.000000001s", "-1s"]),
        thresholds.collect(),
        paths.into(),
        hosts.into(),
        vec![
            good(h("interval"), "300s"),
            good(h("timeout"), "10s"),
            bad(h("http.path"), format!("/{}", "x".repeat(1024)), Reason::FieldTooLong),
            good(h("http.path"), format!("/{}", "x".repeat(1023))),
            bad(h("http.host"), "x".repeat(254), Reason::FieldTooLong),
            good(h("http.host"), "[fd00::1]:8080"),
            bad(f("health_check"), json!({}), Reason::FieldRequired),
            good(f("health_check"), json!({"tcp": {}})),
        ],
    ]
    .concat()
}

/// What is wrong with endpoints that are given.
fn endpoints() -> Vec<Row> {
    let e = |field: &str| f(&format!("endpoints[0].{field}"));
    let many = |count: usize| {
        Json::from((0..count).map(|at| json!({"address": format!("198.51.{}.{}", at / 250, at % 250)})).collect::<Vec<_>>())
    };
    let hosts = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1"];
    let no_port = |field: &str, to: Json| bad(e(field), to, Reason::PortMalformed).naming(e("ports[0]"));
    [
        wishes(&e("address"), &e("address"), |text| text.into()),
        hosts.map(|host| bad(e("address"), host, Reason::AddressMalformed)).into(),
        names_in(&e("node"), &e("node"), |name| name.into()),
        labels_of_dns(&e("hostname")),
        texts(&e("zone"), 253),
        ports(&e("ports[0].port"), true),
        vec![
            bad(f("endpoints"), many(1001), Reason::CountOutOfBounds),
            good(f("endpoints"), many(1000)),
            bad(f("endpoints"), json!([{"address": "198.51.100.9"}, {"address": "198.51.100.9"}]), Reason::DuplicateValue)
                .naming(f("endpoints[1].address")),
            no_port("ports[0].name", "web".into()),
            no_port("ports[0].protocol", 2.into()),
            bad(e("ports"), json!([{"name": "db", "port": 1}, {"name": "web", "port": 2}]), Reason::PortMalformed)
                .naming(e("ports[1]")),
            bad(e("pod.name"), "db-0", Reason::ConflictingFields).naming(e("pod")),
            bad(f("selector"), json!({"app": "WS"}), Reason::ConflictingFields).naming(f("endpoints")),
        ],
    ]
    .concat()
}

fn alias() -> Vec<Row> {
    let wrong = ["10.0.0.1", "fd00::1", "a b", "-a.example", "a..b", "ä.example", "\u{0}"];
    let names = wrong.map(|name| bad(f("external_name"), name, Reason::NameMalformed));
    let conflict = |field: &str, to: Json| bad(f(field), to, Reason::ConflictingFields);
    [
        names.into(),
        vec![
            bad(f("external_name"), "", Reason::FieldRequired),
            good(f("external_name"), "DB.example.com."),
            conflict("selector", json!({"app": "WS"})),
            conflict("cluster_ips", json!(["172.28.0.9"])),
            conflict("external", json!({"sharingKey": "k"})),
            conflict("external_traffic_policy", 2.into()),
            conflict("endpoints", json!([{"address": "198.51.100.9"}])),
            conflict("health_check", json!({"tcp": {}})),
        ],
    ]
    .concat()
}

/// Fields that are wrong only beside others.
fn besides() -> Vec<Row> {
    let udp = json!([{"name": "dns", "port": 53, "protocol": 2}]);
    let local = json!({"type": 2, "ports": [{"port": 80}], "externalTrafficPolicy": 2, "healthCheckPort": 30_000});
    let single = |more: Json| {
        let mut spec = json!({"type": 2, "ports": [{"port": 80}], "ipFamilyPolicy": 1});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let sticky = |timeout: u32| json!({"ports": [{"port": 80}], "sessionAffinity": 2, "sessionAffinityTimeoutSeconds": timeout});
    let named = json!({"ports": [{"port": 80, "targetPort": {"name": "web"}}], "endpoints": [{"address": "198.51.100.9"}]});
    let conflict = |spec: Json, field: &str| bad(SPEC, spec, Reason::ConflictingFields).naming(f(field));
    let both = json!({"addresses": ["10.0.0.14"], "reservation": "kept"});
    vec![
        bad(f("ports"), udp, Reason::FieldRequired).naming(f("health_check.port")),
        good(SPEC, local),
        conflict(json!({"ports": [{"port": 80}], "externalTrafficPolicy": 2}), "external_traffic_policy"),
        good(SPEC, json!({"type": 4, "ports": [{"port": 80}], "externalTrafficPolicy": 2})),
        conflict(single(json!({"ipFamilies": [1, 2]})), "ip_families"),
        conflict(single(json!({"clusterIps": ["172.28.0.9", "fd00::9"]})), "cluster_ips"),
        conflict(single(json!({"external": {"addresses": ["10.0.0.14", "fd00::9"]}})), "external.addresses"),
        refused(
            SPEC,
            single(json!({"ipFamilies": [2], "external": {"addresses": ["10.0.0.14"]}})),
            Code::InvalidArgument,
            Reason::FamilyMismatch,
        ),
        good(SPEC, sticky(86_400)),
        bad(SPEC, sticky(86_401), Reason::CountOutOfBounds).naming(f("session_affinity_timeout_seconds")),
        bad(SPEC, named, Reason::FieldRequired).naming(f("endpoints[0].ports")),
        bad(f("external"), both, Reason::ConflictingFields).naming(f("external.reservation")),
        conflict(json!({"headless": true, "clusterIps": ["172.28.0.9"]}), "cluster_ips"),
        good(SPEC, json!({"headless": true})),
    ]
}

fn paths() -> Vec<Row> {
    let wrong = ["namespace", "status", "spec.nope"].map(|path| bad("update_mask", list([path]), Reason::InvalidArgument));
    let whole = good("update_mask", list(["labels", "annotations", "spec.ports", "spec.external.sharing_key", "spec"]));
    [masks(), wrong.into(), vec![whole]].concat()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let create = json!({"service": balanced("new")});
    let name = json!({"namespace": "shop", "name": "alias", "spec": {"type": 3, "externalName": "db.example.com"}});
    let keys = || [required_labels_of_dns("service.namespace"), required_labels_of_dns("service.name")].concat();
    let taken = vec![
        refused("service.name", "web", Code::AlreadyExists, Reason::AlreadyExists),
        refused("service.namespace", "poor", Code::ResourceExhausted, Reason::QuotaExceeded),
        refused(f("cluster_ips"), json!(["10.0.0.14"]), Code::InvalidArgument, Reason::AddressNotInPool),
        good(f("external.load_balancer_class"), "example.com/lb"),
    ];
    let fixed = |field: &str, to: Json| bad(f(field), to, Reason::FieldImmutable);
    let changed = vec![
        refused("service.name", "nobody", Code::NotFound, Reason::ServiceNotFound),
        fixed("cluster_ips", json!(["172.28.0.99"])),
        fixed("ip_families", json!([2])),
        fixed("external.load_balancer_class", "example.com/lb".into()),
        bad(SPEC, json!({"headless": true}), Reason::FieldImmutable).naming(f("type")),
    ];
    let delete = json!({"namespace": "shop", "name": "web"});
    let unknown = vec![refused("name", "nobody", Code::NotFound, Reason::ServiceNotFound)];
    // Some fields are only judged when others are good: of an endpoint, and what an update may not change.
    vec![
        table("ServiceCatalogService/CreateService", create, [keys(), taken, service(), besides(), request_ids(), waits()]),
        table("ServiceCatalogService/CreateService", json!({"service": given()}), [endpoints()]).one_at_a_time(),
        table("ServiceCatalogService/CreateService", json!({"service": name}), [alias()]),
        table(
            "ServiceCatalogService/UpdateService",
            json!({"service": balanced("web")}),
            [keys(), changed, service(), etags("service.etag"), paths(), request_ids(), waits()],
        )
        .one_at_a_time(),
        table("ServiceCatalogService/UpdateService", json!({"service": given(), "allowMissing": true}), [endpoints()])
            .one_at_a_time(),
        table(
            "ServiceCatalogService/DeleteService",
            delete,
            [required_labels_of_dns("namespace"), required_labels_of_dns("name"), unknown, etags("etag"), request_ids(), waits()],
        ),
    ]
}

#[tokio::test]
async fn bad_services_are_refused() {
    judged(tables).await;
}
