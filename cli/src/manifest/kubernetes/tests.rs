use serde_json::json;

use crate::manifest::{Kind, read};

#[test]
fn a_service_is_carried_over_field_by_field() {
    let text = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {tier: front}}
spec:
  type: LoadBalancer
  selector: {app: WS}
  ipFamilyPolicy: PreferDualStack
  ipFamilies: [IPv4, IPv6]
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  loadBalancerIP: 10.0.0.14
  externalIPs: [192.0.2.1]
  ports:
  - {name: http, port: 80, targetPort: web, nodePort: 30080}
  - {name: dns, port: 53, targetPort: 5353, protocol: UDP}
";
    let intent = read("f", text).unwrap().intents.remove(0);
    assert_eq!((intent.kind, intent.namespace.as_str(), intent.title().as_str()), (Kind::Service, "shop", "service/web"));
    let spec = &intent.object["spec"];
    assert_eq!(spec["type"], "SERVICE_TYPE_LOAD_BALANCER");
    assert_eq!(spec["ipFamilyPolicy"], "IP_FAMILY_POLICY_PREFER_DUAL_STACK");
    assert_eq!(spec["ipFamilies"], json!(["ADDRESS_FAMILY_IPV4", "ADDRESS_FAMILY_IPV6"]));
    assert_eq!(spec["externalTrafficPolicy"], "TRAFFIC_POLICY_LOCAL");
    assert_eq!(spec["sessionAffinity"], "SESSION_AFFINITY_CLIENT_IP");
    assert_eq!(spec["sessionAffinityTimeoutSeconds"], 60);
    assert_eq!(spec["external"]["addresses"], json!(["10.0.0.14"]));
    assert_eq!(spec["ports"][0]["targetPort"], json!({ "name": "web" }));
    assert_eq!(
        spec["ports"][1],
        json!({ "name": "dns", "port": 53, "protocol": "PROTOCOL_UDP", "targetPort": { "number": 5353 } })
    );
    assert!(intent.notes.iter().any(|note| note.contains("spec.ports[0].nodePort")), "{:?}", intent.notes);
    assert!(intent.notes.iter().any(|note| note.contains("spec.externalIPs")), "{:?}", intent.notes);
}

#[test]
fn cluster_ip_none_is_headless() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: None, ports: [{port: 5432}]}\n";
    let spec = read("f", text).unwrap().intents.remove(0).object["spec"].clone();
    assert_eq!(
        (&spec["headless"], &spec["clusterIps"], &spec["type"]),
        (&json!(true), &json!([]), &json!("SERVICE_TYPE_CLUSTER_IP"))
    );
}

#[test]
fn a_pod_is_an_allocation() {
    let text = r"
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: 6f0e, labels: {app: WS}}
spec:
  nodeName: node-a
  hostname: one
  subdomain: db
  containers:
  - {name: web, image: example/web, ports: [{name: http, containerPort: 8080}]}
status:
  conditions: [{type: Ready, status: 'False'}]
";
    let intent = read("f", text).unwrap().intents.remove(0);
    assert_eq!(intent.title(), "pod/web-1");
    assert_eq!(intent.object["handle"], "pod/shop/web-1");
    assert_eq!(intent.object["owner"]["node"], "node-a");
    assert_eq!(intent.object["owner"]["uid"], "6f0e");
    assert_eq!((&intent.object["ready"], &intent.object["ports"]), (&json!(false), &json!({ "http": 8080 })));
    assert_eq!((&intent.object["hostname"], &intent.object["subdomain"]), (&json!("one"), &json!("db")));
    assert!(intent.notes.iter().any(|note| note.contains("spec.containers[0].{image}")), "{:?}", intent.notes);
}

#[test]
fn a_pod_without_status_counts_as_ready_and_says_so() {
    let intent = read("f", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n").unwrap().intents.remove(0);
    assert_eq!(intent.object["ready"], true);
    assert!(intent.notes.iter().any(|note| note.contains("counts as ready")), "{:?}", intent.notes);
}

#[test]
fn an_endpoint_slice_gives_the_endpoints_of_its_service() {
    let text = r"
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
- {addresses: [192.0.2.7], hostname: one, conditions: {ready: null}}
- {addresses: [192.0.2.8], conditions: {ready: false}}
";
    let intent = read("f", text).unwrap().intents.remove(0);
    assert_eq!((intent.kind, intent.name.as_str(), intent.namespace.as_str()), (Kind::Endpoints, "db", "shop"));
    let endpoints = &intent.object["endpoints"];
    assert_eq!(
        (&endpoints[0]["ready"], &endpoints[0]["hostname"], &endpoints[1]["ready"]),
        (&json!(true), &json!("one"), &json!(false))
    );
    assert_eq!(endpoints[0]["ports"][0]["port"], 5432);
}

#[test]
fn mistakes_name_their_field() {
    for (text, part) in [
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: x}]}\n", "spec.ports[0].port"),
        ("apiVersion: v1\nkind: Service\nmetadata: {}\n", "metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true}\n", "spec.hostNetwork"),
        ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\n", "service-name"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "v1 ConfigMap"),
    ] {
        let message = read("f.yaml", text).unwrap_err().text();
        assert!(message.contains(part), "{message}");
    }
}
