//! Following services.

use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_proto::types::v1::WatchEventType;
use tonic::Streaming;

use super::site::{Addresses, Replica, SOON, creation, embedded, refused, split, web};

type Stream = Streaming<pb::WatchServicesResponse>;

async fn follow(lb: &Replica, start_revision: u64, filter: &str) -> Stream {
    let request = pb::WatchServicesRequest { start_revision, filter: filter.to_owned() };
    lb.client().watch_services(request).await.unwrap().into_inner()
}

/// The next message but heartbeats.
async fn next(stream: &mut Stream) -> (WatchEventType, u64, Option<pb::Service>) {
    loop {
        let message = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        if message.r#type() != WatchEventType::Heartbeat {
            return (message.r#type(), message.revision, message.service);
        }
    }
}

async fn told(stream: &mut Stream) -> (WatchEventType, String) {
    let (event, _, service) = next(stream).await;
    (event, service.map(|service| service.name).unwrap_or_default())
}

async fn delete(lb: &Replica, name: &str) {
    let (namespace, name) = split(name);
    lb.client().delete_service(pb::DeleteServiceRequest { namespace, name, ..Default::default() }).await.unwrap();
}

fn event(event: WatchEventType, name: &str) -> (WatchEventType, String) {
    (event, name.to_owned())
}

#[tokio::test]
async fn a_snapshot_then_a_mark_then_what_changes() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    super::site::wait_for("the watch to see the service", async || {
        let answer = lb.client().list_services(pb::ListServicesRequest::default()).await.unwrap().into_inner();
        (answer.revision >= made.revision).then_some(())
    })
    .await;
    let mut stream = follow(&lb, 0, "").await;
    assert_eq!(next(&mut stream).await.2, made.service);
    assert_eq!(told(&mut stream).await, event(WatchEventType::Synced, ""));

    lb.client().create_service(creation(web("shop/next"))).await.unwrap();
    assert_eq!(told(&mut stream).await, event(WatchEventType::Put, "next"));
    addresses.pod(5, "WS").await;
    let (first, second) = (next(&mut stream).await, next(&mut stream).await);
    let counts = [&first.2, &second.2].map(|service| service.as_ref().unwrap().status.as_ref().unwrap().ready_endpoints);
    assert_eq!((counts, first.1), ([1, 1], second.1));
    addresses.pod(6, "DB").await;
    delete(&lb, "shop/next").await;
    let (event_type, revision, last) = next(&mut stream).await;
    assert_eq!((event_type, last.unwrap().name.as_str()), (WatchEventType::Delete, "next"));

    lb.client().create_service(creation(web("shop/later"))).await.unwrap();
    let mut resumed = follow(&lb, revision, "").await;
    assert_eq!(told(&mut resumed).await, event(WatchEventType::Put, "later"));
    let mut resumed = follow(&lb, made.revision, "").await;
    let mut missing =
        vec![event(WatchEventType::Delete, "next"), event(WatchEventType::Put, "web"), event(WatchEventType::Put, "later")];
    while !missing.is_empty() {
        let seen = told(&mut resumed).await;
        missing.retain(|wanted| *wanted != seen);
    }
}

#[tokio::test]
async fn a_filter_lets_go_of_what_stops_matching() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    let mut stream = follow(&lb, 0, "labels.tier = front").await;
    assert_eq!(told(&mut stream).await, event(WatchEventType::Synced, ""));
    let labelled = |tier: &str| pb::Service { labels: [("tier".to_owned(), tier.to_owned())].into(), ..web("shop/web") };
    lb.client().create_service(creation(web("shop/other"))).await.unwrap();
    lb.client().create_service(creation(labelled("front"))).await.unwrap();
    assert_eq!(told(&mut stream).await, event(WatchEventType::Put, "web"));
    let update = pb::UpdateServiceRequest { service: Some(labelled("back")), ..Default::default() };
    lb.client().update_service(update).await.unwrap();
    assert_eq!(told(&mut stream).await, event(WatchEventType::Delete, "web"));
    delete(&lb, "shop/web").await;
    lb.client().create_service(creation(labelled("front"))).await.unwrap();
    assert_eq!(told(&mut stream).await, event(WatchEventType::Put, "web"));
}

#[tokio::test]
async fn a_filter_that_is_none_and_a_revision_long_gone_are_refused() {
    let (folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    lb.client().create_service(creation(web("shop/next"))).await.unwrap();
    let bad = pb::WatchServicesRequest { filter: "colour = red".to_owned(), ..Default::default() };
    assert_eq!(refused(lb.client().watch_services(bad).await.map(drop)).0, Reason::FilterMalformed);
    lb.stop().await;
    drop((addresses, store));
    let store = super::site::reopen(&folder).await;
    let lb = Replica::start(&store).await;
    let old = pb::WatchServicesRequest { start_revision: made.revision, ..Default::default() };
    assert_eq!(refused(lb.client().watch_services(old).await.map(drop)).0, Reason::ResumeTokenCompacted);
}
