//! Watches: a whole snapshot, a mark, every change; resumed where they ended.

use super::bench::*;
use polder_core::reason::Reason;
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::WatchEventType;
use tonic::Streaming;

async fn next(stream: &mut Streaming<WatchAllocationsResponse>) -> (WatchEventType, String, u64) {
    let message = tokio::time::timeout(std::time::Duration::from_secs(20), stream.message()).await.unwrap().unwrap().unwrap();
    let handle = message.allocation.as_ref().map(|allocation| allocation.handle.clone()).unwrap_or_default();
    (message.r#type(), handle, message.revision)
}

async fn watch(ipam: &Replica, start_revision: u64, filter: &str) -> Streaming<WatchAllocationsResponse> {
    let request = WatchAllocationsRequest { start_revision, filter: filter.to_owned() };
    ipam.allocations().watch_allocations(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_watch_sends_a_snapshot_a_mark_and_every_change() {
    let (_folder, store) = store();
    let (ipam, other) = (Replica::on(&store).await, Replica::on(&store).await);
    ipam.usual().await;
    for n in 0..300 {
        ipam.pod(&format!("p-{n}"), "node-a").await.unwrap();
    }
    let mut stream = watch(&ipam, 0, "kind=POD").await;
    let mut seen = 0;
    let synced = loop {
        match next(&mut stream).await {
            (WatchEventType::Snapshot, ..) => seen += 1,
            (WatchEventType::Put, ..) => panic!("a change before the mark"),
            (kind, _, revision) => {
                assert_eq!(kind, WatchEventType::Synced);
                break revision;
            }
        }
    };
    assert_eq!(seen, 300);
    other.pod("late", "node-b").await.unwrap();
    let (kind, handle, revision) = next(&mut stream).await;
    assert_eq!((kind, handle.as_str()), (WatchEventType::Put, "late"));
    assert!(revision > synced);
    ipam.release("p-7").await;
    let (kind, handle, last) = next(&mut stream).await;
    assert_eq!((kind, handle.as_str()), (WatchEventType::Delete, "p-7"));

    let mut resumed = watch(&ipam, revision, "kind=POD").await;
    let (kind, _, again) = next(&mut resumed).await;
    assert_eq!((kind, again), (WatchEventType::Delete, last), "only what came after");
    ipam.pod("later", "node-b").await.unwrap();
    assert_eq!(next(&mut resumed).await.1, "later");
    ipam.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_revision_that_is_gone_is_out_of_range() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    ipam.stop().await;
    let again = Replica::on(&store).await;
    let request = WatchAllocationsRequest { start_revision: 1, ..Default::default() };
    let status = again.allocations().watch_allocations(request).await.unwrap_err();
    assert_eq!((status.code(), reason::<()>(Err(status))), (tonic::Code::OutOfRange, Reason::ResumeTokenCompacted));
    again.stop().await;
}

#[tokio::test]
async fn a_node_is_sent_again_when_it_gets_a_block() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let mut stream = ipam.nodes().watch_nodes(WatchNodesRequest::default()).await.unwrap().into_inner();
    let mut message = async || stream.message().await.unwrap().unwrap();
    for kind in [WatchEventType::Snapshot, WatchEventType::Snapshot, WatchEventType::Synced] {
        assert_eq!(message().await.r#type(), kind);
    }
    ipam.pod("p", "node-b").await.unwrap();
    let node = message().await.node.unwrap();
    assert_eq!((node.name.as_str(), node.blocks.as_slice()), ("node-b", ["172.27.0.0/26".to_owned()].as_slice()));
    ipam.stop().await;
}
