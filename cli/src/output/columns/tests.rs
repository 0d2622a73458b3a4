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
