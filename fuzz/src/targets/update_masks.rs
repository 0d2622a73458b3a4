//! Update masks over two messages: whatever the paths are, they are applied or each is named; applying them again changes
//! nothing; fields that no path names stay.

use polder_core::reason::Reason;
use polder_proto::convert::mask;
use polder_proto::lb::v1::{ExternalSpec, Service, ServicePort, ServiceSpec};

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "update_masks",
    shape: Shape::Text(&[
        "spec",
        ".",
        "\n",
        "name",
        "labels",
        "spec.ports",
        "spec.external",
        "spec.external.sharing_key",
        "spec.selector",
        "metadata",
        "spec.headless",
        "status",
        "*",
        "..",
        "spec.external.",
        "ä",
        "spec.ports.port",
    ]),
    run,
};

const SERVICE: &str = "polder.lb.v1.Service";

fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let paths: Vec<String> = text.lines().map(str::to_owned).collect();
    let (old, new) = (service("old", 1), service("new", 2));
    match mask::replace(SERVICE, &old, &new, &paths) {
        Ok(merged) => {
            assert_eq!(mask::replace(SERVICE, &merged, &new, &paths).as_ref(), Ok(&merged), "once is enough");
            assert_eq!(mask::replace(SERVICE, &old, &old, &paths).as_ref(), Ok(&old));
            let named = |path: &str| paths.iter().any(|one| one == path);
            assert_eq!(merged.name == new.name, named("name"));
            let key = |service: &Service| service.spec.clone().unwrap_or_default().external.unwrap_or_default().sharing_key;
            let above = ["spec", "spec.external", "spec.external.sharing_key"];
            assert_eq!(key(&merged) == key(&new), above.into_iter().any(named));
            let ports = |service: &Service| service.spec.clone().unwrap_or_default().ports;
            assert_eq!(ports(&merged) == ports(&new), named("spec") || named("spec.ports"));
        }
        Err(refusal) => {
            let many = refusal.violations.iter().any(|one| one.reason == Reason::CountOutOfBounds);
            let expected = if many { Reason::CountOutOfBounds } else { Reason::InvalidArgument };
            assert_eq!(refusal.reason, expected);
            assert!(refusal.violations.iter().all(|one| one.field == "update_mask"), "{refusal:?}");
            let alone = |path: &String| mask::replace(SERVICE, &old, &new, std::slice::from_ref(path)).is_err();
            let wrong = paths.iter().filter(|path| alone(path)).count();
            assert!(many || refusal.violations.len() == wrong, "{wrong} wrong: {refusal:?}");
        }
    }
}

fn service(text: &str, number: u32) -> Service {
    let port = ServicePort { name: text.to_owned(), port: number, ..ServicePort::default() };
    let external = ExternalSpec { sharing_key: text.to_owned(), ..ExternalSpec::default() };
    let spec = ServiceSpec { ports: vec![port], external: Some(external), ..ServiceSpec::default() };
    Service { name: text.to_owned(), spec: Some(spec), ..Service::default() }
}
