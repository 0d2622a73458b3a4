//! What clients in views see, asked from addresses of their own, on both backends of the store.

use polder_core::reason::Reason;
use polder_proto::dns::v1::*;
use polder_store::Store;
use polder_store::testing::{Etcd, embedded};

use super::dig::{ask, short};
use super::site::{Site, pod, served, shop};
use super::zones::{Client, first_view, new_set, new_zone, refused};

fn view(name: &str, clients: &[&str], client_namespaces: &[&str], visible_namespaces: &[&str]) -> View {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    View {
        name: name.to_owned(),
        clients: texts(clients),
        client_namespaces: texts(client_namespaces),
        visible_namespaces: texts(visible_namespaces),
    }
}

fn setting(views: Vec<View>) -> UpdateResolverSettingsRequest {
    let update_mask = Some(prost_types::FieldMask { paths: vec!["views".to_owned()] });
    let settings = Some(ResolverSettings { views, ..ResolverSettings::default() });
    UpdateResolverSettingsRequest { settings, update_mask, ..UpdateResolverSettingsRequest::default() }
}

/// What the API says that a name is, and where and in which view that was found.
async fn resolved(client: &mut Client, name: &str, namespace: &str, from: &str) -> (Vec<String>, String, String) {
    let (name, namespace, from) = (name.to_owned(), namespace.to_owned(), from.to_owned());
    let request = ResolveRequest { name, namespace, client: from, ..ResolveRequest::default() };
    let answer = client.resolve(request).await.unwrap().into_inner();
    (answer.answers.into_iter().map(|record| record.data).collect(), answer.answered_by, answer.view)
}

async fn split(store: Store) {
    let site = Site::over(store).await;
    let mut client = first_view(&site).await;
    let tenant = pod(77, "127.0.9.77", "none", "");
    site.apply(&[shop(), vec![tenant]].concat()).await;

    let (reason, refusal) = refused(client.create_zone(new_zone("corp.example@branch")).await);
    assert_eq!(reason, Reason::ViewNotFound, "{refusal:?}");
    let views = vec![view("branch", &["127.0.9.0/26"], &[], &["pay"]), view("tenant", &[], &["shop"], &["shop"])];
    client.update_resolver_settings(setting(views)).await.unwrap();
    let mut transferred = new_zone("corp.example@branch");
    transferred.zone.as_mut().unwrap().transfer_to = vec!["127.0.9.8".to_owned()];
    client.create_zone(transferred).await.unwrap();
    client.create_zone(new_zone("corp.example")).await.unwrap();
    client.create_record_set(new_set("corp.example@branch/www/A", &["10.0.0.1"])).await.unwrap();
    let last = client.create_record_set(new_set("corp.example/www/A", &["198.51.100.1"])).await.unwrap();
    served(&mut client, last.into_inner().revision).await;

    for transport in ["", "+tcp"] {
        let from = |address: &str, what: &str| short(&site, &format!("{transport} -b {address} {what}"));
        assert_eq!(from("127.0.0.1", "www.corp.example"), ["198.51.100.1"]);
        assert_eq!(from("127.0.9.8", "www.corp.example"), ["10.0.0.1"]);
        assert_eq!(from("127.0.9.77", "www.corp.example"), ["198.51.100.1"]);
        // The branch sees none of the shop's names; the shop's own pod does.
        assert_eq!(from("127.0.9.8", "web.shop.svc.cluster.local"), Vec::<String>::new());
        assert_eq!(from("127.0.9.8", "-x 172.28.0.2"), Vec::<String>::new());
        assert_eq!(from("127.0.9.77", "web.shop.svc.cluster.local"), ["172.28.0.2"]);
        assert_eq!(from("127.0.0.1", "-x 172.28.0.2"), ["web.shop.svc.cluster.local."]);
    }
    let transfer = ask("dig", &site, "-b 127.0.9.8 corp.example AXFR");
    assert!(transfer.contains("10.0.0.1") && !transfer.contains("198.51.100.1"), "{transfer}");
    assert!(ask("dig", &site, "corp.example AXFR").contains("Transfer failed"));

    let branch = (vec!["10.0.0.1".to_owned()], "corp.example.@branch".to_owned(), "branch".to_owned());
    assert_eq!(resolved(&mut client, "www.corp.example.", "", "127.0.9.8").await, branch);
    assert_eq!(resolved(&mut client, "web", "shop", "").await.2, "tenant");
    let request = ResolveRequest {
        name: "web.shop.svc.cluster.local.".to_owned(),
        client: "127.0.9.8".to_owned(),
        ..ResolveRequest::default()
    };
    let steps = client.resolve(request).await.unwrap().into_inner().steps;
    let last = steps.last().unwrap();
    assert_eq!((steps[0].step.as_str(), steps[2].step.as_str(), last.step.as_str()), ("view", "view", "name"), "{steps:?}");
    let everybodys = (vec!["198.51.100.1".to_owned()], "corp.example.".to_owned(), String::new());
    assert_eq!(resolved(&mut client, "www.corp.example.", "", "").await, everybodys);

    let zones = client.list_zones(ListZonesRequest::default()).await.unwrap().into_inner().zones;
    let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).filter(|name| name.starts_with("corp")).collect();
    assert_eq!(names, ["corp.example", "corp.example@branch"]);
    for (zone, data) in [("corp.example@branch", "10.0.0.1"), ("corp.example", "198.51.100.1")] {
        let request = ListRecordsRequest { zone: zone.to_owned(), filter: "type = A".to_owned(), ..ListRecordsRequest::default() };
        let records = client.list_records(request).await.unwrap().into_inner().records;
        assert_eq!(records.iter().map(|record| record.data.as_str()).collect::<Vec<_>>(), [data], "{zone}");
        let mut file = client.export_zone(ExportZoneRequest { zone: zone.to_owned() }).await.unwrap().into_inner();
        assert!(file.message().await.unwrap().unwrap().text.contains(data), "{zone}");
    }

    let (reason, refusal) = refused(client.update_resolver_settings(setting(Vec::new())).await);
    assert_eq!((reason, refusal.obstacles.len()), (Reason::ViewInUse, 1), "{refusal:?}");
    let request = DeleteZoneRequest { name: "corp.example@branch".to_owned(), force: true, ..DeleteZoneRequest::default() };
    let gone = client.delete_zone(request).await.unwrap().into_inner().revision;
    served(&mut client, gone).await;
    assert_eq!(short(&site, "-b 127.0.9.8 www.corp.example"), ["198.51.100.1"]);
    let last = client.update_resolver_settings(setting(Vec::new())).await.unwrap().into_inner().revision;
    served(&mut client, last).await;
    assert_eq!(short(&site, "-b 127.0.9.8 web.shop.svc.cluster.local"), ["172.28.0.2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_what_their_view_has() {
    let (_folder, store) = embedded();
    split(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_what_their_view_has_on_etcd() {
    let etcd = Etcd::start().await;
    split(etcd.store().await).await;
}
