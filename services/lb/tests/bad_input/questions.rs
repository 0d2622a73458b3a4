//! Questions: what is read, listed, explained and watched.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, bad, good, refused, table};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

/// Namespace and name of a service.
fn key(name: &str) -> Vec<Row> {
    let unknown = |field: &str| refused(field, "nobody", Code::NotFound, Reason::ServiceNotFound);
    [required_labels_of_dns("namespace"), required_labels_of_dns(name), vec![unknown("namespace"), unknown(name)]].concat()
}

/// What else a selector may say too often.
fn repeated() -> Vec<Row> {
    let requirement = "selector.match_expressions[0]";
    let values = |count: usize| json!(vec!["x"; count]);
    vec![
        bad("selector.match_expressions", json!(vec![json!({"key": "a", "operator": 3}); 101]), Reason::CountOutOfBounds),
        bad(format!("{requirement}.values"), values(101), Reason::CountOutOfBounds).naming(requirement),
        good(format!("{requirement}.values"), values(100)),
    ]
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let web = json!({"namespace": "shop", "name": "web"});
    // A replica that lags behind may not have it yet: it waits, and says so.
    let ahead = refused("start_revision", u64::MAX.to_string(), Code::Unavailable, Reason::StoreUnavailable);
    vec![
        table("ServiceCatalogService/GetService", web.clone(), [key("name")]),
        table("ServiceCatalogService/ExplainService", web, [key("name")]),
        table(
            "ServiceCatalogService/ListServices",
            json!({"selector": a_selector()}),
            [labels_of_dns("namespace"), selectors("selector"), repeated(), pages(), tokens([])],
        ),
        table(
            "ServiceCatalogService/ListEndpoints",
            json!({"namespace": "shop", "service": "web"}),
            [key("service"), pages(), tokens([])],
        ),
        table("ServiceCatalogService/WatchServices", json!({}), [filters(), vec![ahead]]),
    ]
}

#[tokio::test]
async fn bad_questions_are_refused() {
    judged(tables).await;
}
