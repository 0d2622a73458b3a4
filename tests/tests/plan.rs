//! `polder plan` over a real process: what it shows is what the command it prints does, to pods, nodes and services.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::wait::eventually;
use polder_tests::{Shape, Site};

const WORLD: &str = "
apiVersion: polder.dev/v1
kind: ComputeNetwork
spec: {nodeRange: [10.0.0.10-10.0.0.12], externalRange: [10.0.0.20-10.0.0.21]}
---
apiVersion: polder.dev/v1
kind: Node
metadata: {name: node-a}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: WS}}
";

fn moved(external: &str) -> String {
    format!(
        "apiVersion: polder.dev/v1\nkind: ComputeNetwork\nspec: {{nodeRange: [10.0.0.11-10.0.0.14], externalRange: [{external}]}}\n"
    )
}

/// The arguments of the command that a plan prints.
fn command(plan: &str) -> Vec<String> {
    let line = plan.lines().find_map(|line| line.strip_prefix("To do exactly this: polder ")).expect(plan);
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn what_a_plan_shows_is_what_its_command_does() {
    let site = Site::start(Shape::Embedded);
    assert_eq!(site.polder_reading(&["apply", "-f", "-"], WORLD).ok().lines().count(), 3);
    let path = site.folder().join("network.yaml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, moved("10.0.0.22-10.0.0.23")).unwrap();

    let refused = site.polder(&["plan", "-f", file]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.out.contains("? RANGE_IN_USE_SHRINK network.external_range: 1 address is held of what would leave the range"),
        "{refused:?}"
    );
    assert!(!refused.out.contains("To do exactly this"), "{refused:?}");

    let plan = site.polder(&["plan", "-f", file, "--allow-eviction"]).ok();
    for line in [
        "computenetwork would be configured",
        "  ! node node-a loses 10.0.0.10 and gets 10.0.0.11",
        "  ! service shop/web loses 10.0.0.20 and gets 10.0.0.22",
        "  ~ pool external is changed: its ranges 10.0.0.20/31 become 10.0.0.22/31",
    ] {
        assert!(plan.lines().any(|shown| shown == line), "`{line}` is not in {plan}");
    }
    let services = || site.polder(&["get", "services", "-n", "shop", "--no-headers"]).ok();
    assert!(services().contains("10.0.0.20"), "a plan changes nothing");

    let words = command(&plan);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(site.polder(&words).ok(), "computenetwork configured\n");
    assert!(site.polder(&["get", "nodes", "--no-headers"]).ok().contains("10.0.0.11"));
    eventually("the service has the address that was shown", || {
        let shown = services();
        if shown.contains("10.0.0.22") { Ok(()) } else { Err(shown) }
    });
    let again = site.polder(&["plan", "-f", file, "--allow-eviction"]).ok();
    assert!(again.contains("computenetwork would be unchanged") && again.ends_with("Nothing would change.\n"), "{again}");

    std::fs::write(&path, moved("10.0.0.24-10.0.0.25")).unwrap();
    let stale = command(&site.polder(&["plan", "-f", file, "--allow-eviction"]).ok());
    let other =
        "apiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 81}]}\n";
    assert_eq!(site.polder_reading(&["apply", "-f", "-"], other).ok(), "service/api created\n");
    let stale: Vec<&str> = stale.iter().map(String::as_str).collect();
    let refused = site.polder(&stale);
    assert!(refused.code == 4 && refused.err.contains("ETAG_MISMATCH"), "another service would be moved too: {refused:?}");
    let typo = site.polder(&["apply", "-f", file, "--if-match", "pool/network=1"]);
    assert!(typo.code == 2 && typo.err.contains("no pool or network of this name is applied"), "{typo:?}");

    pools_of_one_file_are_judged_together(&site);

    let wide = site.polder(&["get", "pools", "-o", "wide"]).ok();
    assert!(wide.lines().next().unwrap().contains("QUARANTINED") && wide.contains("FULL IN"), "{wide}");
}

/// A split of a pool by manifest: each half alone would overlap the whole, or leave holders without a pool.
fn pools_of_one_file_are_judged_together(site: &Site) {
    let pool = |name: &str, range: &str| {
        format!(
            "---\napiVersion: polder.dev/v1\nkind: Pool\nmetadata: {{name: {name}}}\nspec: {{purpose: POOL_PURPOSE_POD, ranges: [{range}]}}\n"
        )
    };
    let whole = pool("racks", "10.9.0.0/24");
    assert_eq!(site.polder_reading(&["apply", "-f", "-"], &whole).ok(), "pool/racks created\n");
    let path = site.folder().join("split.yaml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, pool("racks", "10.9.0.0/25") + &pool("upper", "10.9.0.128/25")).unwrap();
    let plan = site.polder(&["plan", "-f", file]).ok();
    for line in ["pool/racks would be configured", "pool/upper would be created", "  + pool upper is made with 10.9.0.128/25"] {
        assert!(plan.lines().any(|shown| shown == line), "`{line}` is not in {plan}");
    }
    let words = command(&plan);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(site.polder(&words).ok(), "pool/racks configured\npool/upper created\n");
    assert_eq!(site.polder(&["apply", "-f", file]).ok(), "pool/racks unchanged\npool/upper unchanged\n");
    let bad = pool("lower", "10.9.0.0/26") + &pool("racks", "10.9.0.0/25");
    let refused = site.polder_reading(&["apply", "-f", "-"], &bad);
    assert!(refused.code == 5 && refused.err.contains("pool/lower, pool/racks are refused:"), "{refused:?}");
}
