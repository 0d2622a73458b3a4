//! What is printed is read back as what was printed, whatever dialect it came from.

use super::super::read;
use super::*;

const OWN: &str = r#"
apiVersion: polder.dev/v1
kind: ComputeNetwork
spec: {nodeRange: [10.0.0.10-10.0.0.12], externalRange: [10.0.0.13-10.0.0.20]}
---
apiVersion: polder.dev/v1
kind: Node
metadata: {name: node-a, labels: {rack: a}}
---
apiVersion: polder.dev/v1
kind: Reservation
metadata: {name: printers}
spec: {ranges: [10.0.0.40], owner: "a: b # c", ttl: 60s}
---
apiVersion: polder.dev/v1
kind: Service
metadata: {name: web, labels: {"yes": "no"}, annotations: {text: "two\nlines"}}
spec: {type: SERVICE_TYPE_LOAD_BALANCER, ports: [{port: 80}], external: {sharingKey: "1e3"}}
---
apiVersion: polder.dev/v1
kind: Allocation
metadata: {name: one, namespace: shop, labels: {app: WS}}
spec: {ready: true}
---
apiVersion: polder.dev/v1
kind: BGPPeer
metadata: {name: tor, labels: {rack: a}}
spec: {peerAddress: 10.0.0.1, peerAsn: 64512, localAsn: 64513, password: "~"}
---
apiVersion: polder.dev/v1
kind: BGPAdvertisement
metadata: {name: all}
---
apiVersion: polder.dev/v1
kind: Zone
metadata: {name: example.com, labels: {site: "12"}}
spec: {nameServers: [ns1.example.com.], defaultTtlSeconds: 60, transferTo: [192.0.2.0/24], notify: [192.0.2.53]}
---
apiVersion: polder.dev/v1
kind: RecordSet
metadata: {name: "@"}
spec: {zone: example.com, type: MX, ttlSeconds: 0, data: ["10 mail"]}
---
apiVersion: polder.dev/v1
kind: Endpoints
metadata: {name: db, namespace: shop}
spec: {endpoints: [{address: 192.0.2.7, ready: true}]}
"#;

const KUBERNETES: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: gold}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {tier: front}, annotations: {a: b}}
spec:
  type: LoadBalancer
  selector: {app: WS}
  loadBalancerIP: 10.0.0.14
  externalIPs: [192.0.2.1]
  ports: [{name: http, port: 80, targetPort: web, nodePort: 30080}, {name: dns, port: 53, targetPort: 5353, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{name: sql, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432}]
endpoints: [{addresses: [192.0.2.7], conditions: {ready: false}}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: 6f0e, labels: {app: WS}}
spec: {nodeName: node-a, hostname: one, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: blue, labels: {team: blue}}
spec: {cidr: 10.48.0.0/16, blockSize: 28, nodeSelector: rack == 'a' || rack == 'b', ipipMode: Always}
---
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: printers}
spec: {reservedCIDRs: [10.48.0.5]}
";

/// Every manifest that stands somewhere in this repository to be applied, and those above.
const ALL: [&str; 5] = [
    OWN,
    KUBERNETES,
    include_str!("../metallb/fixtures/layer2.yaml"),
    include_str!("../metallb/fixtures/bgp.yaml"),
    include_str!("../../../../examples/two-tier.yaml"),
];

fn bare(manifest: Manifest) -> Vec<Intent> {
    manifest.intents.into_iter().map(|intent| Intent { notes: Vec::new(), ..intent }).collect()
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for text in ALL {
        let manifest = read("f", text).unwrap();
        let printed = yaml(&manifest).unwrap();
        let again = read("printed", &printed).unwrap();
        assert_eq!(again.all_notes().count(), 0, "nothing is lost twice");
        assert_eq!(
            yaml(&again).unwrap(),
            printed.lines().filter(|line| !line.starts_with("# note: ")).fold(String::new(), |all, line| all + line + "\n")
        );
        assert_eq!(bare(again), bare(manifest), "{printed}");
    }
}

#[test]
fn a_list_of_json_is_read_back_as_the_same() {
    for text in ALL {
        let manifest = read("f", text).unwrap();
        let items: Vec<Value> = manifest.intents.iter().map(document).collect();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        assert_eq!(bare(read("list", &list).unwrap()), bare(manifest));
    }
}

#[test]
fn notes_stand_above_what_they_are_about() {
    let printed = yaml(&read("f", KUBERNETES).unwrap()).unwrap();
    let documents: Vec<&str> = printed.split("---\n").collect();
    let pool = documents.iter().find(|document| document.contains("name: blue")).unwrap();
    assert!(pool.starts_with("# note: spec.ipipMode: \"Always\" is not carried over: "), "{pool}");
    assert!(pool.contains("kind: Pool\n"), "{pool}");
}

#[test]
fn a_note_stays_in_its_line() {
    let strange = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, \"x\\ny: z\\u2028\\u0085 ü\": 1}\n";
    let manifest = read("f", strange).unwrap();
    assert_eq!(manifest.intents[0].notes.len(), 1);
    let printed = yaml(&manifest).unwrap();
    assert!(printed.starts_with("# note: metadata.x\\u{a}y: z\\u{2028}\\u{85} ü is not carried over"), "{printed}");
    assert_eq!(bare(read("printed", &printed).unwrap()), bare(manifest));
}
