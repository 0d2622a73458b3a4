//! MetalLB's annotations of a service, one to a line as `key=value`, behind a line with `spec.loadBalancerIP`: which key counts,
//! what becomes of its value, and that the two ways to ask for addresses never disagree in silence.

use std::collections::BTreeMap;
use std::net::IpAddr;

use polder_cli::manifest::{Manifest, read};
use serde_json::{Value, json};

use super::Target;
use super::manifests::{is_read_back, refused_well};
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "metallb_annotations",
    shape: Shape::Text(&[
        "\n",
        "metallb.io/",
        "metallb.universe.tf/",
        "loadBalancerIPs=",
        "address-pool=",
        "allow-shared-ip=",
        "ip-allocated-from-pool=",
        "10.0.0.1",
        "10.0.0.2",
        "fd00::1",
        ",",
        " ",
        "ü",
    ]),
    run,
};

fn run(input: &[u8]) {
    // What is no letter of YAML would be refused with the document.
    let legal = |letter: &char| matches!(letter, ' '..='~' | '\n') || letter.is_alphanumeric();
    let text = &String::from_utf8_lossy(input).chars().filter(legal).collect::<String>();
    let mut lines = text.lines();
    let single = lines.next().unwrap_or_default();
    let annotations: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    let document = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "annotations": annotations },
        "spec": { "type": "LoadBalancer", "loadBalancerIP": single, "ports": [{ "port": 80 }] },
    });
    let document = document.to_string();
    let counts = |name: &str| {
        let given = |prefix: &str| annotations.get(format!("{prefix}{name}").as_str()).copied();
        given("metallb.io/").or_else(|| given("metallb.universe.tf/")).map(str::trim).filter(|value| !value.is_empty())
    };
    let wanted =
        counts("loadBalancerIPs").map(|list| list.split(',').map(|one| one.trim().parse()).collect::<Result<Vec<IpAddr>, _>>());
    match read("fuzz.yaml", &document) {
        Ok(manifest) => {
            let external = external(&manifest);
            assert_eq!(external["pools"], counts("address-pool").map_or(Value::Null, |pool| json!([pool])));
            assert_eq!(external["sharingKey"], counts("allow-shared-ip").map_or(Value::Null, |key| json!(key)));
            match wanted {
                Some(wanted) => agree(&external, &wanted.expect("what is no address is refused"), single),
                None => assert_eq!(external["addresses"], if single.is_empty() { Value::Null } else { json!([single]) }),
            }
            let kept = manifest.intents[0].object["annotations"].as_object().cloned().unwrap_or_default();
            assert!(
                ["metallb.io", "metallb.universe.tf"].iter().all(|of| !kept.contains_key(&format!("{of}/ip-allocated-from-pool")))
            );
            is_read_back(&manifest, document.len());
        }
        Err(failure) => {
            let other = |wanted: &Vec<IpAddr>| wanted.iter().any(|one| single.trim().parse() != Ok(*one));
            let differ = !single.is_empty() && wanted.as_ref().is_some_and(|wanted| wanted.as_ref().is_ok_and(other));
            assert!(differ || wanted.is_some_and(|wanted| wanted.is_err()), "{}", failure.text());
            refused_well(&failure, document.len());
        }
    }
}

fn external(manifest: &Manifest) -> Value {
    manifest.intents[0].object["spec"]["external"].clone()
}

/// The addresses that are asked for are those of the annotation, each once, and `spec.loadBalancerIP` is not another.
fn agree(external: &Value, wanted: &[IpAddr], single: &str) {
    let asked: Vec<IpAddr> =
        external["addresses"].as_array().unwrap().iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect();
    assert!(wanted.iter().all(|one| asked.contains(one)) && asked.iter().all(|one| wanted.contains(one)));
    assert!(asked.iter().enumerate().all(|(at, one)| !asked[..at].contains(one)), "{asked:?}");
    assert!(single.is_empty() || asked == [single.trim().parse::<IpAddr>().unwrap()]);
}
