//! Whose an address is, and was.

use std::time::{Duration, SystemTime};

use super::bench::*;
use polder_core::reason::Reason;
use polder_ipam::IpamConfig;
use polder_proto::ipam::v1::*;
use polder_runtime::clock;
use polder_runtime::config::Period;
use polder_store::journal::JournalRecord;
use polder_store::{Commit, Outcome, Store, Write};
use prost::Message as _;

/// A time that what came before has reached, and what comes after is beyond.
#[expect(clippy::disallowed_methods, reason = "the clock of tests")]
async fn between() -> Option<prost_types::Timestamp> {
    let now = SystemTime::now();
    // The journal counts microseconds.
    until(|| async { SystemTime::now() > now + Duration::from_micros(1) }).await;
    Some(now.into())
}

async fn lookup(ipam: &Replica, address: &str, at: Option<prost_types::Timestamp>) -> LookupAddressResponse {
    let request = LookupAddressRequest { address: address.to_owned(), at };
    ipam.allocations().lookup_address(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn there_is_always_an_answer_now_and_for_any_time_in_the_journal() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    let beginning = between().await;
    ipam.usual().await;
    let before = between().await;
    let first = ipam.pod("web-1", "node-a").await.unwrap();
    let address = only(&first).to_owned();
    let during = between().await;
    ipam.release("web-1").await;
    let resting = between().await;
    let mut again = wish("web-2", "node-b");
    again.spec.as_mut().unwrap().addresses = vec![address.clone()];
    ipam.allocations().allocate_addresses(again).await.unwrap();

    let now = lookup(&ipam, &address, None).await;
    assert_eq!(
        (now.standing(), now.message.as_str()),
        (AddressStanding::Allocated, "172.27.0.0 of pool pod is held by pod shop/web-2.")
    );
    assert_eq!((now.block.as_str(), now.block_node.as_str()), ("172.27.0.0/26", "node-a"));
    for (address, standing) in [
        ("192.0.2.1", AddressStanding::Outside),
        ("172.27.9.9", AddressStanding::Free),
        ("172.28.0.10", AddressStanding::Reserved),
        ("10.0.0.10", AddressStanding::Allocated),
    ] {
        assert_eq!(lookup(&ipam, address, None).await.standing(), standing, "{address}");
    }
    assert_eq!(lookup(&ipam, &address, before).await.standing(), AddressStanding::Free);
    let then = lookup(&ipam, &address, during).await;
    assert_eq!((then.standing(), then.allocation.unwrap().handle.as_str()), (AddressStanding::Allocated, "web-1"));
    assert_eq!(lookup(&ipam, &address, resting).await.standing(), AddressStanding::Cooling, "as it was said then");
    // What came later under another name does not hide what was then.
    let reservation = Reservation { name: "later".to_owned(), ranges: vec!["172.27.0.0/28".to_owned()], ..Default::default() };
    let request = CreateReservationRequest { reservation: Some(reservation), ..Default::default() };
    ipam.pools().create_reservation(request).await.unwrap();
    let held = lookup(&ipam, &address, during).await;
    assert_eq!((held.standing(), held.reservation.as_str()), (AddressStanding::Allocated, ""), "{held:?}");
    assert_eq!(lookup(&ipam, "172.27.0.5", None).await.standing(), AddressStanding::Reserved);
    assert_eq!(lookup(&ipam, "172.27.0.5", resting).await.standing(), AddressStanding::Free);
    // Nor does a pool that is no more, or was not yet.
    let pool = |name: &str, range: &str| Pool {
        name: name.to_owned(),
        purpose: PoolPurpose::Pod.into(),
        ranges: vec![range.to_owned()],
        ..Default::default()
    };
    let create = CreatePoolRequest { pool: Some(pool("late", "192.0.2.0/24")), ..Default::default() };
    ipam.pools().create_pool(create).await.unwrap();
    let there = between().await;
    assert_eq!(lookup(&ipam, "192.0.2.1", resting).await.standing(), AddressStanding::Outside);
    let delete = DeletePoolRequest { name: "late".to_owned(), ..Default::default() };
    ipam.pools().delete_pool(delete).await.unwrap();
    assert_eq!(lookup(&ipam, "192.0.2.1", there).await.pool, "late");
    assert_eq!(lookup(&ipam, "192.0.2.1", None).await.standing(), AddressStanding::Outside);

    let too_early = LookupAddressRequest { address, at: beginning };
    assert_eq!(reason(ipam.allocations().lookup_address(too_early).await), Reason::ResumeTokenCompacted);
    ipam.stop().await;
}

#[tokio::test]
async fn the_history_of_an_address_is_complete_and_paged() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    for n in 0..4 {
        let mut request = wish(&format!("web-{n}"), "node-a");
        request.spec.as_mut().unwrap().addresses = vec!["172.27.0.7".to_owned()];
        ipam.allocations().allocate_addresses(request).await.unwrap();
        ipam.release(&format!("web-{n}")).await;
    }
    let (mut events, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            ListAddressHistoryRequest { address: "172.27.0.7".to_owned(), page_size: 3, page_token, ..Default::default() };
        let page = ipam.allocations().list_address_history(request).await.unwrap().into_inner();
        events.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let told: Vec<&str> = events.iter().map(|event| event.description.as_str()).collect();
    let wanted: Vec<String> =
        (0..4).rev().flat_map(|n| [format!("pod shop/web-{n} lost it"), format!("pod shop/web-{n} got it")]).collect();
    assert_eq!(told, wanted);
    assert!(events.iter().all(|event| event.actor == "anonymous"));
    let kept = ListAddressHistoryRequest { address: "172.28.0.10".to_owned(), ..Default::default() };
    let kept = ipam.allocations().list_address_history(kept).await.unwrap().into_inner();
    assert_eq!(kept.events[0].description, "reservation cluster-dns got it");
    ipam.stop().await;
}

#[tokio::test]
async fn how_fast_a_pool_fills_is_read_out_of_the_journals() {
    let (_folder, store) = store();
    let config = IpamConfig { forecast_every: Period(Duration::from_millis(20)), ..IpamConfig::default() };
    let ipam = Replica::with(&store, config).await;
    ipam.usual().await;
    for n in 0..5 {
        ipam.pod(&format!("web-{n}"), "node-a").await.unwrap();
    }
    ipam.release("web-0").await;
    let usage = || async {
        let request = GetPoolUsageRequest { name: "pod".to_owned(), limit: 0 };
        ipam.pools().get_pool_usage(request).await.unwrap().into_inner().usage.unwrap()
    };
    until(|| async { usage().await.forecast.is_some_and(|forecast| forecast.net_growth == 4) }).await;
    let pools = ipam.pools().list_pools(ListPoolsRequest::default()).await.unwrap().into_inner().pools;
    let pod = pools.into_iter().find(|pool| pool.name == "pod").unwrap();
    let forecast = pod.usage.unwrap().forecast.unwrap();
    assert_eq!(forecast.since, pod.create_time, "it is younger than a week");
    assert!(forecast.time_to_full.is_none(), "and younger than an hour: nothing follows yet");
    ipam.stop().await;
}

/// Far more records than one answer reads, each of a change that concerns no address, in the time since the call began.
async fn crowd(store: &Store) {
    const RECORDS: u64 = 6000;
    const APART: u64 = 10;
    let begin = clock::now().0;
    until(|| async { clock::now().0 > begin + (RECORDS + 1) * APART }).await;
    let record = |n: u64| {
        let at_micros = begin + n * APART;
        let batch = format!("{at_micros:016x}-00000000-{n:08x}");
        let record = JournalRecord { version: 1, at_micros, batch: batch.clone(), ..JournalRecord::default() };
        Write::Put { key: format!("/polder/ipam/journal/{batch}").into(), value: record.encode_to_vec().into(), lease: None }
    };
    for first in (0..RECORDS).step_by(100) {
        let commit = Commit { guards: Vec::new(), writes: (first..first + 100).map(record).collect() };
        assert!(matches!(store.commit(commit).await.unwrap(), Outcome::Committed { .. }));
    }
}

#[tokio::test]
async fn a_busy_journal_hides_nothing() {
    let (_folder, store) = store();
    let ipam = Replica::on(&store).await;
    ipam.usual().await;
    let held = ipam.pod("first", "node-a").await.unwrap();
    let address = only(&held).to_owned();
    let then = between().await;
    crowd(&store).await;
    ipam.release("first").await;

    let (mut events, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAddressHistoryRequest { address: address.clone(), page_token, ..Default::default() };
        let page = ipam.allocations().list_address_history(request).await.unwrap().into_inner();
        events.extend(page.events.into_iter().map(|event| event.description));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(events, ["pod shop/first lost it", "pod shop/first got it"]);
    let found = lookup(&ipam, &address, then).await;
    assert_eq!((found.standing(), found.allocation.unwrap().handle), (AddressStanding::Allocated, "first".to_owned()));
    ipam.stop().await;
}
