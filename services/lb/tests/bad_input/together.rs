//! Several fields wrong at once: every one is named, and none is blamed for another.

use polder_testing::bad_input::Client;
use serde_json::json;

use crate::site::{Replica, embedded, refused};
use crate::world::PACKAGE;

#[tokio::test]
async fn every_bad_field_is_named_and_no_good_one() {
    let (_folder, store) = embedded().await;
    let lb = Replica::start(&store).await;
    let request = json!({
        "requestId": "ä",
        "service": {
            "namespace": "Shop",
            "name": "web",
            "labels": {"-": "x"},
            "spec": {
                "type": "SERVICE_TYPE_LOAD_BALANCER",
                "ports": [{"name": "-", "port": 0}, {"name": "b", "port": 80}, {"name": "b", "port": 81}],
                "clusterIps": ["10.0.0.300", "10.0.0.1"],
                "sessionAffinityTimeoutSeconds": 5,
                "externalName": "db.example.com",
                "external": {"pools": ["-"], "sharingKey": "\u{7}", "reservation": "kept", "addresses": ["10.0.0.1"]},
                "endpoints": [{"address": "127.0.0.1", "ports": [{"name": "-", "port": 1}]}],
                "healthCheck": {"tcp": {}, "interval": "0.5s"},
            },
        },
    });
    let client = Client::new(PACKAGE, lb.link.clone());
    let (_, refusal) = refused(client.ask("ServiceCatalogService/CreateService", &request).await);
    let fields: Vec<_> = refusal.violations.iter().map(|bad| bad.field.strip_prefix("service.").unwrap_or(&bad.field)).collect();
    let expected = [
        "request_id",
        "namespace",
        "labels",
        "spec.cluster_ips[0]",
        "spec.external.pools[0]",
        "spec.ports[0].name",
        "spec.ports[0].port",
        "spec.session_affinity_timeout_seconds",
        "spec.external_name",
        "spec.external.reservation",
        "spec.external.sharing_key",
        "spec.endpoints[0].address",
        "spec.health_check.interval",
    ];
    assert_eq!(fields, expected, "{refusal:#?}");
    lb.stop().await;
}
