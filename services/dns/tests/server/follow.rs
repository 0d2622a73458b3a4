//! Changes are served as they are committed; without the store, what was served stays served.

use std::time::Duration;

use polder_core::lb::ServiceType;
use polder_proto::dns::v1::{ResolveRequest, WaitForRevisionRequest};

use super::site::{Site, back, commit, drop_service, pod, put, served, service, shop};

async fn rcode_and_data(site: &Site, name: &str, rtype: &str) -> (String, Vec<String>) {
    let request = ResolveRequest { name: name.to_owned(), r#type: rtype.to_owned(), ..ResolveRequest::default() };
    let answer = site.client().await.resolve(request).await.unwrap().into_inner();
    let mut data: Vec<String> = answer.answers.into_iter().map(|record| record.data).collect();
    data.sort();
    (answer.rcode, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_services_and_pods() {
    let (_folder, site) = Site::shop().await;
    let name = "peers.shop.svc.cluster.local";
    site.apply(&[pod(6, "172.27.0.22", "peer", "")]).await;
    assert_eq!(rcode_and_data(&site, name, "A").await.1, ["172.27.0.20", "172.27.0.21", "172.27.0.22"]);
    site.apply(&[pod(6, "172.27.0.22", "other", ""), pod(4, "172.27.0.99", "peer", "p0.peers")]).await;
    assert_eq!(rcode_and_data(&site, name, "A").await.1, ["172.27.0.21", "172.27.0.99"]);
    assert_eq!(rcode_and_data(&site, "20.0.27.172.in-addr.arpa", "PTR").await.0, "REFUSED");
    site.apply(&[drop_service("shop/peers"), put(service("shop/new", ServiceType::ClusterIp, "", &["172.28.0.50"]))]).await;
    assert_eq!(rcode_and_data(&site, name, "A").await.0, "NXDOMAIN");
    assert_eq!(rcode_and_data(&site, "new.shop.svc.cluster.local", "A").await.1, ["172.28.0.50"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_store_have_one_serial() {
    let (_folder, store) = polder_store::testing::embedded();
    let early = Site::over(store.clone()).await;
    early.apply(&shop()).await;
    early.apply(&[drop_service("shop/pay")]).await;
    let late = Site::over(store.clone()).await;
    let revision = commit(&store, &[drop_service("shop/store")]).await.0;
    for site in [&early, &late] {
        served(&mut site.client().await, revision).await;
    }
    let third = Site::over(store.clone()).await;
    served(&mut third.client().await, revision).await;
    let serial = rcode_and_data(&early, "cluster.local", "SOA").await;
    assert!(serial.1[0].contains(&format!(" {revision} ")), "{serial:?}");
    assert_eq!(rcode_and_data(&late, "cluster.local", "SOA").await, serial);
    assert_eq!(rcode_and_data(&third, "cluster.local", "SOA").await, serial);
    for site in [early, late, third] {
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_it_goes_on_and_with_the_store_back_it_catches_up() {
    let mut etcd = polder_store::testing::Etcd::start().await;
    let store = polder_store::Store::open(&etcd.url()).await.unwrap();
    let site = Site::over(store.clone()).await;
    site.apply(&shop()).await;
    etcd.stop();
    for _ in 0..20 {
        assert_eq!(rcode_and_data(&site, "web.shop.svc.cluster.local", "A").await.1, ["172.28.0.2"]);
    }
    assert_eq!(super::dig::ask("dig", &site, "+short web.shop.svc.cluster.local").trim(), "172.28.0.2");
    etcd.restart().await;
    let changed = put(service("shop/web", ServiceType::LoadBalancer, "app=WS", &["172.28.0.77"]));
    back(&store).await;
    let revision = commit(&store, std::slice::from_ref(&changed)).await.0;
    let timeout = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    site.client().await.wait_for_revision(WaitForRevisionRequest { revision, timeout, ..Default::default() }).await.unwrap();
    assert_eq!(rcode_and_data(&site, "web.shop.svc.cluster.local", "A").await.1, ["172.28.0.77"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_never_read_gives_servfail_and_no_readiness() {
    let etcd = polder_store::testing::Etcd::start().await;
    let store = polder_store::Store::open(&etcd.url()).await.unwrap();
    drop(etcd);
    let site = Site::over(store).await;
    assert_eq!(rcode_and_data(&site, "web.shop.svc.cluster.local", "A").await.0, "SERVFAIL");
    assert!(super::dig::ask("dig", &site, "web.shop.svc.cluster.local").contains("status: SERVFAIL"));
    let error = site.client().await.list_records(polder_proto::dns::v1::ListRecordsRequest::default()).await.unwrap_err();
    assert_eq!(polder_runtime::status::decode(&error).reason, polder_core::reason::Reason::NotSynced);
    site.stop().await;
}

/// What servers say of how far they are: their names and revisions.
async fn serving(store: &polder_store::Store) -> Vec<(String, u64)> {
    let page = store.range(polder_store::KeyRange::prefix("/polder/dns/serving/"), 10, None).await.unwrap();
    let read = page.entries.into_iter().map(|entry| {
        let name = String::from_utf8(entry.key.to_vec()).unwrap().rsplit('/').next().unwrap().to_owned();
        let value: polder_proto::state::v1::DnsServing = prost::Message::decode(entry.value).unwrap();
        (name, value.revision)
    });
    read.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_says_how_far_it_is_and_that_is_no_change() {
    let (_folder, store) = polder_store::testing::embedded();
    let sites = [Site::over(store.clone()).await, Site::over(store.clone()).await];
    let newest = commit(&store, &shop()).await.0;
    let told = async || {
        let all = serving(&store).await;
        all.len() == 2 && all.iter().all(|(_, revision)| *revision == newest)
    };
    let in_time = async {
        while !told().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), in_time).await.unwrap();
    // They renew their leases, seldom; if they answered each other's words there would never be silence.
    let silence = async {
        loop {
            let (_, revision) = store.get(b"/polder/probe").await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            if store.get(b"/polder/probe").await.unwrap().1 == revision {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), silence).await.expect("two servers answer each other's words for ever");
    let [first, second] = sites;
    first.stop().await;
    assert_eq!(serving(&store).await.len(), 1, "who ends takes its word back");
    second.stop().await;
    assert_eq!(serving(&store).await, []);
}
