//! MetalLB's documents as intents.

use serde_json::{Value, json};

use crate::manifest::{Intent, Kind, Manifest, read};

const LAYER2: &str = include_str!("fixtures/layer2.yaml");
const BGP: &str = include_str!("fixtures/bgp.yaml");

fn one<'a>(manifest: &'a Manifest, kind: Kind, name: &str) -> &'a Intent {
    let mut found = manifest.intents.iter().filter(|intent| intent.kind == kind && intent.name == name);
    let only = found.next().unwrap_or_else(|| panic!("{name} is missing: {:#?}", manifest.intents));
    assert_eq!(found.next(), None, "{name} is there once");
    only
}

/// The object, and what is lost of it.
fn object(manifest: &Manifest, kind: Kind, name: &str) -> (Value, Vec<String>) {
    let intent = one(manifest, kind, name);
    (json!(intent.object), intent.notes.clone())
}

fn pool(name: &str, ranges: &[&str], more: &Value) -> Value {
    let mut pool = json!({
        "name": name, "purpose": "POOL_PURPOSE_EXTERNAL_SERVICE", "description": "imported from MetalLB", "ranges": ranges,
    });
    pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pool
}

#[test]
fn pools_carry_what_advertisements_on_the_local_network_say_of_them() {
    let manifest = read("layer2.yaml", LAYER2).unwrap();
    let nodes = json!([{ "expression": "role=edge" }, { "expression": "zone in (a,b),!gpu" }]);
    let general = json!({ "avoidBuggyIps": true, "nodeSelectors": nodes, "announceInterfaces": ["eth0", "bond0.20"] });
    let ranges = ["192.168.10.0/24", "192.168.9.1 - 192.168.9.5", "fc00:f853:0ccd:e799::/124"];
    assert_eq!(object(&manifest, Kind::Pool, "general"), (pool("general", &ranges, &general), vec![]));
    let blue = json!({
        "labels": { "for": "teams" }, "priority": 50, "namespaces": ["blue", "blue-test"],
        "namespaceSelectors": [{ "expression": "team=blue" }], "ownerSelectors": [{ "expression": "tier notin (internal),app" }],
    });
    assert_eq!(
        object(&manifest, Kind::Pool, "team-blue"),
        (pool("team-blue", &["192.168.20.0/28", "fd00:0020::/124"], &blue), vec![])
    );
    let by_name = json!({ "explicitOnly": true, "nodeSelectors": nodes, "announceInterfaces": ["eth0", "bond0.20"] });
    assert_eq!(object(&manifest, Kind::Pool, "by-name"), (pool("by-name", &["192.168.30.7/32"], &by_name), vec![]));
    assert_eq!(manifest.notes, Vec::<String>::new());
    let kinds: Vec<Kind> = manifest.intents.iter().map(|intent| intent.kind).collect();
    assert_eq!(kinds, [Kind::Pool, Kind::Pool, Kind::Pool, Kind::Service, Kind::Service]);
}

#[test]
fn services_ask_by_their_annotations() {
    let manifest = read("layer2.yaml", LAYER2).unwrap();
    let web = one(&manifest, Kind::Service, "web");
    assert_eq!(web.object["spec"]["external"], json!({ "addresses": ["192.168.20.3", "fd00:20::7"], "sharingKey": "front" }));
    let kept = json!({ "metallb.io/loadBalancerIPs": "192.168.20.3, fd00:0020::7", "metallb.io/allow-shared-ip": "front" });
    assert_eq!(web.object["annotations"], kept, "all but what MetalLB has written itself");
    assert_eq!(
        web.notes,
        ["metadata.annotations[metallb.io/ip-allocated-from-pool] is left out: MetalLB writes it about itself; \
          status.externalVips has the pool that Polder takes"]
    );
    let printer = one(&manifest, Kind::Service, "printer");
    let external = json!({ "addresses": ["192.168.30.7"], "pools": ["by-name"], "sharingKey": "printers" });
    assert_eq!((&printer.object["spec"]["external"], &printer.notes), (&external, &vec![]));
}

#[test]
fn peers_take_their_parts_from_wherever_they_stand() {
    let manifest = read("bgp.yaml", BGP).unwrap();
    let bfd =
        json!({ "transmitIntervalMs": 100, "receiveIntervalMs": 150, "detectMultiplier": 5, "passive": true, "minimumTtl": 250 });
    let first = json!({
        "name": "tor-1", "localAsn": 64513, "peerAsn": 4_200_000_001_u32, "peerAddress": "10.0.0.1", "sourceAddress": "10.0.0.7",
        "peerPort": 1790, "holdTime": "90s", "keepaliveTime": "30s", "routerId": "10.0.0.7", "password": "s3cret", "bfd": bfd,
        "nodeSelectors": [{ "expression": "rack=r1" }], "gracefulRestart": true, "ebgpMultihop": true,
    });
    let lost = [
        "spec.connectTime is not carried over: Polder decides itself how often it tries to connect",
        "spec.vrf is not carried over: Polder connects by the node's main routing table",
        "spec.disableMP is not carried over: one session carries the addresses of both families",
    ];
    assert_eq!(object(&manifest, Kind::BgpPeer, "tor-1"), (first, lost.map(str::to_owned).to_vec()));
    let (unnumbered, notes) = object(&manifest, Kind::BgpPeer, "unnumbered");
    assert_eq!(unnumbered, json!({ "name": "unnumbered", "localAsn": 64513, "peerAsn": 64513, "interface": "eth1" }));
    assert_eq!(
        notes,
        ["spec.passwordSecret: secret `elsewhere` is not in this run, so the password is not carried over (one that the peer has \
          in Polder stays): apply both together"]
    );
    let second = json!({
        "name": "tor-2", "localAsn": 64513, "peerAsn": 64512, "peerAddress": "10.0.0.2", "password": "plain",
        "nodeSelectors": [{ "expression": "kubernetes.io/hostname in (hostA,hostB)" }],
    });
    assert_eq!(object(&manifest, Kind::BgpPeer, "tor-2"), (second, vec![]));
}

#[test]
fn advertisements_take_their_communities_from_wherever_they_stand() {
    let manifest = read("bgp.yaml", BGP).unwrap();
    let aggregated = json!({
        "name": "aggregated", "labels": { "kind": "summary" }, "pools": ["routed"], "aggregationLengthV4": 28,
        "aggregationLengthV6": 120, "localPref": 200, "peers": ["tor-1"],
        "communities": ["65000:100", "65000:300", "large:65000:1:2", "no-export"],
    });
    assert_eq!(object(&manifest, Kind::BgpAdvertisement, "aggregated"), (aggregated, vec![]));
    let edge = json!({
        "name": "edge", "poolSelectors": [{ "expression": "exposed=yes" }], "nodeSelectors": [{ "expression": "role=edge" }],
        "serviceSelectors": [{ "expression": "advertise=true" }],
    });
    assert_eq!(object(&manifest, Kind::BgpAdvertisement, "edge"), (edge, vec![]));
    let routed = json!({ "labels": { "exposed": "yes" }, "bgpOnly": true });
    let ranges = ["203.0.113.0/26", "2001:db8:10::/112"];
    assert_eq!(object(&manifest, Kind::Pool, "routed"), (pool("routed", &ranges, &routed), vec![]));
    assert_eq!(
        manifest.notes,
        [
            "bfdprofile/fast: spec.echoMode is not carried over: Polder's BFD does not echo",
            "community name `never`: no BGPAdvertisement of this run uses it, so nothing of it is kept",
        ]
    );
}

#[test]
fn pools_of_old_say_themselves_how_they_are_announced() {
    let manifest = read("bgp.yaml", BGP).unwrap();
    assert_eq!(object(&manifest, Kind::Pool, "old"), (pool("old", &["198.51.100.0/27"], &json!({ "bgpOnly": true })), vec![]));
    let first = json!({
        "name": "old-1", "pools": ["old"], "aggregationLengthV4": 32, "localPref": 100, "communities": ["65000:100"],
    });
    assert_eq!(object(&manifest, Kind::BgpAdvertisement, "old-1"), (first, vec![]));
    let second = json!({ "name": "old-2", "pools": ["old"], "aggregationLengthV4": 27 });
    assert_eq!(object(&manifest, Kind::BgpAdvertisement, "old-2"), (second, vec![]));
    let lan = pool("old-lan", &["192.0.2.64-192.0.2.95"], &json!({ "explicitOnly": true }));
    assert_eq!(object(&manifest, Kind::Pool, "old-lan"), (lan, vec![]));
    let plain = of("AddressPool", "p", "{protocol: bgp, addresses: [192.0.2.0/24], avoidBuggyIPs: true}");
    let alone = read("f", &plain).unwrap();
    assert_eq!(object(&alone, Kind::Pool, "p").0["avoidBuggyIps"], true);
    let advertised = json!({ "name": "p-1", "pools": ["p"] });
    assert_eq!(object(&alone, Kind::BgpAdvertisement, "p-1").0, advertised, "each address by itself, when nothing else is said");
}

fn of(kind: &str, name: &str, spec: &str) -> String {
    let version = if kind == "BGPPeer" { "v1beta2" } else { "v1beta1" };
    format!("---\napiVersion: metallb.io/{version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// A pool, with advertisements of it.
fn pool_with(advertisements: &[String]) -> (Value, Vec<String>, Vec<String>) {
    let text = of("IPAddressPool", "p", "{addresses: [192.0.2.0/24]}") + &advertisements.concat();
    let manifest = read("f", &text).unwrap();
    let (object, notes) = object(&manifest, Kind::Pool, "p");
    (object, notes, manifest.notes)
}

#[test]
fn a_pool_is_announced_by_whoever_means_it() {
    let bgp = of("BGPAdvertisement", "b", "{}");
    let (alone, notes, _) = pool_with(&[]);
    assert!(alone.get("bgpOnly").is_none() && notes.len() == 1, "{notes:?}");
    assert!(
        notes[0].contains("MetalLB announces its addresses nowhere, Polder answers for them on the local network"),
        "{notes:?}"
    );
    let (by_bgp, notes, _) = pool_with(std::slice::from_ref(&bgp));
    assert_eq!((&by_bgp["bgpOnly"], notes), (&json!(true), vec![]));
    let (both, notes, _) = pool_with(&[bgp.clone(), of("L2Advertisement", "l", "{}")]);
    assert_eq!((both.get("bgpOnly"), both.get("nodeSelectors"), notes), (None, None, vec![]));
    let on_nodes = of("L2Advertisement", "l", "{nodeSelectors: [{matchLabels: {a: b}}]}");
    let (both, notes, _) = pool_with(&[bgp, on_nodes]);
    assert_eq!(both["nodeSelectors"], json!([{ "expression": "a=b" }]));
    assert!(notes.len() == 1 && notes[0].contains("hold for BGP as well"), "{notes:?}");
    let (elsewhere, notes, lost) = pool_with(&[of("L2Advertisement", "l", "{ipAddressPools: [q]}")]);
    assert!(elsewhere.get("nodeSelectors").is_none() && notes[0].contains("nowhere"), "{notes:?}");
    assert_eq!(
        lost,
        [
            "l2advertisement/l: spec.ipAddressPools: pool `q` is not in this run, so nothing is carried over to it: apply both together"
        ]
    );
    let selector = of("BGPAdvertisement", "b", "{ipAddressPools: [q], ipAddressPoolSelectors: [{matchLabels: {x: y}}]}");
    let manifest = read("f", &selector).unwrap();
    let notes = &one(&manifest, Kind::BgpAdvertisement, "b").notes;
    assert!(notes.len() == 1 && notes[0].contains("pool `q` is not in this run"), "{notes:?}");
}

#[test]
fn several_advertisements_of_one_pool_unite_or_say_what_is_lost() {
    let advertise = |name: &str, spec: &str| of("L2Advertisement", name, spec);
    let (same, notes, _) = pool_with(&[
        advertise("a", "{interfaces: [eth0], nodeSelectors: [{matchLabels: {rack: a}}]}"),
        advertise("b", "{interfaces: [eth0], nodeSelectors: [{matchLabels: {rack: b}}]}"),
    ]);
    assert_eq!(same["nodeSelectors"], json!([{ "expression": "rack=a" }, { "expression": "rack=b" }]));
    assert_eq!((&same["announceInterfaces"], notes), (&json!(["eth0"]), vec![]));
    let (paired, notes, _) = pool_with(&[
        advertise("a", "{interfaces: [eth0], nodeSelectors: [{matchLabels: {rack: a}}]}"),
        advertise("b", "{interfaces: [eth1], nodeSelectors: [{matchLabels: {rack: b}}]}"),
    ]);
    assert_eq!(paired["announceInterfaces"], json!(["eth0", "eth1"]));
    assert!(notes.len() == 1 && notes[0].starts_with("its L2Advertisements (a, b) pair nodes with interfaces"), "{notes:?}");
    let lost = "{serviceSelectors: [{matchLabels: {a: b}}], preferredNodeSelectors: [{weight: 1, preference: {}}], later: 1}";
    let (_, _, notes) = pool_with(&[advertise("a", lost)]);
    assert_eq!(notes.len(), 3, "{notes:?}");
    for (note, field) in notes.iter().zip(["spec.later", "spec.serviceSelectors", "spec.preferredNodeSelectors"]) {
        assert!(note.starts_with(&format!("l2advertisement/a: {field} is not carried over: ")), "{note}");
    }
    let alone = read("f", &advertise("a", "{}")).unwrap();
    assert!(alone.intents.is_empty() && alone.documents == 1, "{alone:?}");
    assert!(alone.notes[0].contains("it means no pool of this run"), "{:?}", alone.notes);
}

#[test]
fn what_a_peer_loses_is_told_with_what_happens_instead() {
    let lost = "{myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, connectTime: 5s, vrf: red, disableMP: true, localASN: 7, \
                dualStackAddressFamily: true}";
    let notes = read("f", &of("BGPPeer", "p", lost)).unwrap().intents.remove(0).notes;
    let fields = ["connectTime", "vrf", "disableMP", "dualStackAddressFamily", "localASN"];
    assert_eq!(notes.len(), fields.len(), "{notes:?}");
    for (note, field) in notes.iter().zip(fields) {
        assert!(note.starts_with(&format!("spec.{field} is not carried over: ")) && !note.contains("no meaning"), "{note}");
    }
    let usual = "{myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, vrf: '', disableMP: false, localASN: 0, sourceAddress: ''}";
    let peer = read("f", &of("BGPPeer", "p", usual)).unwrap().intents.remove(0);
    assert_eq!((peer.notes, peer.object.get("sourceAddress")), (vec![], None), "what says nothing loses nothing");
}

#[test]
fn annotations_of_services_are_acted_on_where_they_can_be() {
    let service = |kind: &str, annotations: &str, more: &str| {
        let head = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: x, annotations: {{{annotations}}}}}\n");
        read("f", &format!("{head}spec: {{type: {kind}, ports: [{{port: 1}}]{more}}}\n"))
    };
    let both = "metallb.io/address-pool: new, metallb.universe.tf/address-pool: old, metallb.io/later: x";
    let intent = service("LoadBalancer", both, "").unwrap().intents.remove(0);
    assert_eq!(intent.object["spec"]["external"], json!({ "pools": ["new"] }));
    assert_eq!(
        intent.notes,
        [
            "metadata.annotations[metallb.io/later] is kept as text and not acted on",
            "metadata.annotations[metallb.universe.tf/address-pool] is not acted on: metallb.io/address-pool is given and counts",
        ]
    );
    let inside = service("ClusterIP", "metallb.universe.tf/allow-shared-ip: k", "").unwrap().intents.remove(0);
    assert_eq!(inside.object["spec"].get("external"), None);
    assert!(inside.notes[0].ends_with("is not acted on: only a LoadBalancer has addresses outside"), "{:?}", inside.notes);
    let addresses = "metallb.io/loadBalancerIPs: 'fd00:0::1'";
    let same = service("LoadBalancer", addresses, ", loadBalancerIP: 'fd00::1'").unwrap().intents.remove(0);
    assert_eq!(same.object["spec"]["external"]["addresses"], json!(["fd00::1"]), "the same twice is no contradiction");
    for (annotations, more, part) in [
        (addresses, ", loadBalancerIP: 10.0.0.1", "asks for fd00:0::1, spec.loadBalancerIP for 10.0.0.1; one of the two has to go"),
        ("metallb.universe.tf/loadBalancerIPs: '10.0.0.1,'", "", "metadata.annotations[metallb.universe.tf/loadBalancerIPs]: ``"),
    ] {
        let why = service("LoadBalancer", annotations, more).unwrap_err().text();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn fields_without_a_meaning_here_are_told_one_by_one() {
    let text = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p, annotations: {a: b}, finalizers: [x]}\n\
                spec: {addresses: [192.0.2.0/24], later: 1, serviceAllocation: {priority: 1, quota: 3}}\n";
    let notes = read("f", text).unwrap().intents.remove(0).notes;
    for path in ["metadata.annotations", "metadata.finalizers", "spec.later", "spec.serviceAllocation.quota"] {
        assert!(notes.contains(&format!("{path} is not carried over: it has no meaning in Polder")), "{path}: {notes:?}");
    }
    let unused = read(
        "f",
        &(of("BFDProfile", "slow", "{later: 1}")
            + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {password: x}\n"),
    );
    assert_eq!(
        unused.unwrap().notes,
        [
            "bfdprofile/slow: spec.later is not carried over: it has no meaning in Polder",
            "bfdprofile/slow: no BGPPeer of this run uses it, so nothing of it is kept",
            "secret/s: no BGPPeer of this run uses it, so nothing of it is kept",
        ]
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let peer = |more: &str| of("BGPPeer", "x", &format!("{{myASN: 1, peerAddress: 10.0.0.1, {more}}}"));
    let pool = |more: &str| of("IPAddressPool", "x", &format!("{{addresses: [192.0.2.0/24], {more}}}"));
    let secret =
        |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ntype: kubernetes.io/basic-auth\n{data}\n");
    for (text, field) in [
        (of("IPAddressPool", "x", "{addresses: []}"), "spec.addresses"),
        (of("IPAddressPool", "x", "{addresses: 5}"), "spec.addresses"),
        (pool("autoAssign: maybe"), "spec.autoAssign"),
        (pool("avoidBuggyIPs: [x]"), "spec: "),
        (pool("serviceAllocation: {priority: -1}"), "spec: "),
        (pool("serviceAllocation: [x]"), "spec.serviceAllocation"),
        (pool("serviceAllocation: {namespaceSelectors: [{matchLabel: {a: b}}]}"), "spec.serviceAllocation.namespaceSelectors[0]"),
        (pool("x: 1") + &of("AddressPool", "x", "{protocol: layer2, addresses: [192.0.2.0/24]}"), "pool `x` is described twice"),
        (
            of("AddressPool", "x", "{protocol: bgp, addresses: [192.0.2.0/24]}") + &of("BGPAdvertisement", "x-1", "{}"),
            "advertisement `x-1` is described twice",
        ),
        (of("AddressPool", "x", "{protocol: ospf, addresses: [192.0.2.0/24]}"), "spec.protocol"),
        (
            of("AddressPool", "x", "{protocol: layer2, addresses: [192.0.2.0/24], bgpAdvertisements: [{}]}"),
            "spec.bgpAdvertisements",
        ),
        (
            of("L2Advertisement", "x", "{nodeSelectors: [{matchExpressions: [{key: a, operator: Gt, values: ['1']}]}]}"),
            "nodeSelectors[0]",
        ),
        (of("L2Advertisement", "x", "{nodeSelectors: [{matchLabels: {a: true}}]}"), "put it in quotes"),
        (of("L2Advertisement", "x", "{interfaces: [1]}"), "spec.interfaces[0]"),
        (of("BGPAdvertisement", "x", "{communities: [vpn]}"), "spec.communities[0]: `vpn`"),
        (of("Community", "x", "{communities: [{name: a, value: '1:2'}, {name: a, value: '1:3'}]}"), "`a` is given twice"),
        (of("Community", "x", "{communities: [{name: a}]}"), "spec.communities[0].value"),
        (peer(""), "spec.peerASN"),
        (peer("dynamicASN: external"), "spec.dynamicASN"),
        (peer("dynamicASN: own"), "`own` is not internal or external"),
        (peer("peerASN: 2, dynamicASN: internal"), "excludes peerASN"),
        (peer("peerASN: 2, holdTime: 90"), "spec.holdTime"),
        (peer("peerASN: 2, bfdProfile: slow"), "spec.bfdProfile"),
        (peer("peerASN: 2, password: a, passwordSecret: {name: s}"), "spec.passwordSecret"),
        (peer("peerASN: many"), "spec: "),
        (secret(""), "data.password"),
        (secret("data: {password: '***'}"), "is not base64"),
        (secret("data: {password: cGFzcwo=}"), "without a line break"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\n".to_owned(), "`v1 Secret` is not a kind"),
        ("apiVersion: metallb.io/v1beta1\nkind: BGPPeering\nmetadata: {name: s}\n".to_owned(), "BGPPeering` is not a kind"),
    ] {
        let why = read("m.yaml", &text).unwrap_err().text();
        assert!(why.contains(field) && why.contains("m.yaml, document "), "{text}: {why}");
    }
}

#[test]
fn one_run_is_a_whole_wherever_its_documents_stand() {
    let documents: Vec<&str> = BGP.split("\n---\n").collect();
    let forwards = read("bgp.yaml", BGP).unwrap();
    let backwards: Vec<&str> = documents.iter().rev().copied().collect();
    let backwards = read("bgp.yaml", &backwards.join("\n---\n")).unwrap();
    assert_eq!(forwards.intents.len(), backwards.intents.len());
    for intent in &forwards.intents {
        assert_eq!(one(&backwards, intent.kind, &intent.name), intent);
    }
    let mut apart = crate::manifest::Reader::default();
    for document in documents {
        apart.add("part.yaml", document).unwrap();
    }
    assert_eq!(apart.finish().unwrap().intents, forwards.intents, "in files of their own as well");
}
