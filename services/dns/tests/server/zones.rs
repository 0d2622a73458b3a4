//! Zones and record sets, on both backends of the store.

use futures::future::join_all;
use polder_core::reason::{Reason, Refusal};
use polder_proto::dns::v1::dns_service_client::DnsServiceClient;
use polder_proto::dns::v1::*;
use polder_proto::types::v1::ImpactAction;
use polder_runtime::status::decode;
use polder_store::Store;
use polder_store::testing::{Etcd, embedded};
use tonic::Status;
use tonic::transport::Channel;

use super::dig::short;
use super::site::{Site, outside, served};

pub(crate) type Client = DnsServiceClient<Channel>;

pub(crate) fn new_zone(name: &str) -> CreateZoneRequest {
    let zone = Some(Zone { name: name.to_owned(), ..Zone::default() });
    CreateZoneRequest { zone, ..CreateZoneRequest::default() }
}

/// A record set by its path: `example.com/www/A`.
fn record_set(path: &str, data: &[&str]) -> RecordSet {
    let mut parts = path.split('/').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    let data = data.iter().map(|text| (*text).to_owned()).collect();
    RecordSet { zone: part(), name: part(), r#type: part(), data, ..RecordSet::default() }
}

pub(crate) fn new_set(path: &str, data: &[&str]) -> CreateRecordSetRequest {
    CreateRecordSetRequest { record_set: Some(record_set(path, data)), ..CreateRecordSetRequest::default() }
}

fn change(set: RecordSet, paths: &[&str]) -> UpdateRecordSetRequest {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
    UpdateRecordSetRequest { record_set: Some(set), update_mask, ..UpdateRecordSetRequest::default() }
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Reason, Refusal) {
    let refusal = decode(&answer.unwrap_err());
    (refusal.reason, refusal)
}

pub(crate) async fn first_view(site: &Site) -> Client {
    let mut client = site.client().await;
    let asked = WaitForRevisionRequest { revision: 0, ..WaitForRevisionRequest::default() };
    client.wait_for_revision(asked).await.unwrap();
    while client.list_zones(ListZonesRequest::default()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    client
}

async fn sets(client: &mut Client, filter: &str) -> Vec<String> {
    let asked =
        ListRecordSetsRequest { zone: "example.com".to_owned(), filter: filter.to_owned(), ..ListRecordSetsRequest::default() };
    let listed = client.list_record_sets(asked).await.unwrap().into_inner().record_sets;
    listed.iter().map(|set| format!("{}/{}", set.name, set.r#type)).collect()
}

/// A zone and its sets come, change and go.
async fn life(store: Store) {
    let site = Site::over(store).await;
    let mut client = first_view(&site).await;
    let labels = [("site".to_owned(), "12".to_owned())].into();
    let zone = Zone { name: "Example.COM.".to_owned(), labels, mailbox: "it@example.com".to_owned(), ..Zone::default() };
    let ask = CreateZoneRequest { zone: Some(zone), request_id: "once".to_owned(), validate_only: true };
    let tried = client.create_zone(ask.clone()).await.unwrap().into_inner();
    let ask = CreateZoneRequest { validate_only: false, ..ask };
    let made = client.create_zone(ask.clone()).await.unwrap().into_inner();
    assert_eq!(tried.impact[0].description, made.impact[0].description);
    assert_eq!(client.create_zone(ask).await.unwrap().into_inner(), made, "the same request, the same answer");
    let zone = made.zone.unwrap();
    assert_eq!((zone.name.as_str(), zone.mailbox.as_str(), zone.default_ttl_seconds), ("example.com", "it@example.com", 300));
    assert_eq!(u64::from(zone.serial), made.revision);
    assert_eq!(refused(client.create_zone(new_zone("example.com")).await).0, Reason::AlreadyExists);

    let set = client.create_record_set(new_set("example.com/www/A", &["10.0.0.6", "10.0.0.5"])).await.unwrap().into_inner();
    let set = set.record_set.unwrap();
    assert_eq!((set.data.as_slice(), set.ttl_seconds), (["10.0.0.5".to_owned(), "10.0.0.6".to_owned()].as_slice(), None));
    client.create_record_set(new_set("example.com/@/MX", &["10 mail"])).await.unwrap();
    let longer = RecordSet { ttl_seconds: Some(60), data: vec!["not read".to_owned()], ..record_set("example.com/www/A", &[]) };
    let changed = client.update_record_set(change(longer, &["ttl_seconds"])).await.unwrap().into_inner();
    let changed = changed.record_set.unwrap();
    assert_eq!((changed.ttl_seconds, &changed.data, &changed.uid), (Some(60), &set.data, &set.uid));
    assert_ne!(changed.etag, set.etag);
    let stale = RecordSet { etag: set.etag.clone(), ..record_set("example.com/www/A", &["10.0.0.9"]) };
    assert_eq!(refused(client.update_record_set(change(stale, &[])).await).0, Reason::EtagMismatch);
    let missing = record_set("example.com/new/TXT", &["x"]);
    assert_eq!(refused(client.update_record_set(change(missing.clone(), &[])).await).0, Reason::RecordSetNotFound);
    let made = UpdateRecordSetRequest { allow_missing: true, ..change(missing, &[]) };
    let made = client.update_record_set(made).await.unwrap().into_inner();
    assert_eq!(made.impact[0].action(), ImpactAction::Create);
    assert_eq!(sets(&mut client, "").await, ["@/MX", "new/TXT", "www/A"]);
    assert_eq!(sets(&mut client, "type = A AND data = \"10.0.0.6\"").await, ["www/A"]);

    let shown = client.get_zone(GetZoneRequest { name: "example.com".to_owned() }).await.unwrap().into_inner().zone.unwrap();
    assert_eq!((shown.record_sets, &shown.etag, shown.system), (3, &zone.etag, false));
    let delete = DeleteZoneRequest { name: "example.com".to_owned(), ..DeleteZoneRequest::default() };
    let (reason, refusal) = refused(client.delete_zone(delete.clone()).await);
    assert_eq!((reason, refusal.obstacles.len()), (Reason::ZoneNotEmpty, 3));
    let gone = DeleteRecordSetRequest {
        zone: "example.com".to_owned(),
        name: "new".to_owned(),
        r#type: "TXT".to_owned(),
        etag: made.record_set.unwrap().etag,
        ..DeleteRecordSetRequest::default()
    };
    client.delete_record_set(gone.clone()).await.unwrap();
    let gone = DeleteRecordSetRequest { etag: String::new(), ..gone };
    assert_eq!(refused(client.delete_record_set(gone).await).0, Reason::RecordSetNotFound);
    let forced = client.delete_zone(DeleteZoneRequest { force: true, ..delete.clone() }).await.unwrap().into_inner();
    assert_eq!(forced.impact.len(), 3);
    assert_eq!(refused(client.delete_zone(delete).await).0, Reason::ZoneNotFound);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_and_sets_live_on_the_embedded_store() {
    let (_folder, store) = embedded();
    life(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_and_sets_live_on_etcd() {
    let etcd = Etcd::start().await;
    life(etcd.store().await).await;
}

/// Two replicas are asked for an alias and an address at the same names, all at once and each call twice: one of the two gets each
/// name, and both replicas serve it.
async fn race(store: Store) {
    let sites = [Site::over(store.clone()).await, Site::over(store).await];
    let mut clients = [first_view(&sites[0]).await, first_view(&sites[1]).await];
    clients[0].create_zone(new_zone("example.com")).await.unwrap();
    let ask = async |number: usize, kind: &str, data: &str, mut client: Client| {
        let request_id = format!("{number}-{kind}");
        let request = CreateRecordSetRequest { request_id, ..new_set(&format!("example.com/n{number}/{kind}"), &[data]) };
        let answer = client.create_record_set(request).await.map(|made| made.into_inner().record_set.unwrap().uid);
        (number, kind == "A", answer)
    };
    let calls = (0..10).flat_map(|number| [("A", "10.0.0.5"), ("CNAME", "www")].map(|(kind, data)| (number, kind, data)));
    let calls = calls.flat_map(|(number, kind, data)| clients.clone().map(|client| ask(number, kind, data, client)));
    let answers = join_all(calls).await;
    for number in 0..10 {
        let of = |is_address: bool| {
            let here = answers.iter().filter(move |(at, address, _)| (*at, *address) == (number, is_address));
            let uids: Vec<Option<&String>> = here.map(|(_, _, answer)| answer.as_ref().ok()).collect();
            assert_eq!(uids[0], uids[1], "the same request, the same answer");
            uids[0].is_some()
        };
        assert_ne!(of(true), of(false), "name {number}");
    }
    let mut refusals = answers.iter().filter_map(|(_, _, answer)| answer.as_ref().err());
    assert!(refusals.all(|status| decode(status).reason == Reason::CnameConflict));
    let newest = clients[0].list_zones(ListZonesRequest::default()).await.unwrap().into_inner().revision;
    for client in &mut clients {
        served(client, newest).await;
    }
    for number in 0..10 {
        let served = sites.each_ref().map(|site| short(site, &format!("n{number}.example.com A")));
        assert_eq!((served[0].len(), &served[0]), (1, &served[1]), "name {number}");
    }
    for site in sites {
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_on_the_embedded_store() {
    let (_folder, store) = embedded();
    race(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_on_etcd() {
    let etcd = Etcd::start().await;
    race(etcd.store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_join_stored_and_computed_zones_page_by_page() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    for name in ["z.example", "a.example", "m.example"] {
        client.create_zone(new_zone(name)).await.unwrap();
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let asked = ListZonesRequest { page_size: 2, page_token: token, filter: String::new() };
        let page = client.list_zones(asked).await.unwrap().into_inner();
        names.extend(page.zones.into_iter().map(|zone| (zone.name, zone.system)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected = [("a.example", false), ("cluster.local", true), ("m.example", false), ("z.example", false)];
    assert_eq!(names, expected.map(|(name, system)| (name.to_owned(), system)));
    let stored = ListZonesRequest { filter: "system = false AND name = \"m.example\"".to_owned(), ..ListZonesRequest::default() };
    assert_eq!(client.list_zones(stored).await.unwrap().into_inner().zones.len(), 1);
    for (request, reason) in [("cluster.local", Reason::ZoneOverlap), ("x.cluster.local", Reason::ZoneOverlap)] {
        assert_eq!(refused(client.create_zone(new_zone(request)).await).0, reason);
    }
    let bad = ListRecordSetsRequest { zone: "nobody.example".to_owned(), ..ListRecordSetsRequest::default() };
    assert_eq!(refused(client.list_record_sets(bad).await).0, Reason::ZoneNotFound);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_sees_stored_zones_as_soon_as_they_are_served() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    client.create_zone(new_zone("example.com")).await.unwrap();
    let mut revision = 0;
    for (path, data) in [
        ("example.com/@/MX", ["10 mail"].as_slice()),
        ("example.com/mail/A", &["10.0.0.25"]),
        ("example.com/www/CNAME", &["web"]),
        ("example.com/web/AAAA", &["fd00::80"]),
        ("example.com/web/A", &["10.0.0.80", "10.0.0.81"]),
        ("example.com/@/TXT", &["\"v=spf1 -all\"", "two parts"]),
        ("example.com/@/CAA", &["0 issue \"ca.example.net\""]),
        ("example.com/*.app/A", &["10.0.0.90"]),
        ("example.com/sub/NS", &["ns.sub"]),
        ("example.com/ns.sub/A", &["10.0.0.53"]),
        ("example.com/db/CNAME", &["db.shop.svc.cluster.local."]),
    ] {
        revision = client.create_record_set(new_set(path, data)).await.unwrap().into_inner().revision;
    }
    served(&mut client, revision).await;
    for (arguments, expected) in [
        ("example.com MX", vec!["10 mail.example.com."]),
        ("www.example.com A", vec!["10.0.0.80", "10.0.0.81", "web.example.com."]),
        ("any.app.example.com A", vec!["10.0.0.90"]),
        ("db.example.com A", vec!["172.28.0.3", "db.shop.svc.cluster.local."]),
        ("example.com TXT", vec!["\"two\" \"parts\"", "\"v=spf1 -all\""]),
        ("example.com CAA", vec!["0 issue \"ca.example.net\""]),
        ("example.com NS", vec!["ns.dns.cluster.local."]),
        ("gone.example.com A", vec![]),
    ] {
        for transport in ["", "+tcp", "+noedns"] {
            assert_eq!(short(&site, &format!("{transport} {arguments}")), expected, "{transport} {arguments}");
        }
    }
    let serial = format!("hostmaster.example.com. {revision} 7200 1800 86400 30");
    for (arguments, parts) in [
        ("gone.example.com A", vec!["status: NXDOMAIN", "flags: qr aa rd;", serial.as_str()]),
        ("www.example.com MX", vec!["status: NOERROR", "flags: qr aa rd;", "ANSWER: 1", serial.as_str()]),
        (
            "x.sub.example.com A",
            vec!["status: NOERROR", "flags: qr rd;", "ANSWER: 0, AUTHORITY: 1", "ns.sub.example.com.\t300\tIN\tA\t10.0.0.53"],
        ),
        ("example.com MX", vec!["mail.example.com.\t300\tIN\tA\t10.0.0.25"]),
    ] {
        let answer = super::dig::ask("dig", &site, arguments);
        assert!(parts.iter().all(|part| answer.contains(part)), "{arguments}\n{answer}");
    }
    let asked = ListRecordsRequest {
        zone: "example.com".to_owned(),
        filter: "source = STORED AND type = MX".to_owned(),
        ..ListRecordsRequest::default()
    };
    let records = client.list_records(asked).await.unwrap().into_inner().records;
    let object = records[0].object.as_ref().unwrap();
    assert_eq!((records.len(), object.kind.as_str(), object.name.as_str()), (1, "RecordSet", "example.com/@/MX"));
    let resolved = ResolveRequest { name: "www.example.com.".to_owned(), ..ResolveRequest::default() };
    let resolved = client.resolve(resolved).await.unwrap().into_inner();
    assert_eq!((resolved.answered_by.as_str(), resolved.answers[0].source()), ("example.com.", RecordSource::Stored));
    let wild = ResolveRequest { name: "any.app.example.com.".to_owned(), ..ResolveRequest::default() };
    let wild = client.resolve(wild).await.unwrap().into_inner();
    assert_eq!(wild.answers[0].object.as_ref().unwrap().name, "example.com/*.app/A", "a wildcard is named as the source");
    let delete = DeleteZoneRequest { name: "example.com".to_owned(), force: true, ..DeleteZoneRequest::default() };
    let revision = client.delete_zone(delete).await.unwrap().into_inner().revision;
    served(&mut client, revision).await;
    assert!(super::dig::ask("dig", &site, "www.example.com A").contains("status: REFUSED"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_have_names_in_a_zone_that_wants_them() {
    let (_folder, site) = Site::shop().await;
    let mut client = first_view(&site).await;
    site.apply(&[outside("shop/front", &["192.0.2.7"])]).await;
    let mut wanted = new_zone("apps.example.com");
    wanted.zone.as_mut().unwrap().publish_services = true;
    let made = client.create_zone(wanted).await.unwrap().into_inner();
    let told = async |client: &mut Client, revision| {
        served(client, revision).await;
        (short(&site, "front.shop.apps.example.com A"), short(&site, "_http._tcp.front.shop.apps.example.com SRV"))
    };
    let srv = vec!["0 100 80 front.shop.apps.example.com.".to_owned()];
    assert_eq!(told(&mut client, made.revision).await, (vec!["192.0.2.7".to_owned()], srv));
    assert_eq!(short(&site, "-x 192.0.2.7"), ["front.shop.apps.example.com."]);

    let stored = client.create_record_set(new_set("apps.example.com/front.shop/A", &["192.0.2.99"])).await.unwrap().into_inner();
    assert_eq!(told(&mut client, stored.revision).await, (vec!["192.0.2.99".to_owned()], vec![]));
    let path = DeleteRecordSetRequest {
        zone: "apps.example.com".to_owned(),
        name: "front.shop".to_owned(),
        r#type: "A".to_owned(),
        ..DeleteRecordSetRequest::default()
    };
    client.delete_record_set(path).await.unwrap();

    let zone = Zone { publish_services: false, ..made.zone.unwrap() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["publish_services".to_owned()] });
    let without = UpdateZoneRequest { zone: Some(zone), update_mask, ..UpdateZoneRequest::default() };
    let changed = client.update_zone(without).await.unwrap().into_inner();
    assert_eq!(told(&mut client, changed.revision).await, (vec![], vec![]));
    site.stop().await;
}
