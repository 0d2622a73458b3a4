//! Zone files: imported as they are written, exported as they were.

use polder_core::reason::Reason;
use polder_proto::dns::v1::*;
use polder_store::Store;
use polder_store::testing::{Etcd, embedded};

use super::site::{Site, served};
use super::zones::{Client, first_view, new_set, new_zone, refused};

const FILE: &str = "\
$ORIGIN example.com.
$TTL 1h
@       IN SOA ns1 it.example.com. ( 1 2h 30m 2w 5m ) ; as BIND has it
        NS      ns1
        NS      ns2.example.org.
        MX 10   mail
        TXT     \"v=spf1 -all\" \"; not a comment\"
ns1     A       10.0.0.53
mail 60 A       10.0.0.25
        60 AAAA fd00::25
www     CNAME   web
web     A       10.0.0.80
        A       10.0.0.81
*.app   A       10.0.0.90
";

fn import(text: &str) -> ImportZoneRequest {
    ImportZoneRequest { text: text.to_owned(), ..ImportZoneRequest::default() }
}

async fn export(client: &mut Client, zone: &str) -> String {
    let mut pieces = client.export_zone(ExportZoneRequest { zone: zone.to_owned() }).await.unwrap().into_inner();
    let mut text = String::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        text.push_str(&piece.text);
    }
    text
}

fn counts(answer: &ImportZoneResponse) -> [u32; 5] {
    [answer.created, answer.updated, answer.deleted, answer.unchanged, answer.parts]
}

/// A file makes a zone, its export says the same, and another file changes it.
async fn round(store: Store) {
    let site = Site::over(store).await;
    let mut client = first_view(&site).await;
    let tried = client.import_zone(ImportZoneRequest { validate_only: true, ..import(FILE) }).await.unwrap().into_inner();
    let request = ImportZoneRequest { request_id: "once".to_owned(), ..import(FILE) };
    let made = client.import_zone(request.clone()).await.unwrap().into_inner();
    assert_eq!((counts(&made), counts(&tried)), ([8, 0, 0, 0, 1], [8, 0, 0, 0, 1]));
    assert_eq!(client.import_zone(request).await.unwrap().into_inner(), made, "the same request, the same answer");
    let zone = made.zone.unwrap();
    assert_eq!((zone.name.as_str(), zone.default_ttl_seconds, zone.mailbox.as_str()), ("example.com", 3600, "it@example.com"));
    assert_eq!((zone.name_servers.len(), zone.record_sets, zone.expire_seconds), (2, 8, 1_209_600));
    served(&mut client, made.revision).await;
    assert_eq!(super::dig::short(&site, "any.app.example.com A"), ["10.0.0.90"]);
    assert_eq!(super::dig::short(&site, "example.com TXT"), ["\"v=spf1 -all\" \"; not a comment\""]);

    let text = export(&mut client, "example.com").await;
    let again = client.import_zone(import(&text)).await.unwrap().into_inner();
    assert_eq!(counts(&again), [0, 0, 0, 8, 1], "{text}");
    assert!(again.impact.is_empty(), "an export says what there is");
    let stale = ImportZoneRequest { etag: "stale".to_owned(), ..import(FILE) };
    assert_eq!(refused(client.import_zone(stale).await).0, Reason::EtagMismatch);
    let smaller =
        FILE.lines().filter(|line| !line.starts_with("www")).collect::<Vec<_>>().join("\n").replace("10.0.0.90", "10.0.0.91");
    let changed = client.import_zone(import(&smaller)).await.unwrap().into_inner();
    assert_eq!(counts(&changed), [0, 1, 1, 6, 1]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_come_out_on_the_embedded_store() {
    let (_folder, store) = embedded();
    round(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_come_out_on_etcd() {
    let etcd = Etcd::start().await;
    round(etcd.store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_every_bad_line_is_named() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    client.create_zone(new_zone("example.com")).await.unwrap();
    client.create_record_set(new_set("example.com/www/A", &["10.0.0.5"])).await.unwrap();
    let stored = ListZonesRequest { filter: "system = false".to_owned(), ..ListZonesRequest::default() };
    let before = client.list_zones(stored.clone()).await.unwrap().into_inner();
    let bad = ImportZoneRequest { zone: "example.com".to_owned(), ..import("a A 10.0.0\n$INCLUDE b\nc A 10.0.0.1\nc CNAME d\n") };
    let (reason, refusal) = refused(client.import_zone(bad).await);
    assert_eq!((reason, refusal.violations.len()), (Reason::RecordMalformed, 2));
    assert!(refusal.violations[1].description.starts_with("line 2:"), "{refusal}");
    let clash = ImportZoneRequest { zone: "example.com".to_owned(), ..import("c A 10.0.0.1\nc CNAME d\n") };
    assert_eq!(refused(client.import_zone(clash).await).0, Reason::CnameConflict);
    for (request, reason) in [
        (import("www A 10.0.0.1\n"), Reason::FieldRequired),
        (import(""), Reason::FieldRequired),
        (ImportZoneRequest { zone: "a..b".to_owned(), ..import("@ A 10.0.0.1\n") }, Reason::NameMalformed),
        (ImportZoneRequest { zone: "x.cluster.local".to_owned(), ..import("@ A 10.0.0.1\n") }, Reason::ZoneOverlap),
        (
            ImportZoneRequest { zone: "new.example".to_owned(), etag: "seen".to_owned(), ..import("@ A 10.0.0.1\n") },
            Reason::ZoneNotFound,
        ),
    ] {
        assert_eq!(refused(client.import_zone(request).await).0, reason);
    }
    assert_eq!(client.list_zones(stored).await.unwrap().into_inner().zones, before.zones);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_refused_or_made_in_parts() {
    let (_folder, store) = embedded();
    let site = Site::over(store).await;
    let mut client = first_view(&site).await;
    let text: String = (0..230).map(|at| format!("n{at} A 10.0.0.{}\n", at % 250)).collect();
    let large = ImportZoneRequest { zone: "example.com".to_owned(), ..import(&text) };
    let (reason, refusal) = refused(client.import_zone(large.clone()).await);
    assert_eq!((reason, refusal.metadata["parts"].as_str()), (Reason::RequestTooLarge, "3"));
    assert_eq!(client.list_zones(ListZonesRequest::default()).await.unwrap().into_inner().zones.len(), 1, "only the cluster's own");
    let done = client.import_zone(ImportZoneRequest { in_parts: true, ..large }).await.unwrap().into_inner();
    assert_eq!((counts(&done), done.zone.unwrap().record_sets), ([230, 0, 0, 0, 3], 230));
    site.stop().await;
}
