use serde_json::json;

use super::*;

fn row(columns: &[Column], object: &Value) -> Vec<String> {
    columns.iter().filter(|column| !column.wide).map(|column| (column.cell)(object, Timestamp(60_000_000))).collect()
}

#[test]
fn services_look_as_in_kubectl() {
    let headers: Vec<&str> = SERVICES.iter().filter(|column| !column.wide).map(|column| column.header).collect();
    assert_eq!(headers, ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]);
    let web = json!({
        "name": "web", "createTime": "1970-01-01T00:00:15Z",
        "spec": { "type": "SERVICE_TYPE_LOAD_BALANCER", "ports": [{ "port": 80, "protocol": "PROTOCOL_TCP" }, { "port": 53, "protocol": "PROTOCOL_UDP" }] },
        "status": { "clusterVips": [{ "address": "172.28.0.2" }], "externalVips": [{ "address": "10.0.0.13" }] },
    });
    assert_eq!(row(SERVICES, &web), ["web", "LoadBalancer", "172.28.0.2", "10.0.0.13", "80/TCP,53/UDP", "45s"]);
}

#[test]
fn what_is_missing_is_said_as_kubectl_says_it() {
    let pending = json!({ "name": "a", "spec": { "type": "SERVICE_TYPE_LOAD_BALANCER" } });
    assert_eq!(row(SERVICES, &pending)[2..5], ["<pending>", "<pending>", "<none>"]);
    let headless = json!({ "name": "a", "spec": { "type": "SERVICE_TYPE_CLUSTER_IP", "headless": true } });
    assert_eq!(row(SERVICES, &headless)[1..4], ["ClusterIP", "None", "<none>"]);
    let alias = json!({ "name": "a", "spec": { "type": "SERVICE_TYPE_EXTERNAL_NAME", "externalName": "example.org" } });
    assert_eq!(row(SERVICES, &alias)[1..4], ["ExternalName", "<none>", "example.org"]);
}

#[test]
fn pools_show_their_numbers() {
    let pool = json!({
        "name": "external", "purpose": "POOL_PURPOSE_EXTERNAL_SERVICE", "ranges": ["10.0.0.13-10.0.0.20"], "state": "POOL_STATE_ENABLED",
        "usage": { "used": { "value": "3" }, "free": { "value": "5" }, "total": { "value": "18446744073709551615", "saturated": true } },
    });
    assert_eq!(row(POOLS, &pool)[1..7], ["external-service", "10.0.0.13-10.0.0.20", "3", "5", ">18446744073709551615", "enabled"]);
}

fn wide_row(columns: &[Column], object: &Value) -> Vec<String> {
    columns.iter().map(|column| (column.cell)(object, Timestamp(60_000_000))).collect()
}

#[test]
fn announcements_say_who_answers_and_since_when() {
    let headers: Vec<&str> = ANNOUNCEMENTS.iter().map(|column| column.header).collect();
    assert_eq!(headers, ["ADDRESS", "NODE", "EPOCH", "SERVICES", "AGE", "PREVIOUS", "PINNED", "CANDIDATES"]);
    let held = json!({
        "address": "10.0.0.13", "node": "node-a", "epoch": "7", "updateTime": "1970-01-01T00:00:15Z", "previousNode": "node-b",
        "services": [{ "kind": "Service", "namespace": "shop", "name": "web" }, { "namespace": "shop", "name": "dns" }],
        "pinned": true, "candidates": ["node-b", "node-c"],
    });
    let cells = ["10.0.0.13", "node-a", "7", "shop/web,shop/dns", "45s", "node-b", "true", "node-b,node-c"];
    assert_eq!(wide_row(ANNOUNCEMENTS, &held), cells);
    let by_bgp = json!({ "address": "10.0.0.14", "bgpOnly": true });
    assert_eq!(row(ANNOUNCEMENTS, &by_bgp), ["10.0.0.14", "<bgp>", "<none>", "<none>", "<none>"]);
}

#[test]
fn peers_and_advertisements_show_their_defaults() {
    let peer = json!({
        "name": "tor-1", "peerAddress": "10.0.0.1", "peerAsn": 64512, "localAsn": 64513, "createTime": "1970-01-01T00:00:15Z",
        "conditions": [{ "type": "Established", "status": "CONDITION_STATUS_TRUE" }], "nodeSelectors": [{ "expression": "rack=a" }],
    });
    let cells = ["tor-1", "10.0.0.1", "64512", "64513", "established", "45s", "rack=a", "179", "90s", "false", "false", "<none>"];
    assert_eq!(wide_row(BGP_PEERS, &peer), cells);
    let behind = json!({ "name": "x", "interface": "eth1", "conditions": [{ "type": "Established", "reason": "NOT_ANNOUNCED" }] });
    assert_eq!(row(BGP_PEERS, &behind)[1..5], ["%eth1", "<none>", "<none>", "NOT_ANNOUNCED"]);
    let advertisement = json!({ "name": "all", "communities": ["65000:100"], "aggregationLengthV4": 24 });
    let cells = ["all", "<all>", "<all>", "65000:100", "<unknown>", "/24,/128", "<none>", "<all>", "<all>", "<none>"];
    assert_eq!(wide_row(BGP_ADVERTISEMENTS, &advertisement), cells);
    let chosen = json!({ "pools": ["a"], "poolSelectors": [{ "expression": "x=y" }, {}], "peers": ["tor-1"] });
    assert_eq!(row(BGP_ADVERTISEMENTS, &chosen)[1..3], ["a,x=y or <any>", "tor-1"]);
}
