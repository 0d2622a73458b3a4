//! What is shown is read back as the same; what is bad is named, every bit of it.

use std::time::Duration;

use polder_core::ipam::pool::Draft;
use polder_core::ipam::{AnyOf, Order, PoolSelectors, PoolState, Purpose};
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;

use super::{allocation, network, pool, show_count, types};
use crate::ipam::v1 as pb;

const META: Meta = Meta {
    uid: polder_core::id::Uid(7),
    version: 2,
    created: Timestamp(1_700_000_000_000_000),
    updated: Timestamp(1_700_000_000_500_000),
};

fn fields(refusal: &Refusal) -> Vec<(&str, Reason)> {
    refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect()
}

fn draft() -> Draft {
    let any_of = |text: &str| AnyOf(vec![text.parse().unwrap()]);
    let mut draft =
        Draft::new("blue".parse().unwrap(), Purpose::Pod, ["10.1.0.0/24".parse().unwrap(), "fd00::5-fd00::9".parse().unwrap()]);
    draft.state = PoolState::Draining;
    draft.priority = 3;
    draft.selectors = PoolSelectors {
        nodes: any_of("rack in (1,2)"),
        namespaces: vec!["shop".parse().unwrap()],
        namespace_labels: any_of("team=blue"),
        objects: any_of("!batch"),
    };
    (draft.explicit_only, draft.avoid_first_last, draft.avoid_buggy_ips) = (true, true, true);
    (draft.block_len_v4, draft.block_len_v6, draft.max_blocks_per_node) = (Some(28), Some(120), Some(9));
    (draft.strict_affinity, draft.share_across_namespaces) = (true, true);
    (draft.order, draft.cooldown) = (Some(Order::Lowest), Some(Duration::from_millis(1500)));
    draft.labels = Labels::new([("app".to_owned(), "WS".to_owned())]).unwrap();
    draft.description = "ä".to_owned();
    draft
}

#[test]
fn a_pool_is_read_back_as_it_was_shown() {
    let stored = draft().pool(Purpose::Pod, META);
    let shown = pool::show(&stored);
    assert_eq!((shown.etag.as_str(), shown.create_time.unwrap().seconds), (META.etag().as_str(), 1_700_000_000));
    let read = pool::create(&pb::CreatePoolRequest { pool: Some(shown), ..Default::default() }).unwrap();
    assert_eq!(read.wish.pool(Purpose::Pod, META), stored);
}

#[test]
fn every_bad_field_of_a_pool_is_named() {
    let bad = pb::Pool {
        name: "Blue".to_owned(),
        purpose: 77,
        ranges: vec!["10.0.0.1".to_owned(), "10.0.0.9-10.0.0.1".to_owned()],
        namespaces: vec!["-".to_owned()],
        node_selectors: vec![types::LabelSelector { expression: "a in b".to_owned(), ..Default::default() }],
        block_prefix_length_v4: 300,
        cooldown: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        description: "x".repeat(2000),
        ..Default::default()
    };
    let request = pb::CreatePoolRequest { pool: Some(bad), request_id: "a b".to_owned(), ..Default::default() };
    assert_eq!(
        fields(&pool::create(&request).unwrap_err()),
        [
            ("pool.purpose", Reason::InvalidArgument),
            ("pool.ranges[1]", Reason::RangeReversed),
            ("pool.node_selectors[0].expression", Reason::LabelMalformed),
            ("pool.namespaces[0]", Reason::NameMalformed),
            ("pool.block_prefix_length_v4", Reason::CountOutOfBounds),
            ("pool.cooldown", Reason::CountOutOfBounds),
            ("pool.description", Reason::FieldTooLong),
            ("pool.name", Reason::NameMalformed),
            ("request_id", Reason::RequestIdMalformed),
        ]
    );
}

#[test]
fn lists_have_bounds() {
    let many = pb::Pool { name: "x".to_owned(), purpose: 2, ranges: vec!["10.0.0.1".to_owned(); 300], ..Default::default() };
    let refusal = pool::create(&pb::CreatePoolRequest { pool: Some(many), ..Default::default() }).unwrap_err();
    assert_eq!(fields(&refusal), [("pool.ranges", Reason::CountOutOfBounds)]);
    let claims = vec![pb::AddressClaim::default(); 1001];
    let refusal = allocation::release(&pb::ReleaseAddressesRequest { addresses: claims, ..Default::default() }).unwrap_err();
    assert_eq!(fields(&refusal), [("addresses", Reason::CountOutOfBounds)]);
}

#[test]
fn a_release_names_exactly_one_thing() {
    let nothing = pb::ReleaseAddressesRequest::default();
    assert_eq!(allocation::release(&nothing).unwrap_err().reason, Reason::FieldRequired);
    let both = pb::ReleaseAddressesRequest { handle: "h".to_owned(), uid: "0".repeat(32), ..nothing };
    assert_eq!(allocation::release(&both).unwrap_err().reason, Reason::ConflictingFields);
    let claim = pb::AddressClaim { address: "10.0.0.1".to_owned(), uid: String::new() };
    let without_uid = pb::ReleaseAddressesRequest { addresses: vec![claim], ..Default::default() };
    assert_eq!(fields(&allocation::release(&without_uid).unwrap_err()), [("addresses[0].uid", Reason::FieldRequired)]);
}

#[test]
fn a_network_takes_host_bits_and_notes_them_and_one_subnet_a_family() {
    let network = pb::ComputeNetwork {
        node_range: vec!["10.0.0.10-10.0.0.12".to_owned()],
        pod_subnet: vec!["10.96.0.1/16".to_owned(), "10.97.0.0/16".to_owned()],
        service_subnet: vec!["10.98.0.0/16".to_owned(), "fd00::/112".to_owned()],
        ..Default::default()
    };
    let request = pb::ApplyComputeNetworkRequest { network: Some(network.clone()), ..Default::default() };
    assert_eq!(fields(&network::apply(&request).unwrap_err()), [("network.pod_subnet[1]", Reason::DuplicateValue)]);
    let one = pb::ComputeNetwork { pod_subnet: vec!["10.96.0.1/16".to_owned()], ..network };
    let read = network::apply(&pb::ApplyComputeNetworkRequest { network: Some(one), ..Default::default() }).unwrap().wish;
    assert_eq!(read.pod_subnets, ["10.96.0.0/16".parse().unwrap()]);
    assert_eq!(read.normalised[0].0, "network.pod_subnet[0]");
    assert_eq!(read.service_subnets.len(), 2);
}

#[test]
fn counts_saturate() {
    assert_eq!(show_count(7), Some(types::AddressCount { value: 7, saturated: false }));
    assert_eq!(show_count(1 << 64), Some(types::AddressCount { value: u64::MAX, saturated: true }));
}

#[test]
fn items_of_a_batch_have_ids_of_their_own_within_the_bound() {
    let spec = |handle: &str| pb::AllocationSpec { handle: handle.to_owned(), ..Default::default() };
    let request = |id: &str| pb::BatchAllocateAddressesRequest {
        specs: vec![spec("a"), spec("b")],
        request_id: id.to_owned(),
        ..Default::default()
    };
    let items = allocation::batch(&request(&"i".repeat(128))).unwrap();
    assert!(items[0].request_id != items[1].request_id && items.iter().all(|item| item.request_id.len() <= 128));
    let twice = pb::BatchAllocateAddressesRequest { specs: vec![spec("a"), spec("a")], ..Default::default() };
    assert_eq!(allocation::batch(&twice).unwrap_err().reason, Reason::DuplicateValue);
    assert_eq!(allocation::batch(&pb::BatchAllocateAddressesRequest::default()).unwrap_err().reason, Reason::FieldRequired);
}
