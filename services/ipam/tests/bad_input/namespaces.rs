//! Namespaces.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, bad, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

fn draft() -> Vec<Row> {
    let name = "namespace.name";
    [dns_labels(name), labels("namespace.labels"), vec![bad(name, text(""), Reason::FieldRequired)]].concat()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let namespace = |name: &str| json!({"namespace": {"name": name, "quotas": {"podAddresses": "3"}}});
    let not_found = |field: &str| vec![refused(field, text("nobody"), Code::NotFound, Reason::NamespaceNotFound)];
    let mut update = namespace("shop");
    update["allowMissing"] = false.into();
    // A name that is good and unknown is no good row of an update.
    let drafted = || draft().into_iter().filter(|row| row.field != "namespace.name" || row.is_wrong());
    vec![
        table(
            "NamespaceService/CreateNamespace",
            namespace("new"),
            [draft(), request_ids(), vec![refused("namespace.name", text("shop"), Code::AlreadyExists, Reason::AlreadyExists)]],
        ),
        table(
            "NamespaceService/UpdateNamespace",
            update,
            [drafted().collect(), etags("namespace.etag"), masks(), request_ids(), not_found("namespace.name")],
        ),
        table(
            "NamespaceService/DeleteNamespace",
            json!({"name": "empty"}),
            [
                required_names("name"),
                vec![bad("name", text("a.b"), Reason::NameMalformed)],
                vec![refused("name", text("shop"), Code::FailedPrecondition, Reason::NamespaceInUse)],
                not_found("name"),
                etags("etag"),
                request_ids(),
            ],
        ),
    ]
}

#[tokio::test]
async fn bad_namespaces_are_refused() {
    judged(tables).await;
}
