//! Changes of pools that take addresses from their holders: tried out first, and made only as they were shown.

use super::bench::*;
use polder_core::reason::Reason;
use polder_proto::ipam::v1::*;
use polder_proto::types::v1::{Impact, ImpactAction};
use prost_types::FieldMask;

/// Shrinks the pool of pods to its lower half.
fn shrink() -> UpdatePoolRequest {
    UpdatePoolRequest {
        pool: Some(Pool { name: "pod".to_owned(), ranges: vec!["172.27.0.0/17".to_owned()], ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["ranges".to_owned()] }),
        allow_eviction: true,
        ..Default::default()
    }
}

async fn high(ipam: &Replica, handle: &str, address: &str) {
    let mut request = wish(handle, "node-b");
    let spec = request.spec.as_mut().unwrap();
    spec.addresses = vec![address.to_owned()];
    ipam.allocations().allocate_addresses(request).await.unwrap();
}

fn evicted(impact: &[Impact]) -> Vec<&str> {
    impact.iter().filter(|one| one.action() == ImpactAction::Evict).map(|one| one.description.as_str()).collect()
}

#[tokio::test]
async fn a_plan_is_made_as_it_was_shown_or_not_at_all() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    high(&ipam, "web-1", "172.27.200.1").await;

    let refused = refused(ipam.pools().update_pool(UpdatePoolRequest { allow_eviction: false, ..shrink() }).await);
    assert_eq!(refused.reason, Reason::PoolInUse);
    assert_eq!(refused.obstacles[0].description, "172.27.200.1 is held by pod shop/web-1");

    let dry = UpdatePoolRequest { validate_only: true, ..shrink() };
    let plan = ipam.pools().update_pool(dry.clone()).await.unwrap().into_inner();
    assert_eq!(evicted(&plan.impact), ["pod shop/web-1 loses 172.27.200.1 and gets 172.27.0.0"]);
    let same = ipam.pools().update_pool(dry.clone()).await.unwrap().into_inner();
    assert_eq!(plan.plan_etag, same.plan_etag, "the same plan on the same state has the same name");

    high(&ipam, "web-2", "172.27.200.2").await;
    let as_shown = |plan_etag: &str| UpdatePoolRequest { plan_etag: plan_etag.to_owned(), ..shrink() };
    let before = ipam.all(0).await;
    assert_eq!(reason(ipam.pools().update_pool(as_shown(&plan.plan_etag)).await), Reason::EtagMismatch);
    assert_eq!(ipam.all(0).await, before, "nobody was moved without being shown");

    let plan = ipam.pools().update_pool(dry).await.unwrap().into_inner();
    let done = ipam.pools().update_pool(as_shown(&plan.plan_etag)).await.unwrap().into_inner();
    assert_eq!((done.impact.clone(), done.plan_etag), (plan.impact, plan.plan_etag), "what is done is what was shown");
    assert_eq!(evicted(&done.impact).len(), 2);
    let pods = ipam.all(0).await.into_iter().filter(|held| held.owner.as_ref().unwrap().namespace == "shop");
    let now: Vec<String> = pods.map(|held| only(&held).to_owned()).collect();
    assert_eq!(now, ["172.27.0.0", "172.27.0.1"]);
    ipam.is_sound().await;
    ipam.stop().await;
}

#[tokio::test]
async fn the_network_gives_nodes_others_and_locks_what_pods_hold() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let locked = |network: GetComputeNetworkResponse| -> Vec<(String, String)> {
        network.locked_fields.into_iter().map(|lock| (lock.field, lock.message)).collect()
    };
    let get = || async { ipam.network().get_compute_network(GetComputeNetworkRequest {}).await.unwrap().into_inner() };
    assert_eq!(locked(get().await), [] as [(String, String); 0]);
    ipam.pod("web-1", "node-a").await.unwrap();
    let lock = ("network.pod_subnet".to_owned(), "Locked: 1 address is held of it.".to_owned());
    assert_eq!(locked(get().await), [lock]);

    let smaller = ComputeNetwork { node_range: vec!["10.0.0.11-10.0.0.19".to_owned()], ..usual() };
    let request = ApplyComputeNetworkRequest { network: Some(smaller), ..Default::default() };
    assert_eq!(reason(ipam.network().apply_compute_network(request.clone()).await), Reason::RangeInUseShrink);
    let request = ApplyComputeNetworkRequest { allow_eviction: true, ..request };
    let dry = ApplyComputeNetworkRequest { validate_only: true, ..request.clone() };
    let plan = ipam.network().apply_compute_network(dry).await.unwrap().into_inner();
    assert!(plan.acceptable && plan.findings.iter().any(|found| found.reason == "RANGE_IN_USE_SHRINK"), "{plan:?}");
    let request = ApplyComputeNetworkRequest { plan_etag: plan.plan_etag, ..request };
    let done = ipam.network().apply_compute_network(request).await.unwrap().into_inner();
    assert_eq!(evicted(&done.impact), ["node node-a loses 10.0.0.10 and gets 10.0.0.12"]);
    assert_eq!(ipam.node("node-a").await.addresses, ["10.0.0.12"]);

    let moved = ComputeNetwork { pod_subnet: vec!["172.26.0.0/16".to_owned()], ..usual() };
    let request = ApplyComputeNetworkRequest { network: Some(moved), allow_eviction: true, ..Default::default() };
    assert_eq!(reason(ipam.network().apply_compute_network(request).await), Reason::FieldLocked, "not even with eviction");
    ipam.is_sound().await;
    ipam.stop().await;
}
