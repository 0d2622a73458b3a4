//! MetalLB's manifests against a running Polder: pools and services as their users have them, and what `polder convert` makes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::site::repository;
use polder_tests::tool::{Finished, polder};
use polder_tests::{Shape, Site};
use serde_json::Value;

/// Addresses inside the cluster, of both families.
const INSIDE: &str = "apiVersion: polder.dev/v1\nkind: Pool\nmetadata: {name: inside}\n\
                      spec: {purpose: POOL_PURPOSE_CLUSTER_SERVICE, ranges: [172.28.0.0/24, 'fd00:28::/112']}\n";

/// The manifests that the unit tests read as well.
fn layer2() -> String {
    std::fs::read_to_string(repository("cli/src/manifest/metallb/fixtures/layer2.yaml")).unwrap()
}

fn apply(site: &Site, manifest: &str) -> Finished {
    site.polder_reading(&["apply", "-f", "-"], manifest)
}

fn object(site: &Site, arguments: &[&str], list: &str) -> Value {
    let text = site.polder(&[&["get", "-o", "json"], arguments].concat()).ok();
    serde_json::from_str::<Value>(&text).unwrap()[list][0].take()
}

#[test]
fn pools_and_services_of_metallb_are_taken_whole() {
    let site = Site::start(Shape::Embedded);
    let _ = apply(&site, INSIDE).ok();
    let applied = apply(&site, &layer2());
    let lines: Vec<&str> = applied.out.lines().collect();
    let created = ["pool/general", "pool/team-blue", "pool/by-name", "service/web", "service/printer"];
    assert_eq!(lines, created.map(|title| format!("{title} created")), "{applied:?}");
    assert_eq!(applied.err.lines().count(), 1, "the output of MetalLB alone is left out: {applied:?}");
    pools_are_as_described(&site);
    services_have_what_they_asked_for(&site);
    what_is_converted_is_the_same(&site);
    contradictions_change_nothing(&site);
    let deleted = site.polder_reading(&["delete", "-f", "-"], &layer2()).ok();
    assert_eq!(deleted.lines().count(), 5, "{deleted}");
    assert!(deleted.lines().all(|line| line.ends_with(" deleted")), "{deleted}");
}

fn pools_are_as_described(site: &Site) {
    let general = object(site, &["pool", "general"], "pools");
    assert_eq!(general["announceInterfaces"], serde_json::json!(["eth0", "bond0.20"]), "{general}");
    assert_eq!(general["nodeSelectors"].as_array().map(Vec::len), Some(2), "{general}");
    assert_eq!(general["avoidBuggyIps"], true, "{general}");
    let blue = object(site, &["pool", "team-blue"], "pools");
    assert_eq!((&blue["priority"], &blue["namespaces"]), (&50.into(), &serde_json::json!(["blue", "blue-test"])), "{blue}");
    assert_eq!(object(site, &["pool", "by-name"], "pools")["explicitOnly"], true);
}

fn services_have_what_they_asked_for(site: &Site) {
    let vips = |arguments: &[&str]| -> Vec<String> {
        let service = object(site, arguments, "services");
        let vips = service["status"]["externalVips"].as_array().cloned().unwrap_or_default();
        vips.iter().map(|vip| format!("{} of {}", vip["address"].as_str().unwrap(), vip["pool"].as_str().unwrap())).collect()
    };
    assert_eq!(vips(&["service", "web", "-n", "blue"]), ["192.168.20.3 of team-blue", "fd00:20::7 of team-blue"]);
    assert_eq!(vips(&["service", "printer"]), ["192.168.30.7 of by-name"]);
}

/// Applying what is converted finds nothing to change, in either form.
fn what_is_converted_is_the_same(site: &Site) {
    for form in ["yaml", "json"] {
        let converted = polder(&[], &["convert", "-f", "-", "-o", form], &layer2());
        assert_eq!((converted.code, converted.err.lines().count()), (0, 1), "{converted:?}");
        let again = apply(site, &converted.out);
        assert!(again.err.is_empty() && again.out.lines().count() == 5, "{again:?}");
        assert!(again.out.lines().all(|line| line.ends_with(" unchanged")), "{again:?}");
    }
}

fn contradictions_change_nothing(site: &Site) {
    // The objects alone: the store's revision moves with every word of a name server.
    let services =
        || serde_json::from_str::<Value>(&site.polder(&["get", "services", "-A", "-o", "json"]).ok()).unwrap()["services"].clone();
    let before = services();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x, annotations: {metallb.io/loadBalancerIPs: 192.168.30.7}}\n\
                   spec: {type: LoadBalancer, loadBalancerIP: 192.168.10.9, ports: [{port: 1}]}\n";
    let refused = apply(site, service);
    assert!(refused.code == 2 && refused.err.contains("one of the two has to go"), "{refused:?}");
    let unknown = "apiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\nmetadata: {name: x}\nspec: {communities: [vpn]}\n";
    let refused = apply(site, &format!("{}---\n{unknown}", layer2()));
    assert!(refused.code == 2 && refused.out.is_empty() && refused.err.contains("`vpn`"), "{refused:?}");
    assert_eq!(services(), before);
}

#[test]
fn a_conversion_asks_nobody_and_can_be_strict() {
    let nowhere = [("POLDER_SERVER", "http://127.0.0.1:1")];
    let bgp = repository("cli/src/manifest/metallb/fixtures/bgp.yaml");
    let bgp = bgp.to_str().unwrap();
    let converted = polder(&nowhere, &["convert", "-f", bgp], "");
    assert_eq!(converted.code, 0, "{converted:?}");
    assert!(converted.out.contains("# note: spec.vrf is not carried over"), "{}", converted.out);
    assert!(converted.err.contains("note: bgp-peer/tor-1: spec.vrf is not carried over"), "{}", converted.err);
    assert!(converted.err.contains("has the passwords of BGP peers in it"), "{}", converted.err);
    let strict = polder(&nowhere, &["convert", "--strict", "-f", bgp], "");
    assert_eq!((strict.code, strict.out), (1, converted.out), "everything is printed, and the answer is no");
    let names = polder(&nowhere, &["convert", "-o", "name", "-f", bgp], "").ok();
    assert!(names.starts_with("pool/routed\npool/old\npool/old-lan\nbgp-peer/tor-1\n"), "{names}");
    let bad = polder(&nowhere, &["convert", "-f", "-"], "apiVersion: metallb.io/v1beta1\nkind: BGPPeer\nmetadata: {name: x}\n");
    assert!(bad.code == 2 && bad.err.contains("spec.peerASN") && bad.out.is_empty(), "{bad:?}");
    let whole = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    assert_eq!(polder(&nowhere, &["convert", "--strict", "-f", "-"], whole).code, 0, "nothing is lost");
}
