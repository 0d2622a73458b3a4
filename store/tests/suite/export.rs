//! What an operator sees of stores and ledgers.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use polder_store::{Exporter, testing};

use crate::toy::{allocate, intent, ledger, limit};

/// The value of a series.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{series}` in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn figures_of_stores_views_and_ledgers_are_exported() {
    let (_folder, store) = testing::embedded();
    let (ledger, exporter, mut registry) = (ledger(&store).await, Exporter::default(), Registry::default());
    registry.register_collector(Box::new(exporter.clone()));
    exporter.add("ipam", ledger.mirror(), Some(&ledger));
    // A part without a ledger on the same store, as the name server is.
    exporter.add("dns", ledger.mirror(), None);
    let render = || {
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        out
    };
    let before = render();

    ledger.submit(intent("", 0), limit(1)).await.unwrap();
    let last = ledger.submit(intent("", 0), allocate("a".into())).await.unwrap();
    ledger.submit(intent("", 0), allocate("b".into())).await.unwrap_err();
    ledger.mirror().wait_for(last.revision, crate::toy::PATIENCE).await.unwrap();

    let after = render();
    let rise = |series| value(&after, series) - value(&before, series);
    assert!((rise(r#"polder_ledger_batches_total{service="ipam",outcome="committed"}"#) - 2.0).abs() < 0.1, "{after}");
    assert!(rise(r#"polder_ledger_planned_requests_total{service="ipam"}"#) >= 3.0, "{after}");
    let commits = rise(r#"polder_store_call_duration_seconds_count{call="commit"}"#);
    assert!(commits >= 2.0, "{after}");
    let all = value(&after, r#"polder_store_call_duration_seconds_bucket{le="+Inf",call="commit"}"#);
    let count = value(&after, r#"polder_store_call_duration_seconds_count{call="commit"}"#);
    assert!((all - count).abs() < 0.1, "{after}");
    for service in ["ipam", "dns"] {
        assert!(value(&after, &format!(r#"polder_view_age_seconds{{service="{service}"}}"#)) >= 0.0);
        let revision = value(&after, &format!(r#"polder_view_revision{{service="{service}"}}"#));
        assert!(revision >= last.revision.0 as f64, "{after}");
    }
    for name in ["polder_view_age_seconds", "polder_ledger_batches", "polder_store_call_duration_seconds"] {
        assert_eq!(after.matches(&format!("# TYPE {name} ")).count(), 1, "described once: {after}");
    }
}
