//! Bad input and impossible wishes: the right code and reason, every bad field named, and nothing changes.

use super::bench::*;
use polder_core::reason::Reason;
use polder_proto::ipam::v1::*;
use tonic::Code;

fn pool(name: &str, ranges: &[&str]) -> CreatePoolRequest {
    let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
    let pool = Pool { name: name.to_owned(), ranges, purpose: PoolPurpose::ExternalService.into(), ..Default::default() };
    CreatePoolRequest { pool: Some(pool), ..Default::default() }
}

#[tokio::test]
async fn bad_pools_are_refused_with_their_reasons() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let cases = [
        (pool("x", &["10.0.0.20-10.0.0.10"]), Code::InvalidArgument, Reason::RangeReversed),
        (pool("x", &["10.0.0.300"]), Code::InvalidArgument, Reason::RangeMalformed),
        (pool("x", &["garbage"]), Code::InvalidArgument, Reason::RangeMalformed),
        (pool("x", &["10.0.0.1-fd00::1"]), Code::InvalidArgument, Reason::FamilyMismatch),
        (pool("x", &[]), Code::InvalidArgument, Reason::FieldRequired),
        (pool("", &["10.9.0.0/24"]), Code::InvalidArgument, Reason::FieldRequired),
        (pool("Nope", &["10.9.0.0/24"]), Code::InvalidArgument, Reason::NameMalformed),
        (pool("x", &["10.9.0.0/24", "10.9.0.128/25"]), Code::InvalidArgument, Reason::DuplicateValue),
        (pool("x", &["10.0.0.29-10.0.0.40"]), Code::FailedPrecondition, Reason::PoolOverlap),
        (pool("x", &["172.27.3.0/24"]), Code::FailedPrecondition, Reason::PoolOverlap),
        (pool("external", &["10.9.0.0/24"]), Code::AlreadyExists, Reason::AlreadyExists),
    ];
    for (request, code, wanted) in cases {
        let status = ipam.pools().create_pool(request.clone()).await.unwrap_err();
        assert_eq!((status.code(), reason::<()>(Err(status))), (code, wanted), "{request:?}");
    }
    let pools = ipam.pools().list_pools(ListPoolsRequest::default()).await.unwrap().into_inner().pools;
    assert_eq!(pools.len(), 4, "nothing changed");
    let delete = DeletePoolRequest { name: "node".to_owned(), ..Default::default() };
    let refusal = refused(ipam.pools().delete_pool(delete).await);
    assert_eq!((refusal.reason, refusal.obstacles.len()), (Reason::PoolInUse, 2));
    ipam.stop().await;
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    let owner = Owner { namespace: "No".to_owned(), name: String::new(), node: "-".to_owned(), ..Default::default() };
    let spec = AllocationSpec {
        handle: "polder.dev/node/a".to_owned(),
        owner: Some(owner),
        labels: [("-".to_owned(), String::new())].into(),
        addresses: vec!["10.0.0.1".to_owned(), "nowhere".to_owned(), "10.0.0.1".to_owned()],
        reservation: "kept".to_owned(),
        count: 65,
        ports: [("http".to_owned(), 0)].into(),
        ..Default::default()
    };
    let request = AllocateAddressesRequest { spec: Some(spec), request_id: "ä".to_owned(), ..Default::default() };
    let refusal = refused(ipam.allocations().allocate_addresses(request).await);
    let fields: Vec<&str> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.handle",
            "spec.owner.namespace",
            "spec.owner.name",
            "spec.owner.node",
            "spec.labels",
            "spec.addresses[1]",
            "spec.addresses[2]",
            "spec.count",
            "spec.reservation",
            "spec.ports[http]",
            "request_id",
        ]
    );
    ipam.stop().await;
}

#[tokio::test]
async fn a_name_of_ten_megabytes_is_refused() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    let status = ipam.pools().create_pool(pool(&"n".repeat(10 << 20), &["10.9.0.0/24"])).await.unwrap_err();
    assert!(matches!(status.code(), Code::InvalidArgument | Code::ResourceExhausted), "{status:?}");
    assert!(status.message().len() < 1000);
    let shorter = ipam.pools().create_pool(pool(&"n".repeat(3 << 20), &["10.9.0.0/24"])).await;
    assert_eq!(reason(shorter), Reason::NameMalformed);
    ipam.stop().await;
}

#[tokio::test]
async fn an_exhausted_pool_says_so_with_numbers_and_explain_agrees() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let mut tiny = pool("tiny", &["10.9.0.0/31"]);
    tiny.pool.as_mut().unwrap().purpose = PoolPurpose::Pod.into();
    tiny.pool.as_mut().unwrap().explicit_only = true;
    ipam.pools().create_pool(tiny).await.unwrap();
    let from_tiny = |handle: &str| {
        let mut request = wish(handle, "node-a");
        request.spec.as_mut().unwrap().pools = vec!["tiny".to_owned()];
        request
    };
    for handle in ["p0", "p1"] {
        ipam.allocations().allocate_addresses(from_tiny(handle)).await.unwrap();
    }
    let status = ipam.allocations().allocate_addresses(from_tiny("p2")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let refusal = refused::<()>(Err(status));
    assert_eq!(refusal.reason, Reason::PoolExhausted);
    let explain = ExplainAllocationRequest { spec: from_tiny("p2").spec };
    let explained = ipam.allocations().explain_allocation(explain).await.unwrap().into_inner();
    assert_eq!(explained.refusal.unwrap().message, refusal.message);
    assert_eq!(explained.pools.len(), 1);
    assert!(explained.pools[0].message.contains("2 of 2 addresses are held"), "{:?}", explained.pools);

    let explain = ExplainAllocationRequest { spec: wish("p2", "node-a").spec };
    let explained = ipam.allocations().explain_allocation(explain).await.unwrap().into_inner();
    let given = ipam.pod("p2", "node-a").await.unwrap();
    assert_eq!(explained.allocation.unwrap().addresses, given.addresses);
    ipam.stop().await;
}

#[tokio::test]
async fn a_repair_takes_only_what_can_be_repaired_and_no_network_is_not_found() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    let doubtful = CheckConsistencyRequest { repair: true, reasons: vec!["ADDRESS_IN_USE".to_owned()], ..Default::default() };
    let refusal = refused(ipam.allocations().check_consistency(doubtful).await);
    assert_eq!((refusal.reason, refusal.violations[0].field.as_str()), (Reason::InvalidArgument, "reasons[0]"));
    let network = ipam.network().get_compute_network(GetComputeNetworkRequest {}).await;
    assert_eq!(reason(network), Reason::NetworkNotFound);
    ipam.stop().await;
}
