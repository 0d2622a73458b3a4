//! Questions: what is read, listed, explained and watched.

use polder_core::reason::Reason;
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::table::{Row, Table, bad, good, refused, table};
use crate::world::World;

/// Namespace and name of a service.
fn key(name: &str) -> Vec<Row> {
    let unknown = |field: &str| refused(field, "nobody", Code::NotFound, Reason::ServiceNotFound);
    [required_labels_of_dns("namespace"), required_labels_of_dns(name), vec![unknown("namespace"), unknown(name)]].concat()
}

fn selector() -> Vec<Row> {
    let requirement = "selector.match_expressions[0]";
    let part = |part: &str| format!("{requirement}.{part}");
    let many = |count| json!(vec!["x"; count]);
    vec![
        bad("selector.match_labels", json!({"-": "x"}), Reason::LabelMalformed),
        bad("selector.match_labels", json!({"app": "ü"}), Reason::LabelMalformed),
        bad("selector.match_labels", pairs(101), Reason::CountOutOfBounds),
        bad("selector.expression", "a in (b", Reason::SelectorMalformed),
        bad("selector.expression", "-a", Reason::LabelMalformed),
        bad("selector.expression", format!("a{}", ",a".repeat(2048)), Reason::FieldTooLong),
        bad("selector.match_expressions", json!(vec![json!({"key": "a", "operator": 3}); 101]), Reason::CountOutOfBounds),
        bad(part("key"), "a b", Reason::LabelMalformed).naming(requirement),
        bad(part("operator"), 99, Reason::SelectorMalformed).naming(requirement),
        bad(part("values"), json!([]), Reason::SelectorMalformed).naming(requirement),
        bad(part("values"), many(101), Reason::CountOutOfBounds).naming(requirement),
        good(part("values"), many(100)),
    ]
}

pub(crate) fn tables() -> Vec<Table> {
    let web = json!({"namespace": "shop", "name": "web"});
    let requirement = json!({"key": "tier", "operator": "LABEL_OPERATOR_IN", "values": ["front"]});
    let list = json!({"selector": {"matchLabels": {"app": "web"}, "matchExpressions": [requirement], "expression": "!canary"}});
    // A replica that lags behind may not have it yet: it waits, and says so.
    let ahead = refused("start_revision", u64::MAX.to_string(), Code::Unavailable, Reason::StoreUnavailable);
    vec![
        table("GetService", web.clone(), [key("name")]),
        table("ExplainService", web, [key("name")]),
        table("ListServices", list, [labels_of_dns("namespace", "namespace"), selector(), pages()]),
        table("ListEndpoints", json!({"namespace": "shop", "service": "web"}), [key("service"), pages()]),
        table("WatchServices", json!({}), [filters(), vec![ahead]]),
    ]
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let world = World::new().await;
    world.judge(tables()).await;
    world.stop().await;
}
