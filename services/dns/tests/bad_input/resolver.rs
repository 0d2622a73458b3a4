//! The resolver's settings.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, number, refused, table, text};
use serde_json::{Value as Json, json};
use tonic::Code;

use crate::rows::*;
use crate::world::judged;

fn at(field: &str) -> String {
    format!("settings.{field}")
}

/// Settings with every field set.
fn settings() -> Json {
    json!({
        "upstreams": ["192.0.2.53"],
        "stubDomains": [{"domain": "corp.example", "upstreams": ["192.0.2.54:5353"]}],
        "policy": "UPSTREAM_POLICY_SEQUENTIAL",
        "timeoutMilliseconds": 100,
        "tries": 1,
        "maxInFlight": 1,
        "cacheEntries": 1,
        "cacheBytes": 65_536,
        "cacheTtlLimitSeconds": 600,
        "cacheNegativeTtlLimitSeconds": 600,
        "cacheTtlMinimumSeconds": 1,
        "serveStaleSeconds": 1,
        "prefetchHits": 1,
        "views": [{"name": "lab", "clients": ["192.0.2.0/24"], "clientNamespaces": ["lab"], "visibleNamespaces": ["shop"]}],
    })
}

/// A list of servers.
fn servers(field: &str) -> Vec<Row> {
    let first = format!("{field}[0]");
    let wrong =
        ["", "a", "dns.example", "192.0.2", "192.0.2.53:", "192.0.2.53:65536", "[::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"];
    let mut rows: Vec<Row> =
        wrong.iter().map(|server| bad(field, list([*server]), Reason::AddressMalformed).naming(&*first)).collect();
    rows.extend([
        bad(field, list(["192.0.2.53:0"]), Reason::PortMalformed).naming(&*first),
        bad(field, list(["192.0.2.1", "192.0.2.1:53"]), Reason::DuplicateValue).naming(format!("{field}[1]")),
        refused(field, list(["tls://192.0.2.53"]), Code::Unimplemented, Reason::NotImplemented).naming(&*first),
        bad(field, many(17, |nth| format!("192.0.2.{nth}")), Reason::CountOutOfBounds),
        good(field, many(16, |nth| format!("192.0.2.{nth}"))),
    ]);
    rows
}

/// A number from `least` to `most`.
fn bounded(field: &str, least: u64, most: u64) -> Vec<Row> {
    let below = least.checked_sub(1);
    let wrong = below.into_iter().chain([most + 1, u64::from(u32::MAX)]);
    let rows = wrong.map(|count| bad(at(field), number(count), Reason::CountOutOfBounds));
    rows.chain([good(at(field), number(least)), good(at(field), number(most))]).collect()
}

/// Views, and what is in them.
fn views() -> Vec<Row> {
    let (views, name) = (at("views"), at("views[0].name"));
    let (clients, client) = (at("views[0].clients"), at("views[0].clients[0]"));
    let mut rows = vec![
        bad(&*name, text(""), Reason::FieldRequired),
        bad(&*views, To::Times(2), Reason::DuplicateValue).naming(at("views[1].name")),
        bad(&*views, To::Times(33), Reason::CountOutOfBounds),
        bad(&*clients, many(17, |nth| format!("192.0.2.{nth}")), Reason::CountOutOfBounds),
        bad(&*clients, list(["192.0.2.1", "192.0.2.1/32"]), Reason::DuplicateValue).naming(at("views[0].clients[1]")),
        good(&*clients, To::Absent),
        good(&*clients, list(["0.0.0.0/0", "2001:db8::1"])),
    ];
    rows.extend(["No", "a.b", "-"].map(|label| bad(&*name, text(label), Reason::NameMalformed)));
    rows.extend(
        ["x/8", "192.0.2.1/24", "192.0.2.0/33"].map(|net| bad(&*clients, list([net]), Reason::RangeMalformed).naming(&*client)),
    );
    rows.extend(["", "x", "::ffff:192.0.2.1"].map(|net| bad(&*clients, list([net]), Reason::AddressMalformed).naming(&*client)));
    for list_of in ["client_namespaces", "visible_namespaces"] {
        let (all, first) = (at(&format!("views[0].{list_of}")), at(&format!("views[0].{list_of}[0]")));
        rows.extend([
            bad(&*all, list([""]), Reason::FieldRequired).naming(&*first),
            bad(&*all, list(["No"]), Reason::NameMalformed).naming(&*first),
            bad(&*all, list(["a", "a"]), Reason::DuplicateValue).naming(at(&format!("views[0].{list_of}[1]"))),
            bad(&*all, many(17, |nth| format!("n{nth}")), Reason::CountOutOfBounds),
            good(&*all, To::Absent),
        ]);
    }
    rows
}

pub(crate) fn tables() -> Vec<Table> {
    let domain = at("stub_domains[0].domain");
    let names = ["a..b", ".", "a\\"].map(|name| bad(&*domain, text(name), Reason::NameMalformed));
    let bounds = [
        bounded("timeout_milliseconds", 50, 5000),
        bounded("tries", 1, 5),
        bounded("max_in_flight", 1, 10_000),
        bounded("cache_entries", 0, 1_000_000),
        bounded("cache_bytes", 65_536, 1 << 30),
        bounded("cache_ttl_limit_seconds", 1, 604_800),
        bounded("cache_negative_ttl_limit_seconds", 1, 86_400),
        bounded("cache_ttl_minimum_seconds", 0, 300),
        bounded("serve_stale_seconds", 0, 604_800),
        bounded("prefetch_hits", 0, 1000),
    ];
    let settings_rows = vec![
        bad("settings", To::Absent, Reason::FieldRequired),
        bad(&*domain, text(""), Reason::FieldRequired),
        refused(&*domain, text("svc.cluster.local"), Code::FailedPrecondition, Reason::ZoneOverlap),
        bad(at("stub_domains"), To::Times(2), Reason::DuplicateValue).naming(at("stub_domains[1].domain")),
        bad(at("stub_domains"), To::Times(65), Reason::CountOutOfBounds),
        bad(at("stub_domains[0].upstreams"), To::Absent, Reason::FieldRequired),
        bad(at("policy"), number(99), Reason::InvalidArgument),
    ];
    let rows = [
        views(),
        servers(&at("upstreams")),
        servers(&at("stub_domains[0].upstreams")),
        names.into(),
        bounds.concat(),
        etags(&at("etag")),
        // There are no labels, which the good one of them names.
        masks().into_iter().filter(Row::is_wrong).chain([good("update_mask", list(["tries"]))]).collect(),
        request_ids(),
        settings_rows,
    ];
    // With a mask only the fields that it names count.
    vec![table("DnsService/UpdateResolverSettings", json!({"settings": settings()}), rows).one_at_a_time()]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_refused() {
    judged(|_| tables()).await;
}
