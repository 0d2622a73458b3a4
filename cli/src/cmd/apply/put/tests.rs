//! Requests are those of the API: what a method does not have would be refused by nobody else in time.

use polder_proto::dynamic;
use prost_reflect::{DeserializeOptions, DynamicMessage};

use super::*;
use crate::manifest;

#[track_caller]
fn fits(service: &str, method: &str, request: Map<String, Value>) {
    let input = dynamic::method(service, method).unwrap().input();
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(input, Value::Object(request), &options).unwrap();
}

#[test]
fn peers_and_advertisements_are_put_under_their_own_names() {
    let text = include_str!("../../../manifest/metallb/fixtures/bgp.yaml");
    let manifest = manifest::read("bgp.yaml", text).unwrap();
    let service = "polder.lb.v1.AnnouncementService";
    let mut put = 0;
    for intent in &manifest.intents {
        let (kind, field) = match intent.kind {
            Kind::BgpPeer => (Upsert::lb("BgpPeer"), "bgpPeer"),
            Kind::BgpAdvertisement => (Upsert::lb("BgpAdvertisement"), "bgpAdvertisement"),
            _ => continue,
        };
        let request = upsert_request(intent, &kind, &How { dry_run: true, ..How::default() });
        assert_eq!(request[field]["name"], intent.name.as_str());
        assert!(request.get("allowEviction").is_none(), "only pools have holders");
        fits(service, &format!("Update{}", kind.noun), request);
        fits(service, &format!("Get{}", kind.noun), object([("name", json!(intent.name))]));
        put += 1;
    }
    assert_eq!(put, 7);
    assert_eq!(Upsert::ipam("PoolService", "Reservation").field(), "reservation");
}

#[test]
fn a_wait_is_asked_for_in_the_words_of_the_api() {
    let service = json!({ "namespace": "shop", "name": "web" });
    let waiting = service_request(&service, &How { wait: Some(Duration::from_secs(90)), ..How::default() });
    assert_eq!(waiting["wait"], "90s");
    fits("polder.lb.v1.ServiceCatalogService", "UpdateService", waiting);
    assert_eq!(service_request(&service, &How::default()).get("wait"), None, "absent: do not wait");
    let asked = object([("revision", json!(812)), ("wait", json!(duration::json(Duration::from_secs(90))))]);
    fits("polder.lb.v1.DataplaneService", "GetConvergence", asked);
}
