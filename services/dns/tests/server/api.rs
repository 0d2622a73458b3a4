//! `polder.dns.v1.DnsService`.

use polder_core::reason::Reason;
use polder_proto::dns::v1::{
    AnswerSource, ExportZoneRequest, GetZoneRequest, ListRecordsRequest, ListZonesRequest, RecordSource, ResolveRequest,
    WaitForRevisionRequest,
};
use tonic::{Code, Status};

use super::site::Site;

fn reason(status: &Status) -> Reason {
    polder_runtime::status::decode(status).reason
}

fn question(name: &str, rtype: &str, namespace: &str) -> ResolveRequest {
    ResolveRequest { name: name.to_owned(), r#type: rtype.to_owned(), namespace: namespace.to_owned(), ..ResolveRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn resolve_asks_the_engine_and_names_the_source() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    let answer = client.resolve(question("web.shop.svc.cluster.local.", "", "")).await.unwrap().into_inner();
    assert_eq!((answer.rcode.as_str(), answer.answered_by.as_str()), ("NOERROR", "cluster.local."));
    assert!(answer.authoritative && answer.source() == AnswerSource::Authority && answer.revision > 0);
    let record = &answer.answers[0];
    assert_eq!((record.r#type.as_str(), record.data.as_str(), record.source()), ("A", "172.28.0.2", RecordSource::Service));
    let object = record.object.as_ref().unwrap();
    assert_eq!((object.kind.as_str(), object.namespace.as_str(), object.name.as_str()), ("Service", "shop", "web"));

    let answer = client.resolve(question("web", "A", "shop")).await.unwrap().into_inner();
    assert_eq!((answer.name.as_str(), answer.tried.len()), ("web.shop.svc.cluster.local.", 0));
    let answer = client.resolve(question("www.example.com", "A", "shop")).await.unwrap().into_inner();
    assert_eq!((answer.name.as_str(), answer.tried.len(), answer.rcode.as_str()), ("www.example.com.", 3, "REFUSED"));
    let answer = client.resolve(question("gone.shop.svc.cluster.local", "SRV", "")).await.unwrap().into_inner();
    assert_eq!((answer.rcode.as_str(), answer.authority[0].source()), ("NXDOMAIN", RecordSource::System));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_name_every_bad_field() {
    let (_folder, site) = Site::shop().await;
    let bad = ResolveRequest { client: "nowhere".to_owned(), ..question("a..b", "BOGUS", "Not_A_Namespace") };
    let status = site.client().await.resolve(bad).await.unwrap_err();
    let refusal = polder_runtime::status::decode(&status);
    let fields: Vec<&str> = refusal.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!((status.code(), fields), (Code::InvalidArgument, vec!["name", "type", "namespace", "client"]));
    for rtype in ["AXFR", "OPT"] {
        let status = site.client().await.resolve(question("cluster.local", rtype, "")).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RecordMalformed);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_to_the_whole_list() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    let all = ListRecordsRequest { page_size: 1000, ..ListRecordsRequest::default() };
    let whole = client.list_records(all).await.unwrap().into_inner();
    assert!(whole.next_page_token.is_empty());
    let (mut joined, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListRecordsRequest { page_size: 77, page_token: token, ..ListRecordsRequest::default() };
        let page = client.list_records(request).await.unwrap().into_inner();
        assert!(page.records.len() <= 77);
        joined.extend(page.records);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(joined, whole.records);
    let zone = ListRecordsRequest { zone: "cluster.local".to_owned(), page_size: 1000, ..ListRecordsRequest::default() };
    let zone = client.list_records(zone).await.unwrap().into_inner().records;
    assert!(zone.len() < joined.len() && zone.iter().all(|record| record.name.ends_with("cluster.local.")));
    let filter = "type = A AND object.name = db".to_owned();
    let of_db =
        client.list_records(ListRecordsRequest { filter, ..ListRecordsRequest::default() }).await.unwrap().into_inner().records;
    let data: Vec<&str> = of_db.iter().map(|record| record.data.as_str()).collect();
    assert_eq!(data, ["172.27.0.7", "172.28.0.3"]);
    for (request, expected) in [
        (ListRecordsRequest { page_size: 1001, ..ListRecordsRequest::default() }, Reason::CountOutOfBounds),
        (ListRecordsRequest { page_token: "x".to_owned(), ..ListRecordsRequest::default() }, Reason::PageTokenMalformed),
        (ListRecordsRequest { zone: "example.com".to_owned(), ..ListRecordsRequest::default() }, Reason::ZoneNotFound),
        (ListRecordsRequest { filter: "colour = red".to_owned(), ..ListRecordsRequest::default() }, Reason::FilterMalformed),
    ] {
        assert_eq!(reason(&client.list_records(request).await.unwrap_err()), expected);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_listed_and_exported() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    let zones = client.list_zones(ListZonesRequest::default()).await.unwrap().into_inner().zones;
    assert_eq!(zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>(), ["cluster.local"]);
    let zone = client.get_zone(GetZoneRequest { name: "cluster.local".to_owned() }).await.unwrap().into_inner().zone.unwrap();
    assert!(zone.system && zone.serial > 0);
    let mut pieces = client.export_zone(ExportZoneRequest { zone: zone.name.clone() }).await.unwrap().into_inner();
    let mut text = String::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!(piece.text.ends_with('\n') && piece.serial == zone.serial);
        text.push_str(&piece.text);
    }
    assert!(text.starts_with(&format!("cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. {} ", zone.serial)));
    for line in ["web.shop.svc.cluster.local. 5 IN A 172.28.0.2", "dns-version.cluster.local. 5 IN TXT \"1.1.0\""] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_never_comes_is_waited_for_in_vain() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    let timeout = Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 });
    let status =
        client.wait_for_revision(WaitForRevisionRequest { revision: u64::MAX, timeout, ..Default::default() }).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    site.stop().await;
}
