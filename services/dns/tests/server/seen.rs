//! What a server tells of its clients.

use std::collections::BTreeMap;

use polder_dns::{DnsConfig, RateConfig};
use polder_proto::dns::v1::{GetRecentFailuresRequest, GetTopNamesRequest};
use polder_proto::types::v1::ErrorReason;
use tonic::Code;

use super::dig::ask;
use super::hostile::{connect, converse, framed, query};
use super::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_asked_for_most_come_first() {
    let (_folder, site) = Site::shop_with(DnsConfig { server_name: "one".to_owned(), ..DnsConfig::default() }).await;
    let mut stream = connect(&site);
    for id in 0..1000 {
        std::io::Write::write_all(&mut stream, &framed(&query(id))).unwrap();
        assert_eq!(converse(&mut stream).id, id);
    }
    let top = site.client().await.get_top_names(GetTopNamesRequest { limit: Some(1) }).await.unwrap().into_inner();
    assert_eq!((top.server.as_str(), top.names.len()), ("one", 1));
    let first = &top.names[0];
    assert_eq!((first.name.as_str(), first.r#type.as_str()), ("web.shop.svc.cluster.local.", "A"));
    // One in seventeen of a thousand, and each stands for seventeen.
    assert!((980..=1020).contains(&first.queries) && top.queries == first.queries, "{first:?}");
    assert!(top.since.is_some());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_who_asked_what_and_why_it_failed() {
    let rate = RateConfig { positive: 1, slip: 0, exempt: Vec::new(), ..RateConfig::default() };
    let (_folder, site) = Site::shop_with(DnsConfig { rate, ..DnsConfig::default() }).await;
    ask("dig", &site, "www.Elsewhere.example AAAA");
    ask("dig", &site, "+tcp cluster.local CH A");
    ask("dig", &site, "web.shop.svc.cluster.local A");
    // The second of this second is not answered: dig gives up, or asks again in the next.
    let refused = |why: &str| why.contains("too many answers");
    let failures = loop {
        ask("dig", &site, "+tries=1 +timeout=1 web.shop.svc.cluster.local A");
        let request = GetRecentFailuresRequest { limit: Some(256) };
        let answer = site.client().await.get_recent_failures(request).await.unwrap().into_inner();
        assert_eq!(answer.total, answer.failures.len() as u64);
        if answer.failures.iter().any(|failure| refused(&failure.why)) {
            break answer.failures;
        }
    };
    let told: BTreeMap<&str, (&str, &str, &str)> = failures
        .iter()
        .map(|failure| (failure.why.as_str(), (failure.protocol.as_str(), failure.name.as_str(), failure.rcode.as_str())))
        .collect();
    let expected = [
        ("it asks for another class than IN, or for a transfer", ("tcp", "cluster.local.", "REFUSED")),
        ("its network of clients has had too many answers in this second", ("udp", "web.shop.svc.cluster.local.", "")),
        ("the name is in no zone of ours, and no upstream is asked for it", ("udp", "www.elsewhere.example.", "REFUSED")),
    ];
    assert_eq!(told, expected.into());
    assert!(failures.iter().all(|failure| failure.client == "127.0.0.1" && failure.time.is_some()));
    assert!(failures.is_sorted_by_key(|failure| std::cmp::Reverse(failure.time.map(|time| (time.seconds, time.nanos)))));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_be_are_refused() {
    let (_folder, site) = Site::shop().await;
    let mut client = site.client().await;
    for limit in [0, 501] {
        let status = client.get_top_names(GetTopNamesRequest { limit: Some(limit) }).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let status = client.get_recent_failures(GetRecentFailuresRequest { limit: Some(257) }).await.unwrap_err();
    let refusal = polder_runtime::status::decode(&status);
    assert_eq!(refusal.reason.number(), i32::from(ErrorReason::CountOutOfBounds));
    site.stop().await;
}
