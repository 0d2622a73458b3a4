//! What a node reports of its neighbors, as callers see what follows.

use super::bench::*;
use polder_core::reason::Reason;
use polder_proto::convert::common::show_time;
use polder_proto::ipam::v1::*;

async fn reports(ipam: &Replica, node: &str, address: &str) -> ReportNeighborsRequest {
    let mac = "00:15:5D:01:02:03".to_owned();
    let neighbors = vec![Neighbor { address: address.to_owned(), mac }];
    ReportNeighborsRequest { name: node.to_owned(), uid: ipam.node(node).await.uid, neighbors, ..Default::default() }
}

#[tokio::test]
async fn an_address_with_a_stranger_is_quarantined_until_the_stranger_is_gone() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let before = show_time(polder_runtime::clock::now());
    let request = reports(&ipam, "node-a", "10.0.0.12").await;
    let told = ipam.nodes().report_neighbors(request.clone()).await.unwrap().into_inner();
    assert_eq!(told.impact[0].description, "neighbors node-a is made");
    let again = ipam.nodes().report_neighbors(request.clone()).await.unwrap().into_inner();
    assert!(again.impact.is_empty(), "a report that says the same is not written");

    let look = |at| LookupAddressRequest { address: "10.0.0.12".to_owned(), at };
    let found = ipam.allocations().lookup_address(look(None)).await.unwrap().into_inner();
    assert_eq!(found.standing(), AddressStanding::Quarantined);
    let seen = "is not given: somebody else answers for it, 00:15:5d:01:02:03 (seen by node node-a).";
    assert!(found.message.ends_with(seen), "{}", found.message);
    let usage = |name: &str| GetPoolUsageRequest { name: name.to_owned(), limit: 0 };
    let told = ipam.pools().get_pool_usage(usage("node")).await.unwrap().into_inner().usage.unwrap();
    assert_eq!((told.quarantined.unwrap().value, told.free.unwrap().value), (1, 7));

    let empty = ReportNeighborsRequest { neighbors: Vec::new(), ..request };
    ipam.nodes().report_neighbors(empty).await.unwrap();
    let found = ipam.allocations().lookup_address(look(None)).await.unwrap().into_inner();
    assert_eq!(found.standing(), AddressStanding::Free);
    let then = ipam.allocations().lookup_address(look(Some(before))).await.unwrap().into_inner();
    assert_eq!(then.standing(), AddressStanding::Free, "it was not yet so");
    ipam.is_sound().await;
    ipam.stop().await;
}

#[tokio::test]
async fn a_report_of_another_node_or_with_bad_fields_is_refused() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let good = reports(&ipam, "node-a", "10.0.0.12").await;
    let stale = ReportNeighborsRequest { uid: ipam.node("node-b").await.uid, ..good.clone() };
    assert_eq!(reason(ipam.nodes().report_neighbors(stale).await), Reason::NodeUidMismatch);
    let unknown = ReportNeighborsRequest { name: "node-x".to_owned(), ..good.clone() };
    assert_eq!(reason(ipam.nodes().report_neighbors(unknown).await), Reason::NodeNotFound);
    let bad = Neighbor { address: "10.0.0".to_owned(), mac: "00:15".to_owned() };
    let refusal = refused(ipam.nodes().report_neighbors(ReportNeighborsRequest { neighbors: vec![bad], ..good }).await);
    let fields: Vec<&str> = refusal.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["neighbors[0].address", "neighbors[0].mac"]);
    ipam.stop().await;
}
