//! Changes: repeated, tried out, guarded; lists of what came of them.

use std::collections::BTreeSet;

use prost_types::{Duration, FieldMask};

use super::bench::*;
use polder_core::reason::Reason;
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::ImpactAction;

#[tokio::test]
async fn two_ranges_make_a_network_nodes_and_pods_get_addresses() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let pools = ipam.pools().list_pools(ListPoolsRequest::default()).await.unwrap().into_inner().pools;
    assert_eq!(pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(), ["external", "node", "pod", "service"]);
    assert_eq!(pools[3].usage.unwrap().reserved.unwrap().value, 2);
    let nodes = ipam.nodes().list_nodes(ListNodesRequest::default()).await.unwrap().into_inner().nodes;
    assert_eq!(nodes[1].addresses, ["10.0.0.11"]);
    assert_eq!(only(&ipam.pod("web-1", "node-a").await.unwrap()), "172.27.0.0");
    let node = ipam.nodes().get_node(GetNodeRequest { name: "node-a".to_owned() }).await.unwrap().into_inner().node.unwrap();
    assert_eq!((node.blocks, node.allocations), (vec!["172.27.0.0/26".to_owned()], 1));
    let namespace = ipam.namespaces().get_namespace(GetNamespaceRequest { name: "shop".to_owned() }).await.unwrap().into_inner();
    assert_eq!(namespace.namespace.unwrap().usage.unwrap().pod_addresses, 1, "a namespace that a pod names is there");
    ipam.is_sound().await;
    ipam.stop().await;
}

#[tokio::test]
async fn a_restart_brings_back_the_same_state() {
    let (folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let before = ipam.pod("web-1", "node-a").await.unwrap();
    ipam.stop().await;
    drop(store);
    let again = polder_store::Store::open(&format!("embedded:{}", folder.path().display())).await.unwrap();
    let ipam = Replica::on(&again).await;
    assert_eq!(ipam.pod("web-1", "node-a").await.unwrap(), before);
    ipam.stop().await;
}

#[tokio::test]
async fn the_same_request_id_gets_the_first_answer_again() {
    let (_folder, store) = store();
    let (one, two) = (Replica::on(&store).await, Replica::on(&store).await);
    one.usual().await;
    let request = AllocateAddressesRequest { request_id: "r-1".to_owned(), ..wish("web-1", "node-a") };
    let first = one.allocations().allocate_addresses(request.clone()).await.unwrap().into_inner();
    assert!(!first.existing && first.impact.iter().all(|impact| impact.action() == ImpactAction::Create));
    one.release("web-1").await;
    for replica in [&one, &two] {
        let again = replica.allocations().allocate_addresses(request.clone()).await.unwrap().into_inner();
        assert_eq!(again, first, "byte for byte, though the address was released since");
    }
    assert_eq!(one.all(0).await.len(), 2, "nothing came back to life: only the nodes' own are held");
    let other = AllocateAddressesRequest { request_id: "r-1".to_owned(), ..wish("web-2", "node-a") };
    assert_eq!(reason(two.allocations().allocate_addresses(other).await), Reason::RequestIdReused);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let dry = AllocateAddressesRequest { validate_only: true, ..wish("web-1", "node-a") };
    let would = ipam.allocations().allocate_addresses(dry).await.unwrap().into_inner();
    assert_eq!(ipam.all(0).await.len(), 2);
    let did = ipam.allocations().allocate_addresses(wish("web-1", "node-a")).await.unwrap().into_inner();
    assert_eq!(would.allocation.unwrap().addresses, did.allocation.unwrap().addresses);
    assert_eq!(would.impact, did.impact);
    assert!(would.revision < did.revision);

    let mut network = usual();
    network.external_range = vec!["10.0.0.15-10.0.0.29".to_owned()];
    let request = ApplyComputeNetworkRequest { network: Some(network), validate_only: true, ..Default::default() };
    let checked = ipam.network().apply_compute_network(request.clone()).await.unwrap().into_inner();
    assert!(!checked.acceptable && checked.findings[0].reason == "RANGE_OVERLAP", "{:?}", checked.findings);
    let real = ApplyComputeNetworkRequest { validate_only: false, ..request };
    let refusal = refused(ipam.network().apply_compute_network(real).await);
    assert_eq!((refusal.reason, refusal.obstacles.len()), (Reason::RangeOverlap, 1));
    ipam.stop().await;
}

#[tokio::test]
async fn a_stale_etag_is_aborted_and_a_mask_replaces_only_what_it_names() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let pool = ipam.pools().get_pool(GetPoolRequest { name: "external".to_owned() }).await.unwrap().into_inner().pool.unwrap();
    let update = |pool: Pool, paths: &[&str]| UpdatePoolRequest {
        pool: Some(pool),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    let priority = Pool { priority: 7, ranges: vec!["192.0.2.0/24".to_owned()], ..pool.clone() };
    let changed = ipam.pools().update_pool(update(priority.clone(), &["priority"])).await.unwrap().into_inner().pool.unwrap();
    assert_eq!((changed.priority, &changed.ranges), (7, &pool.ranges));
    assert_eq!(reason(ipam.pools().update_pool(update(priority, &["priority"])).await), Reason::EtagMismatch);
    let unknown = Pool { etag: String::new(), ..pool };
    let refusal = refused(ipam.pools().update_pool(update(unknown, &["prioriti"])).await);
    assert_eq!(refusal.violations[0].field, "update_mask");
    ipam.stop().await;
}

#[tokio::test]
async fn lists_are_paged_filtered_and_narrowed() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    for n in 0..25 {
        ipam.pod(&format!("web-{n}"), if n % 5 == 0 { "node-b" } else { "node-a" }).await.unwrap();
    }
    assert_eq!(ipam.all(4).await.len(), 27);
    assert_eq!(ipam.all(4).await, ipam.all(0).await);
    let list = |filter: &str| ListAllocationsRequest { filter: filter.to_owned(), ..Default::default() };
    let found = ipam.allocations().list_allocations(list("node=node-b AND kind=POD")).await.unwrap().into_inner();
    assert_eq!(found.allocations.len(), 5);
    let by_address = ipam.allocations().list_allocations(list("address=172.27.0.3")).await.unwrap().into_inner();
    assert_eq!(by_address.allocations[0].handle, "web-15");
    let narrow = ListAllocationsRequest { namespace: "elsewhere".to_owned(), ..Default::default() };
    assert!(ipam.allocations().list_allocations(narrow).await.unwrap().into_inner().allocations.is_empty());
    assert_eq!(reason(ipam.allocations().list_allocations(list("colour=red")).await), Reason::FilterMalformed);
    let bad = ListAllocationsRequest { page_token: "x".to_owned(), page_size: 5000, ..Default::default() };
    assert_eq!(refused(ipam.allocations().list_allocations(bad).await).violations.len(), 2);
    ipam.stop().await;
}

#[tokio::test]
async fn a_batch_stands_item_by_item() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let specs = (0..200).map(|n| wish(&format!("p-{n}"), if n == 7 { "nowhere" } else { "node-a" }).spec.unwrap()).collect();
    let request = BatchAllocateAddressesRequest { specs, request_id: "batch-1".to_owned(), ..Default::default() };
    use batch_allocate_addresses_result::Result as Outcome;
    let given = |answer: &BatchAllocateAddressesResponse| -> BTreeSet<String> {
        let allocations = answer.results.iter().filter_map(|result| match result.result.as_ref() {
            Some(Outcome::Allocation(given)) => Some(only(given).to_owned()),
            _ => None,
        });
        allocations.collect()
    };
    let preview = BatchAllocateAddressesRequest { validate_only: true, ..request.clone() };
    let preview = ipam.allocations().batch_allocate_addresses(preview).await.unwrap().into_inner();
    assert_eq!(ipam.all(1000).await.len(), 2, "the nodes' own: nothing has changed");

    let first = ipam.allocations().batch_allocate_addresses(request.clone()).await.unwrap().into_inner();
    assert_eq!((given(&preview).len(), given(&preview)), (199, given(&first)), "what was promised is what is given");
    for (n, result) in first.results.iter().enumerate() {
        match result.result.as_ref().unwrap() {
            Outcome::Allocation(given) => assert_eq!(given.handle, format!("p-{n}")),
            Outcome::Refusal(refusal) => assert_eq!((n, refusal.reason.as_str(), refusal.code), (7, "NODE_NOT_FOUND", 5)),
        }
    }
    let again = ipam.allocations().batch_allocate_addresses(request).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert_eq!(ipam.all(1000).await.len(), 201);
    ipam.is_sound().await;
    ipam.stop().await;
}

#[tokio::test]
async fn a_node_goes_by_force_with_all_its_pods() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    for n in 0..130 {
        ipam.pod(&format!("p-{n}"), "node-a").await.unwrap();
    }
    let request = DeleteNodeRequest { name: "node-a".to_owned(), request_id: "gone".to_owned(), ..Default::default() };
    let refusal = refused(ipam.nodes().delete_node(request.clone()).await);
    assert_eq!((refusal.reason, refusal.metadata["pods"].as_str()), (Reason::NodeInUse, "130"));
    // The whole removal is shown before it is done, and the etag is good for all its steps.
    let etag = ipam.node("node-a").await.etag;
    let force = DeleteNodeRequest { force: true, request_id: "gone-2".to_owned(), etag, ..request };
    let preview = DeleteNodeRequest { validate_only: true, request_id: String::new(), ..force.clone() };
    let shown = ipam.nodes().delete_node(preview).await.unwrap().into_inner().impact;
    let count = |kind: &str| shown.iter().filter(|impact| impact.object.as_ref().is_some_and(|object| object.kind == kind)).count();
    assert_eq!(
        (count("allocation"), count("block"), count("node")),
        (131, 3, 1),
        "its pods, its own addresses, its blocks, itself"
    );
    assert_eq!(ipam.all(0).await.len(), 132, "nothing has changed");
    let stale = DeleteNodeRequest { etag: "00000000-9".to_owned(), request_id: String::new(), ..force.clone() };
    assert_eq!(reason(ipam.nodes().delete_node(stale).await), Reason::EtagMismatch);
    assert_eq!(ipam.all(0).await.len(), 132, "nothing has changed");
    let first = ipam.nodes().delete_node(force.clone()).await.unwrap().into_inner();
    assert_eq!(ipam.nodes().delete_node(force).await.unwrap().into_inner(), first);
    assert_eq!(ipam.all(0).await.len(), 1);
    let lookup = LookupAddressRequest { address: "10.0.0.10".to_owned(), at: None };
    let freed = ipam.allocations().lookup_address(lookup).await.unwrap().into_inner();
    assert_eq!(freed.standing(), AddressStanding::Free);
    ipam.is_sound().await;
    ipam.stop().await;
}

#[tokio::test]
async fn a_reservation_ends_by_itself() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let reservation = Reservation {
        name: "for-a-moment".to_owned(),
        ranges: vec!["10.0.0.25".to_owned()],
        ttl: Some(Duration { seconds: 0, nanos: 50_000_000 }),
        ..Default::default()
    };
    let request = CreateReservationRequest { reservation: Some(reservation), ..Default::default() };
    ipam.pools().create_reservation(request).await.unwrap();
    let get = || GetReservationRequest { name: "for-a-moment".to_owned() };
    until(|| async { ipam.pools().get_reservation(get()).await.is_err() }).await;
    assert_eq!(reason(ipam.pools().get_reservation(get()).await), Reason::ReservationNotFound);
    ipam.stop().await;
}

#[tokio::test]
async fn several_pools_change_in_one_transaction() {
    use pool_change::Change;
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let pool = |name: &str, range: &str| Pool {
        name: name.to_owned(),
        purpose: PoolPurpose::Pod.into(),
        ranges: vec![range.to_owned()],
        ..Default::default()
    };
    let put = |name: &str, range: &str| PoolChange { change: Some(Change::Put(pool(name, range))) };
    let rename =
        |from: &str, to: &str| PoolChange { change: Some(Change::Rename(PoolRename { from: from.to_owned(), to: to.to_owned() })) };
    let delete = |name: &str| PoolChange { change: Some(Change::Delete(name.to_owned())) };
    let request = |changes| ApplyPoolsRequest { changes, ..Default::default() };
    ipam.pools().apply_pools(request(vec![put("blue", "10.9.0.0/24")])).await.unwrap();
    let mut wish = wish("web-1", "node-a");
    wish.spec.as_mut().unwrap().pools = vec!["blue".to_owned()];
    let held = ipam.allocations().allocate_addresses(wish).await.unwrap().into_inner().allocation.unwrap();

    let changes = vec![put("blue", "10.9.0.128/25"), put("red", "10.9.0.0/25"), put("green", "10.8.0.0/24")];
    let dry = ApplyPoolsRequest { validate_only: true, ..request(changes.clone()) };
    let planned = ipam.pools().apply_pools(dry).await.unwrap().into_inner();
    assert_eq!(planned.impact.len(), 3);
    let made = ipam.pools().apply_pools(ApplyPoolsRequest { request_id: "split".to_owned(), ..request(changes.clone()) }).await;
    let made = made.unwrap().into_inner();
    assert_eq!(made.impact, planned.impact);
    let again = ipam.pools().apply_pools(ApplyPoolsRequest { request_id: "split".to_owned(), ..request(changes) }).await;
    assert_eq!(again.unwrap().into_inner(), made, "the same id, the same answer");
    let found = ipam.all(100).await.into_iter().find(|one| one.uid == held.uid).unwrap();
    assert_eq!((found.addresses[0].pool.as_str(), only(&found)), ("red", only(&held)), "it is of the new pool and stays");
    ipam.is_sound().await;

    let refusal = refused(ipam.pools().apply_pools(request(vec![delete("red"), delete("green")])).await);
    assert_eq!((refusal.reason, refusal.metadata["held"].as_str()), (Reason::PoolInUse, "1"));
    assert_eq!(reason(ipam.pools().apply_pools(request(vec![rename("pod", "racks")])).await), Reason::FieldImmutable);
    let bad = vec![put("Bad", "x"), rename("red", ""), PoolChange::default(), delete("green"), rename("blue", "green")];
    let refusal = refused(ipam.pools().apply_pools(request(bad)).await);
    let mut fields: Vec<&str> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
    fields.sort_unstable();
    let expected = ["changes[0].put.name", "changes[0].put.ranges[0]", "changes[1].rename.to", "changes[2]", "changes[4]"];
    assert_eq!(fields, expected, "every bad field is named");
    assert_eq!(reason(ipam.pools().apply_pools(request(Vec::new())).await), Reason::FieldRequired);
    ipam.stop().await;
}
