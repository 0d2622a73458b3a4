//! Zones of operators, from manifests and from zone files: made with the tool, answered to dig, and gone again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use polder_tests::tool::dig;
use polder_tests::{Shape, Site, eventually};

/// The last document first: the zone is applied before its records.
const MANIFESTS: &str = r#"
apiVersion: polder.dev/v1
kind: RecordSet
metadata: {name: www, labels: {tier: front}}
spec: {zone: site-12.example, type: CNAME, data: [web]}
---
apiVersion: polder.dev/v1
kind: RecordSet
metadata: {name: web}
spec: {zone: site-12.example, type: A, ttlSeconds: 60, data: [10.0.0.80, 10.0.0.81]}
---
apiVersion: polder.dev/v1
kind: RecordSet
metadata: {name: "@"}
spec: {zone: site-12.example, type: MX, data: ["10 mail.example.org."]}
---
apiVersion: polder.dev/v1
kind: Zone
metadata: {name: site-12.example}
spec: {mailbox: it@site-12.example}
"#;

const FILE: &str = "\
$ORIGIN import.example.
$TTL 1h
@    SOA ns1 it ( 1 2h 30m 2w 5m )
     NS ns1
ns1  A 10.0.0.53
*.app A 10.0.0.90
";

/// Every server answers so, sooner or later.
fn answers(site: &Site, question: &[&str], expected: &[&str]) {
    for server in site.dns() {
        eventually("the answer of a name server", || match dig(&server, question) {
            answer if answer == expected => Ok(()),
            answer => Err(format!("{server} {question:?}: {answer:?}")),
        });
    }
}

fn manifests(site: &Site) {
    let applied = site.polder_reading(&["apply", "-f", "-"], MANIFESTS).ok();
    let lines = [
        "zone/site-12.example",
        "record-set/site-12.example/www/CNAME",
        "record-set/site-12.example/web/A",
        "record-set/site-12.example/@/MX",
    ];
    assert_eq!(applied.lines().collect::<Vec<_>>(), lines.map(|title| format!("{title} created")));
    let again = site.polder_reading(&["apply", "-f", "-"], MANIFESTS).ok();
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    answers(site, &["www.site-12.example", "A"], &["10.0.0.80", "10.0.0.81", "web.site-12.example."]);
    answers(site, &["site-12.example", "MX"], &["10 mail.example.org."]);

    let zones = site.polder(&["get", "zones", "--no-headers"]).ok();
    assert!(zones.lines().any(|line| line.split_whitespace().take(3).eq(["site-12.example", "stored", "3"])), "{zones}");
    assert!(zones.lines().any(|line| line.split_whitespace().take(2).eq(["cluster.local", "computed"])), "{zones}");
    let sets = site.polder(&["get", "recordsets", "site-12.example", "-o", "name"]).ok();
    assert_eq!(sets, "record-set/site-12.example/@/MX\nrecord-set/site-12.example/web/A\nrecord-set/site-12.example/www/CNAME\n");
    assert_eq!(
        site.polder(&["get", "recordsets", "--filter", "type = A", "--no-headers"]).ok().split_whitespace().nth(3),
        Some("60")
    );
    let refused = site.polder(&["delete", "zone", "site-12.example"]);
    assert!(refused.code != 0 && refused.err.contains("ZONE_NOT_EMPTY"), "{refused:?}");
    assert_eq!(
        site.polder(&["delete", "recordset", "site-12.example/www/CNAME"]).ok(),
        "record-set/site-12.example/www/CNAME deleted\n"
    );
    answers(site, &["www.site-12.example", "A"], &[]);
    let deleted = site.polder_reading(&["delete", "-f", "-"], MANIFESTS).ok();
    assert!(deleted.contains("record-set/site-12.example/www/CNAME not found"), "{deleted}");
    assert!(deleted.ends_with("zone/site-12.example deleted\n"), "{deleted}");
}

fn zone_files(site: &Site) {
    let dry = site.polder_reading(&["import", "zone", "-", "--dry-run"], FILE).ok();
    assert!(dry.starts_with("zone/import.example imported (dry run): 2 record sets created"), "{dry}");
    let imported = site.polder_reading(&["import", "zone", "-"], FILE).ok();
    assert_eq!(imported, "zone/import.example imported: 2 record sets created, 0 configured, 0 deleted, 0 unchanged\n");
    answers(site, &["any.app.import.example", "A"], &["10.0.0.90"]);
    let exported = site.polder(&["export", "zone", "import.example"]).ok();
    assert!(exported.contains("*.app.import.example. 3600 IN A 10.0.0.90\n"), "{exported}");
    let again = site.polder_reading(&["import", "zone", "-"], &exported).ok();
    assert_eq!(again, "zone/import.example imported: 0 record sets created, 0 configured, 0 deleted, 2 unchanged\n");
    let bad = site.polder_reading(&["import", "zone", "-"], &format!("{FILE}x A 10.0.0\n$INCLUDE y\n"));
    assert!(bad.code != 0 && bad.err.contains("line 7") && bad.err.contains("line 8"), "{bad:?}");
    let checked = site.polder(&["check"]).ok();
    assert!(checked.contains("nothing is wrong"), "{checked}");
    assert_eq!(site.polder(&["delete", "zone", "import.example", "--force"]).ok(), "zone/import.example deleted\n");
}

#[test]
fn one_process_on_the_embedded_store() {
    let site = Site::start(Shape::Embedded);
    manifests(&site);
    zone_files(&site);
}

#[test]
fn two_replicas_of_each_service_on_etcd() {
    let site = Site::start(Shape::Split);
    manifests(&site);
    zone_files(&site);
}
